"""`cronguard doctor`: check this node and its backend, and explain how to fix problems."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from cronguard.cli.common import storage_options

if TYPE_CHECKING:
    from cronguard.config.settings import Settings
    from cronguard.doctor.examination import Patient
    from cronguard.doctor.finding import Finding
    from cronguard.doctor.verification import Plan

_LOOKS = {
    "ok": ("ok", "32"),
    "note": ("note", "36"),
    "warning": ("warning", "33"),
    "problem": ("PROBLEM", "31;1"),
}


@click.command(
    "doctor",
    short_help="Check this node and its backend",
    epilog="""\b
Examples:
  cronguard doctor
  cronguard doctor --init --group cronjobs
  cronguard doctor --verify --with web2""",
)
@click.option(
    "--init", "is_init", is_flag=True, help="First create what is missing, and report what was created."
)
@click.option("--group", metavar="GROUP", help="With --init: group of the users who have guarded lines.")
@click.option(
    "--verify",
    metavar="[TIME]",
    is_flag=False,
    flag_value="10s",
    help="Test mutual exclusion in the backend for this long.",
)
@click.option(
    "--with", "others", metavar="NODES", help="With --verify: other nodes that run the test at the same time."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@storage_options
@click.pass_obj
def command(
    places: Any,
    /,
    is_init: bool,
    group: str | None,
    verify: str | None,
    others: str | None,
    as_json: bool,
    config: str | None,
    **options: str | None,
) -> int:
    """Check this node and its backend. Exit with status 1 if there is a warning or a problem."""
    from cronguard.cli.main import FOUND
    from cronguard.config.settings import Settings
    from cronguard.doctor.configuration import configured
    from cronguard.doctor.examination import examine_node, examine_storage, survived
    from cronguard.doctor.finding import is_well, note
    from cronguard.doctor.places import Places
    from cronguard.doctor.preparation import prepare

    places = places or Places()
    plan = _plan(verify, others, group, is_init=is_init)
    settings, findings = configured(options, config, os.environ)
    findings += examine_node(settings or Settings(node=os.uname().nodename), places)
    if settings is None:
        findings.append(note("backend", "not checked, because the configuration is wrong"))
    else:
        patient = _patient(settings, config, places)
        findings += survived("init", lambda: prepare(patient.storage, group)) if is_init else []
        findings += examine_storage(patient)
        findings += _verified(patient, plan, findings) if plan else []
    _show(findings, as_json=as_json)
    return 0 if is_well(findings) else FOUND


def _plan(verify: str | None, others: str | None, group: str | None, *, is_init: bool) -> "Plan | None":
    from cronguard.doctor.preparation import group_number
    from cronguard.doctor.verification import Plan
    from cronguard.system.errors import UsageError

    if group is not None and not is_init:
        raise UsageError("--group needs --init", "use cronguard doctor --init --group GROUP")
    group_number(group)
    if verify is None:
        if others is not None:
            raise UsageError("--with needs --verify", "use cronguard doctor --verify --with NODE,...")
        return None
    return Plan.of(verify, others)


def _patient(settings: "Settings", config: str | None, places: Any) -> "Patient":
    from cronguard.doctor.examination import Patient
    from cronguard.store.storage import Storage
    from cronguard.system.clock import Clock
    from cronguard.system.statedir import StateDir

    state = StateDir(settings.state_dir, settings.node)
    url = settings.backend or "local"
    storage = Storage(url, state, settings.backend_timeout, Clock(), " doctor")
    return Patient(settings, config, storage, places)


def _verified(patient: "Patient", plan: "Plan", findings: "list[Finding]") -> "list[Finding]":
    from cronguard.doctor.examination import survived
    from cronguard.doctor.finding import PROBLEM, problem
    from cronguard.doctor.verification import verify
    from cronguard.system.errors import UsageError

    if plan.others and patient.storage.url == "local":
        raise UsageError(
            "--with: the local backend has no other nodes",
            "set a backend that all nodes share, with --backend or in the configuration",
        )
    if any(finding.name == "backend" and finding.state == PROBLEM for finding in findings):
        return [problem("verify", "not tested, because the backend cannot be used", "see backend above")]
    return survived("verify", lambda: verify(patient.storage, patient.settings.node, plan))


def _show(findings: "list[Finding]", *, as_json: bool) -> None:
    from cronguard.report.output import as_json as in_json
    from cronguard.report.output import wants_colour

    if as_json:
        click.echo(in_json([finding._asdict() for finding in findings]))
        return
    colour = wants_colour(sys.stdout, os.environ)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        click.echo("\n".join(_lines(finding, width, colour=colour)), color=True)
    counts = {state: sum(finding.state == state for finding in findings) for state in _LOOKS}
    told = [
        f"{count} {state if count == 1 or state == 'ok' else state + 's'}"
        for state, count in counts.items()
        if count
    ]
    click.echo(f"\n{', '.join(told)}")


def _lines(finding: "Finding", width: int, *, colour: bool) -> list[str]:
    from cronguard.report.output import coloured

    word, code = _LOOKS[finding.state]
    begin = f"{coloured(f'{word:7}', code, colour)}  {finding.name:{width}}  "
    told = _wrapped(finding.what, width + 11)
    advice = _wrapped(f"do: {finding.do}", width + 15) if finding.do and finding.state != "ok" else []
    margin = " " * (width + 11)
    return [
        begin + told[0],
        *(margin + line for line in [*told[1:], *advice[:1], *(f"    {rest}" for rest in advice[1:])]),
    ]


def _wrapped(text: str, margin: int) -> list[str]:
    """Return the lines that fit beside the margin on a terminal; without a terminal, return one line."""
    import textwrap

    from cronguard.report.output import terminal_width

    clean = "".join(c if c.isprintable() else "?" for c in text)
    if not sys.stdout.isatty():
        return [clean]
    return textwrap.wrap(
        clean, max(30, terminal_width() - margin), break_on_hyphens=False, break_long_words=False
    )
