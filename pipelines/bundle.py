"""Stage `bundle`: seal the trained parts, the card and the figures into one folder."""

import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BundleError
from data.prepared import Prepared, read_prepared
from data.schema import Ticket
from evaluation.drift_reference import FILE, MOST_EMBEDDED, MOST_ROWS, write_reference
from evaluation.drift_report import WindowFacts
from evaluation.drift_vectors import encode_by, encoder_of
from evaluation.drift_window import Answers, Window, make_window
from evaluation.drift_words import KnownWords, count_words, plain_words
from evaluation.files import without_slices
from evaluation.profile import Profile, make_profile
from models.assistant import MEMBERS
from models.ensemble import Ensemble, read_ensemble
from models.manifest import Manifest
from models.probes import Assistant
from models.sealing import Origin, content_version, seal
from pipelines import run
from pipelines.params import read_params
from pipelines.revision import Revision, read_revision
from pipelines.train import PREPARED, RECORDS, TRAINED

logger = logging.getLogger(__name__)

REPORTS = Path("evaluation/reports")
CANDIDATE = Path("models/bundles/candidate")

PROBES_PER_CLASS = 3
MOST_PROBES = 60
LONGEST_PROBE = 2_000
"""Characters; a server replays the probes at every start, so they are few and short."""


def bundle(
    prepared: Prepared,
    params: Mapping[str, Any],
    revision: Revision,
    *,
    trained: Path = TRAINED,
    reports: Path = REPORTS,
    folder: Path = CANDIDATE,
    construct: Callable[[Path], Assistant] | None = None,
) -> Manifest:
    """Seal the parts in `trained` with the card and the metrics in `reports`.

    Raises
    ------
    BundleError
        If a part is missing, or the metrics were measured on other models.
    """
    summary = prepared.summary
    metrics = json.loads((reports / "metrics.json").read_text(encoding="utf-8"))
    version = content_version(trained, summary["dataset"])
    if metrics.get("bundle") not in {None, version}:
        raise BundleError(
            f"{reports / 'metrics.json'} speaks of {metrics['bundle']}, the models in {trained} "
            f"are {version}: evaluate them first"
        )
    origin = Origin(
        dataset=summary["dataset"],
        fallback=summary["fallback"],
        data_fingerprint=summary["fingerprint"],
        params=params,
        metrics=without_slices(metrics),
        commit=revision.commit,
        created_at=revision.committed_at,
        dirty=revision.dirty,
    )
    window, known = describe_reference(prepared, trained, version)
    return seal(
        trained,
        folder,
        origin,
        card=(reports / "model_card.md").read_text(encoding="utf-8"),
        reference=profile_reference(prepared, trained, window).model_dump(mode="json"),
        probes=choose_probes(prepared),
        construct=construct,
        write_beside=lambda partial: write_reference(window, known, partial / FILE),
    )


def choose_probes(prepared: Prepared) -> list[Ticket]:
    """A few short tickets of each class of each target, none of which a model was fitted on.

    The first of every class come before the second of any, so that the limit bites evenly.
    """
    texts = prepared.texts()
    rows = prepared.rows("calibration", "test")
    short = rows[[len(texts[row]) <= LONGEST_PROBE for row in rows]]
    by_class = [
        short[prepared.label_index(target)[short] == position]
        for target, names in prepared.targets.items()
        for position in range(len(names))
    ]
    chosen: dict[int, None] = {}
    for rank in range(PROBES_PER_CLASS):
        for found in by_class:
            if len(found) > rank and len(chosen) < MOST_PROBES:
                spread = len(found) * rank // min(len(found), PROBES_PER_CLASS)
                chosen[int(found[spread])] = None
    return [Ticket(text=texts[row]) for row in chosen]


def profile_reference(prepared: Prepared, trained: Path, window: Window) -> Profile:
    """Profile of the calibration rows: the figures of a reference that a person can read."""
    texts, rows = prepared.texts(), prepared.rows("calibration")
    ensemble = read_ensemble(trained / "ensemble")
    probabilities = _probabilities(ensemble, trained, rows)
    return make_profile(
        [texts[row] for row in rows],
        probabilities,
        {target: found.classes for target, found in ensemble.targets.items()},
        prepared.languages(rows),
        {
            target: found.routing.decide(probabilities[target]).automatic
            for target, found in ensemble.targets.items()
        },
        window.embeddings if window.encoder in MEMBERS else None,
        dict(zip(window.kinds, window.entities.mean(axis=0).tolist(), strict=True)),
        None if window.unknown_words is None else float(window.unknown_words.mean()),
    )


def describe_reference(
    prepared: Prepared, trained: Path, version: str
) -> tuple[Window, KnownWords]:
    """Calibration rows as the window that drift is measured against, and the words of training.

    At most `MOST_ROWS` rows and `MOST_EMBEDDED` vectors, spread evenly.
    """
    texts = prepared.texts()
    groups = prepared.frame["group"].astype(str) if "group" in prepared.frame else None
    names = [str(row) for row in range(len(texts))] if groups is None else groups.tolist()
    learned = prepared.rows("train")
    words = [plain_words(texts[row]) for row in learned]
    known = KnownWords.of(count_words(words, [names[row] for row in learned]))
    rows = _spread(prepared.rows("calibration"), MOST_ROWS)
    ensemble = read_ensemble(trained / "ensemble")
    probabilities = _probabilities(ensemble, trained, rows)
    embedded = _spread(np.arange(len(rows)), MOST_EMBEDDED)
    encoder = encoder_of(ensemble.members)
    chosen = [texts[rows[place]] for place in embedded]
    window = make_window(
        WindowFacts(name="reference of the bundle", tickets=len(rows), bundle=version),
        [texts[row] for row in rows],
        ids=[""] * len(rows),
        languages=prepared.languages(rows),
        groups=[names[row] for row in rows],
        known=known,
        targets={
            target: Answers.of(
                found.classes,
                probabilities[target],
                found.routing.decide(probabilities[target]).automatic,
                prepared.label_index(target)[rows],
            )
            for target, found in ensemble.targets.items()
        },
        embeddings=encode_by(encoder, chosen, lambda name: MEMBERS[name].load(trained / name)),
        embedded=embedded,
        encoder=encoder,
    )
    return window, known


def _probabilities(
    ensemble: Ensemble, trained: Path, rows: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    with np.load(trained / "ensemble" / "probabilities.npz", allow_pickle=False) as stored:
        return {target: stored[target][rows].astype(np.float64) for target in ensemble.targets}


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return rows[:: max(1, math.ceil(len(rows) / most))]


def main() -> None:
    params = read_params()
    told = params.model_dump(mode="json")
    with run.stage(
        "bundle", record=RECORDS / "bundle.json", params=told, seed=params.seed
    ) as tracked:
        manifest = bundle(read_prepared(PREPARED), told, read_revision(Path.cwd()))
        tracked.tag(bundle=manifest.version)
        tracked.note(bundle=manifest.version)


if __name__ == "__main__":
    main()
