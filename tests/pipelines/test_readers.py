"""The readers' stage: what stands in where data cannot be had, and what is written down."""

import json
from pathlib import Path

import httpx
import pytest

from data.errors import FetchError
from data.fetching import find_mirror
from models.readers import FILE, SENTIMENT, TAGGER, read_readers_file
from models.sentiment import SENTIMENTS, SentimentParams
from models.sentiment_network import TowerParams
from models.tagger_network import TaggerParams
from pipelines.params import ReadersParams
from pipelines.readers import fit_readers, read_sample

ROOT = Path(__file__).parents[2]
SMALL = SentimentParams(tower=TowerParams(frozen_layers=5, upper_layers=1, epochs=1, max_tokens=16))
SMALL_TAGGER = TaggerParams(frozen_layers=5, upper_layers=1, epochs=1)


@pytest.fixture
def offline() -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(404)))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a mirror."""
    place = tmp_path / "project"
    (place / "data").mkdir(parents=True)
    (place / "data/catalog.yaml").write_bytes((ROOT / "data/catalog.yaml").read_bytes())
    (place / "data/sample").symlink_to(ROOT / "data/sample")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TICKETS_MIRROR", str(tmp_path / "empty"))
    return place


def test_the_sample_stands_in_and_says_so(
    root: Path, tmp_path: Path, offline: httpx.Client
) -> None:
    folder = tmp_path / "readers"
    facts = fit_readers(
        ReadersParams(), 0, folder, root, offline, sentiment=SMALL, tagger=SMALL_TAGGER
    )
    assert set(facts) == {SENTIMENT}
    told = read_readers_file(folder)
    assert told.readers[SENTIMENT].dataset == "sample"
    assert told.readers[SENTIMENT].fallback
    assert not (folder / TAGGER).exists()
    train, test = read_sample(root / "data/sample/tickets.jsonl")
    assert told.readers[SENTIMENT].rows == len(train.texts)
    assert told.readers[SENTIMENT].test_rows == len(test.texts)
    low, high = told.readers[SENTIMENT].intervals["macro_f1"]
    assert 0 <= low <= told.readers[SENTIMENT].figures["macro_f1"] <= high <= 1


def test_without_a_fallback_missing_data_stop_the_run(
    root: Path, tmp_path: Path, offline: httpx.Client
) -> None:
    for asked in ({"entities": None}, {"sentiment": None}):
        params = ReadersParams(fallback=False, **asked)
        with pytest.raises(FetchError):
            fit_readers(
                params, 0, tmp_path / "r", root, offline, sentiment=SMALL, tagger=SMALL_TAGGER
            )


def test_nothing_asked_for_leaves_an_empty_folder(
    root: Path, tmp_path: Path, offline: httpx.Client
) -> None:
    params = ReadersParams(sentiment=None, entities=None)
    assert fit_readers(params, 0, tmp_path / "readers", root, offline) == {}
    assert list((tmp_path / "readers").iterdir()) == []


def test_no_group_of_the_sample_is_on_both_sides() -> None:
    path = ROOT / "data/sample/tickets.jsonl"
    train, test = read_sample(path)
    tickets = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(train.texts) + len(test.texts) == len(tickets)
    assert 0.1 < len(test.texts) / len(tickets) < 0.3
    assert set(train.labels) == set(test.labels) == set(SENTIMENTS)


@pytest.mark.mirror
@pytest.mark.skipif(find_mirror(ROOT) is None, reason="no mirror of the public data sets here")
def test_a_slice_of_the_real_data_is_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole stage on a few sentences and posts: what it reads, writes and measures."""
    from evaluation.league import learned_entities, sentiment
    from pipelines import readers

    monkeypatch.setattr(readers, "read_posts", lambda *a: sentiment.read_posts(*a).first(120))
    monkeypatch.setattr(readers, "read_split", lambda *a: learned_entities.read_split(*a).first(40))
    folder = tmp_path / "readers"
    with httpx.Client() as client:
        facts = fit_readers(
            ReadersParams(fallback=False),
            0,
            folder,
            ROOT,
            client,
            sentiment=SMALL,
            tagger=SMALL_TAGGER,
        )
    assert facts[SENTIMENT].rows == 120
    assert facts[TAGGER].rows == 80
    assert "span_f1" in facts[TAGGER].figures
    assert (folder / FILE).is_file()
