"""Stage `fetch`: the data set named in params.yaml, verified, in data/raw/dataset."""

import logging
from pathlib import Path
from typing import Any

import httpx

from data.catalog import CATALOG, Catalog, read_catalog
from data.download import new_client
from data.errors import FetchError
from data.fetching import SAMPLE, Places, fetch_dataset, find_mirror
from pipelines import run
from pipelines.params import PARAMS, FetchParams, read_params

logger = logging.getLogger(__name__)

DATASET = Path("data/raw/dataset")
DOWNLOADS = Path("data/raw/downloads")
RECORD = Path("evaluation/reports/stages/fetch.json")


def fetch(
    name: str, catalog: Catalog, params: FetchParams, places: Places, client: httpx.Client
) -> dict[str, Any]:
    """Fetch a data set, or the bundled sample where params allow it to stand in.

    Returns
    -------
    the content of source.json, whose `fallback` is true if the sample stands in

    Raises
    ------
    CatalogError
        If the catalog lacks the data set or one of its own files does not exist.
    FetchError
        If no source had the promised bytes and `params.fallback` is none.
    """
    try:
        return fetch_dataset(catalog[name], places, client)
    except FetchError as error:
        if params.fallback == "none":
            raise
        rule = "!" * 88
        logger.warning(
            "\n%s\n"
            "!! %s could not be fetched: %s\n"
            "!! The bundled SAMPLE of synthetic tickets stands in for it. Every figure that\n"
            "!! follows speaks of the sample, and says so. Set TICKETS_MIRROR to a folder with\n"
            "!! the files or go online; with `fetch.fallback: none` this is an error.\n"
            "%s",
            rule,
            name,
            error,
            rule,
        )
    return fetch_dataset(catalog[SAMPLE], places, client, fallback_for=name)


def main() -> None:
    params = read_params(PARAMS)
    root = Path.cwd()
    section = {"dataset": params.dataset, **params.fetch.model_dump(mode="json")}
    with run.stage("fetch", record=RECORD, params=section, prepared=None) as tracked:
        places = Places(root, root / DATASET, root / DOWNLOADS, find_mirror(root))
        with new_client() as client:
            record = fetch(params.dataset, read_catalog(CATALOG), params.fetch, places, client)
        tracked.tag(dataset=str(record["dataset"]), fallback=str(record["fallback"]).lower())
        logger.info("fetched %s: %s", record["dataset"], record["sources"])


if __name__ == "__main__":
    main()
