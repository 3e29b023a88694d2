r"""Split a shell line into words and operators, and find out which words the shell has to interpret.

This finds tokens and their positions; it does not parse the shell's grammar. It works on the text as written in the
crontab: cron's `\%` is an escaped character for a shell too.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from cronguard.crontab.lines import shell_part

CUT_SHORT = "an unescaped % ends the command, and the rest becomes its input: write \\%"
_OPERATOR = re.compile(r"&>>?|&&|\|\||;;|[0-9]*(?:<<<|<<-?|>>|<&|>&|<>|>\||<|>)|[;&|()]")
_REDIRECT = re.compile(r"[&0-9]*[<>]")
# Text that no Bourne shell interprets, quoted or not. "=" and "^" are special to zsh and to old shells.
_PLAIN = re.compile(
    r"""\\.|'[^']*'|"(?:[^"\\$`]|\\.)*"|[^\s;&|<>()$`{}*?\[\]~#!^'"\\\x00-\x1f]+|\r""", re.DOTALL | re.ASCII
)
_QUOTED = re.compile(r"""\\(.)|'([^']*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=", re.ASCII)
_KEYWORDS = frozenset("if then elif else fi while until do done for case esac in select function time coproc".split()) | {
    "!", "{", "}", "[[", "]]",
}  # fmt: skip
# Commands that are built into the shell. A program with the same name may behave differently (echo does).
_BUILTINS = frozenset(
    ". : [ alias bg break builtin caller cd chdir command continue declare dirs disown echo enable eval exec exit export "
    "false fc fg getopts hash help history jobs kill let local logout mapfile newgrp popd print printf pushd pwd read "
    "readarray readonly return set setopt shift shopt source suspend test times trap true type typeset ulimit umask "
    "unalias unset wait whence".split()
)
_PAIRS = {"(": ")", "{": "}"}


class Token(NamedTuple):
    """A word, an operator or a comment, and its position. A plain word means the same to every shell."""

    kind: str
    text: str
    start: int
    end: int
    is_plain: bool

    @property
    def value(self) -> str:
        """The word without its quotes, as far as that can be known before the line runs."""
        return _QUOTED.sub(r"\1\2\3", self.text)

    @property
    def is_redirect(self) -> bool:
        """True for an operator that opens a file or joins descriptors."""
        return self.kind == "operator" and bool(_REDIRECT.match(self.text))


class Script(NamedTuple):
    """The tokens of a line. `is_complete` means that all quotes and brackets are closed."""

    tokens: tuple[Token, ...]
    is_complete: bool


def scan(text: str) -> Script:
    """Split a line into tokens."""
    tokens: list[Token] = []
    at, is_complete, depth = 0, True, 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        token, is_closed = _token(text, at)
        depth += (token.text == "(") - (token.text == ")") if token.kind == "operator" else 0
        is_complete &= is_closed and depth >= 0
        tokens.append(token)
        at = token.end
    return Script(tuple(tokens), is_complete and depth == 0)


def is_simple(text: str) -> bool:
    """Return whether the line is one program and its arguments, and does not depend on who starts the program.

    If so, a guard can go in front of it: the shell that reads the line removes the quotes either way. Lines with two
    backslashes are never simple, because Debian's cron passes one to the shell and other crons pass two.
    """
    script = scan(text)
    if not script.tokens or not script.is_complete or "\\\\" in text:
        return False
    first = script.tokens[0]
    is_program = first.value not in _KEYWORDS | _BUILTINS and first.value != "" and first.text[0] != "="
    has_words_only = all(token.kind == "word" and token.is_plain for token in script.tokens)
    return has_words_only and is_program and not _ASSIGNMENT.match(first.text)


def is_cut_short(command: str) -> bool:
    """Return whether a bare `%` seems to end the command by mistake."""
    shell = shell_part(command)
    return len(shell) < len(command) and (shell.endswith("+") or not scan(shell).is_complete)


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command in the line, without leading keywords, assignments and redirections."""
    words: list[str] = []
    tokens = iter(scan(text).tokens)
    for token in tokens:
        if token.is_redirect:
            next(tokens, None)
        elif token.kind != "word":
            yield from [words] if words else []
            words = []
        elif words or not (token.value in _KEYWORDS or _ASSIGNMENT.match(token.text)):
            words.append(token.value)
    if words:
        yield words


def _token(text: str, at: int) -> tuple[Token, bool]:
    if text[at] == "#":
        return Token("comment", text[at:], at, len(text), False), True
    if match := _OPERATOR.match(text, at):
        return Token("operator", match[0], at, match.end(), False), True
    return _word(text, at)


def _word(text: str, start: int) -> tuple[Token, bool]:
    at, is_plain, is_closed = start, True, True
    while at < len(text) and text[at] not in " \t;&|<>()":
        if match := _PLAIN.match(text, at):
            at = match.end()
        else:
            is_plain = False
            at, closed = _after_special(text, at)
            is_closed &= closed
    return Token("word", text[start:at], start, at, is_plain), is_closed


def _after_special(text: str, at: int) -> tuple[int, bool]:
    """Return the end of the text that the shell has to interpret, and whether it is complete."""
    if text[at] in "\"`'":
        return _after(text, at + 1, text[at])
    if text[at] == "$" and text[at + 1 : at + 2] in _PAIRS:
        return _after(text, at + 2, _PAIRS[text[at + 1]])
    return at + 1, text[at] != "\\"


def _after(text: str, at: int, close: str) -> tuple[int, bool]:
    while at < len(text):
        if text[at] == close:
            return at + 1, True
        if text[at] == "\\" and close != "'":
            at += 2
        elif close == "'":
            at += 1
        elif nested := _nested(text, at, close):
            at, is_closed = nested
            if not is_closed:
                return at, False
        else:
            at += 1
    return len(text), False


def _nested(text: str, at: int, close: str) -> tuple[int, bool] | None:
    if text[at] == "$" and text[at + 1 : at + 2] in _PAIRS:
        return _after(text, at + 2, _PAIRS[text[at + 1]])
    if close == ")" and text[at] == "(":
        return _after(text, at + 1, ")")
    if text[at] == "`" or (close != '"' and text[at] in "\"'"):
        return _after(text, at + 1, text[at])
    return None
