"""The tagger without torch finds what the trained one finds."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError, NotFittedError
from models.encoders import find_encoder
from models.export import export_tagger, write_graph
from models.precision import full_precision
from models.quantise import quantise
from models.runtime import RUNTIMES, Session
from models.runtime_sessions import open_session
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams
from models.tagger_session import SessionTagger

PARAMS = TaggerParams(
    epochs=14, upper_layers=1, batch_pieces=256, dropout=0.0, word_dropout=0.1, max_pieces=48
)
APPLICATIONS = ("Firefox", "Excel", "Outlook", "WinZip", "Notepad")
PLACES = ("office", "kitchen", "cellar", "garage", "attic")
TEXTS = [
    "The door is open.\nOutlook crashes in the cellar today.",
    "Excel and Notepad crash",
    "",
    "()",
    "The garage door is open .\n" * 60 + "WinZip crashes in the cellar today .",
    "\ud800 Firefox \x00 in the kitchen",
]


@pytest.fixture(scope="module")
def tagger() -> EntityTagger:
    sentences = [f"{a} crashes in the {p} today .".split() for a in APPLICATIONS for p in PLACES]
    tags = [["B-application" if w in APPLICATIONS else "O" for w in s] for s in sentences]
    return EntityTagger(PARAMS, seed=1).fit(sentences, tags)


@pytest.fixture(scope="module")
def folder(tagger: EntityTagger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tagger")
    tagger.save(place)
    graph = export_tagger(tagger)
    write_graph(graph, place / "f32.onnx")
    write_graph(quantise(graph), place / "int8.onnx")
    return place


@pytest.mark.parametrize("name", RUNTIMES)
def test_it_finds_what_the_trained_tagger_finds(
    tagger: EntityTagger, folder: Path, name: str
) -> None:
    runtime = RUNTIMES[name]
    session = open_session(folder / f"{runtime.graph}.onnx", runtime)
    served = SessionTagger.load(folder, session, find_encoder("minilm") / "tokenizer.json")
    with full_precision():
        expected = tagger.find(TEXTS)
    assert any(expected)
    assert served.find(TEXTS) == expected
    assert [served.find([text])[0] for text in TEXTS] == expected
    assert served.find([]) == []


class Fixed:
    """A session that scores so many tags."""

    multiple = 1

    def __init__(self, width: int) -> None:
        self.width = width

    def run(self, inputs):
        return np.zeros((len(inputs["tokens"]), inputs["owner"].shape[1], self.width), np.float32)


def test_a_graph_of_other_tags_is_refused(folder: Path) -> None:
    tokenizer = find_encoder("minilm") / "tokenizer.json"
    with pytest.raises(BundleError, match="scores 7 tags, there are 3"):
        SessionTagger.load(folder, Fixed(7), tokenizer)
    served = SessionTagger.load(folder, Fixed(3), tokenizer)
    assert served.tags_ == ("O", "B-application", "I-application")


@pytest.mark.parametrize("name", ["tagger.json", "tagger.safetensors"])
def test_a_broken_folder_is_refused(tagger: EntityTagger, tmp_path: Path, name: str) -> None:
    tagger.save(tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(BundleError, match="no tagger"):
        SessionTagger.load(tmp_path, Fixed(3), find_encoder("minilm") / "tokenizer.json")


def test_an_unfitted_tagger_cannot_be_exported() -> None:
    with pytest.raises(NotFittedError):
        export_tagger(EntityTagger(PARAMS))


def test_names_are_found_without_reading_what_stands_far_from_them(
    tagger: EntityTagger, folder: Path
) -> None:
    session = Counting(open_session(folder / "f32.onnx", RUNTIMES["onnxruntime-f32"]))
    served = SessionTagger.load(folder, session, find_encoder("minilm") / "tokenizer.json")
    text = "The door is open.\n" * 30 + "Outlook crashes in the cellar today."
    [[found]] = everything = served.find([text])
    assert text[found.start : found.end] == "Outlook"
    read, session.pieces = session.pieces, 0
    assert served.find([text], ("application",)) == everything
    assert session.pieces < read / 4
    with full_precision():
        assert tagger.find([text], ("application",)) == everything
    session.pieces = 0
    assert served.find([text], ()) == [()]


class Counting:
    """A session that counts the word pieces it is given."""

    def __init__(self, session: Session) -> None:
        self.width, self.multiple, self.pieces = session.width, session.multiple, 0
        self._session = session

    def run(self, inputs):
        self.pieces += int(inputs["mask"].sum())
        return self._session.run(inputs)
