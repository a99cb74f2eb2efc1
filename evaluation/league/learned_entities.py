"""Entities learned from tagged sentences: Stack Overflow's twenty types, and wnut17's six."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.conll import ALTERNATIVES, OUTSIDE, Span, TaggedSentence, detokenise, read_conll, spans_of
from data.conll import tags_of as to_tags
from evaluation.league.benchmark import Figure, shared_texts
from evaluation.spans import MICRO, SpanScores, score_spans
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams

STACKOVERFLOW_KINDS = {
    "Algorithm": "algorithm",
    "Application": "application",
    "Class_Name": "class",
    "Code_Block": "code",
    "Data_Structure": "data_structure",
    "Data_Type": "data_type",
    "Device": "device",
    "File_Name": "file_name",
    "File_Type": "file_type",
    "Function_Name": "function",
    "HTML_XML_Tag": "html_xml_tag",
    "Language": "programming_language",
    "Library": "library",
    "Library_Class": "class",
    "Library_Function": "function",
    "Library_Variable": "variable",
    "Operating_System": "os",
    "Organization": "website",
    "User_Interface_Element": "ui_element",
    "User_Name": "user_name",
    "Value": "value",
    "Variable_Name": "variable",
    "Version": "version",
    "Website": "website",
}
"""Annotation label -> kind; 20 kinds, those the paper names (Tabassum et al., ACL 2020).

The merging is that of the authors' reader (jeniyat/StackOverflowNER, code/DataReader/loader_so.py).
Where the two differ the paper is followed: it counts Value, the reader has Output_Block in its
place. Output_Block, Error_Name, Keyboard_IP and Licence count as no entity.
"""

CODE_KINDS = frozenset(
    {"class", "code", "data_type", "function", "html_xml_tag", "library", "value", "variable"}
)
"""The eight kinds the paper calls code; the product shows none of them."""

# Chosen on dev among four trials: 0.648 with these, 0.628 with dropouts of 0.2 and six epochs.
STACKOVERFLOW_PARAMS = TaggerParams(epochs=5, dropout=0.35, word_dropout=0.35)
WNUT_PARAMS = TaggerParams(epochs=5, dropout=0.35, word_dropout=0.35)
SMALL_PARAMS = TaggerParams(epochs=1, upper_layers=1)
SMALL = 60
"""Sentences of each part in a small run."""


@dataclass(frozen=True)
class Part:
    """Sentences with the kinds of the house, and the document each is from."""

    tokens: list[list[str]]
    tags: list[list[str]]
    groups: list[str]

    def first(self, n: int) -> "Part":
        """The first sentences only."""
        return Part(self.tokens[:n], self.tags[:n], self.groups[:n])

    def __add__(self, other: "Part") -> "Part":
        return Part(self.tokens + other.tokens, self.tags + other.tags, self.groups + other.groups)


class StackOverflowEntities:
    """Span F1 over the twenty types of the Stack Overflow corpus, exact match, micro average.

    The human annotation is the second of four columns; the fourth, the posts' own mark-up of code,
    is not looked at. Trained on train and dev, the number of epochs having been chosen on dev.
    """

    name = "stackoverflow-ner"
    datasets: tuple[str, ...] = ("stackoverflow-ner",)

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Figures on the published test file."""
        folder = folders["stackoverflow-ner"]
        train, dev, test = (read_split(folder, part) for part in ("train", "dev", "test"))
        if small:
            train, dev, test = train.first(SMALL), dev.first(SMALL), test.first(SMALL)
        params = SMALL_PARAMS if small else STACKOVERFLOW_PARAMS
        known = train + dev
        tagger = EntityTagger(params).fit(known.tokens, known.tags, known.groups)
        return [*measure_part(tagger, test, "test"), _shared(known, test)]


class EmergingEntities:
    """Span F1 on the test file of wnut17 as the repository holds it.

    Annotators' alternatives stand in that file side by side. A span is right if it is one of the
    alternatives at its place, and alternatives that overlap count as one entity; figures of the
    shared task rest on an adjudicated file and must not be compared.
    """

    name = "wnut17"
    datasets: tuple[str, ...] = ("wnut17",)

    def run(self, folders: Mapping[str, Path], *, small: bool) -> Sequence[Figure]:
        """Figures on emerging.test; emerging.dev is trained on as well."""
        folder = folders["wnut17"]
        train, dev, test = (
            _plain(read_conll(_file(folder, name)))
            for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.conll")
        )
        if small:
            train, dev, test = train.first(SMALL), dev.first(SMALL), test.first(SMALL)
        params = SMALL_PARAMS if small else WNUT_PARAMS
        known = train + dev
        tagger = EntityTagger(params).fit(known.tokens, known.tags, known.groups)
        found = [spans_of(tags) for tags in tagger.tag(test.tokens)]
        settled = [
            settle_alternatives(tags, spans) for tags, spans in zip(test.tags, found, strict=True)
        ]
        score = score_spans([w for w, _ in settled], [f for _, f in settled])[MICRO]
        return [*_figures("emerging.test, any alternative", {"": score}), _shared(known, test)]


