"""What the stages took, and the time of one ticket."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from data.schema import Ticket
from evaluation.costs import TICKETS, WARM_UP, describe_machine, measure_latency, read_costs


class Counting:
    """Notes how it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.threads: set[int] = set()

    def predict(self, tickets: Sequence[Ticket]) -> list[str]:
        self.asked.append(len(tickets))
        self.threads.add(torch.get_num_threads())
        return ["answer"] * len(tickets)


def test_records_that_exist_are_read_in_the_order_of_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "ensemble.json").write_text(json.dumps({"seconds": 2.04, "peak_mib": 100}))
    (tmp_path / "train@linear.json").write_text(json.dumps({"seconds": 61, "peak_mib": None}))
    assert read_costs(tmp_path, ["linear", "finetuned"]) == {
        "seconds": {"train@linear": 61.0, "ensemble": 2.0},
        "peak_mib": {"ensemble": 100.0},
    }


def test_tickets_are_asked_one_by_one_on_one_thread() -> None:
    assistant = Counting()
    latency = measure_latency(assistant, [f"text {row}" for row in range(80)])
    assert assistant.asked == [1] * (WARM_UP + TICKETS)
    assert assistant.threads == {1}
    assert latency["tickets"] == TICKETS >= 50
    assert 0 <= latency["p50_ms"] <= latency["p95_ms"]


def test_threads_are_given_back_even_after_a_failure() -> None:
    class Failing(Counting):
        def predict(self, tickets: Sequence[Ticket]) -> list[str]:
            raise RuntimeError

    before = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        measure_latency(Failing(), ["text"])
    assert torch.get_num_threads() == before


def test_without_tickets_nothing_is_measured() -> None:
    assert measure_latency(Counting(), []) == {}


def test_the_machine_is_told_by_what_training_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for amx, bf16, told in (
        (True, True, "AMX"),
        (False, True, "AVX512-BF16"),
        (False, False, torch.backends.cpu.get_cpu_capability()),
    ):
        monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda amx=amx: amx)
        monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda bf16=bf16: bf16)
        machine = describe_machine()
        assert machine["instructions"] == told
        assert int(machine["cores"]) >= 1
