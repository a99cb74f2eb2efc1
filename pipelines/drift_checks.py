"""What is compared with what: windows of the store or files, with a bundle or with each other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from data.errors import DataError
from data.language import LanguageDetector
from data.store import Query, Store
from evaluation.drift import find_drift
from evaluation.drift_report import DriftReport, Rules
from evaluation.drift_vectors import HASHED
from evaluation.drift_window import Window
from evaluation.judgement import Believed
from models.manifest import Manifest, read_manifest
from pipelines.drift_windows import MOST, Assistant, Source, read_bundle, read_file, read_store
from pipelines.scored_rows import TicketColumns

Loader = Callable[[Path], Assistant]


def check_store(
    store: Store,
    folder: Path,
    since: datetime,
    until: datetime,
    rules: Rules,
    *,
    reference: tuple[datetime, datetime] | None = None,
    most: int = MOST,
    loaded: Loader | None = None,
    believed: Believed | None = None,
    seed: int = 0,
) -> tuple[DriftReport, Window, Window]:
    """Answers of a bundle in the store against its reference, or against an earlier window.

    Parameters
    ----------
    folder : the bundle; only its own answers are compared, without those of shadows
    since, until : the window, from the first moment to before the second
    loaded : opens the assistant, whose members make vectors; without it, vectors are compared only
        where they need none
    believed : feedback that may count; all where left out

    Returns
    -------
    The report, then the reference and the current window it speaks of.
    """
    manifest = read_manifest(folder)
    then, source = read_bundle(folder, manifest.targets)
    source = replace(source, most=most, seed=seed)
    if loaded is not None and source.encoder != HASHED:
        source = replace(source, assistant=loaded(folder))
    if reference is not None:
        asked = _asked(manifest, *reference)
        then = read_store(store, asked, source, "the window before", believed)
    asked = _asked(manifest, since, until)
    now = read_store(store, asked, source, "the window looked at", believed)
    return find_drift(then, now, rules, seed), then, now


def check_files(
    current: Path,
    reference: Path | None,
    columns: TicketColumns,
    rules: Rules,
    *,
    labels: dict[str, str] | None = None,
    folder: Path | None = None,
    languages: LanguageDetector | None = None,
    most: int = MOST,
    loaded: Loader | None = None,
    seed: int = 0,
) -> tuple[DriftReport, Window, Window]:
    """A file of tickets against another one, or against the reference of a bundle.

    Raises
    ------
    DataError
        If there is neither another file nor a bundle, or a file cannot be read.
    """
    source = Source(most=most, seed=seed)
    then: Window | None = None
    if folder is not None:
        manifest = read_manifest(folder)
        then, source = read_bundle(folder, manifest.targets)
        source = replace(source, most=most, seed=seed)
        if loaded is not None:
            source = replace(source, assistant=loaded(folder))
    if reference is not None:
        then = read_file(reference, columns, source, labels, languages)
    if then is None:
        raise DataError(
            f"{current.name} needs something to be compared with: name a file by --reference, or "
            "publish a bundle, which carries a reference"
        )
    now = read_file(current, columns, source, labels, languages)
    return find_drift(then, now, rules, seed), then, now


def _asked(manifest: Manifest, since: datetime, until: datetime) -> Query:
    return Query(bundle=manifest.version, since=since, until=until)
