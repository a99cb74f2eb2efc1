"""Stage `train`: fit one member, and answer every ticket by a model that has not seen it."""

import argparse
import logging
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from data.prepared import Prepared, read_prepared
from data.split import SPLITS
from evaluation.league.sentiment import Posts
from models.assistant import MEMBERS
from models.base import Member
from models.embedding import EmbeddingMember, EmbeddingParams
from models.encoders import find_encoder
from models.encodings import encode_new, name_of
from models.finetuned import FinetunedMember
from models.sentiment import TARGET as TONE
from pipelines import run
from pipelines.cross_fitting import Answers, Rows, cross_fit, labels_of
from pipelines.former_fits import FITS, FORMER
from pipelines.lessons import LESSONS, Lessons, read_lessons
from pipelines.lessons import measure as measure_tone
from pipelines.params import Params, read_params
from pipelines.toning import Tones
from pipelines.train_finetuned import Keep, checkpoint_folder, train_finetuned
from pipelines.train_linear import train_linear

logger = logging.getLogger(__name__)

TRAINED = Path("models/trained")
PREPARED = Path("data/prepared")
ENCODINGS = Path(".cache/encodings")
RECORDS = Path("evaluation/reports/stages")

FEATURES = "features.npz"
"""What a member with dense features makes of every ticket; read by the stage `memory`."""


def train_embedding(
    prepared: Prepared,
    folds: int,
    params: EmbeddingParams,
    keep: Keep | None = None,
    encodings: Path | None = None,
) -> tuple[Member, Answers]:
    """The embedding member; its encoder is frozen, so each ticket is encoded once for all folds.

    Parameters
    ----------
    keep : gets the features of all tickets, shape (n_rows, dimension), NaN where set aside
    encodings : folder that keeps vectors from one run to the next, so that only new texts cost
    """
    encoder = EmbeddingMember(params)
    texts, used = prepared.texts(), prepared.rows(*SPLITS)
    encoder.encode([])  # opens it: the member holds it whether a text is new or none is
    wanted, encode = [texts[i] for i in used], partial(encoder.encode, progress=True)
    if encodings is None:
        encoded = encode(wanted)
    else:
        path = encodings / name_of(find_encoder(params.encoder), params.max_tokens)
        encoded, new = encode_new(wanted, encode, path)
        logger.info("encoded %d new of %d texts", new, len(wanted))
    vectors = np.full((len(texts), encoded.shape[1]), np.nan, dtype=np.float32)
    vectors[used] = encoded
    if keep:
        keep(vectors)

    def fit(rows: Rows, name: str, fitted: Sequence[EmbeddingMember]) -> EmbeddingMember:
        return encoder.fresh().fit_features(vectors[rows], labels_of(prepared, rows))

    return cross_fit(prepared, folds, fit, lambda m, rows: m.predict_features(vectors[rows]))


def train(
    name: str,
    prepared: Prepared,
    params: Params,
    keep: Keep | None = None,
    lessons: Lessons | None = None,
    encodings: Path | None = None,
    kept: Path | None = None,
) -> tuple[Member, Answers]:
    """Fit the member of this name with its section of params.yaml.

    Parameters
    ----------
    keep : gets the dense features of all tickets, where the member has any
    lessons : what the fine-tuned member is to learn beside the tickets
    encodings : see `train_embedding`
    kept : see `train_finetuned`
    """
    folds = params.prepare.folds
    if name == "linear":
        return train_linear(prepared, folds, params.linear)
    if name == "embedding":
        return train_embedding(prepared, folds, params.embedding, keep, encodings)
    taught, tones = _taught(lessons, params)
    return train_finetuned(
        prepared, folds, params.finetuned, params.seed, keep, taught, tones, FORMER, kept
    )


def _taught(lessons: Lessons | None, params: Params) -> tuple[Posts | None, Tones | None]:
    if lessons is None:
        return None, None
    return lessons.taught, Tones.of_posts(lessons.taught, params.finetuned.toned, params.seed)


def _writes(params: Params) -> bool:
    """Whether this process is to write; of several that train together the others only train."""
    from models.finetuning_processes import is_first  # loads torch, which not every member needs

    if is_first():
        return True
    prepared = read_prepared(PREPARED)
    lessons = read_lessons(LESSONS) if TONE not in prepared.targets else None
    train("finetuned", prepared, params, lessons=lessons)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("member", choices=sorted(MEMBERS))
    name = parser.parse_args().member
    params = read_params()
    if name == "finetuned" and not _writes(params):
        return
    folder = TRAINED / name
    section: BaseModel = getattr(params, name)
    with run.stage(
        f"train@{name}",
        record=RECORDS / f"train@{name}.json",
        params=section.model_dump(mode="json"),
        seed=params.seed,
    ) as tracked:
        prepared = read_prepared(PREPARED)
        folder.mkdir(parents=True, exist_ok=True)

        def keep(features: NDArray[np.float32]) -> None:
            np.savez(folder / FEATURES, features=features)

        # An organisation's own sentiments go before those of others.
        lessons = read_lessons(LESSONS) if TONE not in prepared.targets else None
        member, answers = train(name, prepared, params, keep, lessons, ENCODINGS, FITS)
        member.save(folder)
        if lessons and isinstance(member, FinetunedMember):
            reader = measure_tone(member, lessons)
            reader.save(folder)
            tracked.log_metrics({f"tone.{m}": value for m, value in reader.facts.figures.items()})
        np.savez(folder / "probabilities.npz", **answers)  # type: ignore[arg-type]
        if name == "finetuned":
            folds, seed = params.prepare.folds, params.seed
            done = checkpoint_folder(prepared, section, folds, seed, *_taught(lessons, params))
            shutil.rmtree(done, ignore_errors=True)
        for target in prepared.targets:
            truth = prepared.label_index(target)
            for split in ("train", "valid", "calibration", "test"):
                rows = prepared.rows(split)
                rows = rows[(truth[rows] >= 0) & ~np.isnan(answers[target][rows, 0])]
                if len(rows):
                    right = answers[target][rows].argmax(axis=1) == truth[rows]
                    tracked.log_metrics({f"{target}.{split}.accuracy": float(right.mean())})


if __name__ == "__main__":
    main()
