"""Whose turn it is, according to the store."""
