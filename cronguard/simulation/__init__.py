"""A cluster on virtual time: what a strategy would do when something fails."""
