"""One step of a lease on a mount whose n-th call goes wrong, and how the nodes cope with it.

The step is done in a separate process. The other nodes use their own mount, on which nothing goes wrong. They work
while the call hangs, as other machines would. Time passes only when a process waits.
"""

import os
from collections import Counter
from functools import partial
from itertools import count
from typing import NamedTuple

from child import Child, wait_for
from contender import FIRST, PATIENCE, RUN_FOR, SECOND, START, THIRD, Rules, SharedClock, contend
from passthrough import LATE, PassThrough
from steps import STEPS
from storage_faults import Fault
from troubles import TROUBLES

from cronguard.lease.claim import Skip
from cronguard.lease.grant import Grant
from cronguard.system.errors import CronguardError

_NUMBERS = count()
# The kernel does not wait for the answer to a release, and reports its errors to nobody.
_CALLS = tuple(call for call in PassThrough.CALLS if call != "release")


class ViolationError(AssertionError):
    """A violation of what must always hold."""


class Site(NamedTuple):
    """Two mounts of one folder: calls go wrong on the first."""

    faulty: object
    sound: object


class Case(NamedTuple):
    """One call of one step, and what goes wrong with it."""

    scheme: str
    step: str
    trouble: str
    call: str
    index: int

    def __str__(self):
        return "-".join(map(str, self)).replace(" ", "-").replace(",", "")


def cases(site, scheme, step, trouble, rules=Rules()):  # noqa: B008
    """Return a case for each call that the step makes when nothing goes wrong."""
    name = Case(scheme, step, trouble, "none", 0)
    Attempt(site, name, rules).first("*", "note").end()
    made = Counter(call for call in site.faulty.faults.hits() if call in _CALLS)
    if TROUBLES[trouble].is_late:
        made = {call: count for call, count in made.items() if call in LATE}
    return [Case(scheme, step, trouble, call, index) for call in made for index in range(made[call])]


def try_case(site, case, rules=Rules()):  # noqa: B008
    """Return the step's outcome; raises ViolationError for two holders, a lost tick or an unreadable record."""
    attempt = Attempt(site, case, rules)
    try:
        return attempt.go()
    except (ViolationError, CronguardError) as error:
        raise ViolationError(f"{case}: {error}; {attempt.story}") from error


class Attempt:
    """The events in one case, and the nodes that they affect."""

    def __init__(self, site, case, rules):
        self.story = []
        self._site = site
        self._case = case
        self._rules = rules
        self._clock = SharedClock()
        self._held = []
        self._folder = f"{case}-{next(_NUMBERS)}"
        os.mkdir(f"{os.path.dirname(site.faulty.path)}/disk/{self._folder}")

    def go(self):
        doing, number, runs, calls = TROUBLES[self._case.trouble]
        faults = self._site.faulty.faults
        first = self.first(self._case.call, doing, errno=number, times=1, skip=self._case.index, calls=calls)
        hangs = doing.startswith("hang") and first.wait_for(faults.has_hung)
        report = None if hangs else first.end()
        others = self._others()
        if runs and (hangs or doing == "late"):
            others = self._go_on_meanwhile(others, runs)
        faults.clear()
        if hangs:
            report = first.end()
        if doing == "late":
            wait_for(faults.has_landed)
        self.story.append(report)
        if len(faults.hits()) <= self._case.index:
            raise ViolationError("the call was not made")
        self._check(report, hangs=hangs)
        for _ in others:
            pass
        self._check_holders(report)
        self._run_next(self._site.faulty, "web1", THIRD)
        return report["kind"] if report else "killed"

    def first(self, call, doing, **how):
        """Start the step in a separate process."""
        site, step, faults = self._site, STEPS[self._case.step], self._site.faulty.faults
        faults.set()  # signs that the last case left do not count for this one
        fault = Fault(call, doing, path=f"/{self._folder}/*", **how)

        def work():
            act = step(partial(self._node, site.faulty))
            began = self._clock.boot()
            faults.set(fault)
            try:
                answer = act()
            except CronguardError as error:
                return {"kind": "error", "detail": str(error)}
            return _report(answer, began if self._case.step == "renewal" else self._clock.boot())

        return Child(work)

    def _node(self, mount, node, tick, wait=PATIENCE):
        share = f"{mount.path}/{self._folder}"
        return contend(self._rules, self._case.scheme, share, self._clock, node, tick, wait)

    def _others(self):
        """Claim, hold and settle this tick and the next, on other nodes."""
        for node, tick in (("web2", FIRST), ("web3", SECOND)):
            held = self._node(self._site.sound, node, tick)
            answer, since = held.acquire(), self._clock.boot()
            self.story.append((node, answer))
            yield answer
            if isinstance(answer, Grant):
                self._held.append((node, since, self._finish(held, answer)))
            elif tick is SECOND:
                raise ViolationError("the next tick does not run")

    def _go_on_meanwhile(self, others, runs):
        """Let the others continue while the call hangs. If it hangs in a lock, they fail and try again later."""
        for _ in range(runs):
            try:
                next(others)
            except CronguardError as error:
                self.story.append(str(error))
                if self._case.scheme == "dir":
                    raise
                return self._others()
        return others

    def _finish(self, held, grant):
        """Renew and settle; return until when the lease was held. A holder past its deadline has lost it."""
        now, renewed = self._clock.boot(), held.renew()
        if now >= grant.deadline:
            return grant.deadline
        if not isinstance(renewed, Grant):
            raise ViolationError(f"a holder is disturbed: {renewed}")
        if not held.settle("done", 0, 0.0):
            raise ViolationError("a holder cannot settle")
        return self._clock.boot()

    def _check(self, report, *, hangs):
        """Check that a step that only the storage disturbed was either done or failed with an error."""
        kind = report["kind"] if report else "killed"
        if not hangs and kind not in ("Grant", "settled True", "error", "killed"):
            raise ViolationError("it does not run, although no other node was there")
        if kind == "Grant" and not hangs:
            second = self._node(self._site.sound, "web2", FIRST, wait=0.0).acquire()
            if not isinstance(second, Skip):
                raise ViolationError(f"a granted lease is not held: {second}")

    def _check_holders(self, report):
        ran = [node for node, _, _ in self._held]
        kind = report["kind"] if report else "killed"
        granted = [since for _, since, _ in self._held]
        if self._case.step == "takeover" and kind == "Grant":
            granted.append(report["since"])
        if (
            self._case.step in ("renewal", "takeover")
            and min(granted, default=START + RUN_FOR) < START + RUN_FOR
        ):
            raise ViolationError("a lease was taken over before its time")
        if kind == "settled True" and "web2" in ran:
            raise ViolationError("the tick ran again after its success")
        if kind == "Grant":
            for node, since, until in self._held:
                if report["since"] < until and since < report["until"]:
                    raise ViolationError(f"web1 and {node} both hold the lease")
        elif self._case.step in ("claim", "takeover") and "web2" not in ran:
            raise ViolationError("nobody ran the tick")

    def _run_next(self, mount, node, tick):
        held = self._node(mount, node, tick)
        if not isinstance(held.acquire(), Grant) or not held.settle("done", 0, 0.0):
            raise ViolationError("the next tick does not run where the call went wrong")


def _report(answer, since):
    if isinstance(answer, bool):
        return {"kind": f"settled {answer}"}
    until = answer.deadline if isinstance(answer, Grant) else None
    return {"kind": type(answer).__name__, "since": since, "until": until, "detail": str(answer)}
