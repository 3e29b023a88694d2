import signal

import pytest


@pytest.fixture
def watching(node, store):
    """`cronguard locks --watch` with its output on a pipe."""
    with node.start("locks", "--watch", "--backend", f"dir:{store}") as process:
        yield process
        process.kill()


def next_lines(process, wanted):
    """Read up to the wanted line; if it never comes, the time limit of the test stops the wait."""
    while wanted not in (line := process.stdout.readline()):
        assert line, "it ended"
    return line


def test_a_store_outage_is_reported_and_watching_goes_on(watching, store):
    next_lines(watching, "no locks")
    away = store.rename(store.with_name("away"))
    next_lines(watching, str(store))
    away.rename(store)
    next_lines(watching, "no locks")


def test_watching_ends_with_an_interrupt_and_without_a_traceback(watching):
    next_lines(watching, "no locks")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(60) == 130
    assert watching.stderr.read().strip() == ""
