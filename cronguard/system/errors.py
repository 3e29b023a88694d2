"""What can go wrong, as a person reads it: what is wrong, with which value, what to do."""


class CronguardError(Exception):
    """Base of all our errors: a message, an optional hint, and the exit status (70, a bug, unless a subclass says)."""

    status = 70

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CronguardError):
    """The command line is wrong."""

    status = 64


class ConfigError(CronguardError):
    """A configuration file, a variable, or the machine's set-up (its clock, its mounts) is wrong."""

    status = 78


class CommandNotFoundError(CronguardError):
    """The program to run is not on this node: the tick is left to another."""

    status = 127


class CommandNotExecutableError(CronguardError):
    """The program to run is there but cannot be executed."""

    status = 126


class TooLateError(CronguardError):
    """The lease was over before the command began: it did not, and another node may have the job."""

    status = 76


class BackendError(CronguardError):
    """The backend could not be reached or did not answer; trying again later may help."""

    status = 69


class StoreRefusedError(BackendError):
    """The store was reached and must not be used: corrupt, foreign, unsafe, or written by a newer cronguard.

    Never a reason to run unguarded: others may well be using the store.
    """

    status = 78


class StoreForbiddenError(StoreRefusedError):
    """The store was reached and this user may not use it."""

    status = 77


def as_message(error: CronguardError) -> dict[str, str | None]:
    """Return the error in a form that crosses from one process to another."""
    return {"error": type(error).__name__, "message": str(error), "hint": error.hint}


def from_message(message: dict[str, str | None]) -> CronguardError:
    """Return the error that `as_message` was given."""
    kinds = {kind.__name__: kind for kind in _all_kinds(CronguardError)}
    return kinds.get(str(message["error"]), CronguardError)(str(message["message"]), message["hint"])


def _all_kinds(kind: type[CronguardError]) -> list[type[CronguardError]]:
    return [k for sub in kind.__subclasses__() for k in (sub, *_all_kinds(sub))]
