"""The tone of a text: a head learned beside the targets, its temperature, its file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError, UnknownLabelError
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from models.reader_facts import ReaderFacts
from models.sentiment import (
    FILE,
    SENTIMENTS,
    TARGET,
    SentimentReader,
    fit_tone,
    name_pictures,
    tones,
)
from models.word_tone import FOLDER, MOST_WEIGHT, WordTone

WORDS = {
    "negative": ("terrible", "awful", "useless", "annoying", "broken", "horrible"),
    "neutral": ("installed", "open", "listed", "printed", "stored", "set"),
    "positive": ("great", "perfect", "helpful", "lovely", "excellent", "wonderful"),
}
TEXTS = [
    f"the {thing} is {word}"
    for words in WORDS.values()
    for word in words[:5]
    for thing in ("update", "printer", "form")
]
TONES = [label for label, words in WORDS.items() for _ in range(15)]
PARAMS = FinetunedParams(
    max_tokens=24, epochs=6, frozen_layers=4, learning_rate=1e-3, batch_size=16
)
FACTS = ReaderFacts(
    dataset="made up", fallback=False, rows=45, figures={"macro_f1": 0.5}, test_rows=9
)


@pytest.fixture(scope="module")
def member(tickets) -> FinetunedMember:
    """Forty tickets, and a tone beside them."""
    labels = {
        "category": [*tickets.labels["category"][:40], *[None] * len(TEXTS)],
        TARGET: [*[None] * 40, *TONES],
    }
    return FinetunedMember(PARAMS).fit([*tickets.texts[:40], *TEXTS], labels, lessons=(TARGET,))


def test_a_tone_is_learned_beside_the_targets(member: FinetunedMember) -> None:
    assert member.targets_[TARGET] == SENTIMENTS
    found = tones(member, [f"my screen is {words[5]}" for words in WORDS.values()])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    told = [SENTIMENTS[row.argmax()] for row in found]
    assert (told[0], told[2]) == ("negative", "positive")


def test_what_the_targets_made_of_a_text_serves_for_its_tone(
    member: FinetunedMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["the update is great", "the form is 😡"]
    answered = member.predict_proba(texts)
    alone = tones(member, texts)
    asked: list[str] = []
    predict = member.predict_proba
    monkeypatch.setattr(member, "predict_proba", lambda t: asked.extend(t) or predict(t))
    np.testing.assert_allclose(tones(member, texts, answered), alone, atol=1e-5)
    assert [text.split() for text in asked] == [["the", "form", "is", "pouting", "face"]]
    assert not np.allclose(answered[TARGET][1], alone[1])  # the encoder reads no pictograph


def test_words_and_head_are_as_sure_together_as_they_are_right(member: FinetunedMember) -> None:
    taught = (TEXTS, TONES)
    words, right = fit_tone(member, taught, taught)
    _, wrong = fit_tone(member, taught, (TEXTS, TONES[20:] + TONES[:20]))
    assert 0 < right < wrong
    assert 0 <= words.weight <= MOST_WEIGHT
    for labelled in ((taught, (["a"], ["angry"])), ((["a"], ["angry"]), taught)):
        with pytest.raises(UnknownLabelError, match="'angry' is not a sentiment"):
            fit_tone(member, *labelled)
    assert tones(member, []).shape == (0, 3)


def test_a_kept_reader_is_read_again(member: FinetunedMember, tmp_path: Path) -> None:
    assert SentimentReader.load(tmp_path, member) is None
    words, temperature = fit_tone(member, (TEXTS, TONES), (TEXTS, TONES))
    reader = SentimentReader(FACTS, temperature, words)
    reader.save(tmp_path)
    asked = ["the update is great", "the form is 😡", "NOT good at all :-(", ""]
    scores = tones(member, asked)
    again = SentimentReader.load(tmp_path, member)
    assert again is not None
    assert (again.facts, again.temperature) == (FACTS, temperature)
    found = reader.answer(scores, asked)
    np.testing.assert_array_equal(again.answer(scores, asked), found)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert reader.answer(scores[:0], []).shape == (0, 3)


def test_a_reader_of_before_there_were_words_asks_the_head_alone(
    member: FinetunedMember, tmp_path: Path
) -> None:
    words, _ = fit_tone(member, (TEXTS, TONES), (TEXTS, TONES))
    SentimentReader(FACTS, 1.5, words).save(tmp_path)
    SentimentReader(FACTS, 1.5).save(tmp_path)
    assert not (tmp_path / FOLDER).exists()  # what was kept before is no part of it
    told = json.loads((tmp_path / FILE).read_text())
    del told["words"]
    (tmp_path / FILE).write_text(json.dumps(told))
    reader = SentimentReader.load(tmp_path, member)
    assert reader == SentimentReader(FACTS, 1.5)
    calm = reader.answer(np.array([[0.7, 0.2, 0.1]]), ["a"])
    assert calm.argmax() == 0
    assert calm.max() < 0.7


def test_words_that_are_damaged_or_speak_of_other_tones_are_refused(
    member: FinetunedMember, tmp_path: Path
) -> None:
    words, _ = fit_tone(member, (TEXTS, TONES), (TEXTS, TONES))
    SentimentReader(FACTS, 1.5, words).save(tmp_path)
    other = WordTone.fit({"joy": ("glad",)}, ["so mad", "so sad"] * 9, ["mad", "sad"] * 9, "mood")
    other.save(tmp_path / FOLDER)
    with pytest.raises(BundleError, match="knows other sentiments than the head"):
        SentimentReader.load(tmp_path, member)
    shutil.rmtree(tmp_path / FOLDER)
    with pytest.raises(BundleError, match="reads no tone"):
        SentimentReader.load(tmp_path, member)


def test_a_file_that_fits_no_head_is_refused(
    member: FinetunedMember, tickets, tmp_path: Path
) -> None:
    SentimentReader(facts=FACTS, temperature=1.5).save(tmp_path)
    other = FinetunedMember(PARAMS.model_copy(update={"epochs": 1})).fit(
        tickets.texts[:16], {"category": tickets.labels["category"][:16]}
    )
    with pytest.raises(BundleError, match="a head that the member does not have"):
        SentimentReader.load(tmp_path, other)
    told = json.loads((tmp_path / FILE).read_text())
    for damaged in (json.dumps(told | {"temperature": 0}), "{", "[]"):
        (tmp_path / FILE).write_text(damaged)
        with pytest.raises(BundleError, match="no sentiment reader"):
            SentimentReader.load(tmp_path, member)


def test_a_pictograph_is_read_by_its_name() -> None:
    assert name_pictures("thanks 👍").split() == ["thanks", "thumbs", "up", "sign"]
    assert name_pictures("très bien :-)") == "très bien :-)"
    assert name_pictures("fine :-)") == "fine :-)"
