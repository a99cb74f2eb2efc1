"""The stage `runtime`, and a bundle that answers by what it left, without torch."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest

from data.errors import BundleError
from data.schema import Ticket
from models.assistant import TicketAssistant
from models.bundle import load
from models.content import sha256_of
from models.deployment import Arm, Deployment
from models.manifest import Manifest
from models.publishing import FolderStore
from models.runtime import RUNTIMES
from models.runtime_file import FILE, FOLDER, RuntimeFile, find_runtime_file
from models.sealing import Origin, content_version, seal
from pipelines.params import RuntimeParams
from pipelines.runtime import prove
from tests.conftest import ROOT, Tickets
from tests.trained import make_parts

GENEROUS = RuntimeParams(offered=tuple(RUNTIMES), budget=1, entity_budget=1, tickets=24)


def prove_parts(parts: Path, tickets: Tickets, params: RuntimeParams) -> RuntimeFile | None:
    return prove(
        parts,
        [Ticket(text=text) for text in tickets.texts[60:84]],
        params,
        lambda served: TicketAssistant.load_parts(parts, None, served),
        tickets.texts[:20],
    )


@pytest.fixture(scope="module")
def parts(tickets: Tickets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_parts(tmp_path_factory.mktemp("trained"), tickets)
    prove_parts(folder, tickets, GENEROUS)
    return folder


@pytest.fixture(scope="module")
def sealed(parts: Path, tickets: Tickets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seal_parts(parts, tmp_path_factory.mktemp("bundle") / "sealed", tickets)


def seal_parts(parts: Path, folder: Path, tickets: Tickets) -> Path:
    seal(
        parts,
        folder,
        Origin("sample", fallback=True, data_fingerprint="0" * 64, params={}, metrics={}),
        card="# An invented card\n",
        reference={},
        probes=[Ticket(text=text) for text in tickets.texts[84:92]],
    )
    return folder


def test_every_runtime_is_proved_and_exact_ones_change_nothing(parts: Path) -> None:
    told = find_runtime_file(parts)
    assert told is not None
    assert set(told.runtimes) == set(RUNTIMES)
    assert [one.name for one in told.shipped] == list(RUNTIMES)
    assert set(told.graphs) == {"finetuned-network-1", "tagger"}
    for name in ("onnxruntime-f32", "openvino-f32"):
        parity = told.runtimes[name].parity
        assert parity.decisions_changed == parity.entities_changed == 0
        assert parity.cosine_min is not None
        assert parity.cosine_min > 0.9999
        assert set(parity.targets) == {"category", "severity"}
        assert 0 < max(one.largest_change for one in parity.targets.values()) < 1e-3
    assert {path.name for path in (parts / FOLDER).iterdir()} == {
        FILE,
        *(
            f"{part}.{kind}.{suffix}"
            for part in ("finetuned-network-1", "tagger")
            for kind in ("f32", "int8")
            for suffix in ("onnx", "safetensors")
        ),
    }


def test_weights_of_an_encoder_are_rounded_on_tickets(parts: Path) -> None:
    graph = onnx.load(parts / FOLDER / "finetuned-network-1.int8.onnx").graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    beside = [weights[node.input[1]] for node in products if node.input[1] in weights]
    packed = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(packed) == len(beside)
    assert set(beside) == {(8, 384), (8, 1536), (32, 384)}  # columns with the largest numbers


def test_a_runtime_beyond_its_budget_is_not_shipped_and_its_graphs_are_left_out(
    parts: Path, tickets: Tickets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines import runtime as stage

    folder = shutil.copytree(parts, tmp_path / "trained")
    real = stage.compare
    asked: list[str] = []

    def coarse(reference, other):
        """Of what is compared, the last changes a tenth of the decisions."""
        asked.append("one")
        found = real(reference, other)
        changed = {
            target: one.model_copy(update={"decisions_changed": 0.1})
            for target, one in found.targets.items()
        }
        last = len(asked) == expected
        return found.model_copy(update={"targets": changed}) if last else found

    expected = 2 + stage.has_bfloat16("cpu")
    monkeypatch.setattr(stage, "compare", coarse)
    params = RuntimeParams(offered=("onnxruntime-f32", "onnxruntime-int8"))
    told = prove_parts(folder, tickets, params)
    assert told is not None
    assert told == find_runtime_file(folder)
    refused = told.runtimes["onnxruntime-int8"]
    assert not refused.shipped
    assert refused.reason == "10.00% of the tickets got another decision, allowed are 0.50%"
    assert [one.name for one in told.shipped] == ["onnxruntime-f32"]
    assert not list((folder / FOLDER).glob("*.int8.*"))
    with pytest.raises(BundleError, match=r"not ship the runtime onnxruntime-int8: 10\.00%"):
        load(seal_parts(folder, tmp_path / "sealed", tickets), runtime="onnxruntime-int8")


def test_parts_without_networks_leave_nothing(
    tmp_path: Path, trained_keywords: Path, keywords
) -> None:
    told = prove(
        trained_keywords,
        [Ticket(text="a")],
        RuntimeParams(),
        lambda served: keywords(trained_keywords),
    )
    assert told is None
    assert list((trained_keywords / FOLDER).iterdir()) == []
    assert find_runtime_file(trained_keywords) is None
    content_version(trained_keywords, "invented")


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_bundle_answers_by_the_runtime_asked_for(
    sealed: Path, parts: Path, tickets: Tickets, name: str
) -> None:
    manifest, served = load(sealed, runtime=name)
    assert served.facts.runtime.name == name
    assert (sealed / f"probes.{name}.jsonl").is_file()
    assert set(manifest.runtimes) >= set(RUNTIMES)
    assert manifest.runtimes[name]["shipped"] is True
    torch_served = TicketAssistant.load_parts(parts)
    ticket = Ticket(text="start Outlook on the server of a@b.example")
    [answer], [expected] = served.predict([ticket]), torch_served.predict([ticket])
    assert [e.label for e in answer.entities] == [e.label for e in expected.entities]
    assert "application" in [e.label for e in answer.entities]
    assert answer.sentiment is not None
    assert answer.similar[0].id == expected.similar[0].id
    for target, found in answer.targets.items():
        assert found.confidence == pytest.approx(expected.targets[target].confidence, abs=0.03)


def test_auto_times_what_may_answer_and_says_so(sealed: Path, caplog) -> None:
    with caplog.at_level("INFO", logger="models"):
        _, served = load(sealed, runtime="auto")
    choice = served.facts.runtime
    assert choice.asked == "auto"
    assert set(choice.milliseconds) == {name for name, one in RUNTIMES.items() if one.anywhere}
    assert choice.name in choice.milliseconds
    assert f"runs on {choice.name}" in caplog.text
    _, fast = load(sealed, runtime="auto", precision="fast")
    assert set(fast.facts.runtime.milliseconds) == set(RUNTIMES)


def test_torch_answers_unless_told_otherwise_and_where_there_are_no_graphs(
    sealed: Path, parts: Path, tickets: Tickets, tmp_path: Path
) -> None:
    assert load(sealed)[1].facts.runtime.name == "torch"
    folder = shutil.copytree(parts, tmp_path / "trained")
    shutil.rmtree(folder / FOLDER)
    older = seal_parts(folder, tmp_path / "older", tickets)
    manifest, assistant = load(older, runtime="auto")
    assert assistant.facts.runtime.name == "torch"
    assert manifest.runtimes == {}


def test_graphs_of_other_networks_are_not_sealed(
    parts: Path, tickets: Tickets, tmp_path: Path
) -> None:
    folder = shutil.copytree(parts, tmp_path / "trained")
    told = json.loads((folder / FOLDER / FILE).read_text())
    told["sources"] = dict.fromkeys(told["sources"], "0" * 64)
    (folder / FOLDER / FILE).write_text(json.dumps(told))
    with pytest.raises(BundleError, match="exported from another"):
        seal_parts(folder, tmp_path / "sealed", tickets)


def test_probes_hold_a_runtime_to_its_own_answers(sealed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sealed, tmp_path / "sealed")
    path = folder / "probes.onnxruntime-f32.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        for target in line["targets"].values():
            target["probabilities"] = target["probabilities"][::-1]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][path.name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    load(folder, runtime="onnxruntime-int8")
    with pytest.raises(BundleError, match="does not answer as it did when sealed"):
        load(folder, runtime="onnxruntime-f32")


def test_a_damaged_file_of_runtimes_is_refused(parts: Path, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / FILE).write_text("{}")
    with pytest.raises(BundleError, match="names no runtimes"):
        find_runtime_file(tmp_path)


ASK = """
import sys, time
from starlette.testclient import TestClient
from serving.service import TicketAssistantService

