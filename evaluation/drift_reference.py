"""The window that a bundle carries: what drift in production is measured against.

`reference.safetensors` lies beside `reference.json` and holds the calibration tickets as numbers:
lengths, languages, kinds of entities, answers with their labels, vectors of some of them, how many
tickets hold each common word, and which words training has seen, as bits. No text and no id.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from data.errors import BundleError
from evaluation.drift_report import WindowFacts
from evaluation.drift_window import UNKNOWN, Answers, Window
from evaluation.drift_words import KNOWN_BITS, KnownWords, WordCounts

FILE = "reference.safetensors"
FORMAT = 1
METADATA = "window"

MOST_ROWS = 5_000
MOST_EMBEDDED = 2_000
MOST_WORDS = 20_000

Arrays = dict[str, NDArray[Any]]


def write_reference(window: Window, known: KnownWords, path: Path) -> None:
    """Write a window and the words that training has seen; only words that may be told go in."""
    languages = sorted(set(window.languages))
    words = window.words.common(MOST_WORDS)
    arrays: Arrays = {
        "known": known.bits,
        "lengths": window.lengths.astype(np.int32),
        "languages": np.array([languages.index(name) for name in window.languages], np.int16),
        "entities": window.entities.astype(np.uint8),
    }
    if window.unknown_words is not None:
        arrays["unknown_words"] = window.unknown_words.astype(np.float32)
    if window.embeddings is not None:
        arrays["embeddings"] = window.embeddings.astype(np.float16)
        arrays["embedded"] = window.embedded.astype(np.int32)
    for target, answers in window.targets.items():
        arrays |= {f"{target}/{name}": array for name, array in _answers_out(answers).items()}
    facts = {
        "format": FORMAT,
        "facts": window.facts.model_dump(),
        "languages": languages,
        "kinds": window.kinds,
        "encoder": window.encoder,
        "targets": {target: answers.classes for target, answers in window.targets.items()},
        "words": {
            "tickets": words.tickets,
            "floor": words.floor,
            "counts": dict(words.counts),
            "groups": dict(words.groups),
        },
    }
    save_file(
        {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())},
        path,
        # One key: safetensors writes several in an order of chance.
        {METADATA: json.dumps(facts, ensure_ascii=False, sort_keys=True)},
    )


def read_reference(path: Path) -> tuple[Window, KnownWords]:
    """What `write_reference` wrote.

    Raises
    ------
    BundleError
        If the file is missing, of another format, or its parts do not fit together.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            told = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"{path} cannot be read ({type(error).__name__}): bundles sealed before drift was "
            "measured have none; seal the bundle anew"
        ) from error
    try:
        facts = json.loads(told[METADATA])
        if facts["format"] != FORMAT:
            raise BundleError(f"{path} has format {facts['format']}, {FORMAT} is expected")
        window, known = _window(facts, arrays), arrays["known"]
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise BundleError(f"{path}: its parts do not fit together") from error
    if known.shape != (KNOWN_BITS // 8,) or known.dtype != np.uint8:
        raise BundleError(f"{path}: the known words are not {KNOWN_BITS} bits")
    return window, KnownWords(known)


def _answers_out(answers: Answers) -> Arrays:
    n, k = len(answers.predicted), len(answers.classes)
    out: Arrays = {
        "predicted": answers.predicted.astype(np.int16),
        "confidence": answers.confidence.astype(np.float32),
        "truth": (np.full(n, UNKNOWN) if answers.truth is None else answers.truth).astype(np.int16),
    }
    if answers.automatic is not None:
        out["automatic"] = answers.automatic.astype(np.uint8)
    if answers.probabilities is not None:
        out["probabilities"] = answers.probabilities.astype(np.float32).reshape(n, k)
    return out


def _answers_in(classes: list[str], arrays: Arrays) -> Answers:
    automatic, probabilities = arrays.get("automatic"), arrays.get("probabilities")
    return Answers(
        tuple(classes),
        arrays["predicted"].astype(np.int64),
        arrays["confidence"].astype(np.float64),
        None if automatic is None else automatic.astype(np.bool_),
        None if probabilities is None else probabilities.astype(np.float64),
        arrays["truth"].astype(np.int64),
    )


def _window(facts: dict[str, Any], arrays: Arrays) -> Window:
    n = len(arrays["lengths"])
    names = np.array(facts["languages"], dtype=object)
    unknown, embeddings = arrays.get("unknown_words"), arrays.get("embeddings")
    counts = facts["words"]
    targets = {}
    for target, classes in facts["targets"].items():
        own = {
            name.removeprefix(f"{target}/"): array
            for name, array in arrays.items()
            if name.startswith(f"{target}/")
        }
        targets[target] = _answers_in(classes, own)
    window = Window(
        facts=WindowFacts.model_validate(facts["facts"]),
        ids=("",) * n,
        languages=tuple(names[arrays["languages"]]),
        lengths=arrays["lengths"].astype(np.float64),
        kinds=tuple(facts["kinds"]),
        entities=arrays["entities"].astype(np.bool_),
        words=WordCounts(counts["tickets"], counts["counts"], counts["groups"], counts["floor"]),
        unknown_words=None if unknown is None else unknown.astype(np.float64),
        targets=targets,
        encoder=facts["encoder"],
    )
    if embeddings is not None:
        window = replace(
            window,
            embeddings=embeddings.astype(np.float32),
            embedded=arrays["embedded"].astype(np.int64),
        )
    _check_lengths(window)
    return window


def _check_lengths(window: Window) -> None:
    n = len(window)
    columns = [window.languages, window.entities]
    columns += [answers.predicted for answers in window.targets.values()]
    columns += [answers.confidence for answers in window.targets.values()]
    columns += [answers.truth for answers in window.targets.values() if answers.truth is not None]
    if any(len(column) != n for column in columns):
        raise ValueError("columns differ in length")
    if len(window.embedded) and (
        window.embedded.max() >= n
        or window.embeddings is None
        or len(window.embeddings) != len(window.embedded)
    ):
        raise ValueError("embeddings of rows that are not there")
