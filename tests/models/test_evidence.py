"""Evidence of severity: found where it stands, in six languages, in time linear in the text."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from models.evidence import SHOUTING, EvidenceFinder, read_lexicon


@pytest.fixture(scope="module")
def finder() -> EvidenceFinder:
    return EvidenceFinder(read_lexicon())


@pytest.mark.parametrize(
    ("text", "kind", "phrase"),
    [
        ("Login is broken for ALL USERS since 9", "scope", "ALL USERS"),
        ("Der Server ist seit heute ausgefallen", "outage", "ausgefallen"),
        ("le site est hors  service", "outage", "hors  service"),
        ("lo necesitamos antes del lunes", "deadline", "antes del lunes"),
        ("perdemos dados? há perda de dados!", "data_loss", "perda de dados"),
        ("non è urgente, grazie", "minor", "non è urgente"),
        ("we found two vulnerabilities", "security", "vulnerabilities"),
    ],
)
def test_phrases_are_found_where_they_stand(finder, text, kind, phrase):
    assert phrase in {text[e.start : e.end] for e in finder.find(text) if e.kind == kind}


@pytest.mark.parametrize("text", ["shutdown of the downstream product", "prodigy", "leaky1x downs"])
def test_parts_of_other_words_are_no_evidence(finder, text):
    kinds = {e.kind for e in finder.find(text)}
    assert not kinds & {"outage", "production"}


def test_capitals_shout_only_beside_words_that_do_not(finder):
    def shouted(text: str) -> list[str]:
        return [text[e.start : e.end] for e in finder.find(text) if e.kind == SHOUTING]

    assert shouted("this is BROKEN again!!!") == ["BROKEN", "!!!"]
    assert shouted("MY SCREEN STAYS BLACK") == []
    assert shouted("the VPN and the API") == []


@given(st.text(max_size=300))
def test_places_lie_in_the_text_and_in_order(finder, text):
    found = finder.find(text)
    assert all(0 <= e.start < e.end <= len(text) for e in found)
    assert [e.start for e in found] == sorted(e.start for e in found)


def test_features_count_each_kind(finder):
    features = finder.features(["", "down, down and offline"])
    column = finder.kinds.index("outage")
    assert features.shape == (2, len(finder.kinds))
    assert not features[0].any()
    assert features[1, column] == pytest.approx(np.log(4))


@pytest.mark.parametrize("unit", ["all ", "a", "!", "all" + " " * 50, "A", "é"])
def test_long_texts_take_no_long(finder, unit):
    text = (unit * 50_000)[:50_000]
    began = time.process_time()
    finder.find(text)
    assert time.process_time() - began < 2


def test_a_lexicon_without_words_is_refused(tmp_path):
    with pytest.raises(DataError, match="outage"):
        EvidenceFinder({"outage": ["..."]})
    path = tmp_path / "evidence.yaml"
    path.write_text("outage: down\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"evidence\.yaml: outage"):
        read_lexicon(path)
