"""A PostgreSQL of our own, on a socket in a folder that goes with it, to be stopped and started."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving.drills.stage import DrillError, LackingError, until

PORT = 5432
"""Only part of the socket's name; nothing listens on the network."""

USER = "drills"


@dataclass
class Postgres:
    """A database server."""

    binaries: Path
    folder: Path
    user: pwd.struct_passwd | None
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def socket(self) -> Path:
        return self.folder / f".s.PGSQL.{PORT}"

    @property
    def url(self) -> str:
        """The address of its database over the socket."""
        return f"postgresql://{USER}@localhost/postgres?unix_sock={self.socket}"

    def start(self) -> None:
        """Start it on what is there; gives back once it takes connections."""
        command = [
            self.binaries / "postgres", "-D", self.folder / "data", "-k", self.folder,
            "-p", str(PORT), "-c", "listen_addresses=",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - binaries of the distribution
                [str(part) for part in command], stdout=log, stderr=log, cwd=self.folder,
                user=None if self.user is None else self.user.pw_uid,
                group=None if self.user is None else self.user.pw_gid,
                extra_groups=None if self.user is None else [],
            )  # fmt: skip
        told = self.folder / "data/postmaster.pid"
        until(
            lambda: told.exists() and told.read_text().rstrip().endswith("ready"),
            "PostgreSQL takes connections",
        )

    def stop(self) -> None:
        """End it at once, as if it had crashed: it recovers from its log when it starts."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A new server that runs; neither process nor file of it is left.

    Raises
    ------
    LackingError
        If PostgreSQL is not installed.
    """
    binaries = _binaries()
    user = _other_user() if os.geteuid() == 0 else None
    # Short, because the name of a socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    server = Postgres(binaries, folder, user)
    try:
        data = folder / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            for path in (folder, data):
                os.chown(path, user.pw_uid, user.pw_gid)
        done = subprocess.run(  # noqa: S603 - binaries of the distribution
            [str(binaries / "initdb"), "-D", str(data), "-U", USER, "--auth=trust",
             "--encoding=UTF8", "--locale=C", "--no-sync"],
            capture_output=True, text=True, check=False, cwd=folder,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )  # fmt: skip
        if done.returncode:
            raise DrillError(f"initdb failed: {done.stderr}")
        server.start()
        yield server
    finally:
        server.stop()
        time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).resolve().parent
    raise LackingError("no PostgreSQL: install the package postgresql")


def _other_user() -> pwd.struct_passwd:
    """Who runs it instead of root, which PostgreSQL refuses."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LackingError("PostgreSQL refuses to run as root, and there is no other user for it")
