"""One process delivers, and another one may as soon as it has ended, however it did."""

import os
import signal
import subprocess
import sys
import time

import pytest

from data.errors import LockedError, StoreError
from data.outbox_lead import leading
from data.sql_engine import open_engine
from tests.conftest import ROOT
from tests.postgres import Postgres

HOLD = """
import sys, time
from data.outbox_lead import leading
from data.sql_engine import open_engine
with leading(open_engine(sys.argv[1])) as check:
    check()
    print("leads", flush=True)
    time.sleep(60)
"""


def test_a_second_process_may_not_and_may_when_the_first_was_killed(url: str) -> None:
    engine = open_engine(url)
    command = [sys.executable, "-c", HOLD, url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "leads\n"
        with pytest.raises(LockedError), leading(engine):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    until = time.monotonic() + 20
    while True:
        try:
            with leading(engine) as check:
                check()
            break
        except LockedError:
            assert time.monotonic() < until, "a dead process leads for ever"
            time.sleep(0.1)
    engine.dispose()


def test_who_ends_gives_it_back(url: str) -> None:
    first, second = open_engine(url), open_engine(url)
    for engine in (first, second, first):
        with leading(engine):
            pass
    first.dispose()
    second.dispose()


def test_a_lead_ends_with_its_connection(postgres: Postgres) -> None:
    engine = open_engine(postgres.new_database())
    with pytest.raises(StoreError), leading(engine) as check:
        check()
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        )
        check()
    engine.dispose()
