"""The strategies, which decide whose turn it is: one file each, pure functions. Only the lease decides who runs."""
