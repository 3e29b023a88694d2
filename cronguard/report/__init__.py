"""Reports for people and monitoring systems."""
