import json

import httpx
import pytest

from serving.bench.comparing import Told, ask, from_json, share_alike, to_json
from serving.bench.machine import describe_machine, library_versions
from serving.bench.processes import BenchError
from serving.bench.systems.catalogue import BENTO, OURS, SYSTEMS

ANSWER = {"targets": {"queue": {"label": "printer", "decision": "auto", "confidence": 0.9}}}


def client_of(answer: object, status: int = 200) -> tuple[httpx.Client, list[object]]:
    asked: list[object] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, json.loads(request.content)))
        return httpx.Response(status, json=answer)

    return httpx.Client(transport=httpx.MockTransport(handle), base_url="http://test"), asked


def test_a_system_is_asked_as_it_wants_to_be_asked() -> None:
    client, asked = client_of(ANSWER)
    assert ask(client, SYSTEMS[OURS], ["a"]) == [{"queue": Told("printer", "auto")}]
    assert asked == [("/v1/predict", {"text": "a"})]
    client, asked = client_of([ANSWER])
    assert ask(client, SYSTEMS[BENTO], ["a"]) == [{"queue": Told("printer", "auto")}]
    assert asked == [("/v1/predict", {"texts": ["a"]})]


def test_a_system_that_does_not_answer_is_no_system_to_compare() -> None:
    client, _ = client_of({}, status=500)
    with pytest.raises(BenchError, match="ours answers 500"):
        ask(client, SYSTEMS[OURS], ["a"])


def test_decisions_are_alike_where_every_target_is() -> None:
    both = {"a": Told("x", "auto"), "b": Told("y", "auto")}
    ours = [both] * 4
    theirs = [both, both | {"b": Told("y", "review")}, both | {"b": Told("z", "auto")}, both]
    assert share_alike(ours, theirs) == 0.5
    assert share_alike(ours, ours) == 1.0


def test_of_a_system_that_decides_nothing_only_labels_are_compared() -> None:
    ours = [{"a": Told("x", "auto")}, {"a": Told("x", "review")}]
    assert share_alike(ours, [{"a": Told("x", None)}, {"a": Told("y", None)}]) == 0.5


def test_decisions_survive_their_file() -> None:
    decisions = [{"a": Told("x", "auto"), "b": Told("y", None)}]
    assert from_json(to_json(decisions)) == decisions


def test_the_machine_tells_its_processor_and_what_matters_of_it(tmp_path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Invented 3000\nflags\t\t: fpu avx512_vnni avx2 amx_bf16x\n\n")
    machine = describe_machine(cpuinfo)
    assert machine.processor == "Invented 3000"
    assert machine.instructions == ("avx2", "avx512_vnni")
    assert machine.cores >= 1
    assert describe_machine(tmp_path / "none").processor
    assert {"python", "bentoml", "numpy"} <= set(library_versions())
