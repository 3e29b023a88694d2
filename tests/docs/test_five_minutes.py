"""The README's quick start on two nodes: its commands as they are written, below directories of the test."""

import grp
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from documents import CHECKOUT, section

CRONTAB = "MAILTO=ops@example.org\n0 2 * * *\techo paid >> {paid}; true\n"
CRONTAB_PROGRAM = '#!/bin/sh\n[ "$1" = -l ] && exec cat ~/crontab\nexec cat > ~/crontab\n'
# Does what `python3 -m venv` and pip would do, in a tenth of the time.
VENV = '#!/bin/sh\nmkdir -p "$3/bin" && cp "${0%/*}/pip" "$3/bin/"\n'
PIP = """\
#!/bin/sh
printf '#!/bin/sh\\nexec {python} -m cronguard "$@"\\n' > "${{0%/*}}/cronguard"
cp "${{0%/*}}/cronguard" "${{0%/*}}/cronguard-shell" && chmod +x "${{0%/*}}"/cronguard*
"""


class Server:
    """A server with its own directories and crontab, which mounts the same /shared as the other."""

    def __init__(self, name, share):
        self.root, self.share = share.parent / name, share
        self.crontab = self.root / "crontab"
        for folder in ("bin", "opt", "usr/local/bin", "etc"):
            (self.root / folder).mkdir(parents=True)
        pip = PIP.format(python=shlex.quote(sys.executable))
        for program, text in {"crontab": CRONTAB_PROGRAM, "python3": VENV, "pip": pip}.items():
            (self.root / "bin" / program).write_text(text)
            (self.root / "bin" / program).chmod(0o755)
        self.env = {
            "PATH": f"{self.root}/usr/local/bin:{self.root}/bin:{os.environ['PATH']}",
            "HOME": str(self.root), "PYTHONPATH": str(CHECKOUT), "LANG": "C.UTF-8",
            "CRONGUARD_CONFIG": f"{self.root}/etc/cronguard/config.toml", "CRONGUARD_LOG": "none",
            "CRONGUARD_NODE": name, "CRONGUARD_STATE_DIR": f"{self.root}/state",
        }  # fmt: skip

    def run(self, script, **more):
        return subprocess.run(
            ["sh", "-c", script], cwd=self.root, env=self.env | more, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def does(self, script):
        """Run what the README says, with this server's directories in place of the real ones."""
        here = re.sub(r"(?<![\w.])/(opt|usr/local|etc)/", rf"{self.root}/\1/", script)
        group = grp.getgrgid(os.getgid()).gr_name
        return self.run(here.replace("/shared/", f"{self.share}/").replace("cronjobs", group))

    def starts_its_line(self, tick):
        command = self.crontab.read_text().splitlines()[1].split(maxsplit=5)[5]
        return self.run(command, CRONGUARD_TICK=tick)


@pytest.fixture
def servers(tmp_path):
    (tmp_path / "shared").mkdir()
    return [Server(name, tmp_path / "shared") for name in ("web1", "web2")]


def test_a_crontab_on_two_servers_is_guarded_as_the_readme_says(servers, tmp_path):
    text = section("README.md", "## Quick start: a crontab on two servers")
    install, guard, look = re.findall(r"^```shell\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    before = CRONTAB.format(paid=tmp_path / "paid")
    for server, told in zip(servers, ["created", "exists"], strict=True):
        done = server.does(install)
        assert re.search(rf"^ok +init +.*{told}", done.stdout, re.MULTILINE), done.stdout + done.stderr
        assert re.search("^ok +backend ", done.stdout, re.MULTILINE), done.stdout
        server.crontab.write_text(before)
        done = server.does(guard)
        assert (done.returncode, "cronguard run --ns shop" in server.crontab.read_text()) == (0, True)

    tick = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
    first, second = (server.starts_its_line(tick) for server in servers)
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert (second.returncode, second.stdout, second.stderr) == (75, "", "")
    assert (tmp_path / "paid").read_text() == "paid\n"
    shown = servers[1].does(look).stdout
    assert re.search(rf"{tick} +web1 +done +0", shown), shown
    assert shown.endswith("no locks\n")

    assert servers[0].does("cronguard crontab unwrap --write").returncode == 0
    assert servers[0].crontab.read_text() == before
