import io
import json
import os
import socket
import sys

import pytest

from cronguard.system import log
from cronguard.system.log import Log

FACTS = {"job": "billing/invoices", "tick": "2026-11-22T05:30Z"}


@pytest.fixture
def syslog(tmp_path, monkeypatch):
    """A syslog that listens."""
    path = str(tmp_path / "log")
    monkeypatch.setattr(log, "SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.setblocking(False)
        yield sock


@pytest.fixture
def on_stderr(capsys):
    """Write to stderr and return what arrived."""

    def write(form, level, event, **facts):
        Log("stderr", form, **FACTS).write(level, event, **facts)
        return capsys.readouterr().err

    return write


def test_a_line_has_the_event_and_its_facts_in_order(on_stderr):
    assert on_stderr("text", "info", "done", status=0) == (
        "cronguard: job=billing/invoices tick=2026-11-22T05:30Z event=done status=0\n"
    )


def test_a_value_with_blanks_is_quoted_and_an_empty_one_too(on_stderr):
    assert 'detail="web2 runs it" reason=""' in on_stderr(
        "text", "info", "x", detail="web2 runs it", reason=""
    )


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "a\x1b[31mb", "a\udcffb", "a\u2028b"])
def test_no_value_breaks_the_line_or_the_terminal(on_stderr, value):
    line = on_stderr("text", "info", "x", detail=value)
    assert line.isascii() and line.count("\n") == 1 and line.rstrip("\n").isprintable()
    assert "detail=a?b" in line or "detail=a?[31mb" in line


def test_facts_that_are_not_known_are_left_out(on_stderr):
    assert "detail" not in on_stderr("text", "info", "x", detail=None)
    assert "status=0" in on_stderr("text", "info", "x", status=0)


def test_as_json_the_line_is_an_object_with_the_same_facts(on_stderr):
    line = on_stderr("json", "info", "done", status=0, detail='a "b"\nc', pids=None)
    assert json.loads(line.removeprefix("cronguard: ")) == {
        **FACTS, "event": "done", "status": 0, "detail": 'a "b"\nc',
    }  # fmt: skip
    assert line.count("\n") == 1


@pytest.mark.parametrize(("level", "priority"), [("warning", 76), ("info", 78), ("debug", 79)])
def test_syslog_gets_the_line_with_crons_facility_and_its_level(syslog, level, priority):
    Log("syslog", "text", **FACTS).write(level, "done")
    sent = syslog.recv(4096).decode()
    assert (
        sent
        == f"<{priority}>cronguard[{os.getpid()}]: job=billing/invoices tick=2026-11-22T05:30Z event=done"
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_program_whose_name_is_not_text_is_still_logged(syslog, form):
    Log("syslog", form, program="caf\udce9").write("info", "done")
    assert b"caf" in syslog.recv(4096)


@pytest.mark.parametrize("path", ["/no/such/log", "/dev/null", "/"])
def test_without_a_syslog_only_the_line_is_lost(monkeypatch, path):
    monkeypatch.setattr(log, "SOCKET", path)
    Log("syslog", "text").write("info", "done")


def test_a_syslog_with_a_full_queue_does_not_block(syslog):
    for _ in range(1000):  # more datagrams than any queue holds; the test hangs if one blocks
        Log("syslog", "text", **FACTS).write("info", "done")
    assert syslog.recv(4096)


def test_with_a_syslog_that_accepts_only_streams_only_the_line_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "SOCKET", str(tmp_path / "log"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(tmp_path / "log"))
        sock.listen()
        Log("syslog", "text").write("info", "done")


def test_only_the_line_is_lost_if_it_is_too_long_for_a_datagram(syslog):
    Log("syslog", "text").write("info", "done", detail="x" * 10_000_000)


@pytest.mark.parametrize("stream", [None, open(os.devnull, encoding="ascii")])  # noqa: SIM115 - never written to
def test_without_a_writable_stderr_only_the_line_is_lost(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    Log("stderr", "text").write("info", "done", detail="x")


class FullDisk(io.StringIO):
    def flush(self):
        raise OSError(28, "No space left on device")


def test_with_a_full_or_closed_stderr_only_the_line_is_lost(monkeypatch):
    closed = io.StringIO()
    closed.close()
    for stream in (FullDisk(), closed):
        monkeypatch.setattr(sys, "stderr", stream)
        Log("stderr", "text").write("info", "done")


def test_with_log_none_nothing_is_logged(syslog, capsys):
    Log("none", "text").write("warning", "lost")
    assert capsys.readouterr().err == ""
    with pytest.raises(BlockingIOError):
        syslog.recv(4096)
