"""Stage `train`: fit one member, and answer every ticket by a model that has not seen it."""

import argparse
import hashlib
import json
import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from tqdm import tqdm

from data.prepared import Prepared, read_prepared
from data.split import SPLITS
from evaluation.league.sentiment import Posts
from models.assistant import MEMBERS
from models.base import Labels, Member, Probabilities, align_columns
from models.embedding import EmbeddingMember, EmbeddingParams
from models.encoders import find_encoder
from models.encodings import encode_new, name_of
from models.finetuned import FinetunedMember, FinetunedParams
from models.linear import LinearMember, LinearParams
from models.sentiment import TARGET as TONE
from models.sentiment import name_pictures
from pipelines import run
from pipelines.lessons import LESSONS, Lessons, read_lessons
from pipelines.lessons import measure as measure_tone
from pipelines.params import Params, read_params

logger = logging.getLogger(__name__)

TRAINED = Path("models/trained")
PREPARED = Path("data/prepared")
CHECKPOINTS = Path(".cache/checkpoints")
ENCODINGS = Path(".cache/encodings")
RECORDS = Path("evaluation/reports/stages")

Rows = NDArray[np.int64]
M = TypeVar("M", bound=Member)
Answers = dict[str, NDArray[np.float32]]
Keep = Callable[[NDArray[np.float32]], None]

FEATURES = "features.npz"
"""What a member with dense features makes of every ticket; read by the stage `memory`."""


def cross_fit(
    prepared: Prepared,
    folds: int,
    fit: Callable[[Rows, str, Sequence[M]], M],
    answer: Callable[[M, Rows], dict[str, Probabilities]],
) -> tuple[M, Answers]:
    """The member fitted on all train rows, and an unseen-by-its-model answer for each row.

    Train rows are answered by the model of their fold, fitted on the other folds; the rest by the
    final member. Without folds (below 2) train rows stay NaN.

    Parameters
    ----------
    fit : gets the rows, a name, and for the final fit the members of the folds

    Returns
    -------
    member, target -> probabilities of shape (n_rows, n_classes), columns as in prepared.targets
    """
    answers = {
        target: np.full((len(prepared.frame), len(names)), np.nan, dtype=np.float32)
        for target, names in prepared.targets.items()
    }

    def note(member: M, rows: Rows) -> None:
        found = answer(member, rows)
        for target, wanted in prepared.targets.items():
            answers[target][rows] = align_columns(found[target], member.targets_[target], wanted)

    train = prepared.rows("train")
    fold = prepared.frame["fold"].to_numpy()[train]
    fitted: list[M] = []
    for number in range(folds if folds > 1 else 0):
        logger.info("fold %d of %d", number + 1, folds)
        fitted.append(fit(train[fold != number], f"fold-{number}", ()))
        note(fitted[-1], train[fold == number])
    logger.info("final fit on %d tickets", len(train))
    member = fit(train, "final", fitted)
    note(member, prepared.rows("valid", "calibration", "test"))
    return member, answers


def labels_of(prepared: Prepared, rows: Rows) -> Labels:
    """Target -> labels of these rows; None where missing."""
    columns = {target: prepared.labels(target) for target in prepared.targets}
    return {target: [column[i] for i in rows] for target, column in columns.items()}


def train_linear(prepared: Prepared, folds: int, params: LinearParams) -> tuple[Member, Answers]:
    """The linear member, its vocabulary learned anew in each fold."""
    texts = prepared.texts()

    def fit(rows: Rows, name: str, fitted: Sequence[LinearMember]) -> LinearMember:
        member = LinearMember(params)
        return member.fit([texts[i] for i in rows], labels_of(prepared, rows))

    return cross_fit(
        prepared, folds, fit, lambda m, rows: m.predict_proba([texts[i] for i in rows])
    )


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


