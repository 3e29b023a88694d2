"""`cronguard simulate`: show what a strategy would do when something fails, before you trust it."""

from typing import TYPE_CHECKING, Any

import click

from cronguard.config.settings import SETTINGS
from cronguard.system.errors import UsageError

if TYPE_CHECKING:
    from cronguard.config.settings import Settings
    from cronguard.report.history import Run
    from cronguard.simulation.outcome import Outcome
    from cronguard.simulation.scenario import Scenario

_HEADERS = ("TICK", "NODE", "STATE", "ATTEMPT", "LATE", "TOOK")
_START = "2026-01-01T00:00Z"  # arbitrary, but always the same


# Options of `run` that mean the same here. Some of their defaults do not.
_OPTIONS = (
    "strategy",
    "nodes",
    "head_start",
    "failback_after",
    "ttl",
    "kill_after",
    "wait",
    "retry",
    "timezone",
)
_FLAGS = ("strict", "cover", "fair", "every_run")
_HELP = {
    "nodes": "Nodes in order of precedence, or how many (default: 2).",
    "timezone": "Time zone of the schedule (default: UTC).",
}


def _settings_options(function: Any) -> Any:
    """Add the options that have the same meaning as for `run`."""
    for key in reversed((*_OPTIONS, *_FLAGS)):
        setting = SETTINGS[key]
        function = click.option(
            *setting.spellings(key), key, default=None, is_flag=not setting.metavar,
            metavar=setting.metavar or None, help=_HELP.get(key, setting.help),
        )(function)  # fmt: skip
    return function


@click.command(
    "simulate",
    short_help="Show who would run what when something fails",
    epilog="""\b
Examples:
  cronguard simulate --strategy standby --nodes web1,web2 --fail web1@10m+20m
  cronguard simulate --strategy round-robin --nodes 3 --heartbeat 10s
  cronguard simulate --schedule '0 2 * * *' --length 7d --fail cut:node1@2d""",
)
@_settings_options
@click.option(
    "--schedule", metavar="CRON", default="*/5 * * * *", help="Schedule of the job (default: */5 * * * *)."
)
@click.option("--start", metavar="LABEL", default=_START, help=f"When to start (default: {_START}).")
@click.option("--length", metavar="TIME", default="1h", help="How long to simulate (default: 1h).")
@click.option("--duration", metavar="TIME", default="10s", help="How long the command takes (default: 10s).")
@click.option(
    "--fail", "failures", metavar="[KIND:]NODE@AFTER[+LENGTH]", multiple=True,
    help="What fails: KIND is dead (the default), cut, cron, paused or job. May be repeated.",
)  # fmt: skip
@click.option(
    "--heartbeat", metavar="TIME", help="Interval of each node's heartbeats (default: no heartbeats)."
)
@click.option(
    "--late", metavar="TIME", default="1s", help="How late each cron may start the job (default: 1s)."
)
@click.option("--seed", type=int, metavar="N", default=0, help="Seed of the random delays (default: 0).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--svg", metavar="FILE", type=click.Path(), help="Draw an SVG picture into this file instead.")
def command(as_json: bool, svg: str | None, **options: Any) -> None:
    """Show which node would run which tick when something fails, as `cronguard history` would show it afterwards.

    No time passes, and no store is used. The decisions and the lease are those of real runs.
    """
    from cronguard.simulation.outcome import outcome

    found = outcome(_scenario(**options))
    if svg is not None:
        from cronguard.cli.history import write_picture

        write_picture(list(found.runs), svg)
    elif as_json:
        _print_json(found)
    else:
        _print(found)


def _scenario(
    schedule: str, timezone: str | None, start: str, length: str, duration: str, failures: tuple[str, ...],
    heartbeat: str | None, late: str, seed: int, **options: Any,
) -> "Scenario":  # fmt: skip
    from cronguard.model.duration import parse_duration
    from cronguard.model.tick import Tick
    from cronguard.schedule.schedule import Schedule
    from cronguard.simulation.scenario import Failure, Scenario

    settings = _settings(schedule, timezone or "UTC", options)
    return Scenario(
        settings,
        Schedule.parse(schedule, timezone or "UTC"),
        Tick.parse(start, "--start"),
        length=parse_duration(length, "--length"),
        duration=parse_duration(duration, "--duration"),
        failures=tuple(Failure.parse(text, settings.nodes) for text in failures),
        late=_bounded(late, "--late", 0.0, 59.0),
        every=None if heartbeat is None else _bounded(heartbeat, "--heartbeat", 1.0, 3600.0),
        seed=seed,
    )


