"""Typical crontab lines, run by the real cron: unchanged, wrapped, and under `SHELL=cronguard-shell`.

One daemon runs three worlds in one minute. Each world has its own copies of the programs that the lines call. These
copies record their arguments, input and environment. The wrapped and the shell world have two nodes each.
"""

import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from processes import wait_until
from test_cron import PATIENCE, reason_not_to_run

import cronguard

ROOT = Path(cronguard.__file__).parents[1]
LINES = Path(__file__).parents[1] / "crontab/data"
WORLDS = ("plain", "wrapped", "shell")
PROGRAMS = "bundle certbot checkarray mail mail_customers.sh perl pg_dump php run-parts su warm-cache".split()
# paths in the lines are moved below a folder of the test
MOVED = re.compile(
    r"(?<![\w.])/(?=usr/share/mdadm|usr/bin/certbot|run/systemd|backups|path/to|var/www|var/lock|usr/sbin/anacron|usr/local/bin|etc/cron)"
)
PLACES = {
    "checkarray": "usr/share/mdadm", "mail_customers.sh": "var/www", "warm-cache": "usr/local/bin",
}  # fmt: skip

STAND_IN = """\
#!/bin/sh
aside=$(mktemp {root}/seen/.XXXXXX)
{{
  printf '<%s>' "${{0##*/}}" "$@"
  printf '\\nin {root}: '; pwd; cat; env | grep -v -e ^CRONGUARD_ -e ^_= | sort
}} > "$aside"
mv "$aside" {root}/seen/"${{0##*/}}.${{aside##*.}}"
echo "$CRONGUARD_JOB $CRONGUARD_RUN_TICK ${{0##*/}}" >> {root}/runs
echo "said by ${{0##*/}}"
"""

CRONTAB = """\
SHELL={shell}
PATH={root}/bin:/usr/bin:/bin
HOME={root}/home
MAILTO=""
CRONGUARD_BACKEND=dir:{root}/share
CRONGUARD_STATE_DIR={root}/state
CRONGUARD_LOG=none
CRONGUARD_NODE=n1
{lines}
"""

# A cron that does not see this machine's own crontabs and believes that the machine was just booted. The plain and the
# shell world are files in cron.d. Of the wrapped world, the system lines are such a file, and crontab(1) installs the
# user's lines; both are rewritten in place.
IN_NAMESPACE = """
mount -t tmpfs none /var/spool/cron && mount -t tmpfs none /etc/cron.d && mount -t tmpfs none /run
[ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab
mkdir -m 1730 /var/spool/cron/crontabs && chgrp crontab /var/spool/cron/crontabs
umask 022
cp plain shell /etc/cron.d
sed s/CRONGUARD_NODE=n1/CRONGUARD_NODE=n2/ shell > /etc/cron.d/shell2
crontab wrapped-user && cp wrapped-system /etc/cron.d/wrapped
cronguard crontab wrap --write --ns web /etc/cron.d/wrapped 2>> said
cronguard crontab wrap --write --replace-flock --ns web 2>> said
sed s/CRONGUARD_NODE=n1/CRONGUARD_NODE=n2/ /etc/cron.d/wrapped > /etc/cron.d/wrapped2
crontab -l | sed -E 's/CRONGUARD_NODE=n1/CRONGUARD_NODE=n2/; s/^(\\* \\* \\* \\* \\*|@reboot) /&root /' > /etc/cron.d/user2
crontab -l | cat - /etc/cron.d/wrapped > installed
cronguard crontab unwrap --print 2>> said > unwrapped-user; cronguard crontab unwrap --print /etc/cron.d/wrapped 2>> said > unwrapped-system
exec /usr/sbin/cron -f
"""


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def entries(name, root, user=""):
    """Return the job lines of a file, changed to run every minute and below `root`, with `user` before each command."""
    lines = [line for line in (LINES / name).read_text().splitlines() if re.match(r"[\d*@]", line)]
    every = [re.sub(r"^(?:\S+\s+){5}", f"* * * * * {user}", line) for line in lines]
    every = [line.replace("@reboot ", f"@reboot {user}") for line in every]
    return "\n".join(MOVED.sub(f"{root}/", line) for line in every)


