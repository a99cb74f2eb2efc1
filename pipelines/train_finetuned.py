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
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams
from pipelines.cross_fitting import Answers, Rows, cross_fit, fit_folds, joined_folds
from pipelines.finetuned_fits import Final, Fits, Task, fit_beside, fit_finals_beside
from pipelines.former_fits import FINAL, Renewal, keep_fits
from pipelines.toning import Tones

CHECKPOINTS = Path(".cache/checkpoints")

TRAINING = ("byte_dropout", "easy_rows", "finetuning", "finetuning_inputs", "used_words")
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
    former: Path | None = None,
    kept: Path | None = None,
) -> tuple[FinetunedMember, Answers]:
    """The fine-tuned member; each fit stops early on valid and goes on after an interruption.

    Parameters
    ----------
    former : folder of fits that these go on from where that can be, see `pipelines.former_fits`
    kept : folder that the fits are left in, to be gone on from later
    lessons : texts that teach every fit a tone beside the targets
    tones : in which some tickets are learned
    keep : gets the final member's features of all tickets, as in `train_embedding`; what the frozen
        layers made of them is still there, so they cost less now than later
    """
    renewal = Renewal.find(prepared, params, folds, seed, former) if former else None
    checkpoints = checkpoint_folder(prepared, params, folds, seed, lessons, tones, renewal)
    own = params
    if renewal and (renew := params.renew):
        own = params.model_copy(
            update={"epochs": renew.epochs, "learning_rate": renew.learning_rate}
        )
        lessons = lessons and share_of(lessons, len(renewal.rows) / len(prepared.rows("train")))
    task = Task(prepared, own, seed, checkpoints, lessons, tones, renewal)
    fits = Fits(task)

    def fit(rows: Rows, name: str, fitted: Sequence[FinetunedMember]) -> FinetunedMember:
        if name != FINAL:
            return fits.fit(rows, name, own, task.begun(name))
        finals, draws = list[list[Final]](), count()
        for final in params.final:
            # Where there are no folds to go on from, the fit is one like theirs.
            alone = final.start == "folds" and not fitted
            chosen = params if alone else final.applied(params)
            start = fitted if final.start == "folds" else ()
            if renewal:
                chosen, start = final.renewed(own), task.begun(FINAL)
            drawn = islice(draws, 1 if alone else final.fits)
            easy = None
            if final.easy is not None and not alone and not renewal:
                easy = easy_tickets(prepared, unseen, final.easy)
            finals.append([Final(chosen, start, draw, easy) for draw in drawn])
        flat = [one for several in finals for one in several]
        found = iter(
            fit_finals_beside(task, FINAL, flat)
            or [fits.fit(rows, f"{FINAL}-{one.draw}", *one) for one in flat]
        )
        members = [FinetunedMember.averaged([next(found) for _ in several]) for several in finals]
        return members[0].joined(members[1:])

    latest: list[tuple[Rows, NDArray[np.float32]]] = []

    def answer(member: FinetunedMember, rows: Rows) -> dict[str, Probabilities]:
        features = member.encode([fits.texts[i] for i in rows])
        latest[:] = [(rows, features)]
        return member.predict_features(features)

    beside = fit_beside(task, folds)
    if beside:
        folded, unseen = joined_folds(prepared, *beside)
    else:
        folded, unseen = fit_folds(prepared, folds, fit, answer)
    member, answers = cross_fit(prepared, folds, fit, answer, (folded, unseen))
    if keep:
        (rows, features), train = latest[0], prepared.rows("train")
        vectors = np.full((len(fits.texts), features.shape[1]), np.nan, dtype=np.float32)
        vectors[rows] = features
        vectors[train] = member.encode([fits.texts[i] for i in train])
        keep(vectors)
    if kept:
        keep_fits(prepared, params, folded, member, renewal, kept)
    return member, answers


def easy_tickets(prepared: Prepared, answers: Answers, least: float) -> NDArray[np.bool_]:
    """Which tickets have labels, each of them answered with at least this probability.

    Parameters
    ----------
    answers : of members that have not seen the ticket; NaN where there is none

    Returns
    -------
    shape (n_rows,)
    """
    easy = np.ones(len(prepared.frame), dtype=bool)
    labelled = np.zeros(len(prepared.frame), dtype=bool)
    for target, found in answers.items():
        truth = prepared.label_index(target)
        known = truth >= 0
        easy &= ~known | (found[np.arange(len(truth)), truth] >= least)
        labelled |= known
    return easy & labelled


def share_of(posts: Posts, share: float) -> Posts:
    """A share of some posts, evenly spread."""
    rows = np.linspace(0, len(posts.texts), round(share * len(posts.texts)), endpoint=False)
    chosen = rows.astype(int)
    return Posts([posts.texts[i] for i in chosen], [posts.labels[i] for i in chosen])


def checkpoint_folder(
    prepared: Prepared,
    params: BaseModel,
    folds: int,
    seed: int,
    lessons: Posts | None = None,
    tones: Tones | None = None,
    renewal: Renewal | None = None,
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
    begun = [renewal.facts.fingerprint, renewal.facts.renewed] if renewal else []
    digest = hashlib.sha256(json.dumps([*facts, told, changed, begun]).encode() + code)
    return CHECKPOINTS / digest.hexdigest()[:16]
