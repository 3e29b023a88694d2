"""The guard: one run from claim to exit status. It never touches storage, so nothing there can freeze it."""

from collections.abc import Callable, Mapping
from signal import Signals as Signum
from typing import TYPE_CHECKING, NamedTuple

from cronguard.lease.claim import Skip
from cronguard.run.keeping import Keeping
from cronguard.run.limits import TIMED_OUT
from cronguard.system.clock import Clock
from cronguard.system.errors import CommandNotExecutableError
from cronguard.system.signals import Signals

if TYPE_CHECKING:
    from cronguard.lease.grant import Grant
    from cronguard.run.plan import Plan
    from cronguard.run.supervisor import Ending

LOST = 76
_UNWRITTEN = "its outcome could not be written to the backend, so this tick may run again on another node"
_SETTLE_LOST = 5.0  # seconds: what could not be renewed can hardly be settled; others find out by watching


class Result(NamedTuple):
    """What came of a run: the exit status, the outcome's word, and what a person should be told, if anything."""

    status: int
    word: str
    detail: str = ""


class Guard:
    """Runs one planned command under its lease."""

    def __init__(self, plan: "Plan", env: Mapping[str, str], clock: Clock, log: Callable[..., None]) -> None:
        self._plan, self._env, self._clock, self._log = plan, env, clock, log
        self._signals = Signals()

    def run(self) -> Result | Skip:
        """Claim, run, settle. Raises BackendError and the other errors of the claim, and those of the execution."""
        keeping = Keeping(self._plan.errand, self._clock)
        import cronguard.run.execution  # noqa: F401 - while the keeper claims

        answer = keeping.acquire(self._signals)
        if isinstance(answer, Signum):
            return Result(128 + answer, "cancelled", f"{answer.name} came before anything was claimed")
        if isinstance(answer, Skip):
            keeping.end()
            return answer
        return self._run_command(keeping, answer)

    def run_unguarded(self) -> Result:
        """Run without a lease: the user said that this is better than not to run."""
        from cronguard.run.execution import Execution

        execution = Execution(self._plan, self._env, None)
        result = _result(execution.run(self._signals, self._clock, self._notice))
        if failure := execution.failure:
            raise failure
        return result

    def _run_command(self, keeping: Keeping, grant: "Grant") -> Result:
        from cronguard.run.execution import Execution

        try:
            execution = Execution(self._plan, self._env, grant.token)
        except OSError as error:
            keeping.settle("cancelled", None, self._plan.errand.backend_timeout)
            hint = "see the limits of this user and of cron's control group (ulimit -u, pids.max, memory)"
            raise CommandNotExecutableError(f"no process could be started: {error.strerror}", hint) from error
        leader = execution.leader
        if leader:
            keeping.guard(leader)
            self._log("info", "started", token=grant.token, attempt=grant.attempt, pid=leader.pid)
        ending = execution.run(self._signals, self._clock, self._notice, keeping)
        if failure := execution.failure:
            # Settled as cancelled: another node may have what it needs.
            self._settled(keeping, ending._replace(was_told=True))
            raise failure
        return self._settled(keeping, ending)

    def _notice(self, pids: str) -> None:
        self._log("warning", "waiting", detail="the command has ended, its group has not", pids=pids)

    def _settled(self, keeping: Keeping, ending: "Ending") -> Result:
        """Have the outcome written, and return what it is."""
        result = _result(ending)
        if ending.left:
            keeping.end()
            pids = " ".join(map(str, ending.left))
            return _more(result, f"processes {pids} cannot be ended; the lease is left to run out")
        limit = self._plan.errand.backend_timeout
        state = "cancelled" if result.word == "revoked" else result.word
        if keeping.settle(state, result.status, min(limit, _SETTLE_LOST) if state == "lost" else limit):
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
