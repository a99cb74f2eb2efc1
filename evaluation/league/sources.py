"""The files of a benchmark: verified, in a folder of their own, fetched once."""

from collections.abc import Iterable
from pathlib import Path

import httpx

from data.catalog import Catalog
from data.fetching import Places, fetch_dataset, find_mirror


def fetch_sources(
    names: Iterable[str], catalog: Catalog, root: Path, client: httpx.Client
) -> dict[str, Path]:
    """Data set -> folder with its files, from the mirror or the origin.

    The sample never stands in for another data set here: a league figure on it would mean nothing.

    Raises
    ------
    CatalogError
        If the catalog lacks a data set.
    FetchError
        If neither mirror nor origin has the promised bytes.
    """
    folders = {}
    for name in names:
        folder = root / ".cache" / "league" / name
        places = Places(root, folder, root / ".cache" / "league" / "downloads", find_mirror(root))
        fetch_dataset(catalog[name], places, client)
        folders[name] = folder
    return folders
