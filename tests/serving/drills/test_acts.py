"""What each drill does, on a stage where nothing runs, and how it judges what clients were told."""

import errno
import http.client
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from data.sql import open_sql_store
from models.bundle import verify
from models.manifest import read_manifest
from serving.drills import clocks, disks, kills, outside, stores
from serving.drills.bundles import flip, retouched
from serving.drills.client import FEEDBACK, PREDICT
from serving.drills.proxy import SlowProxy
from serving.drills.stage import LackingError
from tests.serving.drills.stand_in import StandIn


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module, names in {
        disks: ["FULL"], kills: ["AFTER"], outside: ["GONE"], stores: ["AWAY", "LOCKED"],
        clocks: ["PAUSE"],
    }.items():  # fmt: skip
        for name in names:
            monkeypatch.setattr(module, name, 0.05)
    stage = StandIn(tmp_path)
    with stage.contexts:
        yield stage


def open_store(stage: StandIn) -> None:
    open_sql_store(stage.kept.store).close()


# Processes


def test_a_killed_worker_may_cost_what_was_told_just_before(stage: StandIn) -> None:
    open_store(stage)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as worker:
        stage.pids = [worker.pid, 1]

        def replace() -> None:
            worker.wait()
            stage.pids = [1, 2]

        threading.Thread(target=replace).start()
        stage.answers()
        found = kills.kill_worker(stage)
        assert worker.returncode == -signal.SIGKILL
    assert found.broken == []
    assert found.may_lose == {"p0"}


def test_a_service_that_is_killed_is_started_again(stage: StandIn) -> None:
    open_store(stage)
    stage.answers()
    found = kills.kill_service(stage)
    assert (stage.killed, stage.started) == (1, 1)
    assert found.may_lose == {"p0"}
    kills.without_lag(stage)
    assert kills.kill_service(stage).may_lose == ()


def test_a_request_that_fails_without_a_fault_breaks_the_promise(stage: StandIn) -> None:
    open_store(stage)
    stage.fails(PREDICT, "503")
    time.sleep(0.01)
    assert kills.kill_service(stage).broken == ["failed although it was up: 1 x 503"]


# Stores


def spooled(stage: StandIn) -> None:
    stage.answers()
    stage.ledger.took("k", "spooled")


def test_a_locked_store_can_be_written_again_afterwards(stage: StandIn) -> None:
    open_store(stage)
    spooled(stage)
    assert stores.lock_sqlite(stage).broken == []
    file = stage.kept.store.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")


def test_a_store_out_of_reach_comes_into_reach(stage: StandIn) -> None:
    stores.block_file(stage)
    spooled(stage)
    assert stores.unblock_file(stage).broken == []
    open_store(stage)


def test_feedback_that_was_not_spooled_breaks_the_promise(stage: StandIn) -> None:
    stores.block_file(stage)
    stage.fails(FEEDBACK, "503")
    assert stores.unblock_file(stage).broken == ["failed: 1 x 503", "no feedback was spooled"]


def test_postgresql_is_stopped_and_started_and_keeps_what_it_had(stage: StandIn) -> None:
    drill = stores.OnPostgres()
    drill.prepare(stage)
    open_store(stage)
    spooled(stage)
    assert drill.stop(stage).broken == []
    with closing(open_sql_store(stage.kept.store)) as store:
        assert store.find("nobody") is None


def test_a_slow_store_answers_late_and_then_at_once_again(
    stage: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "AWAY", 0.5)
    drill = stores.OnPostgres()
    drill.prepare_slow(stage)
    open_store(stage)
    spooled(stage)
    late = []

    def find() -> None:
        with closing(open_sql_store(stage.kept.store)) as store:
            store.find("nobody")
            late.append(time.monotonic())

    began = time.monotonic()
    thread = threading.Thread(target=find)
    threading.Timer(0.2, thread.start).start()
    assert drill.slow(stage).broken == []
    time.sleep(0.1)
    thread.join()
    assert late[0] - began > stores.DELAY


