"""Where nodes meet: the contract of a backend, and a room for each family of backends."""