def train_finetuned(
    prepared: Prepared,
    folds: int,
    params: FinetunedParams,
    seed: int,
    keep: Keep | None = None,
    lessons: Posts | None = None,
) -> tuple[FinetunedMember, Answers]:
    """The fine-tuned member; each fit stops early on valid and goes on after an interruption.

    Parameters
    ----------
    lessons : texts that teach every fit a tone beside the targets
    keep : gets the final member's features of all tickets, as in `train_embedding`; what the frozen
        layers made of them is still there, so they cost less now than later
    """
    from models.frozen_states import FrozenStates

    texts = prepared.texts()
    valid = prepared.rows("valid")
    checkpoints = checkpoint_folder(prepared, params, folds, seed, lessons)
    taught = [name_pictures(text) for text in lessons.texts] if lessons else []
    none_told = {TONE: [None] * len(valid)} if lessons else {}
    held_out = ([texts[i] for i in valid], {**labels_of(prepared, valid), **none_told})
    shared: dict[int, FrozenStates] = {}

    def fit_one(
        rows: Rows,
        name: str,
        chosen: FinetunedParams,
        start: Sequence[FinetunedMember] = (),
        draw: int = 0,
    ) -> FinetunedMember:
        if chosen.frozen_layers not in shared:
            for states in shared.values():
                states.forget()  # they take a gigabyte
            if chosen.frozen_layers:
                shared[chosen.frozen_layers] = FrozenStates(chosen.frozen_layers)
        with tqdm(total=100, desc=name, unit="%", file=sys.stderr, mininterval=5) as bar:

            def show(share: float, text: str) -> None:
                bar.set_postfix_str(text, refresh=False)
                bar.update(int(share * 100) - bar.n)

            member = FinetunedMember(
                chosen, seed=seed + draw, progress=show, frozen=shared.get(chosen.frozen_layers)
            )
            labels = {
                target: [*column, *[None] * len(taught)]
                for target, column in labels_of(prepared, rows).items()
            }
            if lessons:
                labels[TONE] = [*[None] * len(rows), *lessons.labels]
            return member.fit(
                [*(texts[i] for i in rows), *taught],
                labels,
                valid=held_out,
                checkpoint=checkpoints / name,
                start=start,
                lessons=(TONE,) if lessons else (),
            )

    def fit(rows: Rows, name: str, fitted: Sequence[FinetunedMember]) -> FinetunedMember:
        if name != "final":
            return fit_one(rows, name, params)
        members = []
        for draw, final in enumerate(params.final):
            # Where there are no folds to go on from, the fit is one like theirs.
            alone = final.start == "folds" and not fitted
            chosen = params if alone else final.applied(params)
            start = fitted if final.start == "folds" else ()
            members.append(fit_one(rows, f"final-{draw + 1}", chosen, start, draw))
        return members[0].joined(members[1:])

    latest: list[tuple[Rows, NDArray[np.float32]]] = []

    def answer(member: FinetunedMember, rows: Rows) -> dict[str, Probabilities]:
        features = member.encode([texts[i] for i in rows])
        latest[:] = [(rows, features)]
        return member.predict_features(features)

    member, answers = cross_fit(prepared, folds, fit, answer)
    if keep:
        (rows, features), train = latest[0], prepared.rows("train")
        vectors = np.full((len(texts), features.shape[1]), np.nan, dtype=np.float32)
        vectors[rows] = features
        vectors[train] = member.encode([texts[i] for i in train])
        keep(vectors)
    return member, answers


def checkpoint_folder(
    prepared: Prepared, params: BaseModel, folds: int, seed: int, lessons: Posts | None = None
) -> Path:
    """Where the fits of one run keep their state until it is done; another run, another folder.

    The training code is part of the name: a run begun with other code is not gone on with.
    """
    found = find_spec("models.finetuning")  # importing it would load torch for every member
    code = Path(found.origin).read_bytes() if found and found.origin else b""
    told = [lessons.texts, lessons.labels] if lessons else []
    facts = [prepared.summary["fingerprint"], params.model_dump(mode="json"), folds, seed, told]
    return CHECKPOINTS / hashlib.sha256(json.dumps(facts).encode() + code).hexdigest()[:16]


def train(
    name: str,
    prepared: Prepared,
    params: Params,
    keep: Keep | None = None,
    lessons: Lessons | None = None,
    encodings: Path | None = None,
) -> tuple[Member, Answers]:
    """Fit the member of this name with its section of params.yaml.

    Parameters
    ----------
    keep : gets the dense features of all tickets, where the member has any
    lessons : what the fine-tuned member is to learn beside the tickets
    encodings : see `train_embedding`
    """
    folds = params.prepare.folds
    if name == "linear":
        return train_linear(prepared, folds, params.linear)
    if name == "embedding":
        return train_embedding(prepared, folds, params.embedding, keep, encodings)
    taught = lessons.taught if lessons else None
    return train_finetuned(prepared, folds, params.finetuned, params.seed, keep, taught)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("member", choices=sorted(MEMBERS))
    name = parser.parse_args().member
    params = read_params()
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
        member, answers = train(name, prepared, params, keep, lessons, ENCODINGS)
        member.save(folder)
        if lessons and isinstance(member, FinetunedMember):
            reader = measure_tone(member, lessons)
            reader.save(folder)
            tracked.log_metrics({f"tone.{m}": value for m, value in reader.facts.figures.items()})
        np.savez(folder / "probabilities.npz", **answers)  # type: ignore[arg-type]
        if name == "finetuned":
            taught = lessons.taught if lessons else None
            done = checkpoint_folder(prepared, section, params.prepare.folds, params.seed, taught)
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
