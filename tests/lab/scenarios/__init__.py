"""The scenarios. Each is a function that takes a freshly booted cluster and asserts what must hold."""

from scenarios import guarded, lock_hosts, machines, turns, waiters

MODULES = (machines, guarded, lock_hosts, turns, waiters)

SCENARIOS = {
    name.replace("_", "-"): scenario
    for module in MODULES
    for name, scenario in vars(module).items()
    if getattr(scenario, "__module__", None) == module.__name__ and not name.startswith("_")
}
