"""The nearest past tickets are the nearest, in one order, and can be taken out again."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from data.errors import BundleError, ModelError
from models.manifest import SAFE_SUFFIXES
from models.nearest_vectors import FEW
from models.similar import WORDS, TicketIndex
from models.terms import TermIndex

ANGLES = {"north": 90, "east": 0, "west": 180, "north-east": 45}


def direction(*degrees: float) -> np.ndarray:
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


@pytest.fixture
def index() -> TicketIndex:
    return TicketIndex.build(
        3 * direction(*ANGLES.values()),
        list(ANGLES),
        {"team": ["cold", "warm", "warm", None], "urgent": ["no", "no", None, None]},
        ["wore a coat", None, None, "waited"],
    )


def random_vectors(n: int, seed: int = 0, dimension: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)


def test_neighbours_come_with_what_is_known_of_them(index: TicketIndex) -> None:
    [found] = index.search(direction(80), 3)
    assert [one.id for one in found] == ["north", "north-east", "east"]
    cosines = np.cos(np.deg2rad([10, 35, 80]))
    np.testing.assert_allclose([one.similarity for one in found], cosines, atol=1e-3)
    assert found[0].labels == {"team": "cold", "urgent": "no"}
    assert found[0].resolution == "wore a coat"
    assert found[1].labels == {}
    assert found[2].resolution is None


def test_opposite_tickets_have_similarity_minus_one(index: TicketIndex) -> None:
    [found] = index.search(direction(0), 10)
    assert len(found) == len(index) == 4
    assert found[0].similarity == pytest.approx(1, abs=1e-3)
    assert (found[-1].id, found[-1].similarity) == ("west", pytest.approx(-1, abs=1e-3))


def test_the_search_agrees_with_single_precision() -> None:
    vectors, queries = random_vectors(400), random_vectors(30, seed=1)
    index = TicketIndex.build(vectors, [f"{n:03}" for n in range(400)], {})
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = index.search(queries, 10)
    nearest = np.argsort(-(queries @ unit.T), axis=1)[:, :10]
    shared = [
        len({int(one.id) for one in row} & set(exact.tolist()))
        for row, exact in zip(found, nearest, strict=True)
    ]
    assert np.mean(shared) > 9.9


@pytest.mark.parametrize("n", [50, FEW + 100])
def test_a_row_is_answered_alike_alone_and_among_others(n: int) -> None:
    vectors, ids = random_vectors(n), [str(row) for row in range(n)]
    index = TicketIndex.build(vectors, ids, {})
    asked, own = vectors[:30], [None, *ids[1:29], None]
    together = index.search(asked, 5, own=own)
    alone = zip(asked, own, strict=True)
    assert together == [index.search(row[None], 5, own=[one])[0] for row, one in alone]


@given(st.permutations(range(12)), st.integers(1, 12))
def test_equal_tickets_stand_in_the_order_of_their_ids(order: list[int], k: int) -> None:
    names = [f"{n:02}" for n in order]
    features = direction(*([0.0] * 12))
    [found] = TicketIndex.build(features, names, {}).search(direction(20), k)
    assert [one.id for one in found] == sorted(names)[:k]


def test_the_order_of_building_changes_nothing(tmp_path: Path) -> None:
    vectors, names = random_vectors(20), [str(n) for n in range(20)]
    solved = [f"done {n}" for n in range(20)]
    TicketIndex.build(vectors, names, {"team": names}, solved).save(tmp_path / "one")
    TicketIndex.build(vectors[::-1], names[::-1], {"team": names[::-1]}, solved[::-1]).save(
        tmp_path / "other"
    )
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_a_ticket_is_not_its_own_neighbour(index: TicketIndex) -> None:
    asked = direction(90, 90)
    known, unknown = index.search(asked, 2, own=["north", None])
    assert [one.id for one in known] == ["north-east", "east"]
    assert [one.id for one in unknown] == ["north", "north-east"]


def test_an_id_that_is_not_held_leaves_all_neighbours(index: TicketIndex) -> None:
    [found] = index.search(direction(90), 2, own=["a new ticket"])
    assert [one.id for one in found] == ["north", "north-east"]


def test_less_similar_tickets_than_asked_for_are_left_out(index: TicketIndex) -> None:
    [near], [none] = (index.search(direction(-40), 4, min_similarity=s) for s in (0.7, 0.9))
    assert [one.id for one in near] == ["east"]
    assert none == ()


def test_a_ticket_taken_out_is_found_no_more(index: TicketIndex, tmp_path: Path) -> None:
    rest = index.without(["north", "never held"])
    assert rest.ids == ("east", "north-east", "west")
    assert index.ids == ("east", "north", "north-east", "west")
    [found] = rest.search(direction(90), 4)
    assert [one.id for one in found] == ["north-east", "east", "west"]
    assert found[1].labels == {"team": "warm", "urgent": "no"}
    rest.save(tmp_path)
    assert "coat" not in (tmp_path / "tickets.json").read_text()


def test_the_last_ticket_cannot_be_taken_out(index: TicketIndex) -> None:
    with pytest.raises(ModelError, match="no ticket would be left"):
        index.without(ANGLES)


def test_a_saved_index_answers_the_same(index: TicketIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= SAFE_SUFFIXES
    restored = TicketIndex.load(tmp_path)
    assert restored.dimension == 2
    asked = direction(10, 100, 200)
    assert restored.search(asked, 4) == index.search(asked, 4)


@pytest.mark.parametrize(
    ("vectors", "ids", "labels", "solved", "message"),
    [
        (direction(), [], {}, None, "at least one"),
        (direction(0, 1), ["a", "a"], {}, None, "'a' stands there 2 times"),
        (direction(0, 1), ["a", ""], {}, None, "row 1 is empty"),
        (direction(0, 1), ["a"], {}, None, "1 ids for 2 vectors"),
        (direction(0, 1), ["a", "b"], {"team": ["x"]}, None, "1 labels of team for 2"),
        (direction(0, 1), ["a", "b"], {}, ["x"], "1 resolutions for 2"),
        (np.array([[1.0, np.nan]]), ["a"], {}, None, "row 0 is zero or not finite"),
        (np.zeros((1, 2)), ["a"], {}, None, "row 0 is zero or not finite"),
        (np.ones(3), ["a"], {}, None, "expected"),
        (np.ones((1, 0)), ["a"], {}, None, "expected"),
    ],
)
def test_what_is_no_index_is_refused(vectors, ids, labels, solved, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TicketIndex.build(vectors, ids, labels, solved)


def test_what_cannot_be_asked_is_refused(index: TicketIndex) -> None:
    with pytest.raises(ValueError, match="0 neighbours"):
        index.search(direction(0), 0)
    with pytest.raises(ModelError, match="dimension 3, the index holds 2"):
        index.search(np.ones((1, 3), dtype=np.float32), 1)
    with pytest.raises(ModelError, match="not finite"):
        index.search(np.array([[np.inf, 0]], dtype=np.float32), 1)
    with pytest.raises(ValueError, match="2 vectors, 2 texts and 1 ids"):
        index.search(direction(0, 1), 1, own=["a"])
    assert index.search(direction(), 1) == []


def rewrite(folder: Path, **facts: object) -> None:
    path = folder / "tickets.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def vectors(folder: Path, value: np.ndarray) -> None:
    save_file({"vectors": value}, folder / "vectors.safetensors")


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "tickets.json").unlink(),
        lambda f: (f / "vectors.safetensors").unlink(),
        lambda f: (f / "vectors.safetensors").write_bytes(b"no weights"),
        lambda f: (f / "tickets.json").write_text("{"),
        lambda f: rewrite(f, format=2),
        lambda f: rewrite(f, more="than known"),
        lambda f: rewrite(f, ids=["east", "north"]),
        lambda f: rewrite(f, ids=["west", "north", "north-east", "east"]),
        lambda f: rewrite(f, ids=["east", "east", "north-east", "west"]),
        lambda f: rewrite(f, labels={"team": [1, 2, 3, 4]}),
        lambda f: save_file({"others": np.ones(2)}, f / "vectors.safetensors"),
        lambda f: vectors(f, np.ones((4, 2), dtype=np.float32)),
        lambda f: vectors(f, np.ones(4, dtype=np.float16)),
        lambda f: vectors(f, np.ones((0, 2), dtype=np.float16)),
        lambda f: vectors(f, np.full((4, 2), np.nan, dtype=np.float16)),
    ],
)
def test_a_damaged_index_is_refused(index: TicketIndex, tmp_path: Path, damage) -> None:
    index.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(BundleError):
        TicketIndex.load(tmp_path)


TEXTS = ["Disk full on node seven", "disk full", "login fails with error E404 E404", "--"]


@pytest.fixture
def reading() -> TicketIndex:
    """Vectors that say nothing, so that only words tell the tickets apart."""
    return TicketIndex.build(direction(0, 0, 0, 0), list("abcd"), {}, None, TEXTS)


def test_words_weigh_as_scikit_learn_weighs_them() -> None:
    counts = CountVectorizer().fit_transform(TEXTS)
    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    expected = (weights @ weights.T).toarray()
    np.testing.assert_allclose(TermIndex.build(TEXTS).similarities(TEXTS), expected, atol=1e-6)


def test_shared_words_make_half_of_the_similarity(reading: TicketIndex) -> None:
    query = direction(0)
    [found] = reading.search(query, 4, texts=["E404 again"])
    assert found[0].id == "c"
    [shared] = TermIndex.build(TEXTS).similarities(["E404 again"])
    expected = (1 - WORDS) * 1 + WORDS * shared[2]
    assert found[0].similarity == pytest.approx(expected, abs=1e-3)
    assert [one.id for one in found[1:]] == ["a", "b", "d"]
    assert [one.id for one in reading.search(query, 4)[0]] == list("abcd")


def test_a_text_without_words_is_compared_by_its_vector(reading: TicketIndex) -> None:
    [found] = reading.search(direction(0), 4, texts=["?"])
    np.testing.assert_allclose([one.similarity for one in found], 1 - WORDS, atol=1e-3)


def test_words_stay_with_their_tickets_when_sorted_saved_and_taken_out(
    reading: TicketIndex, tmp_path: Path
) -> None:
    other = TicketIndex.build(direction(0, 0, 0, 0), list("dcba"), {}, None, TEXTS[::-1])
    asked = {"features": direction(0, 0), "k": 4, "texts": ["disk", "E404"]}
    assert other.search(**asked) == reading.search(**asked)
    reading.save(tmp_path)
    assert TicketIndex.load(tmp_path).search(**asked) == reading.search(**asked)
    rest = reading.without(["a"])
    built = TicketIndex.build(direction(0, 0, 0), list("bcd"), {}, None, TEXTS[1:])
    assert rest.search(**asked) == built.search(**asked)


def test_saving_anew_without_texts_leaves_no_words_behind(
    reading: TicketIndex, tmp_path: Path
) -> None:
    reading.save(tmp_path)
    assert b"login" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    TicketIndex.build(direction(0, 0, 0, 0), list("abcd"), {}).save(tmp_path)
    assert not (tmp_path / "terms.safetensors").exists()


def test_an_index_without_texts_cannot_be_asked_with_one(index: TicketIndex) -> None:
    with pytest.raises(ModelError, match="without texts"):
        index.search(direction(0), 1, texts=["disk"])
    with pytest.raises(ModelError, match="1 texts for 2"):
        TicketIndex.build(direction(0, 1), ["a", "b"], {}, None, ["one"])


def terms(folder: Path, **parts: np.ndarray) -> None:
    path = folder / "terms.safetensors"
    save_file(load_file(path) | parts, path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "terms.safetensors").write_bytes(b"no terms"),
        lambda f: save_file({"counts": np.ones(2)}, f / "terms.safetensors"),
        lambda f: terms(f, counts=np.ones(12)),
        lambda f: terms(f, counts=np.ones((1, 12), dtype=np.uint8)),
        lambda f: terms(f, counts=np.ones(3, dtype=np.uint8)),
        lambda f: terms(f, columns=np.full(12, -1, dtype=np.int32)),
        lambda f: terms(f, columns=np.full(12, 2**20, dtype=np.int32)),
        lambda f: terms(f, counts=np.zeros(12, dtype=np.uint8)),
        lambda f: terms(f, starts=np.array([0, 12])),
        lambda f: terms(f, starts=np.array([0, 8, 7, 9, 12])),
    ],
)
def test_damaged_words_are_refused(reading: TicketIndex, tmp_path: Path, damage) -> None:
    reading.save(tmp_path)
    assert len(load_file(tmp_path / "terms.safetensors")["counts"]) == 12
    damage(tmp_path)
    with pytest.raises(BundleError):
        TicketIndex.load(tmp_path)
