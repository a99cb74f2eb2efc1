"""A chain tells whatever was altered, taken out or put in."""

import json
from pathlib import Path

import pytest

from data.chain import START, Chain, Link, append, read_chain, require_anchored
from data.errors import DataError


class Line(Link):
    word: str


def write(path: Path, *words: str) -> Chain[Line]:
    chain: Chain[Line] = read_chain(path, Line)
    for word in words:
        chain = append(path, chain, Line.model_validate({"word": word} | chain.next))
    return chain


def test_a_file_that_is_not_there_is_an_empty_chain(tmp_path: Path) -> None:
    chain = read_chain(tmp_path / "c.jsonl", Line)
    assert chain.links == ()
    assert chain.head == START


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    written = write(tmp_path / "c.jsonl", "one", "zwei", "drei\n")
    read = read_chain(tmp_path / "c.jsonl", Line)
    assert [link.word for link in read.links] == ["one", "zwei", "drei\n"]
    assert read.digests == written.digests


@pytest.mark.parametrize("fault", ["altered", "taken out", "moved", "put in", "torn"])
def test_whatever_is_done_to_a_line_is_noticed(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "c.jsonl"
    write(path, "one", "two", "three")
    lines = path.read_text().splitlines()
    if fault == "altered":
        lines[1] = lines[1].replace("two", "TWO")
    elif fault == "taken out":
        del lines[1]
    elif fault == "moved":
        lines[1:] = lines[:0:-1]
    elif fault == "put in":
        lines.insert(1, json.dumps(json.loads(lines[1]) | {"word": "more"}))
    else:
        lines[2] = lines[2][:-5]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"line [23]"):
        read_chain(path, Line)


def test_a_last_line_altered_is_noticed_by_a_digest_told_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    told = write(path, "one", "two").head
    require_anchored(path, write(path, "three"), told)
    require_anchored(path, read_chain(path, Line), None)
    path.write_text(path.read_text().replace("two", "TWO").splitlines()[0] + "\n")
    with pytest.raises(DataError, match="audit log"):
        require_anchored(path, read_chain(path, Line), told)


def test_a_line_is_appended_only_to_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    before = write(path, "one")
    write(path, "two")
    line = Line.model_validate({"word": "other"} | before.next)
    with pytest.raises(DataError, match="changed meanwhile"):
        append(path, before, line)
    with pytest.raises(DataError, match="does not follow"):
        append(path, read_chain(path, Line), line)
