"""A guard on virtual time: cronguard's own guard, lease keeping and supervisor, with a simulated command and kernel."""

from contextlib import suppress

from cronguard.run import guard
from cronguard.run.errand import Errand
from cronguard.run.execution import Execution
from cronguard.run.keeping import Keeping
from cronguard.run.limits import Limits
from cronguard.run.offspring import Offspring
from cronguard.run.plan import Plan
from cronguard.system.errors import BackendError, CronguardError, TooLateError

from .job import Job
from .keeper import KeeperProcess
from .kernel import GuardKernel
from .node import ThreadClock
from .process import Thread

_START = 0.3  # seconds at most from cron's fork to the keeper's start
_FORK = 0.05  # seconds at most to fork, or for a message to be noticed
_BEAT = 0.5


class Guard:
    """One run's process."""

    def __init__(self, world, run):
        self.world, self.run, self.node = world, run, run.node
        self.process = self.node.spawn()
        self.keeper = self.job = None
        self.is_beating = False
        self._beaten = self.node.boot()
        self.process.changed.append(self._on_change)
        self.thread = Thread(self.process, self._live, world.some(_START))
        self.kernel = GuardKernel(self.node, self.process, run, self.thread)
        self.row = self.kernel.me()
        self.clock = ThreadClock(self.node, self.thread)
        run.guard = self
        run.watch(self.process)

    def last_beat(self):
        """Return the boot time at which the keeper last heard from the guard."""
        if self.is_beating and self.process.is_running:
            self._beaten = self.node.boot()
        return self._beaten

    def employ(self, errand, clock):
        """Start a keeper."""
        self.keeper = KeeperProcess(self, errand)
        self.run.watch(self.keeper.process)
        return self.keeper

    def _on_change(self):
        """Handle a stop or the death of the guard.

        If it was stopped, its last beat was some time earlier. If it died, the kernel kills the command (pdeathsig);
        as that reaches the command's own process only, it is left to the keeper here as long as there is one.
        """
        stopped_now = not self.process.is_running and self.process.stopped == self.world.timeline.now
        if self.is_beating and stopped_now:
            self._beaten = self.node.boot() - self.world.some(_BEAT)
        if self.keeper and self.keeper.process.is_alive:
            self.keeper.watch.poke(self.world.some(_FORK))
        elif not self.process.is_alive and self.job:
            self.job.kill()

    def _live(self):
        with suppress(CronguardError):
            RealGuard(self).run()
        while self.job and self.job.ended is None:  # settled too early, by a rule that is switched off
            self.thread.wait(self.world.timeline.now + _BEAT)
        if self.keeper:
            self.keeper.process.end()
        self.process.end()


class RealGuard(guard.Guard):
    """The real one, without signals of people, and without a note in /run."""

    def __init__(self, owner):
        job, ask = owner.world.schedule.job, owner.run.ask
        errand = Errand(ask, "sim:/", owner.node.state, job.backend_timeout)
        plan = Plan("job", (), errand, Limits(ask.timing.kill_after))
        self._owner = owner
        super().__init__(plan, {}, owner.clock, lambda *_, **__: None)

    def _catch_signals(self):
        return NoSignals()

    def _employ(self):
        return NotedKeeping(self._owner, self._plan.errand)

    def _prepare(self, token, others):
        return SimulatedExecution(self._owner, self._plan, others)

    def _write_note(self, leader):
        return None


class NotedKeeping(Keeping):
    """The real one; its answer and its settling are noted for the invariants."""

    def __init__(self, owner, errand):
        self._owner = owner
        super().__init__(errand, owner.clock, owner.employ)

    def acquire(self, signals):
        """Claim."""
        try:
            answer = super().acquire(signals)
        except BackendError as error:
            self._owner.run.answered(error)
            raise
        self._owner.run.answered(answer)
        return answer

    def settle(self, state, status, limit, word=""):
        """Have the outcome written."""
        world, run = self._owner.world, self._owner.run
        world.strike(run, "settling")
        self._owner.thread.sleep(world.some(_FORK))
        run.settles(state)
        return super().settle(state, status, limit, word)


class SimulatedExecution(Execution):
    """The real supervisor and offspring, over a simulated command."""

    def __init__(self, owner, plan, others):
        self._owner, self._plan = owner, plan
        owner.world.strike(owner.run, "granted")
        owner.thread.sleep(owner.world.some(_FORK))
        self._process = Leader(owner)
        self._offspring = Offspring(self._process.pid, owner.kernel, others)

    @property
    def leader(self):
        """The command's row."""
        return self._owner.kernel.stat(self._process.pid)

    def run(self, *arguments):
        """Watch the command; meanwhile the guard shows its keeper that it is alive."""
        try:
            return super().run(*arguments)
        finally:
            self._owner.is_beating = False


class Leader:
    """The command's own process, as `cronguard/run/process.py`."""

    has_terminal = is_stopped = False

    def __init__(self, owner):
        self._owner, self._failure = owner, None
        world = owner.world
        owner.job = owner.run.job = self._job = Job(
            world, owner.node, owner.process, lambda: owner.thread.poke(world.some(_FORK))
        )
        self.pid = self._job.process.pid
        self.status = None

    def release(self, deadline):
        """Start the command, unless it is too late: its process reads the clock last of all."""
        owner, world = self._owner, self._owner.world
        world.strike(owner.run, "releasing")
        owner.thread.sleep(world.some(0.01))
        if owner.node.boot() >= deadline and world.rules.starts_only_before_the_deadline:
            self._failure = TooLateError("the lease's deadline passed before the command could start")
            self._job.kill()
            return
        owner.is_beating = True
        self._job.release()
        owner.run.note("starts")
        world.strike(owner.run, "started")
        owner.thread.sleep(world.some(0.01))

    def look(self):
        """Note whether it has ended."""
        if self._job.ended is not None:
            self.status = self._job.status

    def exec_failure(self):
        """Return why it was never started."""
        return self._failure

    def reap(self):
        """Do nothing."""

    def take_terminal(self):
        """Do nothing."""

    def give_terminal(self):
        """There is no terminal."""
        return False


class NoSignals:
    """Nobody signals a simulated guard."""

    def fileno(self):
        """Return no descriptor."""
        return -1

    def receive(self):
        """Return nothing."""
        return []
