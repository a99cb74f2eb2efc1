"""BIO files: every word with its tag, offsets that hold, and faults told with file and line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.conll import detokenise, read_conll, spans_of, tags_of
from data.errors import DataError


def write(folder: Path, text: str) -> Path:
    path = folder / "tagged.conll"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_of_blanks_ends_a_sentence(tmp_path: Path) -> None:
    path = write(tmp_path, "My\tO\nMac\tB-device\n\t\n\nFirefox\tB-application\nESR\tI-application")
    first, second = read_conll(path)
    assert (first.tokens, first.tags, first.line) == (("My", "Mac"), ("O", "B-device"), 1)
    assert (second.tokens, second.line) == (("Firefox", "ESR"), 5)


def test_the_tag_is_read_from_the_column_named(tmp_path: Path) -> None:
    path = write(tmp_path, "Java\tB-Language\tJava\tO\n")
    assert read_conll(path, columns=4)[0].tags == ("B-Language",)
    assert read_conll(path, columns=4, tag_column=3)[0].tags == ("O",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("word", "1 fields"),
        ("word\tO\tmore", "3 fields"),
        ("\tO", "no word"),
        ("word\tX-label", "no tag"),
        ("word\tB-", "no tag"),
        ("word\tB-a,c", "no tag"),
    ],
)
def test_a_malformed_line_is_refused_with_file_and_line(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = write(tmp_path, f"secret\tO\n{line}\n")
    with pytest.raises(DataError, match=rf"tagged\.conll:2: .*{reason}") as error:
        read_conll(path)
    assert "secret" not in str(error.value)
    assert "word" not in str(error.value) or reason == "no word"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tagged.conll"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="UTF-8"):
        read_conll(path)


def test_a_tag_that_continues_nothing_begins_a_span() -> None:
    assert spans_of(["I-a", "I-a", "I-b", "B-b", "O", "B-a"]) == [
        (0, 2, "a"),
        (2, 3, "b"),
        (3, 4, "b"),
        (5, 6, "a"),
    ]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from("abc"))))
def test_spans_become_tags_and_spans_again(steps: list[tuple[int, int, str]]) -> None:
    spans, position = [], 0
    for gap, size, label in steps:
        spans.append((position + gap, position + gap + size, label))
        position += gap + size
    assert spans_of(tags_of(spans, position)) == spans


def test_text_is_put_together_as_a_person_writes_it() -> None:
    text, _ = detokenise(["It", "does", "n't", "start", "(", "Java", "8", ")", "."])
    assert text == "It doesn't start (Java 8)."


@given(st.lists(st.text(st.characters(exclude_categories=("Z", "C")), min_size=1)))
def test_offsets_slice_back_to_the_words(tokens: list[str]) -> None:
    text, offsets = detokenise(tokens)
    assert [text[start:end] for start, end in offsets] == tokens
