"""Make faults happen."""

from cronguard.admin import drain
from cronguard.model.pause import Pause

_KEPT_FILES = 0.7  # how often a node's files survive its crash
_FASTEST_BOOT, _SLOWEST_BOOT = 2.0, 60.0  # a container, or a server
_FARTHEST_STORE = 200.0  # seconds: with a larger offset, nodes would rightly refuse to run at all


def happen(world, fault):
    """Make a planned fault happen."""
    run = world.some_run()
    if fault.kind == "step":
        _step(world, fault.length)
    elif fault.kind == "crash-others":
        for node in world.nodes:
            if not (run and run.node is node):
                _befall_node(world, node, "crash", world.random.uniform(2, 20))
    elif run and fault.node is None:
        strike(world, run, fault.kind, fault.length)
    else:
        _befall_node(world, world.nodes[(fault.node or 0) % len(world.nodes)], fault.kind, fault.length)


def strike_at(world, run, point):
    """Perhaps cause a fault at a critical point of a run."""
    strikes, random = world.schedule.strikes, world.random
    if point in strikes.points and random.random() < strikes.chance and not world.is_quiet:
        kind = random.choice(strikes.kinds)
        run.note(f"at the point '{point}':")
        strike(world, run, kind, random.uniform(1, 80 if kind == "cut" else 100))


def strike(world, run, kind, length):
    """Cause a fault in a run or its node."""
    if kind in ("crash", "cut", "stop-node"):
        _befall_node(world, run.node, kind, length)
        return
    run.trouble(f"{kind} {length:.1f}")
    action, _, whom = kind.partition("-")
    processes = {"guard": run.guard, "keeper": run.guard.keeper}
    for name, owner in processes.items():
        if owner and whom in (name, "both"):
            _stop(world, owner.process, length) if action == "stop" else owner.process.end()


def _befall_node(world, node, kind, length):
    world.note(node.name, f"{kind} {length:.1f}")
    for run in world.runs:
        if run.node is node and not run.is_over:
            run.trouble(kind)
    if kind == "crash":
        _crash(world, node, length)
    elif kind == "die":
        node.crash(keeps_files=False)
    elif kind == "boot":
        _boot(world, node)
    elif kind == "pause":
        world.paused.add(node.name)
        planned = Pause(node.wall(), node.wall() + length, "", "admin")
        drain.pause(world.store.side, node.name, planned, (node.name,))
    elif kind == "stop-node":
        node.stop(length)
    elif kind == "cut":
        node.cut(length)


def _crash(world, node, length):
    if node.is_up:
        node.crash(keeps_files=world.random.random() < _KEPT_FILES)
        back = world.timeline.now + max(_FASTEST_BOOT, min(length, _SLOWEST_BOOT))
        world.timeline.at(back, _boot, world, node)


def _boot(world, node):
    node.start(world.random.choice((5.0, world.random.random() * 500.0)))
    world.note(node.name, f"has booted as {node.boot_id}")


def _stop(world, process, length):
    if process.is_alive:
        process.stop()
        world.timeline.at(world.timeline.now + length, lambda: process.is_alive and process.go_on())


def _step(world, length):
    clock = world.store.clock
    by = world.random.choice((-length, length))
    clock.offset = max(-_FARTHEST_STORE, min(_FARTHEST_STORE, clock.offset + by))
    world.steps.append((world.timeline.now, clock.offset))
    world.note("store", f"its clock is {clock.offset:+.1f} s off now")
