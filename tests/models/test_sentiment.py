"""Sentiment: what is read, what is kept, what it costs nothing to share."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import BundleError, NotFittedError, UnknownLabelError
from models.encoders import find_encoder, open_encoder
from models.sentiment import SENTIMENTS, SentimentParams, SentimentReader, name_pictures
from models.sentiment_network import SentimentNetwork, TowerParams, lower_states

TOWER = TowerParams(frozen_layers=5, upper_layers=1, epochs=3, max_tokens=24)
PARAMS = SentimentParams(tower=TOWER, held_out=0.2)

WORDS = {
    "negative": ("terrible", "annoying", "awful", "useless"),
    "neutral": ("configured", "installed", "listed", "numbered"),
    "positive": ("great", "lovely", "excellent", "wonderful"),
}
THINGS = ("printer", "update", "answer", "server", "manual", "queue")
TEXTS = [f"the {thing} is {word}" for words in WORDS.values() for word in words for thing in THINGS]
LABELS = [label for label, words in WORDS.items() for _ in words for _ in THINGS]


@pytest.fixture(scope="module")
def encoder():
    return open_encoder(find_encoder("minilm"), 64, normalise=False)


@pytest.fixture(scope="module")
def reader(encoder) -> SentimentReader:
    return SentimentReader(PARAMS, encoder=encoder).fit(TEXTS, LABELS)


def test_words_it_never_saw_are_read_by_their_meaning(reader: SentimentReader) -> None:
    texts = ["the laptop is horrible", "the laptop is fantastic"]
    assert reader.predict_proba(texts).argmax(axis=1).tolist() == [0, 2]


def test_rows_are_distributions_over_the_three_sentiments(reader: SentimentReader) -> None:
    assert reader.classes_ == SENTIMENTS == ("negative", "neutral", "positive")
    found = reader.predict_proba(["", "so so", *TEXTS[:5]])
    assert found.shape == (7, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert reader.predict_proba([]).shape == (0, 3)


def test_a_saved_reader_answers_the_same(reader: SentimentReader, encoder, tmp_path: Path) -> None:
    reader.save(tmp_path)
    expected = reader.predict_proba(TEXTS[:9])
    for shared in (encoder, None):
        restored = SentimentReader.load(tmp_path, shared)
        np.testing.assert_array_equal(restored.predict_proba(TEXTS[:9]), expected)


def test_only_the_trained_layers_are_kept(reader: SentimentReader, tmp_path: Path) -> None:
    reader.save(tmp_path)
    size = (tmp_path / "network.safetensors").stat().st_size
    layer = 12 * 384**2 + 13 * 384  # weights; then biases and two layer norms
    assert size < 4 * (layer + 3 * 385) + 10_000


def test_two_fits_from_one_seed_agree(reader: SentimentReader, encoder) -> None:
    shares: list[float] = []
    again = SentimentReader(PARAMS, encoder=encoder)
    again.fit(TEXTS, LABELS, progress=lambda share, text: shares.append(share))
    np.testing.assert_array_equal(again.predict_proba(TEXTS), reader.predict_proba(TEXTS))
    assert shares == sorted(shares)
    assert shares[-1] <= 1


def test_the_encoder_that_is_shared_stays_as_it_was(encoder) -> None:
    before = {name: value.clone() for name, value in encoder[0].auto_model.state_dict().items()}
    SentimentReader(PARAMS, encoder=encoder).fit(TEXTS, LABELS)
    for name, value in encoder[0].auto_model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_states_that_are_there_already_give_the_same_answers(
    reader: SentimentReader, encoder
) -> None:
    texts = ["the update is great", "the update is 😡", "nothing"]
    states = lower_states(encoder, texts, TOWER.frozen_layers, TOWER.max_tokens)
    np.testing.assert_allclose(
        reader.predict_proba(texts, states), reader.predict_proba(texts), atol=0.01
    )


def test_a_pictograph_is_read_by_its_name() -> None:
    assert name_pictures("thanks 👍").split() == ["thanks", "thumbs", "up", "sign"]
    assert name_pictures("très bien :-)") == "très bien :-)"
    assert name_pictures("fine :-)") == "fine :-)"


def test_every_layer_may_be_trained(encoder) -> None:
    params = TOWER.model_copy(update={"frozen_layers": 0, "upper_layers": 6})
    network = SentimentNetwork(encoder[0].auto_model, 3, params)
    (state,) = lower_states(encoder, ["a word"], 0, 24)
    assert state.shape == (4, 384)  # the two words between the two special tokens
    assert network(state.float()[None], torch.ones(1, 4, dtype=torch.long)).shape == (1, 3)


def test_layers_that_the_encoder_lacks_are_refused(encoder) -> None:
    params = TOWER.model_copy(update={"upper_layers": 2})
    with pytest.raises(ValueError, match="layers up to 7"):
        SentimentNetwork(encoder[0].auto_model, 3, params)


def test_what_cannot_be_learned_from_is_refused(encoder) -> None:
    reader = SentimentReader(PARAMS, encoder=encoder)
    with pytest.raises(ValueError, match="2 texts, but 1 labels"):
        reader.fit(["a", "b"], ["neutral"])
    with pytest.raises(UnknownLabelError, match="'angry' is not a sentiment"):
        reader.fit(["a"], ["angry"])
    with pytest.raises(ValueError, match="at least 5 texts"):
        reader.fit(TEXTS[:50], LABELS[:50])
    with pytest.raises(NotFittedError):
        reader.predict_proba(["a"])


def test_a_damaged_folder_is_refused(reader: SentimentReader, encoder, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no sentiment reader"):
        SentimentReader.load(tmp_path, encoder)
    reader.save(tmp_path)
    facts = json.loads((tmp_path / "sentiment.json").read_text())
    (tmp_path / "sentiment.json").write_text(json.dumps(facts | {"classes": ["good", "bad"]}))
    with pytest.raises(BundleError, match="ValueError"):
        SentimentReader.load(tmp_path, encoder)
    (tmp_path / "sentiment.json").write_text(json.dumps(facts))
    (tmp_path / "network.safetensors").write_bytes(b"cut short")
    with pytest.raises(BundleError, match="SafetensorError"):
        SentimentReader.load(tmp_path, encoder)
