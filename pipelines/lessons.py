"""Stage `lessons`: bring the public texts from which the fine-tuned member learns a tone.

Tickets without sentiment labels are read all the same: the member learns from these texts beside
the tickets. The published test file is set aside to measure on, a part of the rest for the
temperature; the member sees neither.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import httpx

from data.catalog import CATALOG, Catalog, read_catalog
from data.download import new_client
from data.errors import DataError, FetchError
from data.text import model_text
from evaluation.league.reader_facts import facts_of
from evaluation.league.sentiment import HELD_OUT, Posts, measure_posts, part_off, read_posts
from evaluation.league.sources import fetch_sources
from models.finetuned import FinetunedMember
from models.sentiment import SentimentReader, fit_tone, tones
from pipelines import run
from pipelines.params import ReadersParams, read_params

logger = logging.getLogger(__name__)

LESSONS = Path("data/raw/lessons")
FILE = "sentiment.json"

SAMPLE = "sample"
LANGUAGES = {"senti4sd": ("en",), SAMPLE: ("en", "de", "fr", "es", "pt", "it")}
"""Languages whose tone a data set teaches."""

SAMPLE_TEST = 5
"""Of so many groups of the sample one is for measuring."""


@dataclass(frozen=True)
class Lessons:
    """Texts that teach a tone, as the models read them.

    `taught` are learned from, `held_out` set the temperature, `test` measures.
    """

    dataset: str
    fallback: bool
    taught: Posts
    held_out: Posts
    test: Posts


def find_lessons(
    params: ReadersParams, seed: int, catalog: Catalog, root: Path, client: httpx.Client
) -> Lessons | None:
    """The texts asked for; None where no tone is to be read.

    Where neither mirror nor network answers, the sample stands in, as for the tickets; with
    `fallback` off that is an error.

    Raises
    ------
    FetchError
        If the data set cannot be had and the sample may not stand in.
    """
    if params.sentiment is None:
        return None
    name = params.sentiment
    if name != SAMPLE:
        try:
            folder = fetch_sources([name], catalog, root, client)[name]
        except FetchError as error:
            if not params.fallback:
                raise
            logger.warning("%s cannot be had (%s): the SYNTHETIC sample stands in", name, error)
        else:
            train, test = (read_posts(folder, catalog[name], part) for part in catalog[name].read)
            return Lessons(name, False, *part_off(train, HELD_OUT, seed), test)
    train, test = read_sample(root / catalog[SAMPLE].path[0])
    fallback = name != SAMPLE
    return Lessons(SAMPLE, fallback, *part_off(train, HELD_OUT, seed), test)


def read_sample(path: Path) -> tuple[Posts, Posts]:
    """Sentiments of the bundled sample, to learn from and to measure on; no group on both sides."""
    parts = Posts([], []), Posts([], [])
    for line in path.read_text(encoding="utf-8").splitlines():
        ticket = json.loads(line)
        part = parts[crc32(str(ticket.get("group", ticket["id"])).encode()) % SAMPLE_TEST == 0]
        part.texts.append(model_text(ticket["text"]))
        part.labels.append(ticket["sentiment"])
    return parts


def write_lessons(lessons: Lessons | None, folder: Path) -> None:
    """Keep the texts in a folder; none leave it empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if lessons is None:
        return
    told = {
        "dataset": lessons.dataset,
        "fallback": lessons.fallback,
        "taught": _rows(lessons.taught),
        "held_out": _rows(lessons.held_out),
        "test": _rows(lessons.test),
    }
    text = json.dumps(told, ensure_ascii=False, indent=0)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_lessons(folder: Path) -> Lessons | None:
    """What `write_lessons` wrote; None where there is nothing to learn.

    Raises
    ------
    DataError
        If the file is not what that function writes.
    """
    if not (folder / FILE).is_file():
        return None
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        parts = [_posts(told[name]) for name in ("taught", "held_out", "test")]
        return Lessons(str(told["dataset"]), bool(told["fallback"]), *parts)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder / FILE} holds no lessons: run the stage `lessons`") from error


def measure(member: FinetunedMember, lessons: Lessons) -> SentimentReader:
    """The reader of a member that learned them: beside its head the words, and their figures."""
    words, temperature = fit_tone(
        member,
        (lessons.taught.texts, lessons.taught.labels),
        (lessons.held_out.texts, lessons.held_out.labels),
    )
    rows, spoken = len(lessons.taught.texts), LANGUAGES.get(lessons.dataset, ())
    facts = facts_of(lessons.dataset, lessons.fallback, rows, ())
    reader = SentimentReader(facts, temperature, words)
    answers = reader.answer(tones(member, lessons.test.texts), lessons.test.texts)
    figures = measure_posts(lessons.test, answers, "test")
    facts = facts_of(lessons.dataset, lessons.fallback, rows, figures)
    return replace(reader, facts=facts.model_copy(update={"languages": spoken}))


def _rows(posts: Posts) -> list[list[str]]:
    return [list(row) for row in zip(posts.texts, posts.labels, strict=True)]


def _posts(rows: Sequence[Sequence[str]]) -> Posts:
    return Posts([str(text) for text, _ in rows], [str(label) for _, label in rows])


def main() -> None:
    params = read_params()
    with run.stage(
        "lessons",
        record=Path("evaluation/reports/stages/lessons.json"),
        params=params.readers.model_dump(mode="json"),
        seed=params.seed,
    ) as tracked:
        with new_client() as client:
            found = find_lessons(
                params.readers, params.seed, read_catalog(CATALOG), Path.cwd(), client
            )
        write_lessons(found, LESSONS)
        if found is not None:
            tracked.log_metrics({"texts": float(len(found.taught.texts))})
            logger.info("%d texts of %s teach a tone", len(found.taught.texts), found.dataset)


if __name__ == "__main__":
    main()
