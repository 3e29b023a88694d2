"""Each scheduled run happens once in the cluster, on a node that is alive."""

__version__ = "0.1.0"
