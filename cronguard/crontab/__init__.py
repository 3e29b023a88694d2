"""Crontabs as people have them: read, changed and put back, with every byte kept that has no reason to change."""
