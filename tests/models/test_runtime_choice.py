"""Which runtime answers: the fastest of those allowed, or the one asked for, or the reason."""

from collections.abc import Sequence

import numpy as np
import pytest

from data.errors import BundleError
from models.runtime import RUNTIMES
from models.runtime_choice import TEXTS, candidates, fastest, measure
from models.runtime_file import Examined, Parity, RuntimeFile, check_sources

PARITY = Parity(
    tickets=9, cosine_min=1, cosine_mean=1, targets={}, tones_changed=0, entities_changed=0
)


def told_of(**shipped: bool) -> RuntimeFile:
    """A file that ships some runtimes and refuses others; `_` stands for `-`."""
    return RuntimeFile(
        graphs={"finetuned-network-1": "finetuned/network-1/encoder"},
        sources={"finetuned/network-1/encoder/model.safetensors": "0" * 64},
        decision_budget=0.005,
        entity_budget=0.02,
        torch=None,
        runtimes={
            name.replace("_", "-"): Examined(
                engine="e",
                precision="p",
                shipped=may,
                reason=None if may else "too far",
                parity=PARITY,
            )
            for name, may in shipped.items()
        },
    )


ALL = told_of(onnxruntime_int8=True, openvino_bf16=True, onnxruntime_f32=True, openvino_f32=False)


def test_the_same_answers_everywhere_leave_bfloat16_out() -> None:
    found = [one.name for one in candidates(ALL, "auto", "same")]
    assert found == ["onnxruntime-f32", "onnxruntime-int8"]
    assert "openvino-bf16" in [one.name for one in candidates(ALL, "auto", "fast")]


def test_a_name_pins_a_runtime_whatever_the_precision() -> None:
    assert candidates(ALL, "openvino-bf16", "same") == [RUNTIMES["openvino-bf16"]]


def test_what_is_not_shipped_cannot_be_pinned_and_says_why() -> None:
    with pytest.raises(BundleError, match="does not ship the runtime openvino-f32: too far"):
        candidates(ALL, "openvino-f32", "same")
    with pytest.raises(BundleError, match="not exported"):
        candidates(None, "onnxruntime-f32", "same")
    with pytest.raises(BundleError, match="known: auto, torch"):
        candidates(ALL, "tensorrt", "same")


def test_an_engine_that_is_not_installed_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    from models import runtime_choice

    monkeypatch.setattr(runtime_choice, "is_installed", lambda one: one.engine == "openvino")
    assert candidates(ALL, "auto", "same") == []
    with pytest.raises(BundleError, match="needs onnxruntime"):
        candidates(ALL, "onnxruntime-f32", "same")


def test_torch_answers_where_nothing_else_may() -> None:
    assert candidates(None, "auto", "fast") == []
    assert candidates(told_of(onnxruntime_int8=False), "auto", "fast") == []
    assert candidates(ALL, "torch", "fast") == []


def test_a_more_exact_runtime_is_left_only_for_one_that_is_worth_it() -> None:
    assert fastest({"exact": 10.0, "coarse": 9.0}) == "exact"
    assert fastest({"exact": 10.0, "coarse": 8.0}) == "coarse"
    assert fastest({"exact": 10.0, "middle": 4.0, "coarse": 3.9}) == "middle"
    assert fastest({"exact": 3.0, "coarse": 9.0}) == "exact"
    assert fastest({"exact": 3.0}) == "exact"


def test_texts_are_timed_one_by_one_and_few_of_them() -> None:
    class Counting:
        dimension = 1

        def __init__(self) -> None:
            self.asked: list[int] = []

        def encode(self, texts: Sequence[str]) -> np.ndarray:
            self.asked.append(len(texts))
            return np.zeros((len(texts), 1), dtype=np.float32)

    encoder = Counting()
    assert measure(encoder, ["a text"] * 50) > 0
    assert set(encoder.asked) == {TEXTS}


def test_graphs_of_other_networks_are_refused() -> None:
    [name] = ALL.sources
    check_sources(ALL, {name: "0" * 64})
    for digests in ({name: "1" * 64}, {}):
        with pytest.raises(BundleError, match="exported from another"):
            check_sources(ALL, digests)