def read_split(folder: Path, name: str) -> Part:
    """The sentences of `train`, `dev` or `test`, whichever folder of the data set they lie in."""
    return read_stackoverflow(_file(folder, f"{name}.txt"))


def read_stackoverflow(path: Path) -> Part:
    """Sentences of one file as the authors' reader gives them, with the kinds of the house.

    Headers (question numbers, addresses) and the stand-ins for code left out are no sentences; the
    document is the question with its answers.
    """
    part = Part([], [], [])
    question = 0
    for sentence in read_conll(path, columns=4):
        joined = " ".join(sentence.tokens)
        if "Question_ID :" in joined:
            question += joined.startswith("Question_ID")
            continue
        omitted = "omitted for annotation" in joined
        if "Question_URL :" in joined or (
            omitted and ("CODE_BLOCK :" in joined or "OP_BLOCK :" in joined)
        ):
            continue
        spans = [
            (start, end, STACKOVERFLOW_KINDS[label])
            for start, end, label in spans_of(sentence.tags)
            if label in STACKOVERFLOW_KINDS
        ]
        part.tokens.append(list(sentence.tokens))
        part.tags.append(to_tags(spans, len(sentence.tokens)))
        part.groups.append(f"{path.stem} {question}")
    return part


def measure_part(tagger: EntityTagger, test: Part, split: str) -> list[Figure]:
    """Span F1 over all kinds and of each, on the published words and by way of the text."""
    gold = [spans_of(tags) for tags in test.tags]
    found = [spans_of(tags) for tags in tagger.tag(test.tokens, test.groups)]
    scores = score_spans(gold, found, groups=test.groups)
    figures = _figures(split, {"": scores.pop(MICRO)})
    for name, kinds in (("code", CODE_KINDS), ("no code", set(tagger.labels_) - CODE_KINDS)):
        parts = ([[s for s in row if s[2] in kinds] for row in rows] for rows in (gold, found))
        figures += _figures(split, {name: score_spans(*parts, groups=test.groups)[MICRO]})
    figures += _figures(split, scores)
    wanted, served = _as_texts(tagger, test)
    alone = score_spans(wanted, served, groups=test.groups)[MICRO]
    return figures + _figures(f"{split}, sentences as texts", {"": alone})


def _as_texts(tagger: EntityTagger, test: Part) -> tuple[list[list[Span]], list[list[Span]]]:
    """Spans wanted and found in characters: each sentence alone, as a person would write it."""
    texts, wanted = [], []
    for tokens, tags in zip(test.tokens, test.tags, strict=True):
        text, offsets = detokenise(tokens)
        texts.append(text)
        wanted.append([(offsets[a][0], offsets[b - 1][1], kind) for a, b, kind in spans_of(tags)])
    return wanted, [[(e.start, e.end, e.label) for e in row] for row in tagger.find(texts)]


def _figures(split: str, scores: Mapping[str, SpanScores]) -> list[Figure]:
    """F1 by name, "" for all kinds together; `n` is the number of annotated spans."""
    return [
        Figure(
            split=split,
            metric=f"span_f1, {name}" if name else "span_f1",
            value=score.f1,
            ci=(score.f1_ci[0], score.f1_ci[1]) if score.f1_ci else None,
            n=score.expected,
        )
        for name, score in scores.items()
        if score.f1 is not None
    ]


def settle_alternatives(
    tags: Sequence[str], found: Sequence[Span]
) -> tuple[list[Span], list[Span]]:
    """Spans wanted and found where annotators' alternatives stand side by side.

    Alternatives that overlap are one entity, told by the first of them; a span found that is any
    of them becomes that one.
    """
    labels = {one[2:] for tag in tags for one in tag.split(ALTERNATIVES) if one != OUTSIDE}
    alternatives: set[Span] = set()
    for label in labels:
        own = [
            next((one for one in tag.split(ALTERNATIVES) if one[2:] == label), OUTSIDE)
            for tag in tags
        ]
        alternatives.update(spans_of(own))
    told: dict[Span, Span] = {}
    first, reach = (0, 0, ""), 0
    for span in sorted(alternatives):
        if span[0] >= reach:
            first = span
        told[span] = first
        reach = max(reach, span[1])
    return sorted(set(told.values())), [told.get(span, span) for span in found]


def _plain(sentences: Sequence[TaggedSentence]) -> Part:
    return Part(
        [list(s.tokens) for s in sentences],
        [list(s.tags) for s in sentences],
        [f"sentence {i}" for i in range(len(sentences))],
    )


def _shared(train: Part, test: Part) -> Figure:
    return shared_texts(map(" ".join, train.tokens), [" ".join(row) for row in test.tokens])


def _file(folder: Path, name: str) -> Path:
    """A file of a data set, whichever folder of it it lies in."""
    direct = folder / name
    return direct if direct.is_file() else next(iter(sorted(folder.rglob(name))), direct)
