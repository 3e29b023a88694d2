"""The guard: takes one run from the claim to the exit status. It never touches storage, so storage cannot freeze it."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from signal import Signals as Signum
from typing import TYPE_CHECKING, NamedTuple

from cronguard.lease.claim import Skip
from cronguard.run.aside import left_behind
from cronguard.run.keeping import Keeping
from cronguard.run.limits import TIMED_OUT
from cronguard.system.clock import Clock
from cronguard.system.errors import no_process
from cronguard.system.signals import Signals

if TYPE_CHECKING:
    from cronguard.lease.grant import Grant
    from cronguard.run.effects import Signalled
    from cronguard.run.execution import Execution
    from cronguard.run.plan import Plan
    from cronguard.run.supervisor import Ending
    from cronguard.system.proctree import Stat

LOST = 76
_UNWRITTEN = "its outcome could not be written to the backend, so this tick may run again on another node"
_SETTLE_LOST = 5.0  # seconds: a lease that cannot be renewed can hardly be settled; others watch it expire


class Result(NamedTuple):
    """The result of a run: the exit status, the log word of its outcome, and a detail for people, if any."""

    status: int
    word: str
    detail: str = ""


class Guard:
    """Runs one planned command while holding its lease."""

    def __init__(self, plan: "Plan", env: Mapping[str, str], clock: Clock, log: Callable[..., None]) -> None:
        self._plan, self._env, self._clock, self._log = plan, env, clock, log
        self._signals = self._catch_signals()
        self._keeping: Keeping | None = None
        self._note: str | None = None

    def run(self) -> Result | Skip:
        """Claim, run, settle. Raises the errors of the claim, such as BackendError, and those of the execution."""
        try:
            keeping = self._keeping = self._employ()
        except OSError as error:
            raise no_process(error) from error
        import cronguard.run.execution  # noqa: F401 - imported here, while the keeper claims, to save time

        answer = keeping.acquire(self._signals)
        if isinstance(answer, Signum):
            return Result(128 + answer, "cancelled", f"{answer.name} arrived before the lease was claimed")
        if isinstance(answer, Skip):
            keeping.dismiss()
            return answer
        return self._run_command(keeping, answer)

    @property
    def is_counted(self) -> bool:
        """Whether the keeper has counted this run, or is about to."""
        return self._keeping is not None and self._keeping.is_counted

    def run_unguarded(self) -> Result:
        """Run without a lease, because the user prefers that to not running at all."""
        # A keeper that hangs is a child of this process, and not the command's.
        others = self._keeping.numbers if self._keeping else left_behind
        try:
            execution = self._prepare(None, others)
        except OSError as error:
            raise no_process(error) from error
        result = _result(execution.run(self._signals, self._clock, self._notice))
        if failure := execution.failure:
            raise failure
        return result

    def _run_command(self, keeping: Keeping, grant: "Grant") -> Result:
        try:
            execution = self._prepare(grant.token, keeping.numbers)
            leader = execution.leader
        except OSError as error:
            keeping.settle("cancelled", None, self._plan.errand.backend_timeout)
            raise no_process(error) from error
        keeping.guard(leader, self._write_note(leader))
        self._log("info", "started", token=grant.token, attempt=grant.attempt, pid=leader.pid)
        ending = execution.run(self._signals, self._clock, self._notice, keeping)
        if failure := execution.failure:
            # Settle it as cancelled, so that another node can try: it may have what the command needs.
            self._settled(keeping, ending._replace(was_told=True), is_run=False)
            raise failure
        return self._settled(keeping, ending)

    def _catch_signals(self) -> "Signalled":
        return Signals()

    def _employ(self) -> Keeping:
        return Keeping(self._plan.errand, self._clock)

    def _prepare(self, token: int | None, others: Callable[[], frozenset[int]]) -> "Execution":
        from cronguard.run.execution import Execution

        return Execution(self._plan, self._env, token, others)

    def _write_note(self, leader: "Stat") -> str | None:
        """Leave a note for the next cronguard on this node, in case guard and keeper are killed together."""
        from cronguard.run import note as notes
        from cronguard.system.clock import clock_name

        ask = self._plan.ask
        with suppress(OSError):
            note = notes.Note(
                str(ask.job), ask.run, leader, leader.session, ask.timing.kill_after,
                clock_name(), notes.pid_namespace(),
            )  # fmt: skip
            if folder := notes.folder_for(self._plan.errand.state.root):
                self._note, _ = notes.write(folder, note)
        return self._note

    def _remove_note(self) -> None:
        if self._note:
            with suppress(OSError):
                os.unlink(self._note)

    def _notice(self, pids: str) -> None:
        detail = "the command has finished, but processes that it started are still running"
        self._log("warning", "waiting", detail=detail, pids=pids)

    def _settled(self, keeping: Keeping, ending: "Ending", *, is_run: bool = True) -> Result:
        """Settle the lease with the outcome and return the result. The keeper counts it, if it `is_run`."""
        self._remove_note()
        result = _result(ending)
        if ending.left:
            keeping.end()
            pids = " ".join(map(str, ending.left))
            return _more(result, f"processes {pids} cannot be killed; the lease is left to expire")
        limit = self._plan.errand.backend_timeout
        state = "cancelled" if result.word == "revoked" else result.word
        limit = min(limit, _SETTLE_LOST) if state == "lost" else limit
        if keeping.settle(state, result.status, limit, result.word if is_run else ""):
            return result
        return _more(result, "" if state == "lost" else _UNWRITTEN, keeping.trouble)


def _result(ending: "Ending") -> Result:
    if ending.cause in ("lost", "revoked"):
        return Result(LOST, ending.cause, ending.detail)
    if ending.cause == "timed-out":
        return Result(TIMED_OUT, ending.cause, ending.detail)
    if ending.status == 0:
        return Result(0, "done")
    return Result(ending.status, "cancelled" if ending.was_told else "failed")


def _more(result: Result, *details: str) -> Result:
    return result._replace(detail="; ".join(filter(None, (result.detail, *details))))
