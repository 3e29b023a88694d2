"""The terms of the field and the entries of the store: pure data, and how it is encoded and decoded."""
