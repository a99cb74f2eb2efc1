"""Stage `readers`: fit on public data what is read of tickets that carry no such labels.

Sentiment and learned entities need none of the organisation's tickets, so this stage is run once
and again only when its own code, params or data change. Each reader is measured on the published
test rows of its data set, which it has not seen.
"""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

import httpx

from data.catalog import CATALOG, Catalog, read_catalog
from data.download import new_client
from data.errors import FetchError
from data.text import model_text
from evaluation.league.benchmark import Figure
from evaluation.league.learned_entities import Part, measure_part, read_split
from evaluation.league.sentiment import Posts, measure_posts, read_posts
from evaluation.league.sources import fetch_sources
from models.encoders import find_encoder, open_encoder
from models.readers import FILE, SENTIMENT, TAGGER, ReaderFacts, ReadersFile
from models.sentiment import SentimentParams, SentimentReader
from models.shared_pass import lower_digest
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams
from pipelines import run
from pipelines.params import ReadersParams, read_params
from pipelines.progress import shown
from pipelines.train import RECORDS, TRAINED

logger = logging.getLogger(__name__)

SAMPLE = "sample"
SENTIMENT_PARAMS = SentimentParams()
TAGGER_PARAMS = TaggerParams(epochs=3, upper_layers=2, dropout=0.35, word_dropout=0.35)
"""Two of three layers and three of five epochs of the league's: a ticket pays for each layer."""

LANGUAGES = {"senti4sd": ("en",), SAMPLE: ("en", "de", "fr", "es", "pt", "it")}
"""Languages whose tone a data set teaches."""

SAMPLE_TEST = 5
"""Of so many groups of the sample one is for measuring."""


def fit_readers(
    params: ReadersParams,
    seed: int,
    folder: Path,
    root: Path,
    client: httpx.Client,
    *,
    sentiment: SentimentParams = SENTIMENT_PARAMS,
    tagger: TaggerParams = TAGGER_PARAMS,
) -> dict[str, ReaderFacts]:
    """Fit the readers asked for and write them to a folder; none asked for leave it empty.

    Where neither mirror nor network answers, the sample's sentiments stand in, as for the tickets,
    and learned entities are left to the rules; with `fallback` off that is an error.

    Raises
    ------
    FetchError
        If a data set cannot be had and nothing may stand in.
    """
    catalog = read_catalog(root / CATALOG)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    encoder = open_encoder(
        find_encoder(sentiment.tower.encoder), sentiment.tower.max_tokens, normalise=False
    )
    facts: dict[str, ReaderFacts] = {}
    if params.sentiment is not None:
        name, train, test = _sentiments(params, catalog, root, client)
        with shown("sentiment") as progress:
            reader = SentimentReader(sentiment, seed=seed, encoder=encoder)
            reader.fit(train.texts, train.labels, progress=progress)
        figures = measure_posts(test, reader.predict_proba(test.texts), "test")
        learned = _facts(name, params.sentiment, len(train.texts), figures)
        facts[SENTIMENT] = learned.model_copy(update={"languages": LANGUAGES[name]})
        reader.save(folder / SENTIMENT)
    if params.entities is not None and (found := _entities(params, catalog, root, client)):
        known, asked = found
        with shown("entities") as progress:
            one = EntityTagger(tagger, seed=seed, encoder=encoder, progress=progress)
            one.fit(known.tokens, known.tags, known.groups)
        figures = measure_part(one, asked, "test")
        facts[TAGGER] = _facts(params.entities, params.entities, len(known.tokens), figures)
        one.save(folder / TAGGER)
    if facts:
        layers = max(sentiment.tower.frozen_layers, tagger.frozen_layers)
        told = ReadersFile(
            encoder=sentiment.tower.encoder,
            layers=layers,
            digest=lower_digest(encoder, layers),
            readers=facts,
        )
        text = json.dumps(told.model_dump(mode="json"), indent=1)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")
    return facts


def _sentiments(
    params: ReadersParams, catalog: Catalog, root: Path, client: httpx.Client
) -> tuple[str, Posts, Posts]:
    """Name of the data set, what is learned from and what is measured on."""
    name = str(params.sentiment)
    if name != SAMPLE:
        try:
            folder = fetch_sources([name], catalog, root, client)[name]
        except FetchError as error:
            if not params.fallback:
                raise
            logger.warning("%s cannot be had (%s): the SYNTHETIC sample stands in", name, error)
        else:
            train, test = (read_posts(folder, catalog[name], part) for part in catalog[name].read)
            return name, train, test
    return SAMPLE, *read_sample(root / catalog[SAMPLE].path[0])


def read_sample(path: Path) -> tuple[Posts, Posts]:
    """Sentiments of the bundled sample, to learn from and to measure on; no group on both sides."""
    parts = Posts([], []), Posts([], [])
    for line in path.read_text(encoding="utf-8").splitlines():
        ticket = json.loads(line)
        part = parts[crc32(str(ticket.get("group", ticket["id"])).encode()) % SAMPLE_TEST == 0]
        part.texts.append(model_text(ticket["text"]))
        part.labels.append(ticket["sentiment"])
    return parts


def _entities(
    params: ReadersParams, catalog: Catalog, root: Path, client: httpx.Client
) -> tuple[Part, Part] | None:
    name = str(params.entities)
    try:
        folder = fetch_sources([name], catalog, root, client)[name]
    except FetchError as error:
        if not params.fallback:
            raise
        logger.warning("%s cannot be had (%s): entities are left to the rules", name, error)
        return None
    train, dev, test = (read_split(folder, part) for part in ("train", "dev", "test"))
    return train + dev, test


def _facts(name: str, wanted: str, rows: int, figures: Sequence[Figure]) -> ReaderFacts:
    told = [figure for figure in figures if figure.split == "test"]
    return ReaderFacts(
        dataset=name,
        fallback=name != wanted,
        rows=rows,
        figures={figure.metric: round(figure.value, 4) for figure in told},
        intervals={
            figure.metric: (round(figure.ci[0], 4), round(figure.ci[1], 4))
            for figure in told
            if figure.ci
        },
        test_rows=max((figure.n for figure in told), default=0),
    )


def main() -> None:
    params = read_params()
    section: Mapping[str, object] = params.readers.model_dump(mode="json")
    with run.stage(
        "readers", record=RECORDS / "readers.json", params=section, seed=params.seed
    ) as tracked:
        with new_client() as client:
            facts = fit_readers(
                params.readers, params.seed, TRAINED / "readers", Path.cwd(), client
            )
        for name, found in facts.items():
            tracked.log_metrics({f"{name}.{m}": value for m, value in found.figures.items()})
            head = next((m for m in ("macro_f1", "span_f1") if m in found.figures), "accuracy")
            logger.info("%s: %s %.4f on %s", name, head, found.figures[head], found.dataset)


if __name__ == "__main__":
    main()
