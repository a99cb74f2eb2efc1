"""Systems under test that are a few lines of Python, so that their faults are known."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from serving.bench import processes
from serving.bench.processes import BenchError, free_port, serving, taken

SERVER = """
import http.server, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(float(sys.argv[2]))
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


def command(port: int, delay: float) -> list[str]:
    return [sys.executable, "-c", SERVER, str(port), str(delay)]


def test_a_server_is_given_once_it_is_ready_and_all_of_it_ends(tmp_path: Path) -> None:
    port = free_port()
    with serving(command(port, 0.3), port, {"BENTOML_HOME": str(tmp_path / "b")}, tmp_path) as one:
        assert 0.3 < one.ready_seconds < 10
        child = int(one.log.read_text().split()[0])
        assert psutil.pid_exists(child)
        found = one.taken()
        assert found.cpu_seconds > 0
        assert 5 < found.largest_mib <= found.pss_mib + 100
    assert one.process.poll() is not None
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_server_that_ends_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match=r"ended before it was ready; see .*log\.txt"),
        serving([sys.executable, "-c", "print('no port')"], free_port(), {}, tmp_path),
    ):
        pass
    assert "no port" in (tmp_path / "log.txt").read_text()


def test_a_server_that_is_never_ready_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.3)
    port = free_port()
    with (
        pytest.raises(BenchError, match=r"not ready after 0\.3 s"),
        serving(command(port, 60), port, {}, tmp_path),
    ):
        pass


def test_the_memory_of_children_counts() -> None:
    eat = (
        "import time; kept = bytearray(200 * 2**20); kept[::4096] = b'x' * 51200;"
        "print(1, flush=True); time.sleep(60)"
    )
    before = taken(psutil.Process().pid)
    with subprocess.Popen([sys.executable, "-c", eat], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        grown = taken(psutil.Process().pid)
        child.kill()
    assert grown.pss_mib - before.pss_mib > 190
    assert grown.largest_mib >= 200


def test_a_process_that_has_gone_takes_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    time.sleep(0.05)
    assert taken(gone.pid).pss_mib == 0
