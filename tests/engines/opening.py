"""Open a backend by its URL and options, as in a configuration."""

from cronguard.store.contract import Terms, open_backend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

KEY = "lease/billing/invoices"


def opened(url, tmp_path, timeout=10.0, **options):
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return open_backend(
        f"{url.rstrip('?')}?{query}", Clock(), StateDir(f"{tmp_path}/state", "web1"), Terms(timeout)
    )
