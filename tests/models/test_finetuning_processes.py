"""Several processes that share every batch learn what one process learns."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from models.finetuning_processes import OneProcess, open_processes
from tests.models import finetuning_worker

ROOT = Path(__file__).parents[2]


def test_a_process_alone_does_without_accelerate() -> None:
    told = "from models.finetuning_processes import open_processes as o; o(); import sys; "
    told += "assert 'accelerate' not in sys.modules"
    subprocess.run([sys.executable, "-c", told], cwd=ROOT, check=True)
    assert type(open_processes()) is OneProcess
    assert open_processes().share(np.arange(5)) == slice(0, 5, 1)


def test_two_processes_end_in_the_weights_of_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in ("0", "1"):
        told = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "ACCELERATE_USE_CPU": "true",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "tests.models.finetuning_worker", str(tmp_path)]
        started.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | told))
    try:
        assert [process.wait(timeout=600) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()

    vectors, alone = finetuning_worker.fit()
    with np.load(tmp_path / "fitted.npz") as together:
        # The order in which gradients are added differs, nothing else; a step of the rate is 1e-3.
        np.testing.assert_allclose(together["vectors"], vectors, atol=2e-5)
        for name, weights in alone._networks[0].heads.items():
            np.testing.assert_allclose(together[name], weights, atol=2e-5)
    history = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    for look, expected in zip(history, alone.history_, strict=True):
        assert look["step"] == expected["step"]
        np.testing.assert_allclose(look["train_loss"], expected["train_loss"], atol=1e-4)
        np.testing.assert_allclose(look["valid_loss"], expected["valid_loss"], atol=1e-4)
