"""What an administrator can do to the cluster: pause, resume, unlock and forget."""
