"""The fine-tuned member: a fit per fold, then those on all tickets."""

import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from data.prepared import Prepared
from evaluation.league.sentiment import Posts
from models.base import Probabilities
from models.finetuned import FinetunedMember, FinetunedParams
from pipelines.cross_fitting import Answers, Rows, cross_fit
from pipelines.finetuned_fits import Fits, Task, fit_beside, fit_draws_beside
from pipelines.toning import Tones

CHECKPOINTS = Path(".cache/checkpoints")

TRAINING = ("finetuning", "finetuning_inputs", "used_words")
"""Modules of models whose code a fit depends on, step by step."""

Keep = Callable[[NDArray[np.float32]], None]


def train_finetuned(
    prepared: Prepared,
    folds: int,
    params: FinetunedParams,
    seed: int,
    keep: Keep | None = None,
    lessons: Posts | None = None,
    tones: Tones | None = None,
) -> tuple[FinetunedMember, Answers]:
    """The fine-tuned member; each fit stops early on valid and goes on after an interruption.

    Parameters
    ----------
    lessons : texts that teach every fit a tone beside the targets
    tones : in which some tickets are learned
    keep : gets the final member's features of all tickets, as in `train_embedding`; what the frozen
        layers made of them is still there, so they cost less now than later
    """
    checkpoints = checkpoint_folder(prepared, params, folds, seed, lessons, tones)
    task = Task(prepared, params, seed, checkpoints, lessons, tones)
    fits = Fits(task)

    def fit(rows: Rows, name: str, fitted: Sequence[FinetunedMember]) -> FinetunedMember:
        if name != "final":
            return fits.fit(rows, name, params)
        members, draws = [], count()
        for final in params.final:
            # Where there are no folds to go on from, the fit is one like theirs.
            alone = final.start == "folds" and not fitted
            chosen = params if alone else final.applied(params)
            start = fitted if final.start == "folds" else ()
            own = list(islice(draws, 1 if alone else final.fits))
            drawn = fit_draws_beside(task, "final", chosen, start, own) or [
                fits.fit(rows, f"final-{draw}", chosen, start, draw) for draw in own
            ]
            members.append(FinetunedMember.averaged(drawn))
        return members[0].joined(members[1:])

    latest: list[tuple[Rows, NDArray[np.float32]]] = []

    def answer(member: FinetunedMember, rows: Rows) -> dict[str, Probabilities]:
        features = member.encode([fits.texts[i] for i in rows])
        latest[:] = [(rows, features)]
        return member.predict_features(features)

    member, answers = cross_fit(prepared, folds, fit, answer, fit_beside(task, folds))
    if keep:
        (rows, features), train = latest[0], prepared.rows("train")
        vectors = np.full((len(fits.texts), features.shape[1]), np.nan, dtype=np.float32)
        vectors[rows] = features
        vectors[train] = member.encode([fits.texts[i] for i in train])
        keep(vectors)
    return member, answers


def checkpoint_folder(
    prepared: Prepared,
    params: BaseModel,
    folds: int,
    seed: int,
    lessons: Posts | None = None,
    tones: Tones | None = None,
) -> Path:
    """Where the fits of one run keep their state until it is done; another run, another folder.

    The training code is part of the name: a run begun with other code is not gone on with.
    """
    # Importing them would load torch for every member.
    found = [find_spec(f"models.{name}") for name in TRAINING]
    code = b"".join(Path(one.origin).read_bytes() for one in found if one and one.origin)
    told = [lessons.texts, lessons.labels] if lessons else []
    changed = [tones.asides, tones.share, tones.seed] if tones else []
    facts = [prepared.summary["fingerprint"], params.model_dump(mode="json"), folds, seed]
    digest = hashlib.sha256(json.dumps([*facts, told, changed]).encode() + code)
    return CHECKPOINTS / digest.hexdigest()[:16]
