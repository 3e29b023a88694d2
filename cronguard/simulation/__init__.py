"""A simulated cluster on virtual time, which shows what a strategy does when something fails."""
