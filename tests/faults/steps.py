"""The steps of a lease: each prepares what it needs, and returns the action during which a call goes wrong."""

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
    """Return whether the step creates, moves or removes anything: an existing lock file stays where it is."""
    return scheme == "dir" or step == "claim"