with TestClient(TicketAssistantService.to_asgi()) as client:
    until = time.monotonic() + 60
    while client.get("/readyz").status_code != 200 and time.monotonic() < until:
        time.sleep(0.1)
    answer = client.post("/v1/predict", json={"text": "start Outlook on the server"}).json()
    assert answer["entities"][0]["label"] == "application", answer
    assert answer["sentiment"] and answer["similar"], answer
    card = client.get("/v1/model").json()
    assert card["runtime"]["name"] == "onnxruntime-f32", card["runtime"]
    assert card["runtimes"]["onnxruntime-f32"]["parity"]["tickets"] == 24
heavy = {"torch", "transformers", "sentence_transformers", "mlflow", "onnx"} & set(sys.modules)
assert not heavy, heavy
"""


def test_serving_loads_a_bundle_and_answers_without_torch(sealed: Path, tmp_path: Path) -> None:
    manifest = Manifest.model_validate_json((sealed / "manifest.json").read_text())
    store = FolderStore(tmp_path / "store")
    store.add(sealed)
    store.deploy(Deployment(champion=Arm(version=manifest.version), published_at=datetime.now(UTC)))
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env={
            "PATH": "",
            "BENTOML_HOME": str(tmp_path / "bento"),
            "BENTOML_DO_NOT_TRACK": "True",
            "TICKETS_BUNDLE_STORE": str(store.root),
            "TICKETS_RUNTIME": "onnxruntime-f32",
            "TICKETS_STORE": f"sqlite:///{tmp_path / 'store.db'}",
            "TICKETS_SPOOL": str(tmp_path / "spool"),
            "TICKETS_JOBS_FOLDER": str(tmp_path / "jobs"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_sessions_answer_from_several_threads(sealed: Path, tickets: Tickets) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for name in ("onnxruntime-int8", "openvino-bf16"):
        _, served = load(sealed, runtime=name)
        asked = [[Ticket(text=text)] for text in tickets.texts[:24]]
        expected = [served.predict(one)[0].targets for one in asked]
        with ThreadPoolExecutor(4) as threads:
            found = [answer[0].targets for answer in threads.map(served.predict, asked)]
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(
                [one.confidence for one in a.values()],
                [one.confidence for one in b.values()],
                atol=1e-3,
            )
