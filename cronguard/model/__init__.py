"""The words of the field and the entries of the store: pure data, and how they are read and written."""
