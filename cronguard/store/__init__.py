"""The store that the nodes share: the backend contract, and a package for each family of backends."""
