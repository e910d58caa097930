"""A PostgreSQL server of the tests' own, in a folder that goes with it."""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cached_property
from pathlib import Path

NEEDED = ("initdb", "pg_ctl", "psql")
SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=60 -c deadlock_timeout=100ms -k {folder}"


def missing() -> str:
    """Why there can be no server here, or nothing."""
    return "" if all(map(_found, NEEDED)) else "no PostgreSQL server is installed here: `make postgres` where one may"


class Server:
    """A server that listens on a socket in its folder alone. Run by root it belongs to somebody without rights."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tieline-pg-"))
        self._made = 0
        if self._user:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "-D", str(self.data), "-U", "tieline", "-A", "trust", "--no-sync", "-E", "UTF8")
        atexit.register(self.remove)
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        options = SETTINGS.format(folder=self.folder)
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """``immediate`` is what a crash is: it recovers from its log when it starts again."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def remove(self) -> None:
        if self.folder.exists():
            if (self.data / "postmaster.pid").exists():
                self.stop()
            shutil.rmtree(self.folder)

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._made += 1
        name = f"live_{self._made}"
        self._run("psql", "-h", str(self.folder), "-U", "tieline", "-d", "postgres", "-qc", f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql://tieline@/{name}?host={self.folder}"

    @cached_property
    def _user(self) -> str | None:
        if os.geteuid():
            return None
        names = {user.pw_name for user in pwd.getpwall()}
        return next(name for name in ("postgres", "nobody") if name in names)

    def _run(self, command: str, *arguments: str) -> None:
        who: dict = {}
        if self._user:
            entry = pwd.getpwnam(self._user)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        path = _found(command)
        assert path is not None
        with (self.folder / "output").open("ab") as output:
            subprocess.run([path, *arguments], cwd="/", check=True, stdout=output, stderr=output, timeout=60, **who)


def _found(command: str) -> str | None:
    """Debian keeps some of them out of the path."""
    elsewhere = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(command) or shutil.which(command, path=os.pathsep.join(elsewhere))
