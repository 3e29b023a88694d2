"""Read, change and write back real crontabs, and keep every byte that need not change."""
