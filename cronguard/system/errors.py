"""What can go wrong, as a person reads it: what is wrong, with which value, what to do."""


class CronguardError(Exception):
    """Base of all errors: a message, an optional hint, and the exit status. 70 stands for a bug in cronguard."""

    status = 70

    def __init_subclass__(cls, status: int | None = None) -> None:
        super().__init_subclass__()
        cls.status = status or cls.status

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CronguardError, status=64):
    """The command line is wrong."""


class ConfigError(CronguardError, status=78):
    """A configuration file, a variable, or the machine's set-up (its clock, its mounts) is wrong."""


class CommandNotFoundError(CronguardError, status=127):
    """The program to run is not on this node: the tick is left to another."""


class CommandNotExecutableError(CronguardError, status=126):
    """The program to run is there but cannot be executed."""


def no_process(error: OSError) -> CommandNotExecutableError:
    """Return the error for a process, or a thread, that the kernel refuses to start."""
    hint = "check the limits of this user and of cron's control group (ulimit -u, pids.max, memory)"
    return CommandNotExecutableError(f"no process could be started: {error.strerror}", hint)


class TooLateError(CronguardError, status=76):
    """The lease was over before the command began: it did not, and another node may have the job."""


class BackendError(CronguardError, status=69):
    """The backend could not be reached or did not answer; trying again later may help."""


class StoreRefusedError(BackendError, status=78):
    """The store was reached and must not be used: corrupt, foreign, unsafe, or written by a newer cronguard.

    Never a reason to run unguarded: others may well be using the store.
    """


class StoreForbiddenError(StoreRefusedError, status=77):
    """The store was reached and this user may not use it."""


def as_message(error: CronguardError) -> dict[str, str | None]:
    """Return the error in a form that crosses from one process to another."""
    return {"error": type(error).__name__, "message": str(error), "hint": error.hint}


def from_message(message: dict[str, str | None]) -> CronguardError:
    """Return the error that `as_message` was given."""
    kinds = {kind.__name__: kind for kind in _all_kinds(CronguardError)}
    return kinds.get(str(message["error"]), CronguardError)(str(message["message"]), message["hint"])


def _all_kinds(kind: type[CronguardError]) -> list[type[CronguardError]]:
    return [k for sub in kind.__subclasses__() for k in (sub, *_all_kinds(sub))]
