"""The manual covers every command, option, variable, key and status, and no other."""

import re
import shutil
import subprocess

import click
import pytest
from documents import CHECKOUT, commands, exit_statuses, man_section, read

from cronguard.backend import SCHEMES
from cronguard.settings import PARSERS

PAGES = ["man/cronguard.1", "man/cronguard.toml.5"]
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
def test_every_option_of_a_command_is_there_and_no_other(name, command):
    found = documented(man_section(f".Ss cronguard {name}"))
    if options(command) >= SHARED and name != "run":
        found |= documented(man_section(".Ss Store options"))
    assert found - HELP == options(command) - HELP


def test_the_store_options_are_described_once():
    assert documented(man_section(".Ss Store options")) == SHARED


def test_every_command_is_in_the_synopsis():
    assert set(re.findall(r"^\.Cm ([\w -]+)$", man_section(".Sh SYNOPSIS"), re.MULTILINE)) == set(commands())


def test_every_configuration_key_is_there_and_no_other():
    assert sorted(re.findall(r"^\.It Ic (\w+)$", read("man/cronguard.toml.5"), re.MULTILINE)) == sorted(
        PARSERS
    )


def test_every_variable_is_there():
    sources = [path.read_text() for path in (CHECKOUT / "cronguard").rglob("*.py")]
    used = {name for source in sources for name in re.findall(r"CRONGUARD_[A-Z_]*[A-Z]", source)}
    wanted = used | {f"CRONGUARD_{key.upper()}" for key in PARSERS}
    assert wanted <= set(re.findall(r"CRONGUARD_[A-Z_]+", man_section(".Sh ENVIRONMENT")))


def test_every_exit_status_is_there_and_no_other():
    rows = re.findall(r"^\.It (\d+)$", man_section(".Sh EXIT STATUS"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(exit_statuses())


def test_every_backend_is_there():
    assert set(re.findall(r"^\.It Cm ([\w+]+)", man_section(".Sh BACKENDS"), re.MULTILINE)) == set(SCHEMES)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="needs the package mandoc")
@pytest.mark.parametrize("page", PAGES)
def test_mandoc_warns_of_nothing(page):
    checked = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, "")
