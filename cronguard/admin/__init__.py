"""What an administrator does to the cluster."""
