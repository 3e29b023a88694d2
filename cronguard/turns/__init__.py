"""Strategies: whose turn it is. One file each, pure functions; the lease alone decides who runs."""