def _settings(schedule: str, timezone: str, options: dict[str, Any]) -> "Settings":
    """Return the settings. No file or variable is read, so the same options always draw the same picture."""
    from cronguard.config.settings import Settings
    from cronguard.model.tick import Tick
    from cronguard.model.timing import Timing
    from cronguard.run.plan import check_nodes, strategy_of
    from cronguard.simulation.scenario import node_names

    given = {key: value for key, value in options.items() if value is not None}
    values = {key: SETTINGS[key].read(value, f"--{key.replace('_', '-')}") for key, value in given.items()}
    nodes = node_names(values.pop("nodes", ("2",)))
    settings = Settings(
        **values, node=nodes[0], nodes=nodes, backend="memory:", schedule=schedule, timezone=timezone
    )
    check_nodes(settings)
    strategy_of(settings, Tick(0))
    Timing.of(settings.ttl, settings.kill_after)
    return settings


def _bounded(text: str, what: str, least: float, most: float) -> float:
    from cronguard.model.duration import format_duration, parse_duration

    seconds = parse_duration(text, what)
    if not least <= seconds <= most:
        bounds = f"{format_duration(least)} and {format_duration(most)}"
        raise UsageError(f"{what}: {text} is not between {bounds}")
    return seconds


def _print_json(found: "Outcome") -> None:
    from cronguard.report.history import as_row
    from cronguard.report.output import as_json
    from cronguard.simulation.outcome import late
    from cronguard.simulation.scenario import SIMPLIFIED

    rows = [as_row(run) | {"late": late(run)} for run in found.runs]
    click.echo(as_json({"runs": rows, "summary": found.summary(), "simplified": SIMPLIFIED}))


def _print(found: "Outcome") -> None:
    from cronguard.cli.history import print_picture
    from cronguard.report.output import table
    from cronguard.simulation.scenario import SIMPLIFIED

    click.echo(table(_HEADERS, [_cells(run) for run in found.runs]))
    click.echo()
    print_picture(list(found.runs))
    click.echo(f"\n{_said(found)}\n")
    click.echo("simplified:\n- " + "\n- ".join(SIMPLIFIED))


def _cells(run: "Run") -> list[str]:
    from cronguard.model.duration import format_duration
    from cronguard.model.tick import Tick
    from cronguard.simulation.outcome import late

    if not run.node:
        return [Tick.of(run.tick).label, "", run.state]
    took = "" if run.seconds is None else format_duration(run.seconds)
    return [Tick.of(run.tick).label, run.node, run.state, str(run.attempt), format_duration(late(run)), took]


def _said(found: "Outcome") -> str:
    """Return the summary in words, without counts of things that did not happen."""
    from cronguard.model.duration import format_duration

    told = found.summary()
    shares = ", ".join(f"{node} {count}" for node, count in told["nodes"].items())
    states = ", ".join(f"{count} {state}" for state, count in told["states"].items())
    broken = told["ticks"] - told["done"] - told["missed"] - told["overrun"]
    lines = [
        f"{told['ticks']} ticks: {told['done']} done, {told['missed']} missed, {told['overrun']} overrun"
    ]
    lines[0] += f", {broken} started but not done" if broken else ""
    lines += [f"runs: {states}; by node: {shares}"] if shares else ["no run started"]
    if told["retried"]:
        lines.append(f"retried: {told['retried']}")
    if told["done_twice"]:
        lines.append(
            f"done twice: {told['done_twice']}, because the outcome of the first could not be recorded in time"
        )
    if latest := told["latest"]:
        lines.append(
            f"latest start: {format_duration(latest['late'])} after {latest['tick']}, on {latest['node']}"
        )
    if told["not_begun"]:
        lines.append("not started: " + ", ".join(f"{n} {word}" for word, n in told["not_begun"].items()))
    return "\n".join(lines)
