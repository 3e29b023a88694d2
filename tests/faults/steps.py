"""The steps of a lease: each prepares what it needs, and returns what is then done while a call goes wrong."""

from contender import FIRST


def claim(node):
    return node("web1", FIRST, wait=0.0).acquire


def renewal(node):
    held = node("web1", FIRST)
    held.acquire()
    return held.renew


def settling(node):
    held = node("web1", FIRST)
    held.acquire()
    return lambda: held.settle("done", 0, 0.0)


def takeover(node):
    node("web0", FIRST).acquire()
    return node("web1", FIRST).acquire


STEPS = {"claim": claim, "renewal": renewal, "settling": settling, "takeover": takeover}


def changes_names(scheme, step):
    """Return whether the step makes, moves or removes anything: a lock file that is there stays where it is."""
    return scheme == "dir" or step == "claim"
