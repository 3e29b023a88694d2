"""The manual covers every command, option, variable, key and exit status, and no others."""

import re
import shutil
import subprocess
import tomllib

import click
import pytest
from documents import CHECKOUT, commands, exit_statuses, man_section, read

from cronguard.cli import shell
from cronguard.config.settings import SETTINGS
from cronguard.config.sources import OF_ONE_LINE
from cronguard.heartbeat import config as heartbeat_config
from cronguard.heartbeat.probes import CHECKS, PROBES
from cronguard.simulation.scenario import SIMPLIFIED
from cronguard.store.contract import SCHEMES

SHELL, CONFIG = "man/cronguard-shell.1", "man/cronguard.toml.5"
PAGES = ["man/cronguard.1", SHELL, CONFIG]
HELP = {"-h", "--help"}
SHARED = {"--backend", "--backend-timeout", "--config"}


def options(command):
    """Return all spellings of a command's options."""
    found = [param for param in command.params if isinstance(param, click.Option)]
    return {word for option in found for word in (*option.opts, *option.secondary_opts)}


def documented(source):
    """Return the options that a section has an entry for: mdoc writes `--ns` as `Fl -ns`."""
    entries = re.findall(r"^\.It (Fl .*)$", source, re.MULTILINE)
    return {f"-{word}" for entry in entries for word in re.findall(r"Fl ([\w-]+)", entry)}


@pytest.mark.parametrize(("name", "command"), commands().items(), ids=commands())
def test_a_commands_section_lists_its_options_and_no_others(name, command):
    found = documented(man_section(f".Ss cronguard {name}"))
    if options(command) >= SHARED and name != "run":
        found |= documented(man_section(".Ss Store options"))
    assert found - HELP == options(command) - HELP


def test_the_store_options_are_described_once():
    assert documented(man_section(".Ss Store options")) == SHARED


def test_every_command_is_in_the_synopsis():
    assert set(re.findall(r"^\.Cm ([\w -]+)$", man_section(".Sh SYNOPSIS"), re.MULTILINE)) == set(commands())


@pytest.mark.parametrize(("name", "command"), commands().items(), ids=commands())
def test_every_option_of_a_command_is_in_the_synopsis(name, command):
    forms = re.split(r"^\.Nm\n", man_section(".Sh SYNOPSIS"), flags=re.MULTILINE)
    source = "\n".join(form for form in forms if form.startswith(f".Cm {name}\n"))
    shown = {f"-{word}" for word in re.findall(r"Fl ([\w-]+)", source)}
    if ".Op Ar options" in source:
        return
    wanted = [
        param for param in command.params if isinstance(param, click.Option) if not set(param.opts) & SHARED
    ]
    missing = [param.opts for param in wanted if not {*param.opts, *param.secondary_opts} & shown]
    assert missing == []


def test_every_page_is_installed_and_refers_to_the_others():
    installed = tomllib.loads(read("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"][
        "shared-data"
    ]
    assert {f"man/{path.name}" for path in (CHECKOUT / "man").iterdir()} == set(PAGES)
    for page in PAGES:
        name, _, section = page.removeprefix("man/").rpartition(".")
        assert installed[page] == f"share/man/man{section}/{name}.{section}"
        assert all(f".Xr {name} {section}" in read(other) for other in PAGES if other != page)


def test_the_shells_page_documents_its_variables_and_the_skip_mark():
    variables = set(re.findall(r"CRONGUARD_[A-Z_]+", man_section(".Sh ENVIRONMENT", SHELL)))
    used = {*(f"CRONGUARD_{key.upper()}" for key in OF_ONE_LINE), "CRONGUARD_SHELL"}
    assert used <= variables
    assert shell.SKIP in man_section(".Sh DESCRIPTION", SHELL)


def test_every_heartbeat_key_is_documented_and_no_others():
    keys, checks, probes = read(CONFIG).partition(".Ss Heartbeats\n")[2].split(".Bl -tag -width Ds\n")[1:4]
    named = re.findall(r"^\.It Sy (.*)$", keys, re.MULTILINE)
    assert {key for line in named for key in line.split(" , ")} == {*heartbeat_config._KEYS} - {"checks"}
    for source, schemes in ((checks, CHECKS), (checks + probes, PROBES)):
        assert set(re.findall(r"^\.It Li \\\(dq(\w+):", source, re.MULTILINE)) >= set(schemes)


def test_every_configuration_key_is_documented_and_no_others():
    assert sorted(re.findall(r"^\.It Ic (\w+)$", read("man/cronguard.toml.5"), re.MULTILINE)) == sorted(
        SETTINGS
    )


def test_every_variable_is_documented():
    sources = [path.read_text() for path in (CHECKOUT / "cronguard").rglob("*.py")]
    used = {name for source in sources for name in re.findall(r"CRONGUARD_[A-Z_]*[A-Z]", source)}
    wanted = used | {f"CRONGUARD_{key.upper()}" for key in SETTINGS}
    assert wanted <= set(re.findall(r"CRONGUARD_[A-Z_]+", man_section(".Sh ENVIRONMENT")))


def test_every_exit_status_is_documented_and_no_others():
    rows = re.findall(r"^\.It (\d+)$", man_section(".Sh EXIT STATUS"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(exit_statuses())


def test_every_strategy_is_documented_and_no_others():
    [option] = [one for one in commands()["run"].params if one.name == "strategy"]
    entries = re.findall(r"^\.It Cm ([\w-]+)$", man_section(".Sh STRATEGIES"), re.MULTILINE)
    assert entries == option.metavar.split("|")


def test_the_manual_simplifies_the_simulation_as_its_output_does():
    source = man_section(".Ss cronguard simulate").partition("It is simplified")[2].partition(".El")[0]
    assert tuple(re.findall(r"^\.It\n(.*)[;.]$", source, re.MULTILINE)) == SIMPLIFIED


def test_every_backend_is_documented():
    assert set(re.findall(r"^\.It Cm ([\w+]+)", man_section(".Sh BACKENDS"), re.MULTILINE)) == set(SCHEMES)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="needs the package mandoc")
@pytest.mark.parametrize("page", PAGES)
def test_mandoc_has_no_warnings(page):
    checked = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")
