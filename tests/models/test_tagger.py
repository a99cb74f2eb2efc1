"""The trained tagger: what it learns, that it loses nothing and that it comes back from disk."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import BundleError, NotFittedError
from models.tagger import EntityTagger
from models.tagger_features import Lexicon, flags_of, hash_parts, shape_of
from models.tagger_network import TaggerParams
from models.tagger_windows import MAX_WORD_PIECES, cut_windows

PARAMS = TaggerParams(
    epochs=14, upper_layers=1, batch_pieces=256, dropout=0.0, word_dropout=0.1, max_pieces=48
)
APPLICATIONS = ("Firefox", "Excel", "Outlook", "WinZip", "Notepad")
PLACES = ("office", "kitchen", "cellar", "garage", "attic")


@pytest.fixture(scope="module")
def sentences() -> list[list[str]]:
    made = [f"{a} crashes in the {p} today .".split() for a in APPLICATIONS for p in PLACES]
    return made + [f"The {p} door is open .".split() for p in PLACES] * 2


@pytest.fixture(scope="module")
def tags(sentences) -> list[list[str]]:
    return [["B-application" if w in APPLICATIONS else "O" for w in s] for s in sentences]


@pytest.fixture(scope="module")
def tagger(sentences, tags) -> EntityTagger:
    return EntityTagger(PARAMS, seed=1).fit(sentences, tags)


def test_what_was_shown_is_found_with_exact_offsets(tagger: EntityTagger) -> None:
    text = "The door is open.\nOutlook crashes in the cellar today."
    [[found]] = tagger.find([text])
    assert (text[found.start : found.end], found.label) == ("Outlook", "application")


def test_words_and_texts_are_tagged_alike(tagger: EntityTagger, sentences) -> None:
    tagged = tagger.tag(sentences[:3])
    for sentence, found in zip(sentences[:3], tagged, strict=True):
        text = " ".join(sentence)
        [entities] = tagger.find([text])
        begins = [w for w, tag in zip(sentence, found, strict=True) if tag[0] == "B"]
        assert [text[e.start : e.end] for e in entities] == begins


def test_a_saved_tagger_answers_the_same(tagger: EntityTagger, sentences, tmp_path: Path) -> None:
    tagger.save(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
    restored = EntityTagger.load(tmp_path)
    texts = [" ".join(sentence) for sentence in sentences]
    assert restored.find(texts) == tagger.find(texts)


def test_the_same_seed_gives_the_same_tagger(sentences, tags) -> None:
    params = PARAMS.model_copy(update={"epochs": 1})
    one, two = (EntityTagger(params, seed=5).fit(sentences, tags) for _ in range(2))
    for a, b in zip(one._network.parameters(), two._network.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_an_unfitted_tagger_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        EntityTagger(PARAMS).find(["text"])
    with pytest.raises(NotFittedError):
        EntityTagger(PARAMS).save(tmp_path)


@pytest.mark.parametrize("name", ["tagger.json", "tagger.safetensors"])
def test_a_broken_folder_is_refused(tagger: EntityTagger, tmp_path: Path, name: str) -> None:
    tagger.save(tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(BundleError):
        EntityTagger.load(tmp_path)


def test_sentences_without_an_entity_or_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="no entity"):
        EntityTagger(PARAMS).fit([["a"]], [["O"]])
    with pytest.raises(ValueError, match="differ in length"):
        EntityTagger(PARAMS).fit([["a", "b"]], [["O"]])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.text(st.characters(), max_size=300))
def test_no_text_crashes_it_and_offsets_lie_in_order(tagger: EntityTagger, text: str) -> None:
    [found] = tagger.find([text])
    ends = [0]
    for entity in found:
        assert ends[-1] <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end].strip() == text[entity.start : entity.end]
        ends.append(entity.end)


@pytest.mark.parametrize("unit", ["a", "Firefox crashes ", "(", "a.", "\ud800", "\n"])
def test_a_text_of_the_longest_length_is_answered_in_bounded_time(
    tagger: EntityTagger, unit: str
) -> None:
    text = (unit * 50_000)[:50_000]
    began = time.process_time()  # other work on the machine is none of its time
    tagger.find([text])
    assert time.process_time() - began < 15


def test_the_end_of_a_long_text_is_read_as_well(tagger: EntityTagger) -> None:
    text = "The garage door is open .\n" * 200 + "Outlook crashes in the cellar today ."
    assert [text[e.start : e.end] for e in tagger.find([text])[0]] == ["Outlook"]


@given(
    sizes=st.lists(st.integers(1, MAX_WORD_PIECES), max_size=80),
    ends=st.lists(st.booleans(), min_size=80, max_size=80),
)
def test_windows_hold_every_word_once_and_none_is_too_long(
    sizes: list[int], ends: list[bool]
) -> None:
    words = [str(i) for i in range(len(sizes))]
    windows = cut_windows(0, words, ends[: len(words)], [[0] * size for size in sizes], 32)
    assert [word for window in windows for word in window.words] == words
    assert all(window.length <= 32 for window in windows)
    assert [window.first for window in windows] == [int(w.words[0]) for w in windows]


def test_the_lexicon_leaves_a_words_own_document_out() -> None:
    lexicon = Lexicon(["a"]).fit([["x"], ["x"], ["y"]], [["a"], [""], ["a"]], ["1", "2", "3"])
    seen = lexicon.features("x")
    assert seen[0] == pytest.approx(1 / 3)  # of two, one is an entity; one more smooths
    assert lexicon.features("x", "1")[0] == 0
    assert lexicon.features("y", "3").tolist() == lexicon.features("unknown").tolist()
    assert lexicon.features("X")[: lexicon.width // 2].sum() == 0  # the exact form is new


def test_case_is_seen() -> None:
    assert shape_of("ListView2") == "XxxxXxxxd"
    assert flags_of("ListView") != flags_of("listview")
    assert hash_parts("ListView") != hash_parts("listview")
