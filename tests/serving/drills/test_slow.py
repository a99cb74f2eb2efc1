"""A small crowd at a door that is open, and at one that closes."""

import socket
import threading
import time
from pathlib import Path

import pytest

from serving.drills import crowd as crowding
from serving.drills import slow
from serving.drills.stage import LackingError
from tests.serving.drills.stand_in import StandIn


class Door:
    """Accepts all that come; hangs up on them when told to."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listening.getsockname()[1]
        self.inside: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.inside.append(self.listening.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self.listening.close()
        for one in self.inside:
            one.close()


@pytest.fixture
def door():
    door = Door()
    yield door
    door.close()


def test_all_come_and_none_ends_its_request(door: Door) -> None:
    with slow.crowd(door.port, 30) as crowd:
        while not crowd.told["whole"]:
            assert crowd.process.poll() is None
            time.sleep(0.05)
        assert crowd.told["came"] == 30
        one = door.inside[0]
        one.settimeout(10)
        told = one.recv(1000)
        while told.count(b"X-Slow") < 2:
            told += one.recv(1000)
        assert b"\r\n\r\n" not in told
        door.inside[1].close()
        while crowd.told["closed"] < 1:
            time.sleep(0.05)
    assert crowd.process.poll() is not None


def test_a_crowd_that_is_hung_up_on_while_others_are_answered_keeps_the_promise(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow, "CROWD", 20)
    monkeypatch.setattr(slow, "STAYS", 0.1)
    stage = StandIn(tmp_path, port=door.port)
    assert slow.come_slowly(stage).broken == ["20 of 20 were not hung up on"]
    monkeypatch.setattr(slow, "CROWD", 0)
    stage.fails("/v1/predict", "TimeoutError")
    assert slow.come_slowly(stage).broken == ["others failed: 1 x TimeoutError"]


def test_a_system_with_too_few_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow, "CROWD", 1 << 40)
    with pytest.raises(LackingError, match="fewer than"):
        slow.come_slowly(StandIn(tmp_path))


def test_the_limit_of_files_is_raised_only_where_it_has_to_be() -> None:
    assert crowding.allow_files(1)
    assert not crowding.allow_files(1 << 40)


def test_the_service_gets_few_files(tmp_path: Path) -> None:
    stage = StandIn(tmp_path)
    slow.few_files(stage)
    wrapped = stage.wrap(["serve", "it"])
    assert wrapped[-2:] == ["serve", "it"]
    assert f"ulimit -n {slow.FILES}" in wrapped[2]
