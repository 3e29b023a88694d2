"""The right to run: claim, renew, settle, take over."""
