"""This machine: clocks, processes, files, logs, and the errors that a person reads."""
