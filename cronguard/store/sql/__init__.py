"""The backend on PostgreSQL."""
