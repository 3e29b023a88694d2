"""The backend on a host reached by SSH."""
