"""Intents learned in English and asked for in other languages."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError, WeightsError
from evaluation.league import xsid
from evaluation.league.xsid import (
    DATASET,
    LANGUAGES,
    ZeroShotIntents,
    draw_rows,
    figures_of,
    read_train,
    read_valid,
)

VALID = """# id = 1
# text-en = Is it going to rain?
# text = Regnet es heute?
# intent = weather/find
1\tRegnet\tweather/find\tB-weather/attribute

# text = Spiel etwas
# intent = PlayMusic
1\tSpiel\tPlayMusic\tO
"""


def write_train(folder: Path) -> None:
    texts = ["play a song", "will it rain", "play a song", "wake me at six"]
    intents = ["PlayMusic", "GetWeather", "RateBook", "alarm/set_alarm"]
    (folder / "train_en_text.txt").write_text("\n".join(texts), encoding="utf-8")
    labels = [f"O O O\t{intent}" for intent in intents]
    (folder / "train_en_label.txt").write_text("\n".join(labels), encoding="utf-8")


def test_repeated_sentences_count_once_and_weather_has_one_name(tmp_path: Path) -> None:
    write_train(tmp_path)
    texts, intents = read_train(tmp_path)
    assert texts == ["play a song", "will it rain", "wake me at six"]
    assert intents == ["PlayMusic", "weather/find", "alarm/set_alarm"]


def test_a_label_too_few_is_refused(tmp_path: Path) -> None:
    write_train(tmp_path)
    (tmp_path / "train_en_label.txt").write_text("O\ta", encoding="utf-8")
    with pytest.raises(DataError, match="4 sentences and 1 labels"):
        read_train(tmp_path)


def test_sentences_are_read_in_their_own_language(tmp_path: Path) -> None:
    path = tmp_path / "de.valid.conll"
    path.write_text(VALID, encoding="utf-8")
    sentences, intents = read_valid(path)
    assert sentences == ["Regnet es heute?", "Spiel etwas"]
    assert intents == ["weather/find", "PlayMusic"]


def test_a_sentence_without_intent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "de.valid.conll"
    path.write_text(VALID.replace("# intent = PlayMusic\n", ""), encoding="utf-8")
    with pytest.raises(DataError, match="2 sentences and 1 intents"):
        read_valid(path)


def test_the_same_rows_are_drawn_each_time() -> None:
    assert draw_rows(100, 10) == draw_rows(100, 10)
    assert draw_rows(5, 10) == [0, 1, 2, 3, 4]


def test_the_mean_is_over_the_languages_not_seen() -> None:
    correct = {"en": np.ones(4, bool), "de": np.array([1, 1, 0, 0], bool), "tr": np.zeros(4, bool)}
    values = {figure.split: figure.value for figure in figures_of("e", correct)}
    assert values == {"en.valid": 1, "de.valid": 0.5, "tr.valid": 0, "mean": 0.25}


class Lengths:
    """Stands in for the member: knows an intent by the first letter of the sentence."""

    def __init__(self, params: object) -> None:
        if getattr(params, "encoder", "") == "absent":
            raise WeightsError("not here")

    def fit(self, texts: list[str], labels: dict[str, list[str]]) -> None:
        self.targets_ = {"intent": tuple(sorted(set(labels["intent"])))}

    def predict_proba(self, texts: list[str]) -> dict[str, np.ndarray]:
        return {"intent": np.tile([1.0, 0.0, 0.0], (len(texts), 1))}


def test_an_encoder_that_is_not_there_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xsid, "EmbeddingMember", Lengths)
    write_train(tmp_path)
    for language in ("en", *LANGUAGES):
        (tmp_path / f"{language}.valid.conll").write_text(VALID, encoding="utf-8")
    figures = ZeroShotIntents(("absent", "here")).run({DATASET: tmp_path}, small=True)
    found = {(figure.split, figure.metric): figure.value for figure in figures}
    assert found["de.valid", "accuracy, here"] == 0.5  # PlayMusic is the first class
    assert found["mean of six", "accuracy, here"] == 0.5
    assert found["en.valid", "shared_texts"] == 0
    assert not any("absent" in metric for _, metric in found)
