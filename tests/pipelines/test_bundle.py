"""The stage seals what was trained and measured, and only if the two belong together."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BundleError
from data.prepared import Prepared
from evaluation.drift_reference import FILE, read_reference
from evaluation.files import without_slices
from evaluation.profile import read_profile
from models.assistant import TicketAssistant
from models.bundle import load
from models.sealing import content_version
from pipelines.bundle import (
    LONGEST_PROBE,
    MOST_PROBES,
    bundle,
    choose_probes,
    describe_reference,
    profile_reference,
)
from pipelines.revision import Revision

REVISION = Revision("c0ffee", "2026-11-23T08:00:00+00:00", False)


def prepare(labels: list[str | None], texts: list[str] | None = None) -> Prepared:
    """Tickets with these labels: one row of train first, then calibration and test in turn."""
    n = len(labels)
    frame = pd.DataFrame(
        {
            "text": texts or [f"{label} trouble, ticket {i}" for i, label in enumerate(labels)],
            "language": ["en", None] * (n // 2) + ["de"] * (n % 2),
            "split": ["train", *(["calibration", "test"] * n)[: n - 1]],
            "category": labels,
        }
    )
    classes = tuple(sorted({label for label in labels if label}))
    facts = {"dataset": "invented", "fallback": False, "fingerprint": "f" * 64}
    return Prepared(frame, {"category": classes}, facts)


@pytest.fixture
def prepared(trained_keywords: Path) -> Prepared:
    """Ten tickets, and the probabilities of the ensemble for them."""
    found = prepare(["network", "printer"] * 5)
    rows = [[0.97, 0.03] if "network" in text else [0.3, 0.7] for text in found.texts()]
    np.savez(
        trained_keywords / "ensemble" / "probabilities.npz",
        allow_pickle=False,
        category=np.array(rows, dtype=np.float32),
    )
    return found


@pytest.fixture
def reports(trained_keywords: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "model_card.md").write_text("# Card\n")
    version = content_version(trained_keywords, "invented")
    metrics = {"bundle": version, "n_test": 5, "slices": {"en": 1}, "targets": {"t": {"ece": 0.1}}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def test_a_sealed_candidate_tells_where_it_comes_from(
    prepared: Prepared,
    trained_keywords: Path,
    reports: Path,
    tmp_path: Path,
    keywords: Callable[[Path], TicketAssistant],
) -> None:
    folder = tmp_path / "candidate"
    bundle(
        prepared,
        {"seed": 1},
        REVISION,
        trained=trained_keywords,
        reports=reports,
        folder=folder,
        construct=keywords,
    )
    manifest, _ = load(folder, keywords)
    assert manifest.version == content_version(trained_keywords, "invented")
    assert (manifest.commit, manifest.dirty) == ("c0ffee", False)
    assert manifest.created_at == "2026-11-23T08:00:00+00:00"
    assert manifest.data_fingerprint == "f" * 64
    assert manifest.params == {"seed": 1}
    assert manifest.metrics["targets"] == {"t": {"ece": 0.1}}
    assert "slices" not in manifest.metrics
    assert (folder / "README.md").read_text() == "# Card\n"
    assert read_profile(folder / "reference.json").tickets == 5
    reference, _ = read_reference(folder / FILE)
    assert (len(reference), reference.facts.bundle) == (5, manifest.version)


def test_metrics_of_other_models_are_refused(
    prepared: Prepared, trained_keywords: Path, reports: Path, tmp_path: Path
) -> None:
    (trained_keywords / "linear/member.json").write_text("{}")
    with pytest.raises(BundleError, match="evaluate them first"):
        bundle(
            prepared,
            {},
            REVISION,
            trained=trained_keywords,
            reports=reports,
            folder=tmp_path / "candidate",
        )
    assert not (tmp_path / "candidate").exists()


def test_the_reference_describes_the_calibration_rows(
    prepared: Prepared, trained_keywords: Path
) -> None:
    window, known = describe_reference(prepared, trained_keywords, "invented-0a1b2c3d")
    profile = profile_reference(prepared, trained_keywords, window)
    # Rows 1, 3, 5, 7 and 9 are calibration, and all of them name the printer.
    assert profile.tickets == 5
    assert profile.targets["category"].labels == {"network": 0.0, "printer": 1.0}
    assert profile.targets["category"].automatic == 0.0
    assert profile.languages == {"unknown": 1.0}
    assert profile.mean_embedding is None  # of hashed words, which no encoder made
    assert profile.unknown_words is not None
    assert profile.entities["url"] == 0.0
    # The one row of train is too few for a word to be known.
    assert profile.unknown_words == 1.0
    assert window.facts.bundle == "invented-0a1b2c3d"
    assert window.encoder == "hashed-words"
    answers = window.targets["category"]
    assert answers.names() == ["printer"] * 5
    assert answers.truth is not None
    assert answers.truth.tolist() == [1] * 5
    assert known.unknown_share(["printer"]) == 1.0


def test_a_large_reference_is_thinned_evenly(
    trained_keywords: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(["network", "printer"] * 30)
    np.savez(
        trained_keywords / "ensemble" / "probabilities.npz",
        allow_pickle=False,
        category=np.full((60, 2), 0.5, dtype=np.float32),
    )
    monkeypatch.setattr("pipelines.bundle.MOST_ROWS", 10)
    monkeypatch.setattr("pipelines.bundle.MOST_EMBEDDED", 4)
    window, _ = describe_reference(prepared, trained_keywords, "invented-0a1b2c3d")
    assert len(window) == 10
    assert window.embedded.tolist() == [0, 3, 6, 9]


def test_every_class_has_its_probes_and_no_train_row_is_one() -> None:
    prepared = prepare(["train only"] + ["a", "b", "c"] * 20)
    texts = [ticket.text for ticket in choose_probes(prepared)]
    assert len(texts) == len(set(texts)) == 9
    assert {text[0] for text in texts} == {"a", "b", "c"}


def test_a_rare_class_gives_what_it_has() -> None:
    prepared = prepare(["x", *["common"] * 20, "rare", "rare"])
    texts = [ticket.text for ticket in choose_probes(prepared)]
    assert len([text for text in texts if text.startswith("rare")]) == 2


def test_many_classes_share_the_limit() -> None:
    prepared = prepare(["x", *[f"class {i:02d}" for i in range(50) for _ in range(6)]])
    texts = [ticket.text for ticket in choose_probes(prepared)]
    assert len(texts) == MOST_PROBES
    assert len({text.split(" trouble")[0] for text in texts}) == 50


def test_long_and_unlabelled_tickets_are_no_probes() -> None:
    labels: list[str | None] = ["x", "a", "a", None, None]
    prepared = prepare(labels, ["x", "y" * (LONGEST_PROBE + 1), "short", "p", "q"])
    assert [ticket.text for ticket in choose_probes(prepared)] == ["short"]


def test_the_manifest_keeps_no_slices_and_no_undefined_number() -> None:
    metrics = {"slices": {"en": 1}, "t": {"slices": 2, "ece": float("nan"), "ci": [0.1, 0.2]}}
    assert without_slices(metrics) == {"t": {"ece": None, "ci": [0.1, 0.2]}}
