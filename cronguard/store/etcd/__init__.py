"""The backend on etcd."""
