"""This machine: clocks, processes, files, logs, and errors as people read them."""
