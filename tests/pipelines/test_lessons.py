"""The stage of lessons: which texts teach a tone, and what a member is worth after it."""

import json
from pathlib import Path

import httpx
import pytest

from data.catalog import read_catalog
from data.errors import DataError, FetchError
from data.fetching import find_mirror
from evaluation.league.sentiment import Posts, part_off
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.sentiment import SENTIMENTS, TARGET
from pipelines.lessons import (
    FILE,
    Lessons,
    find_lessons,
    measure,
    read_lessons,
    read_sample,
    write_lessons,
)
from pipelines.params import ReadersParams

ROOT = Path(__file__).parents[2]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """Neither mirror nor network."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TICKETS_MIRROR", str(tmp_path / "empty"))
    return httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(404)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "data").mkdir(parents=True)
    (place / "data/sample").symlink_to(ROOT / "data/sample")
    return place


def test_the_sample_stands_in_and_says_so(root: Path, offline: httpx.Client) -> None:
    catalog = read_catalog(ROOT / "data/catalog.yaml")
    found = find_lessons(ReadersParams(), 1, catalog, root, offline)
    assert found is not None
    assert (found.dataset, found.fallback) == ("sample", True)
    train, test = read_sample(root / "data/sample/tickets.jsonl")
    assert found.test == test
    assert len(found.taught.texts) + len(found.held_out.texts) == len(train.texts)
    assert set(found.held_out.labels) == set(SENTIMENTS)
    asked = find_lessons(ReadersParams(sentiment="sample"), 1, catalog, root, offline)
    assert asked is not None
    assert not asked.fallback


def test_without_a_fallback_missing_data_stop_the_run(root: Path, offline: httpx.Client) -> None:
    catalog = read_catalog(ROOT / "data/catalog.yaml")
    with pytest.raises(FetchError):
        find_lessons(ReadersParams(fallback=False), 1, catalog, root, offline)
    assert find_lessons(ReadersParams(sentiment=None), 1, catalog, root, offline) is None


@pytest.mark.mirror
@pytest.mark.skipif(find_mirror(ROOT) is None, reason="no mirror of the public data sets here")
def test_the_published_test_file_is_set_aside() -> None:
    catalog = read_catalog(ROOT / "data/catalog.yaml")
    with httpx.Client() as client:
        found = find_lessons(ReadersParams(fallback=False), 1, catalog, ROOT, client)
    assert found is not None
    assert len(found.test.texts) == 1326
    assert len(found.taught.texts) + len(found.held_out.texts) == 3097


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    posts = Posts(["a\nb", "ö"], ["neutral", "positive"])
    lessons = Lessons("senti4sd", False, posts, posts.first(1), posts)
    write_lessons(lessons, tmp_path / "lessons")
    assert read_lessons(tmp_path / "lessons") == lessons
    (tmp_path / "lessons" / FILE).write_text(json.dumps({"dataset": "senti4sd"}))
    with pytest.raises(DataError, match="run the stage `lessons`"):
        read_lessons(tmp_path / "lessons")
    write_lessons(None, tmp_path / "lessons")
    assert read_lessons(tmp_path / "lessons") is None


def test_no_group_of_the_sample_is_on_both_sides() -> None:
    path = ROOT / "data/sample/tickets.jsonl"
    train, test = read_sample(path)
    tickets = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(train.texts) + len(test.texts) == len(tickets)
    assert 0.1 < len(test.texts) / len(tickets) < 0.3
    assert set(train.labels) == set(test.labels) == set(SENTIMENTS)


def test_a_sentiment_too_rare_to_be_held_out_is_told() -> None:
    posts = Posts(["a"] * 30, ["neutral"] * 20 + ["negative"] * 9 + ["positive"])
    with pytest.raises(DataError, match="too few negative"):
        part_off(posts, 0.1, 0)


def test_a_member_is_measured_on_texts_it_has_not_seen() -> None:
    words = {"negative": "terrible", "neutral": "installed", "positive": "great"}
    posts = Posts(
        [f"{thing} is {word}" for word in words.values() for thing in "abcdefgh"],
        [label for label in words for _ in range(8)],
    )
    params = FinetunedParams(max_tokens=16, epochs=4, frozen_layers=5, learning_rate=1e-3)
    member = FinetunedMember(params).fit(posts.texts, {TARGET: posts.labels})
    reader = measure(member, Lessons("senti4sd", False, posts, posts, posts))
    assert reader.facts.rows == reader.facts.test_rows == 24
    assert reader.facts.languages == ("en",)
    assert reader.facts.figures["macro_f1"] > 0.5
    low, high = reader.facts.intervals["macro_f1"]
    assert low <= reader.facts.figures["macro_f1"] <= high
