"""Record when Debian's cron really fires around clock changes, into debian_cron.json.

This needs root (for private mount namespaces), Debian's cron and faketime. Each schedule gets its own cron daemon, a
private spool, and a clock that starts shortly before the change and runs sixty times too fast. Each fire is recorded
with the true time, which is converted afterwards. It takes about five minutes:

    python3 tests/schedule/data/record_debian_cron.py
"""

import datetime as dt
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import zoneinfo

SPEED = 60
HOURS = 4.2
SCHEDULES = [
    "30 2 * * *",
    "*/20 * * * *",
    "30 * * * *",
    "15 2,3 * * *",
    "0 */2 * * *",
    "*/30 2 * * *",
    "5 0-23 * * *",
    "@hourly",
    "45 1 */2 * 0",
    "45 1 1 * */2",
]
# Past changes: governments may still move future ones, and a new tzdata would then contradict the recording.
CASES = [
    ("Europe/Berlin", "2024-03-31 00:20:30"),
    ("Europe/Berlin", "2024-10-27 00:20:30"),
    ("Australia/Lord_Howe", "2025-10-05 00:20:30"),
    ("Australia/Lord_Howe", "2025-04-06 00:20:30"),
    ("America/Havana", "2025-03-08 22:20:30"),
    ("America/Havana", "2025-11-01 22:20:30"),
]
IN_NAMESPACE = """
mount -t tmpfs none /dev/shm && mount -t tmpfs none /var/spool/cron && mount -t tmpfs none /run && mount -t tmpfs none /etc/cron.d
[ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab
mkdir -m 1730 /var/spool/cron/crontabs && chgrp crontab /var/spool/cron/crontabs
touch /run/crond.reboot && crontab "$2" && date +%s.%N > "$3"
exec faketime -f "@$1 x$4" /usr/sbin/cron -f
"""


def start(zone: str, begin: str, schedule: str, folder: pathlib.Path) -> subprocess.Popen[bytes]:
    crontab = folder / "crontab"
    crontab.write_text(f"{schedule} date +\\%s.\\%N >> {folder}/fires\n")
    arguments = [begin, str(crontab), f"{folder}/started", str(SPEED)]
    return subprocess.Popen(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-ec",
            IN_NAMESPACE,
            "sh",
            *arguments,
        ],
        env={"PATH": os.environ["PATH"], "TZ": zone},
    )


def minutes(begin: float, folder: pathlib.Path) -> list[str]:
    started = float((folder / "started").read_text())
    fires = folder / "fires"
    moments = [float(line) for line in fires.read_text().split()] if fires.exists() else []
    seen = [begin + (moment - started) * SPEED for moment in moments]
    return [dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%MZ") for at in seen]


def stop(daemons: list[subprocess.Popen[bytes]]) -> None:
    for daemon in daemons:
        daemon.kill()
        daemon.wait()


def case(zone: str, begin: str, folders: list[pathlib.Path]) -> dict[str, object]:
    local = dt.datetime.fromisoformat(begin).replace(tzinfo=zoneinfo.ZoneInfo(zone))
    at = local.timestamp()
    fires = {s: minutes(at, folder) for s, folder in zip(SCHEDULES, folders, strict=True)}
    return {"zone": zone, "begin": at, "end": at + HOURS * 3600 - 30, "fires": fires}


def record(folder: pathlib.Path) -> list[dict[str, object]]:
    folders = [[folder / f"{c}-{s}" for s in range(len(SCHEDULES))] for c in range(len(CASES))]
    daemons = []
    for (zone, begin), row in zip(CASES, folders, strict=True):
        for schedule, own in zip(SCHEDULES, row, strict=True):
            own.mkdir()
            daemons.append(start(zone, begin, schedule, own))
    time.sleep(HOURS * 3600 / SPEED)
    stop(daemons)
    return [case(zone, begin, row) for (zone, begin), row in zip(CASES, folders, strict=True)]


def main() -> None:
    version = subprocess.check_output(["dpkg-query", "-W", "-f", "${Version}", "cron"], text=True)
    with tempfile.TemporaryDirectory() as temporary:
        os.chmod(temporary, 0o755)
        cases = record(pathlib.Path(temporary))
    data = {"cron": version, "cases": cases}
    target = pathlib.Path(__file__).with_name("debian_cron.json")
    target.write_text(json.dumps(data, indent=1) + "\n")
    print(f"{target}: {len(cases)} cases", file=sys.stderr)


if __name__ == "__main__":
    main()
