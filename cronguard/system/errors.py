"""Errors as people read them: what is wrong, with which value, and what to do."""


class CronguardError(Exception):
    """Base of all errors: a message, an optional hint and the exit status. Status 70 means a bug in cronguard."""

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
    """A configuration file, an environment variable, or the machine's set-up (clock, mounts) is wrong."""


class CommandNotFoundError(CronguardError, status=127):
    """The command's program does not exist on this node, so the tick is left to another node."""


class CommandNotExecutableError(CronguardError, status=126):
    """The command's program exists but cannot be executed."""


def no_process(error: OSError) -> CommandNotExecutableError:
    """Return the error for a process, or a thread, that the kernel refuses to start."""
    hint = "check the limits of this user and of cron's control group (ulimit -u, pids.max, memory)"
    return CommandNotExecutableError(f"no process could be started: {error.strerror}", hint)


class TooLateError(CronguardError, status=76):
    """The lease was lost before the command started. The command did not run, and another node may run the job."""


class BackendError(CronguardError, status=69):
    """The backend could not be reached or did not answer; trying again later may help."""


class StoreBusyError(BackendError):
    """The store answered, but another process holds what was asked for, for longer than it should."""


class StoreRefusedError(BackendError, status=78):
    """The store was reached but must not be used: it is corrupt, foreign, unsafe, or written by a newer cronguard.

    This must never lead to an unguarded run, because other nodes may be using the store.
    """


class StoreForbiddenError(StoreRefusedError, status=77):
    """The store was reached, but this user may not use it."""


def as_message(error: CronguardError) -> dict[str, str | None]:
    """Return the error in a form that can be sent to another process."""
    return {"error": type(error).__name__, "message": str(error), "hint": error.hint}


def from_message(message: dict[str, str | None]) -> CronguardError:
    """Return the error that `as_message` encoded."""
    kinds = {kind.__name__: kind for kind in _all_kinds(CronguardError)}
    return kinds.get(str(message["error"]), CronguardError)(str(message["message"]), message["hint"])


def _all_kinds(kind: type[CronguardError]) -> list[type[CronguardError]]:
    return [k for sub in kind.__subclasses__() for k in (sub, *_all_kinds(sub))]
