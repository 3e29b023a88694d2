"""What matters on a node, looked at one thing after the other; each file has one group of checks."""
