"""Sentences whose words carry BIO tags, as the CoNLL shared tasks write them: a word a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError

OUTSIDE = "O"
ALTERNATIVES = ","
"""Between the tags of one word where annotators did not agree (wnut17's test file)."""

Span = tuple[int, int, str]
"""First position, the position behind the last, label."""

_NO_BLANK_BEFORE = frozenset(".,;:!?)]}%…") | {"'s", "n't", "'m", "'ve", "'re", "'d", "'ll", "..."}
_NO_BLANK_AFTER = frozenset("([{$")


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words and their tags, of the same length; `line` is where it begins, counted from 1."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    line: int


def read_conll(path: Path, *, columns: int = 2, tag_column: int = 1) -> list[TaggedSentence]:
    """All sentences of a file, in order; a line of blanks ends one.

    Parameters
    ----------
    columns : fields of a line, between tabs; the first is the word
    tag_column : the field that holds the tag, counted from 0

    Raises
    ------
    DataError
        If the file cannot be read as UTF-8, or a line has another number of fields, no word or
        no tag: `O`, `B-<label>` or `I-<label>`, several of them between commas.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")  # splitlines would cut at U+2028 as well
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as UTF-8: {type(error).__name__}") from error
    sentences: list[TaggedSentence] = []
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            token, tag = _fields(line.rstrip("\r"), columns, tag_column, f"{path.name}:{number}")
            tokens.append(token)
            tags.append(tag)
        elif tokens:
            sentences.append(TaggedSentence(tuple(tokens), tuple(tags), number - len(tokens)))
            tokens, tags = [], []
    return sentences


def _fields(line: str, columns: int, tag_column: int, place: str) -> tuple[str, str]:
    fields = line.split("\t")
    if len(fields) != columns:
        raise DataError(f"{place}: {len(fields)} fields between tabs, expected {columns}")
    token, tag = fields[0], fields[tag_column]
    if not token or token.isspace():
        raise DataError(f"{place}: no word in the first field")
    for one in tag.split(ALTERNATIVES):
        if one != OUTSIDE and not (one[:2] in ("B-", "I-") and one[2:].strip()):
            raise DataError(f"{place}: field {tag_column + 1} is no tag O, B-… or I-…")
    return token, tag


def spans_of(tags: Sequence[str]) -> list[Span]:
    """Spans in token positions.

    As conlleval counts them: an `I-` that continues no span of its label begins one.
    """
    spans: list[Span] = []
    start, label = 0, ""
    for position, tag in enumerate([*tags, OUTSIDE]):
        kind, _, name = tag.partition("-")
        if label and (kind != "I" or name != label):
            spans.append((start, position, label))
            label = ""
        if tag != OUTSIDE and not label:
            start, label = position, name
    return spans


def tags_of(spans: Sequence[Span], length: int) -> list[str]:
    """BIO tags of spans that do not overlap; the inverse of `spans_of`."""
    tags = [OUTSIDE] * length
    for start, end, label in spans:
        tags[start] = f"B-{label}"
        tags[start + 1 : end] = [f"I-{label}"] * (end - start - 1)
    return tags


def detokenise(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Text as a person would write it, and where each word stands in it, in characters.

    Punctuation and the halves of contractions lose the blank before them. Every word is there
    unchanged: `text[start:end]` is the token.
    """
    text = ""
    offsets = []
    previous = ""
    for token in tokens:
        attached = token in _NO_BLANK_BEFORE or previous in _NO_BLANK_AFTER
        if text and not attached:
            text += " "
        offsets.append((len(text), len(text) + len(token)))
        text += token
        previous = token
    return text, offsets
