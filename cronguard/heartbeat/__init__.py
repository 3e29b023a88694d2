"""Which nodes are up: what each node sees of itself and of the others."""
