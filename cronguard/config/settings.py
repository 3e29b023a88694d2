"""The settings of a run. Each is declared once, here: its type, default and reader, and its option of `cronguard run`."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from cronguard.config import values
from cronguard.model.timing import MAX_TTL, MIN_TTL


class Setting(NamedTuple):
    """How a setting is read, and how `cronguard run` offers it as an option.

    Without `help` it is no option. Without `metavar` the option is a flag. `option` is how it is spelled, if not
    `--its-name`.
    """

    read: values.Reader
    help: str = ""
    metavar: str = ""
    option: str = ""

    def spellings(self, key: str) -> list[str]:
        """Return how the option of the setting `key` is written, the most telling spelling last."""
        return self.option.split() or ["--" + key.replace("_", "-")]


def choice(help_: str, *words: str) -> Setting:
    """Return a setting whose value is one of these words."""
    return Setting(values.one_of(*words), help_, "|".join(words))


class Settings(NamedTuple):
    """All settings, each value checked. Durations are seconds; None means "not set".

    The order is that of the options in `cronguard run --help`.
    """

    ns: Annotated[str, Setting(values.name, "Namespace of the job (default: default).", "NS")] = "default"
    name: Annotated[str | None, Setting(values.name, "Name of the job, the same on every node.", "JOB")] = (
        None
    )
    node: Annotated[str, Setting(values.name)] = ""
    backend: Annotated[
        str | None,
        Setting(
            values.text,
            "Store that the nodes share: local, dir:/PATH, file:/PATH, ssh://..., etcd://..., postgres://... or redis://...",
            "URL",
        ),
    ] = None
    ttl: Annotated[
        float,
        Setting(
            values.bounded(MIN_TTL, MAX_TTL),
            "How long the lease lasts without a renewal (default: 180s).",
            "TIME",
        ),
    ] = 180.0
    wait: Annotated[
        float,
        Setting(values.seconds, "Watch a held lease for this long instead of skipping at once.", "TIME"),
    ] = 0.0
    timeout: Annotated[
        float | None,
        Setting(
            values.bounded(0.001, 366 * 86400), "Stop the command after this time (exit status 124).", "TIME"
        ),
    ] = None
    kill_after: Annotated[
        float | None,
        Setting(values.seconds, "Time from SIGTERM to SIGKILL (default: 10s, or ttl/6 if less).", "TIME"),
    ] = None
    daemons: Annotated[
        str,
        choice(
            "What to do with daemons: processes in their own session (default: release).",
            "release",
            "wait",
            "kill",
        ),
    ] = "release"
    fair: Annotated[bool, Setting(values.flag, "Start waiting runs in order of arrival.")] = False
    strategy: Annotated[
        str,
        choice(
            "How to decide whose turn it is (default: preempt).",
            "preempt",
            "standby",
            "round-robin",
            "time-slice",
        ),
    ] = "preempt"
    nodes: Annotated[
        tuple[str, ...],
        Setting(
            values.names,
            "Nodes of the cluster, in order of precedence; for time slices, a number also works.",
            "A,B|N",
        ),
    ] = ()
    index: Annotated[
        int | None,
        Setting(
            values.index, "Number of this node's time slice, from 0 (default: its place in --nodes).", "I"
        ),
    ] = None  # type: ignore[assignment] # the option is called so; nobody asks for tuple.index
    head_start: Annotated[
        float,
        Setting(
            values.bounded(1, 3600),
            "Time that each node before this one gets to claim the tick (default: 15s).",
            "TIME",
        ),
    ] = 15.0
    failback_after: Annotated[
        float,
        Setting(
            values.seconds,
            "How long a primary must be back up before it goes first again (default: 0).",
            "TIME",
        ),
    ] = 0.0
    strict: Annotated[
        bool,
        Setting(
            values.flag,
            "Round robin: never run before the head of the queue, unless it is known to be down or paused.",
        ),
    ] = False
    cover: Annotated[
        bool,
        Setting(values.flag, "Time slices: run a slice that its own node does not run, after a head start."),
    ] = False
    schedule: Annotated[
        str | None,
        Setting(values.text, "Schedule of the crontab line, if it may start late (sleep, anacron).", "CRON"),
    ] = None
    timezone: Annotated[
        str | None, Setting(values.text, "Time zone of the schedule (default: this machine's).", "ZONE")
    ] = None
    tick: Annotated[
        str | None,
        Setting(values.text, "Scheduled moment, such as 2026-11-22T05:30Z (default: this minute).", "LABEL"),
    ] = None
    every_run: Annotated[
        bool, Setting(values.flag, "Plain mutual exclusion: run even if this tick has already been run.")
    ] = False
    retry: Annotated[
        str,
        choice(
            "Which runs may be repeated for the same tick (default: crashed).", "never", "crashed", "failed"
        ),
    ] = "crashed"
    skip_status: Annotated[
        int, Setting(values.exit_status, "Exit status of a skipped run (default: 75).", "N", "-E")
    ] = 75
    if_unavailable: Annotated[
        str,
        choice("What to do if the backend cannot be reached (default: fail).", "fail", "run"),
    ] = "fail"
    backend_timeout: Annotated[
        float, Setting(values.bounded(0.1, 3600), "How long to wait for the backend (default: 30s).", "TIME")
    ] = 30.0
    max_clock_skew: Annotated[float | None, Setting(values.skew)] = 300.0
    log: Annotated[
        str,
        choice("Where runs are logged (default: syslog).", "syslog", "stderr", "none"),
    ] = "syslog"
    log_format: Annotated[str, choice("Format of the log (default: text).", "text", "json")] = "text"
    state_dir: Annotated[str | None, Setting(values.text)] = None
    verbose: Annotated[
        bool,
        Setting(
            values.flag,
            "Report on stderr how the run ended, or why it was skipped (the default on a terminal).",
            "",
            "-v --verbose",
        ),
    ] = False
    quiet: Annotated[
        bool,
        Setting(
            values.flag,
            "Do not report this even on a terminal, and do not warn that no backend is configured.",
            "",
            "-q --quiet",
        ),
    ] = False


SETTINGS: Mapping[str, Setting] = {
    key: annotation.__metadata__[0] for key, annotation in Settings.__annotations__.items()
}
