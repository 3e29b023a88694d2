"""`python -m tests.simulation FROM TO`: simulate the seeds FROM to TO on all cores, and add them to docs/proof.md.

With a single seed, simulate it and print its history.
"""

import argparse
import os
import sys
import time
from multiprocessing import Pool

from . import tally
from .invariants import history, violations
from .schedule import draw
from .world import World

_CHUNK = 50
_WIDTH = 40


def main():
    """Simulate; exit with status 1 if an invariant was broken."""
    options = _parse(sys.argv[1:])
    if options.last is None:
        sys.exit(_show(options.first))
    if not options.dry_run:
        _check(options)
    total, broken = _simulate(options.first, options.last)
    for seed, found in sorted(broken):
        print(f"seed {seed}: {found}")
    if not options.dry_run:
        tally.add(options.first, options.last, total)
    sys.exit(1 if broken else 0)


def _check(options):
    """Refuse seeds that could not be added to the table, before hours are spent on them."""
    try:
        tally.check(options.first, options.last)
    except ValueError as error:
        sys.exit(f"simulation: {error}")


def _parse(words):
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("first", type=int, metavar="FROM")
    parser.add_argument("last", type=int, metavar="TO", nargs="?")
    parser.add_argument("--dry-run", action="store_true", help="do not change docs/proof.md")
    options = parser.parse_args(words)
    if options.last is not None and options.last < options.first:
        parser.error(f"{options.last} comes before {options.first}")
    return options


def _show(seed):
    world = World(draw(seed))
    try:
        found = violations(world.run())
    finally:
        print(history(world))
    print("\n".join(f"{name}: {what}" for name, what in found) or "no invariant is broken")
    return 1 if found else 0


def _simulate(first, last):
    total, broken, began = tally.Tally(), [], time.monotonic()
    starts = range(first, last + 1, _CHUNK)
    with Pool(os.cpu_count()) as pool:
        for part, found in pool.imap_unordered(
            _chunk, [(start, min(start + _CHUNK - 1, last)) for start in starts]
        ):
            total = total.plus(part)
            broken += found
            _progress(total.schedules, last + 1 - first, len(broken), began)
    print()
    return total, broken


def _chunk(bounds):
    first, last = bounds
    total, broken = tally.Tally(), []
    for seed in range(first, last + 1):
        world = World(draw(seed))
        found = _found(world)
        total = total.plus(tally.of(world, found))
        broken += [(seed, f"{name}: {what}") for name, what in found]
    return total, broken


def _found(world):
    """Return the violations. An unexpected exception counts as one, so that the other seeds are not lost."""
    try:
        return violations(world.run())
    except Exception as error:  # noqa: BLE001 - running this seed alone shows it in full
        return [("crash", repr(error))]


def _progress(done, of, broken, began):
    bar = "#" * (_WIDTH * done // of)
    rate = done / (time.monotonic() - began)
    left = (of - done) / rate
    print(
        f"\r[{bar:<{_WIDTH}}] {done} of {of}, {rate:.0f}/s, {left:.0f} s left, {broken} broken ",
        end="",
        flush=True,
    )


if __name__ == "__main__":
    main()