def test_a_proxy_carries_both_ways(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as far:
        far.bind(str(place))
        far.listen()
        with SlowProxy(place) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as near:
            near.sendall(b"ping")
            other, _ = far.accept()
            with other:
                assert other.recv(4) == b"ping"
                other.sendall(b"pong")
                assert near.recv(4) == b"pong"
            assert near.recv(4) == b""


# Disk and clock


def test_a_full_disk_refuses_feedback_and_is_free_again(stage: StandIn) -> None:
    disks.on_small_disk(stage)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as worker:
        stage.pids = [worker.pid]
        stage.fails(FEEDBACK, "503")
        assert disks.fill(stage).broken == []
        assert psutil.Process(worker.pid).rlimit(psutil.RLIMIT_FSIZE)[0] == -1
        stage.fails(PREDICT, "503")
        assert disks.fill(stage).broken == ["failed otherwise: 1 x 503"]
        worker.kill()
    assert not (stage.folder / "disk/filler").exists()


def test_feedback_acknowledged_while_the_disk_is_full_breaks_the_promise(stage: StandIn) -> None:
    assert disks.fill(stage).broken == ["feedback was acknowledged although nothing can be written"]


def test_a_limit_of_files_keeps_a_process_from_writing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.stdin.readline()\n"
        "try: open(sys.argv[1], 'wb', buffering=0).write(b'two')\n"
        "except OSError as error: print(error.errno, flush=True)\n"
        "else: print('written', flush=True)"
    )
    place = tmp_path / "file"
    place.write_bytes(b"")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        disks.limit([process.pid], 0)
        told, _ = process.communicate(b"\n")
    assert int(told) == errno.EFBIG


def test_the_clock_ends_where_it_was(stage: StandIn) -> None:
    assert clocks.jump(stage).broken == []
    assert (stage.folder / "clock").read_text() == "+0\n"
    stage.fails(PREDICT, "500")
    assert clocks.jump(stage).broken == ["failed: 1 x 500"]


def test_a_library_that_is_not_there_is_named(
    stage: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "PLACES", (f"{tmp_path}/*/faketime",))
    with pytest.raises(LackingError, match="libfaketime"):
        clocks.own_clock(stage)
    there = tmp_path / "x86" / "faketime" / clocks.LIBRARY
    there.parent.mkdir(parents=True)
    there.touch()
    clocks.own_clock(stage)
    assert stage.settings["LD_PRELOAD"] == str(there)


# Bundles


def test_a_retouched_bundle_is_whole_and_another(sealed: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    version = retouched(sealed, store)
    assert verify(store / version).version == version != read_manifest(sealed).version
    assert retouched(sealed, store) == version


def test_one_bit_is_enough_to_be_refused(sealed: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    place = store / retouched(sealed, store)
    flip(place / "linear/member.json")
    with pytest.raises(Exception, match="altered"):
        verify(place)


# Beside the service


def test_redis_goes_and_comes_back(stage: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(outside.Redis):
        starts = kills = 0

        def start(self) -> None:
            self.starts += 1

        def kill(self) -> None:
            self.kills += 1

    monkeypatch.setattr(outside, "Redis", Counted)
    drill = outside.WithRedis()
    drill.prepare(stage)
    assert stage.settings["TICKETS_REDIS"].endswith(str(drill.server.port))
    assert drill.go(stage).broken == []
    assert (drill.server.starts, drill.server.kills) == (2, 1)
    stage.fails(PREDICT, "500")
    assert drill.go(stage).broken == ["failed: 1 x 500"]


def test_a_redis_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LackingError, match="redis-server"):
        outside.Redis().start()


def test_a_receiver_hangs_until_it_is_let_to_answer(stage: StandIn) -> None:
    drill = outside.WithWebhooks()
    drill.prepare(stage)
    endpoint = json.loads((stage.folder / "webhooks.yaml").read_text())["endpoints"]["drill"]
    port = int(endpoint["url"].rpartition(":")[2].rstrip("/"))
    stage.ledger.predictions.append(SimpleNamespace(id="p", told=time.monotonic() - 3, asked=0))
    statuses = []

    def tell() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("POST", "/", json.dumps({"data": {"prediction_id": "p"}}))
            statuses.append(connection.getresponse().status)

    thread = threading.Thread(target=tell)
    thread.start()
    found = drill.hang(stage)
    thread.join()
    assert found.broken == []
    assert statuses == [204]
