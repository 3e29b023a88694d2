"""Turn click's messages about a wrong command line into the style of our own."""

import re

import click

_WORDS = (
    (r"^Invalid value for '(.*?)': ", r"\1: "),
    (r"is not a valid integer( range)?", "is not a whole number"),
    (r"is not in the range (\d+)<=x<=(\d+)", r"is not between \1 and \2"),
    (r"is not in the range x>=(\d+)", r"is less than \1"),
    (r"^Got unexpected extra arguments? \((.*)\)", r"unexpected argument: \1"),
    (r"\.? *\(?Did you mean.*", ""),
)


def told(error: click.UsageError) -> tuple[str, str]:
    """Return what is wrong, and a hint about what to do."""
    message = error.format_message()
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    message = message.rstrip(".")
    where = error.ctx.command_path if error.ctx else "cronguard"
    alike = " or ".join(getattr(error, "possibilities", None) or ())
    meant = f"did you mean {alike}? " if alike else ""
    return message[:1].lower() + message[1:], f"{meant}see {where} --help"
