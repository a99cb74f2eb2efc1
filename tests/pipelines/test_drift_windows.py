"""Windows of the store, of files and of bundles are what was asked for, and can be compared."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError, DataError
from data.language import LanguageDetector
from data.schema import TargetPrediction
from data.store import Query, StoredPrediction
from evaluation.drift_reference import FILE, write_reference
from evaluation.drift_vectors import DIMENSION, HASHED
from evaluation.drift_window import OTHER, UNKNOWN
from evaluation.drift_words import KnownWords, WordCounts
from pipelines.drift_windows import Source, read_bundle, read_file, read_store
from pipelines.scored_rows import TicketColumns
from tests.stores import MemoryStore, make_feedback, make_prediction
from tests.windows import CLASSES, draw_window

LABELS = {"category": ("network", "printer")}
SOURCE = Source(KnownWords.of(WordCounts(9, {"invented": 9, "ticket": 9})), classes=LABELS)


class Prophet:
    """Answers `printer` where a text names one; its member counts characters."""

    def __init__(self) -> None:
        self.targets = {"category": ("network", "printer")}
        self.members: dict[str, Prophet] = {"embedding": self}
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded += texts
        return np.array([[len(text), 1.0] for text in texts])

    def predict_proba(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        named = np.array(["printer" in text for text in texts], dtype=float)
        return {"category": np.column_stack([0.9 - 0.8 * named, 0.1 + 0.8 * named])}


def answer(label: str, confidence: float, threshold: float | None) -> TargetPrediction:
    return TargetPrediction(
        label=label, confidence=confidence, decision="review", reason="novel", threshold=threshold
    )


def stored(number: int, label: str = "network", confidence: float = 0.5,
           threshold: float | None = None, **facts: object) -> StoredPrediction:  # fmt: skip
    row = make_prediction(number, labels={"category": label}, **facts)
    targets = {"category": answer(label, confidence, threshold)}
    return row.model_copy(
        update={"prediction": row.prediction.model_copy(update={"targets": targets})}
    )


@pytest.fixture
def store() -> MemoryStore:
    kept = MemoryStore()
    kept.know_bundle("bundle-1", LABELS)
    return kept


def read(store: MemoryStore, source: Source = SOURCE, **asked: object):  # type: ignore[no-untyped-def]
    return read_store(store, Query(bundle="bundle-1", **asked), source, "now")  # type: ignore[arg-type]


def test_a_window_of_the_store_is_what_was_answered(store: MemoryStore) -> None:
    store.add_predictions(
        [
            stored(1, "printer", 0.97, 0.9, text="a printer", language="de"),
            stored(2, "network", 0.4, 0.9),
            stored(3, "network", 0.99, None),
        ]
    )
    window = read(store)
    answers = window.targets["category"]
    assert window.languages == ("de", "en", "en")
    assert answers.names() == ["printer", "network", "network"]
    assert answers.confidence.tolist() == [0.97, 0.4, 0.99]
    # Sure enough to be routed, although it was held back as novel: that is no drift of confidence.
    assert answers.automatic is not None
    assert answers.automatic.tolist() == [True, False, False]
    assert window.facts.bundle == "bundle-1"
    assert window.facts.since is not None and window.facts.since < (window.facts.until or "")
    assert window.ids == tuple(f"{n:032x}" for n in (1, 2, 3))
    assert window.embeddings is not None and window.embeddings.shape == (3, DIMENSION)


def test_shadows_and_arms_asked_for_by_name_are_no_traffic(store: MemoryStore) -> None:
    store.add_predictions([stored(1), stored(2, arm="shadow"), stored(3, explicit=True)])
    assert len(read(store)) == 1


def test_only_the_audit_sample_tells_what_is_right(store: MemoryStore) -> None:
    rows = [stored(n, audit=n != 5) for n in range(1, 7)]
    store.add_predictions(rows)
    store.add_feedback(
        [
            make_feedback("a", 1),
            make_feedback("b", 2, verdict="correct", label="printer"),
            make_feedback("c", 3, verdict="correct", label="a class nobody knows"),
            make_feedback("d", 4, verdict="reject"),
            make_feedback("e", 5, verdict="correct", label="printer"),
        ]
    )
    answers = read(store).targets["category"]
    assert answers.truth is not None
    assert answers.truth.tolist() == [0, 1, OTHER, OTHER, UNKNOWN, UNKNOWN]
    assert answers.correct.tolist() == [True, False, False, False]


def test_feedback_that_is_not_believed_tells_nothing(store: MemoryStore) -> None:
    store.add_predictions([stored(1, audit=True)])
    store.add_feedback([make_feedback("a", 1)])
    window = read_store(store, Query(bundle="bundle-1"), SOURCE, "now", lambda said: False)
    assert len(window.targets["category"].labelled) == 0


def test_of_many_tickets_some_are_drawn_and_all_that_were_audited_are_kept(
    store: MemoryStore,
) -> None:
    store.add_predictions([stored(n, audit=n % 10 == 0) for n in range(200)])
    source = replace(SOURCE, most=40, most_embedded=25)
    window = read(store, source)
    audited = {f"{n:032x}" for n in range(0, 200, 10)}
    assert audited <= set(window.ids)
    assert 40 <= len(window) <= 60
    assert len(window.embedded) == 25
    assert audited <= {window.ids[row] for row in window.embedded}
    assert window.ids == tuple(sorted(window.ids))
    again = read(store, source)
    assert again.ids == window.ids


def test_tickets_audited_with_different_probabilities_are_not_added(store: MemoryStore) -> None:
    store.add_predictions(
        [stored(n, audit=n % 10 == 0, audit_propensity=0.1 + n / 1000) for n in range(200)]
    )
    assert len(read(store, replace(SOURCE, most=40))) == 40


def test_every_ticket_is_as_likely_to_be_drawn(store: MemoryStore) -> None:
    store.add_predictions([stored(n) for n in range(30)])
    hits = np.zeros(30)
    for seed in range(200):
        window = read(store, replace(SOURCE, most=6, most_embedded=1, seed=seed))
        hits[[int(name, 16) for name in window.ids]] += 1
    # A ticket is expected in 40 of 200 windows, so ten of them 400 times, 3 deviations being 54.
    for third in np.split(hits, 3):
        assert abs(third.sum() - 400) < 54


def test_answers_of_classes_the_bundle_does_not_have_are_not_compared(store: MemoryStore) -> None:
    store.add_predictions([stored(1), stored(2, "a class of another bundle")])
    assert read(store).targets == {}


def test_vectors_of_a_member_need_the_assistant(store: MemoryStore) -> None:
    store.add_predictions([stored(1, text="four")])
    source = replace(SOURCE, encoder="embedding")
    assert read(store, source).embeddings is None
    window = read(store, replace(source, assistant=Prophet()))
    assert window.embeddings is not None
    assert window.embeddings.tolist() == [[4.0, 1.0]]
    assert window.encoder == "embedding"


def test_no_ticket_is_an_empty_window(store: MemoryStore) -> None:
    window = read(store)
    assert len(window) == 0
    assert window.facts.since is None


def write_csv(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("id,body,queue\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


COLUMNS = TicketColumns("body", id="id")


def test_a_file_of_tickets_is_answered_by_the_assistant(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "new.csv", ["a,the printer,printer", "b,,network", "c,vpn,other", "d,vpn,"]
    )
    source = replace(SOURCE, assistant=Prophet())
    window = read_file(path, COLUMNS, source, {"category": "queue"})
    assert window.ids == ("a", "c", "d")  # b is no ticket
    answers = window.targets["category"]
    assert answers.names() == ["printer", "network", "network"]
    assert answers.probabilities is not None
    assert answers.truth is not None
    assert answers.truth.tolist() == [1, OTHER, UNKNOWN]
    assert window.facts.name == "new.csv"


def test_a_file_without_a_model_is_looked_at_by_its_tickets_alone(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", ["a,the printer in the hall is out of paper again,x"])
    window = read_file(
        path, COLUMNS, Source(), languages=LanguageDetector(("en", "de"), detector="langdetect")
    )
    assert window.targets == {}
    assert window.languages == ("en",)
    assert window.encoder == HASHED
    assert read_file(path, COLUMNS, Source()).languages == ("unknown",)


def test_of_a_large_file_some_tickets_are_drawn(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", [f"{n},ticket {n},x" for n in range(90)])
    window = read_file(path, COLUMNS, Source(most=30))
    assert len(window) == 30
    assert window.ids == tuple(sorted(window.ids, key=int))


def test_a_file_without_tickets_or_columns_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", ["a,,x"])
    with pytest.raises(DataError, match="holds no ticket"):
        read_file(path, COLUMNS, Source())
    with pytest.raises(DataError, match="no column 'priority'"):
        read_file(path, COLUMNS, Source(), {"category": "priority"})


def test_a_bundle_tells_what_windows_are_compared_with(tmp_path: Path) -> None:
    window = draw_window(np.random.default_rng(0), 60, name="reference")
    write_reference(window, KnownWords.of(WordCounts(9, {"printer": 9})), tmp_path / FILE)
    found, source = read_bundle(tmp_path, {"kind": CLASSES})
    assert len(found) == 60
    assert source.encoder == "invented"
    assert source.classes == {"kind": CLASSES}
    assert source.known is not None and source.known.unknown_share(["printer"]) == 0
    with pytest.raises(BundleError, match="other classes of kind"):
        read_bundle(tmp_path, {"kind": ("bug", "wish")})