class World:
    def __init__(self, root):
        self.root = root
        for name in PROGRAMS:
            program(root / PLACES.get(name, "bin") / name, STAND_IN.format(root=root))
        program(root / "usr/bin/certbot", "")
        program(root / "bin/date", '#!/bin/sh\nexec /usr/bin/date -d 2026-11-05 "$@"\n')
        for folder in ("seen", "share", "home/logs", "backups", "path/to/app", "var/lock"):
            (root / folder).mkdir(parents=True)
        (root / "home/.bash_profile").write_text(f"PATH={root}/bin:$PATH\n")

    def called(self):
        return {path.name.partition(".")[0] for path in (self.root / "seen").glob("[!.]*")}

    def seen(self):
        """Return what the programs recorded, with the world's path replaced."""
        texts = [path.read_text() for path in (self.root / "seen").glob("[!.]*")]
        return {text.replace(str(self.root), "ROOT") for text in texts}

    def files(self):
        dump = gzip.decompress((self.root / "backups/20261105.sql.gz").read_bytes())
        return dump, (self.root / "home/logs/nextcloud-cron.log").read_text()

    def runs(self):
        """Return how often each program was called for each job and tick."""
        return Counter((self.root / "runs").read_text().splitlines())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if reason := reason_not_to_run():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cron")
    (folder / "tables").mkdir()
    worlds = {name: World(folder / name) for name in WORLDS}
    for name, module in (("cronguard", "cronguard.cli.main"), ("cronguard-shell", "cronguard.cli.shell")):
        start = f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom {module} import entry\nentry()\n"
        program(folder / "bin" / name, start)
    for name, shell in (("plain", "/bin/sh"), ("shell", folder / "bin/cronguard-shell")):
        root = worlds[name].root
        lines = f"{entries('anchors-user', root, 'root ')}\n{entries('anchors-system', root)}"
        (folder / "tables" / name).write_text(CRONTAB.format(root=root, shell=shell, lines=lines))
    root = worlds["wrapped"].root
    for name in ("user", "system"):
        lines = entries(f"anchors-{name}", root)
        (folder / "tables" / f"wrapped-{name}").write_text(
            CRONTAB.format(root=root, shell="/bin/sh", lines=lines)
        )
    env = {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "CRONGUARD_STATE_DIR": f"{folder}/state",
    }
    daemon = subprocess.Popen(
        ["unshare", "--mount", "sh", "-ec", IN_NAMESPACE],
        cwd=folder / "tables",
        env=env,
        stdin=subprocess.DEVNULL,
    )
    wait_until(
        lambda: all(len(world.called()) == len(PROGRAMS) for world in worlds.values()),
        "all programs",
        PATIENCE,
    )
    wait_until(
        lambda: all(row["state"] == "done" for name in ("wrapped", "shell") for row in locks(folder, name)),
        "the end",
        PATIENCE,
    )
    daemon.kill()
    daemon.wait()
    return folder


def locks(folder, name):
    out = subprocess.check_output(
        [folder / "bin/cronguard", "locks", "--all", "--json", "--backend", f"dir:{folder}/{name}/share"],
        env={"CRONGUARD_STATE_DIR": f"{folder}/state", "HOME": str(folder)},
    )
    return json.loads(out)


pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("world", ["wrapped", "shell"])
def test_a_guarded_line_does_what_the_plain_one_does(folder, world):
    plain, guarded = (World.__new__(World) for _ in range(2))
    plain.root, guarded.root = folder / "plain", folder / world
    assert guarded.seen() == plain.seen()
    assert guarded.files() == plain.files() == (b"said by pg_dump\n", "said by php\n")


@pytest.mark.parametrize("world", ["wrapped", "shell"])
def test_of_two_nodes_one_runs_the_line(folder, world):
    runs = Counter(line for line in (folder / world / "runs").read_text().splitlines())
    guarded = {line: count for line, count in runs.items() if not line.startswith(" ")}
    assert set(guarded.values()) == {1}
    assert len({line.split()[0] for line in guarded}) >= len(locks(folder, world)) > 5


def test_the_wrapped_crontabs_were_written_in_place_and_the_old_ones_were_kept(folder):
    installed = (folder / "tables/installed").read_text()
    assert installed.count(" run --ns web --name ") == 9
    backups = sorted((folder / "state/backups").iterdir())
    kept = {path.read_text() for path in backups}
    assert kept == {
        (folder / "tables/wrapped-user").read_text(),
        (folder / "tables/wrapped-system").read_text(),
    }


@pytest.mark.parametrize("name", ["user", "system"])
def test_a_crontab_that_cron_ran_is_unwrapped_byte_for_byte(folder, name):
    assert (folder / f"tables/unwrapped-{name}").read_bytes() == (
        folder / f"tables/wrapped-{name}"
    ).read_bytes()
