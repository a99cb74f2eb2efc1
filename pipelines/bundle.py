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
from evaluation.files import without_slices
from evaluation.profile import Profile, make_profile
from models.bundle import Origin, content_version, seal
from models.embedding import EmbeddingMember
from models.ensemble import Ensemble, read_ensemble
from models.manifest import Manifest
from models.probes import Assistant
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

EMBEDDED_ROWS = 1_000
"""Calibration rows whose mean embedding is kept; its standard error is then 3 % of a spread."""


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
    return seal(
        trained,
        folder,
        origin,
        card=(reports / "model_card.md").read_text(encoding="utf-8"),
        reference=profile_reference(prepared, trained).model_dump(mode="json"),
        probes=choose_probes(prepared),
        construct=construct,
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


def profile_reference(prepared: Prepared, trained: Path) -> Profile:
    """Profile of the calibration rows: what drift in production is measured against."""
    texts, rows = prepared.texts(), prepared.rows("calibration")
    ensemble = read_ensemble(trained / "ensemble")
    with np.load(trained / "ensemble" / "probabilities.npz", allow_pickle=False) as stored:
        probabilities = {
            target: stored[target][rows].astype(np.float64) for target in ensemble.targets
        }
    return make_profile(
        [texts[row] for row in rows],
        probabilities,
        {target: found.classes for target, found in ensemble.targets.items()},
        prepared.languages(rows),
        {
            target: found.routing.decide(probabilities[target]).automatic
            for target, found in ensemble.targets.items()
        },
        _embeddings([texts[row] for row in rows], ensemble, trained),
    )


def _embeddings(texts: list[str], ensemble: Ensemble, trained: Path) -> NDArray[Any] | None:
    if "embedding" not in ensemble.members:
        return None
    every = max(1, math.ceil(len(texts) / EMBEDDED_ROWS))
    vectors: NDArray[Any] = EmbeddingMember.load(trained / "embedding").encode(texts[::every])
    return vectors


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
