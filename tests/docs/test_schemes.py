"""docs/schemes.md: its configurations load, cron and cronguard accept its lines, and its timelines are true."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from documents import CHECKOUT, blocks_in, commands, read

from cronguard.config.sources import load
from cronguard.heartbeat.config import load_heartbeat

PAGE = "docs/schemes.md"


@pytest.mark.parametrize("text", blocks_in(PAGE, "toml"), ids=range(len(blocks_in(PAGE, "toml"))))
def test_a_configuration_can_be_loaded_unchanged(text, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(text)
    settings = load({}, str(path), {"CRONGUARD_NODE": "web1"})
    assert settings.nodes[:2] == ("web1", "web2")
    assert not load_heartbeat(str(path), settings.nodes, {}).probes or "[probes.web1]" in text


@pytest.mark.skipif(not shutil.which("crontab"), reason="needs cron")
def test_cron_accepts_the_lines(tmp_path):
    for text in blocks_in(PAGE, "crontab"):
        (tmp_path / "crontab").write_text(text)
        checked = subprocess.run(["crontab", "-n", tmp_path / "crontab"], capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_cronguard_accepts_the_lines(shell, tmp_path):
    (tmp_path / "share").mkdir()
    (tmp_path / "config.toml").write_text(f'backend = "dir:{tmp_path}/share"\nnodes = ["web1", "web2"]\n')
    env = {"CRONGUARD_CONFIG": str(tmp_path / "config.toml"), "CRONGUARD_BACKEND": ""}
    for line in "".join(blocks_in(PAGE, "crontab")).splitlines():
        words = shlex.split(line.split(maxsplit=5)[5].replace("/usr/local/bin/", "/bin/true "))
        if words[:2] == ["cronguard", "run"]:
            words.insert(2, "--dry-run")
        done = shell(shlex.join(words), **env)
        assert (done.returncode, done.stderr) in ((0, ""), (75, "")), (line, done.stderr)


def test_the_timelines_match_the_simulator():
    drawn = subprocess.run(
        [sys.executable, "-m", "tests.simulation.timelines"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=300,
    ).stdout  # fmt: skip
    shown = [text.strip() for text in blocks_in(PAGE, "text")]
    assert len(shown) == 7
    for text in shown:
        assert text in re.sub(r" +$", "", drawn, flags=re.MULTILINE)


def test_the_service_runs_an_existing_command_and_is_part_of_the_package():
    unit = read("systemd/cronguard-heartbeat.service")
    words = re.search(r"^ExecStart=/usr/bin/env cronguard (.*)$", unit, re.MULTILINE)[1].split()
    options = {word for param in commands()[words[0]].params for word in param.opts}
    assert set(words[1::2]) <= options
    assert "systemd/cronguard-heartbeat.service" in read("pyproject.toml")
