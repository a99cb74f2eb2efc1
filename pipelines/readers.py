"""Stage `readers`: fit on public data what finds the entities that no rule can list.

It needs none of the organisation's tickets, so this stage is run once and again only when its own
code, params or data change. The tagger is measured on the published test rows of its data set,
which it has not seen. Sentiment is learned with the tickets: see `pipelines/lessons.py`.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx

from data.catalog import CATALOG, Catalog, read_catalog
from data.download import new_client
from data.errors import FetchError
from evaluation.league.learned_entities import Part, measure_part, read_split
from evaluation.league.reader_facts import facts_of
from evaluation.league.sources import fetch_sources
from models.encoders import find_encoder, open_encoder
from models.reader_facts import ReaderFacts
from models.readers import FILE, LOWER, TAGGER, ReadersFile
from models.tagger import EntityTagger
from models.tagger_network import TaggerParams
from pipelines import run
from pipelines.params import ReadersParams, read_params
from pipelines.progress import shown
from pipelines.train import RECORDS, TRAINED

logger = logging.getLogger(__name__)

TAGGER_PARAMS = TaggerParams(
    epochs=3, frozen_layers=1, upper_layers=2, dropout=0.35, word_dropout=0.35
)
"""Three of six layers and three of five epochs of the league's: a ticket pays for each layer.

Span F1 on the dev rows, learned from the train rows alone: 0.625, and 0.705 of the kinds shown;
with three frozen layers below the two that are trained 0.628 and 0.708, with one trained above one
frozen 0.593 and 0.660.
"""


def fit_readers(
    params: ReadersParams,
    seed: int,
    folder: Path,
    root: Path,
    client: httpx.Client,
    *,
    tagger: TaggerParams = TAGGER_PARAMS,
) -> dict[str, ReaderFacts]:
    """Fit the tagger if it is asked for and write it to a folder, else leave that empty.

    Where neither mirror nor network answers, entities are left to the rules; with `fallback` off
    that is an error.

    Raises
    ------
    FetchError
        If the data set cannot be had and rules alone may not do.
    """
    catalog = read_catalog(root / CATALOG)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = _entities(params, catalog, root, client) if params.entities is not None else None
    if found is None:
        return {}
    known, asked = found
    encoder = open_encoder(find_encoder(tagger.encoder), tagger.max_pieces, normalise=False)
    with shown("entities") as progress:
        one = EntityTagger(tagger, seed=seed, encoder=encoder, progress=progress)
        one.fit(known.tokens, known.tags, known.groups)
    figures = measure_part(one, asked, "test")
    facts = {TAGGER: facts_of(str(params.entities), False, len(known.tokens), figures)}
    one.save(folder / TAGGER)
    one.save_lower(folder / LOWER)
    told = ReadersFile(
        encoder=tagger.encoder,
        layers=tagger.frozen_layers,
        readers=facts,
    )
    text = json.dumps(told.model_dump(mode="json"), indent=1)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
    return facts


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
