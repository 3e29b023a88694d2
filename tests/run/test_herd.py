"""Sixty runs start for one tick: exactly one runs, the others skip, and none prints anything."""

import subprocess
import sys
from collections import Counter

import pytest
from members import HERE
from processes import boot, wait_until
from rig import tick

COUNT = 60
EXPECTED = Counter({0: 1, 75: COUNT - 1})


@pytest.fixture
def ran(tmp_path):
    """Returns the lines of the file in which each job that runs leaves a line."""

    def lines():
        file = tmp_path / "ran"
        return file.read_text().splitlines() if file.exists() else []

    return lines


def append(then=""):
    return f'echo "$CRONGUARD_NODE $CRONGUARD_TOKEN" >> ran; {then}'


def start_all(cluster, *arguments, node):
    """Start sixty programs as sixty crons would; return them once all are started."""
    with (cluster.root / "output").open("w") as output:
        streams = dict(stdout=output, stderr=output)
        return [cluster.start(*arguments, node=node.format(n), **streams) for n in range(COUNT)]


def outcome(cluster, runs):
    statuses = Counter(run.end(limit=240).status for run in runs)
    return statuses, (cluster.root / "output").read_text()


def test_of_sixty_programs_on_sixty_nodes_one_runs_even_if_it_takes_only_a_moment(cluster, ran):
    runs = start_all(cluster, "--tick", tick(1), "-c", append(), node="n{}")
    assert outcome(cluster, runs) == (EXPECTED, "")
    assert len(ran()) == 1
    assert cluster.record().attempt == 1


def test_of_sixty_programs_on_one_node_one_runs_if_all_started_before_it_ended(cluster, ran):
    line = append("while ! test -e all-began; do sleep 0.05; done")
    runs = start_all(cluster, "--tick", tick(1), "-c", line, node="same")
    began = boot()
    wait_until(lambda: boot() > began + 0.1)  # the kernel counts starts in hundredths of a second
    (cluster.root / "all-began").touch()
    assert outcome(cluster, runs) == (EXPECTED, "")
    assert len(ran()) == 1


def stampede(cluster, spread, *arguments, node="n{n}"):
    """Start sixty runs at the same moment; return their statuses and their output."""
    words = cluster.command(*arguments)[3:]
    command = [sys.executable, HERE / "herd.py", COUNT, spread, cluster.root / "output", *words]
    started = subprocess.run(
        list(map(str, command)),
        env=cluster.env(node),
        cwd=cluster.root,
        stdout=subprocess.PIPE,
        text=True,
        timeout=240,
        check=True,
    )
    return Counter(map(int, started.stdout.split())), (cluster.root / "output").read_text()


@pytest.mark.parametrize("again", range(3))
@pytest.mark.parametrize("spread", [0.0, 1.5])
def test_of_sixty_that_reach_a_new_key_together_one_runs(cluster, ran, spread, again):
    assert stampede(cluster, spread, "--tick", tick(1), "-c", append()) == (EXPECTED, "")
    assert len(ran()) == 1


def test_of_sixty_one_runs_for_each_tick_in_a_row(cluster, ran):
    tokens = []
    for number in range(4):
        assert stampede(cluster, 0.0, "--tick", tick(number), "-c", append()) == (EXPECTED, "")
        (cluster.root / "output").unlink()
        tokens.append(int(ran()[number].split()[1]))
    assert len(ran()) == 4
    assert tokens == sorted(set(tokens))


def test_a_job_of_one_second_runs_once_when_its_starts_straddle_a_second(cluster, ran):
    assert stampede(cluster, 1.8, "--tick", tick(1), "-c", append("sleep 1")) == (EXPECTED, "")
    assert len(ran()) == 1


def test_of_sixty_that_wait_each_runs_alone_with_every_run(cluster, ran):
    line = append("mkdir alone && sleep 0.01 && rmdir alone")
    options = ["--every-run", "--wait", "200", "--ttl", "60"]
    statuses, output = stampede(cluster, 0.0, *options, "-c", line)
    assert output == ""
    assert statuses == {0: COUNT}
    tokens = [int(line.split()[1]) for line in ran()]
    assert tokens == sorted(tokens)
    assert len(set(tokens)) == COUNT
