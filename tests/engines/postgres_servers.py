"""A PostgreSQL server on loopback, optionally with a synchronous standby. It runs as postgres if the user is root."""

import os
import pwd
import shutil
import subprocess

from servers import LIMIT, PATH, Servers, free_ports, program, wait_for

USER = "postgres" if os.geteuid() == 0 else None
ME = USER or pwd.getpwuid(os.geteuid()).pw_name


class Postgres(Servers):
    """The first server is the primary; `url` names all, and libpq finds the one that accepts writes."""

    def __init__(self, *more, standby=False, is_synchronous=True, rules=(), env=None):
        """Start them; `rules` are lines of pg_hba.conf that come before the one that trusts everybody."""
        super().__init__()
        self.ports, self._more, self._env = free_ports(1 + standby), more, env
        with open(f"{self.root}/rules", "w", encoding="ascii") as file:
            file.write(
                "\n".join(
                    [*rules, *(f"host {what} all 127.0.0.1/32 trust" for what in ("all", "replication"))]
                )
                + "\n"
            )
        self._make("p0")
        self._as_user("initdb", "-D", self.data(0), "-A", "trust", "-U", ME, "-E", "UTF8", "--locale=C")
        waits = ["-c", "synchronous_standby_names=standby"] if standby and is_synchronous else []
        self._start(0, *waits)
        if standby:
            self._make("p1")
            source = f"host=127.0.0.1 port={self.ports[0]} user={ME} application_name=standby"
            self._as_user(
                "pg_basebackup", "-D", self.data(1), "-R", "-X", "stream", "-c", "fast", "-d", source
            )
            self._start(1)
            state = "sync" if is_synchronous else "async"
            wait_for(
                lambda: self.sql("SELECT sync_state FROM pg_stat_replication") == state,
                f"the {state}hronous standby",
            )

    def data(self, number):
        return f"{self.root}/p{number}/data"

    def url(self, database="postgres", **options):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgres://{ME}@{hosts}/{database}?{query}"

    def sql(self, text, number=0, database="postgres"):
        done = subprocess.run(
            [program("psql"), "-XAtq", "-h", "127.0.0.1", "-p", str(self.ports[number]), "-U", ME, "-d", database, "-c", text],
            env={"PATH": PATH, "PGCONNECT_TIMEOUT": "2"}, capture_output=True, text=True, check=True, timeout=LIMIT,
        )  # fmt: skip
        return done.stdout.strip()

    def promote(self, number=1):
        self._as_user("pg_ctl", "promote", "-w", "-D", self.data(number))

    def start_again(self, number):
        """Restart a server that was killed. It cannot start until the kernel has removed all its old processes."""
        server = self.servers[number]
        wait_for(lambda: (server.is_alive or server.start()) and self.sql("SELECT 1", number), "PostgreSQL")

    def serve_tls(self, cert, key):
        for path, name in ((cert, "server.crt"), (key, "server.key")):
            self.give(path, f"{self.data(0)}/{name}")
        self.sql("ALTER SYSTEM SET ssl = on")
        self.sql("SELECT pg_reload_conf()")
        wait_for(lambda: self.sql("SHOW ssl") == "on", "TLS")

    def give(self, path, to):
        """Copy a file to a place where only the server can read it."""
        shutil.copyfile(path, to)
        os.chmod(to, 0o600)
        if USER:
            shutil.chown(to, USER, USER)

    def _make(self, name):
        os.makedirs(f"{self.root}/{name}", exist_ok=True)
        if USER:
            account = pwd.getpwnam(USER)
            os.chown(f"{self.root}/{name}", account.pw_uid, account.pw_gid)

    def _start(self, number, *more):
        self.add(
            f"p{number}", program("postgres"), "-D", self.data(number), "-p", str(self.ports[number]),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.root}/p{number}",
            "-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", f"hba_file={self.root}/rules",
            *more, *self._more, user=USER, env=self._env,
        ).start()  # fmt: skip
        wait_for(lambda: self.sql("SELECT 1", number), "PostgreSQL")

    def _as_user(self, name, *arguments):
        identity = (
            [program("setpriv"), "--reuid", USER, "--regid", USER, "--init-groups", "--"] if USER else []
        )
        done = subprocess.run(
            [*identity, program(name), *arguments],
            cwd=self.root, env={"PATH": PATH}, capture_output=True, text=True, check=False, timeout=LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
