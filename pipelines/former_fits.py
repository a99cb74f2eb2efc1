"""Fits of before that new ones go on from: a retrain on few new tickets need not learn all anew.

Every run leaves its fits in `.cache/fits`. A retrain that has collected something carries them over
to `models/former`, on which the stage depends: what a fit went on from is part of what it was made
of, and a run outside a retrain goes on from nothing that was not there before.

A fold's model goes on from that of the same fold. It has to answer tickets that it has not seen,
those of before included, so former fits are taken only where every ticket they learned is still one
to learn from and in the same fold. A ticket that is gone (revoked, erased, set aside) cannot be
unlearned: all fits then begin anew.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import ValidationError

from data.durable import fill_folder
from data.prepared import Prepared
from data.schema import Record
from models.finetuned import FinetunedMember
from models.finetuned_params import FinetunedParams, RenewalParams
from pipelines.cross_fitting import Rows

logger = logging.getLogger(__name__)

FITS = Path(".cache/fits")
"""Of the last run."""

FORMER = Path("models/former")
"""What the next run goes on from."""

FACTS, FINAL = "fits.json", "final"


class FitFacts(Record):
    """What some fits learned, and how."""

    fingerprint: str
    """Of the prepared tickets."""
    shape: str
    """Digest of all that must be the same for going on from them."""
    renewed: int = 0
    """How often in a row fits went on from former ones."""
    learned: dict[str, tuple[int, str]]
    """Digest of a text -> the fold that it is in, and a digest of its labels."""


@dataclass(frozen=True)
class Renewal:
    """Fits to go on from, and what is learned now.

    Attributes
    ----------
    rows : of train: those that are new or have other labels, and some of before
    new : how many of them were not learned before
    """

    folder: Path
    facts: FitFacts
    rows: Rows
    new: int

    def begun(self, name: str) -> list[FinetunedMember]:
        """The former fit of a fold, or the final one."""
        return [FinetunedMember.load(self.folder / name)]

    def chosen(self, rows: Rows) -> Rows:
        """Those of some rows that are learned now."""
        found: Rows = np.intersect1d(rows, self.rows)
        return found

    @classmethod
    def find(
        cls, prepared: Prepared, params: FinetunedParams, folds: int, seed: int, folder: Path
    ) -> Self | None:
        """What can be gone on from; None where there is nothing, or something speaks against it.

        Why former fits are left is logged.
        """
        renew = params.renew
        if renew is None or not (folder / FACTS).is_file():
            return None
        try:
            facts = FitFacts.model_validate_json((folder / FACTS).read_bytes())
        except ValidationError as error:
            logger.warning("%s tells of no fits: %d errors", folder / FACTS, error.error_count())
            return None
        known = tickets_of(prepared)
        unlike = _against(facts, known, shape_of(prepared, params, folds), renew)
        train = prepared.rows("train")
        texts = prepared.texts()
        digests = [digest(texts[row]) for row in train]
        is_new = np.array([facts.learned.get(d) != known[d] for d in digests], dtype=bool)
        new = int(is_new.sum())
        if not unlike and not new:
            unlike = "there is nothing new to learn"
        if not unlike and new > renew.most_new * len(train):
            unlike = f"{new} of {len(train)} tickets are new, more than {renew.most_new:.0%}"
        if unlike:
            logger.info("fits begin anew: %s", unlike)
            return None
        before = train[~is_new]
        drawn = min(len(before), round(renew.again * new))
        again = np.random.default_rng(seed).choice(before, drawn, replace=False)
        rows = np.sort(np.concatenate([train[is_new], again]))
        logger.info("fits go on from those of before: %d new tickets, %d again", new, drawn)
        return cls(folder, facts, rows, new)


def _against(
    facts: FitFacts, known: dict[str, tuple[int, str]], shape: str, renew: RenewalParams
) -> str | None:
    if facts.shape != shape:
        return "the former ones had other params or classes"
    if facts.renewed >= renew.most_times:
        return f"the former ones went on {facts.renewed} times in a row"
    gone = sum(text not in known for text in facts.learned)
    if gone:
        return f"{gone} tickets that the former ones learned are not to be learned from any more"
    moved = sum(known[text][0] != fold for text, (fold, _) in facts.learned.items())
    return f"{moved} tickets that the former ones learned are in another fold" if moved else None


def keep_fits(
    prepared: Prepared,
    params: FinetunedParams,
    folds: Sequence[FinetunedMember],
    final: FinetunedMember,
    renewal: Renewal | None,
    folder: Path = FITS,
) -> None:
    """Write the fits of a run and what they learned, in place of those of the run before.

    Of several final networks none could be gone on from, so then nothing is kept.
    """
    if params.renew is None or len(params.final) > 1 or not folds:
        return
    facts = FitFacts(
        fingerprint=str(prepared.summary["fingerprint"]),
        shape=shape_of(prepared, params, len(folds)),
        renewed=renewal.facts.renewed + 1 if renewal else 0,
        learned=tickets_of(prepared),
    )
    with fill_folder(folder) as partial:
        for number, member in enumerate(folds):
            member.save(partial / f"fold-{number}")
        final.save(partial / FINAL)
        (partial / FACTS).write_text(facts.model_dump_json(), encoding="utf-8")


def carry_over(fingerprint: str, fits: Path = FITS, former: Path = FORMER) -> bool:
    """Let the next run go on from the fits of the last one, if they learned the prepared tickets.

    Parameters
    ----------
    fingerprint : of the tickets that are prepared now

    Returns
    -------
    whether they are there
    """
    try:
        facts = FitFacts.model_validate_json((fits / FACTS).read_bytes())
    except (OSError, ValidationError):
        return False
    if facts.fingerprint != fingerprint:
        return False
    former.mkdir(parents=True, exist_ok=True)
    # The facts go first and come last: what was cut off is not gone on from.
    (former / FACTS).unlink(missing_ok=True)
    for old in former.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    for path in fits.iterdir():
        if path.is_dir():
            shutil.copytree(path, former / path.name)
    shutil.copy(fits / FACTS, former)
    return True


def tickets_of(prepared: Prepared) -> dict[str, tuple[int, str]]:
    """Digest of the text of each ticket of train -> its fold, and a digest of its labels."""
    texts, folds = prepared.texts(), prepared.frame["fold"].to_numpy()
    columns = {target: prepared.labels(target) for target in prepared.targets}
    return {
        digest(texts[row]): (
            int(folds[row]),
            digest(json.dumps([column[row] for column in columns.values()])),
        )
        for row in prepared.rows("train")
    }


def shape_of(prepared: Prepared, params: FinetunedParams, folds: int) -> str:
    """Digest of the classes, of the folds and of what shapes a network and what it reads."""
    told = params.model_dump(mode="json", include={"encoder", "max_tokens", "layers", "toned"})
    return digest(json.dumps([prepared.targets, told, folds], sort_keys=True))


def digest(text: str) -> str:
    """16 hex digits."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
