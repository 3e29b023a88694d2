"""The help of every command has examples, and each of them is a command line that cronguard accepts."""

import re
import shlex
from itertools import takewhile

import click
import pytest

from cronguard.cli.main import COMMANDS, cronguard
from cronguard.config.settings import SETTINGS

WIDTH = 80  # columns of a terminal; click wraps at two less
PLACEHOLDER = re.compile(r"\.\.\.|[<\[{]|\b[A-Z]{2,}\b")


def walk(command, words=("cronguard",)):
    """Yield a command by its words, and all commands below it."""
    yield " ".join(words), command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            yield from walk(command.get_command(ctx, name), (*words, name))


def examples(command):
    head, _, text = (command.epilog or "").partition("Examples:\n")
    assert head == "\b\n"
    return text.split("\n")


def parsed(words):
    """Parse a command line without running it; return the context of its command."""
    command, ctx, left = cronguard, None, words[1:]
    while isinstance(command, click.Group):
        name, *left = left
        command = command.get_command(ctx, name)
    return command.make_context(name, list(left))


ALL = dict(walk(cronguard))
EXAMPLES = [(name, example.strip()) for name, command in ALL.items() for example in examples(command)]


def test_every_command_is_checked():
    assert {f"cronguard {name}" for name in COMMANDS} | {"cronguard", "cronguard crontab wrap"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_command_has_two_or_three_examples_of_itself(name):
    lines = examples(ALL[name])
    assert len(lines) in (2, 3)
    assert len(set(lines)) == len(lines)
    assert all(f"{line} ".startswith(f"  {name} ") for line in lines)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_is_parsed(name, example):
    ctx = parsed(shlex.split(example))
    for key in ctx.params.keys() & SETTINGS.keys():
        if ctx.params[key] is not None:
            SETTINGS[key].read(ctx.params[key], key)


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_option_of_an_example_exists(name, example):
    words = shlex.split(example)
    used = {word for word in takewhile(lambda word: word != "--", words) if word.startswith("-")}
    options = {
        word for param in parsed(words).command.params for word in (*param.opts, *param.secondary_opts)
    }
    assert used <= options


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_has_no_placeholders(name, example):
    assert not PLACEHOLDER.search(example)


@pytest.mark.parametrize("name", ALL)
def test_the_help_fits_a_terminal_and_ends_with_the_examples(name):
    command = ALL[name]
    lines = command.get_help(click.Context(command, info_name=name, terminal_width=WIDTH - 2)).split("\n")
    assert [line for line in lines if len(line) >= WIDTH] == []
    assert lines[-len(examples(command)) - 1 :] == [
        "  Examples:",
        *(f"  {line}" for line in examples(command)),
    ]


@pytest.mark.parametrize("name", [name for name in ALL if " " in name])
def test_the_summary_of_a_command_is_a_phrase_without_a_full_stop(name):
    assert re.fullmatch(r"[A-Z][^.;]*", ALL[name].short_help)
