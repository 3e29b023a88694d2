"""Do something as another user with another umask, as cron does on another node."""

import os
import traceback

NOBODY = 65534


def as_user(act, umask=0o022, uid=NOBODY, gid=NOBODY, groups=()):
    """Run `act` in a child as an ordinary user; return what it raised, or None if it succeeded."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, _told(act, umask, uid, gid, groups).encode()[:4000])
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        told = file.read()
    os.waitpid(pid, 0)
    return told or None


def _told(act, umask, uid, gid, groups):
    try:
        os.umask(umask)
        if os.geteuid() == 0 and uid != 0:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
        act()
    except Exception as error:  # noqa: BLE001 - reported to the parent
        return f"{type(error).__name__}: {error} ({getattr(error, 'hint', '')})\n{traceback.format_exc()}"
    return ""
