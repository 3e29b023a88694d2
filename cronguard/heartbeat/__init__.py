"""Who is up: what each node sees of itself and of the others."""
