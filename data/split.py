"""Four splits that no group crosses, and folds inside train.

Who goes where is drawn by a hash of the seed and the name of the group, so neither the order of
the rows nor the machine has a say in it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from data.errors import LeakageError

SPLITS = ("train", "valid", "calibration", "test")

UNUSED = "unused"
"""Of a train ticket that is set aside, because fewer are to be learned from than there are."""

_DRAWN = ("test", "calibration", "valid")
"""In the order in which they are filled; train takes the rest."""


def assign_splits(
    groups: Sequence[str],
    strata: Sequence[str | None],
    shares: Mapping[str, float],
    seed: int,
    published: Sequence[str | None] | None = None,
    times: Sequence[str | None] | None = None,
) -> list[str]:
    """The split of each ticket.

    Parameters
    ----------
    groups : shape (n,); tickets of a group end up together
    strata : shape (n,); the splits are alike in these, as far as groups permit
    shares : of all n tickets, for valid, calibration and test
    published : shape (n,); where it says test, the ticket is test whatever its group. If there is
        a test ticket, none is drawn. Other published splits hold unless the group has a ticket in
        another one; then the whole group goes to train.
    times : shape (n,), ISO 8601; if given, train is the oldest and test the newest, and a group is
        as old as its newest ticket. Tickets without a time count as oldest.

    Returns
    -------
    list of n names out of SPLITS
    """
    n = len(groups)
    published = published or [None] * n
    splits = ["test" if name == "test" else "" for name in published]
    open_rows = [row for row in range(n) if not splits[row]]
    members: dict[str, list[int]] = defaultdict(list)
    for row in open_rows:
        members[groups[row]].append(row)

    settled: dict[str, str] = {}
    if any(published):
        for group, rows in members.items():
            said = {published[row] for row in rows}
            if said != {None}:
                settled[group] = (said.pop() or "train") if len(said) == 1 else "train"
    taken = {name: sum(1 for p in published if p == name) for name in _DRAWN}
    quotas = {name: 0 if taken[name] else round(shares.get(name, 0.0) * n) for name in _DRAWN}
    free = {group: rows for group, rows in members.items() if group not in settled}
    if times is not None:
        settled |= _by_time(free, times, quotas)
    else:
        settled |= _by_stratum(free, strata, quotas, seed)
    for group, rows in members.items():
        for row in rows:
            splits[row] = settled[group]
    return splits


def limit_train(
    groups: Sequence[str],
    strata: Sequence[str | None],
    splits: Sequence[str],
    limit: int,
    seed: int,
) -> list[str]:
    """The splits with train cut to about `limit` tickets, the others being UNUSED; n names.

    Groups stay together; what is left of train has the strata's shares, each to within a group.
    """
    members = _train_groups(groups, splits)
    total = sum(map(len, members.values()))
    result = list(splits)
    for stratum in _in_strata(members, strata).values():
        size = sum(len(members[group]) for group in stratum)
        kept = 0
        for group in sorted(stratum, key=lambda g: _draw(seed, "limit", g)):
            if kept * total >= limit * size:
                for row in members[group]:
                    result[row] = UNUSED
            else:
                kept += len(members[group])
    return result


def assign_folds(
    groups: Sequence[str],
    strata: Sequence[str | None],
    splits: Sequence[str],
    folds: int,
    seed: int,
) -> NDArray[np.int8]:
    """The fold of each train ticket, 0 .. folds - 1, and -1 elsewhere or without folds; shape (n,).

    Groups stay together; folds are alike in size and in strata as far as groups permit.
    """
    result = np.full(len(groups), -1, dtype=np.int8)
    if folds == 0:
        return result
    members = _train_groups(groups, splits)
    total = np.zeros(folds, dtype=np.int64)
    for stratum in _in_strata(members, strata).values():
        filled = np.zeros(folds, dtype=np.int64)
        for group in sorted(stratum, key=lambda g: (-len(members[g]), _draw(seed, "fold", g))):
            fold = min(range(folds), key=lambda f: (filled[f], total[f], f))
            filled[fold] += len(members[group])
            total[fold] += len(members[group])
            result[members[group]] = fold
    return result


def find_near_train(groups: Sequence[str], splits: Sequence[str]) -> NDArray[np.bool_]:
    """Test tickets whose group has a ticket outside test; shape (n,)."""
    elsewhere = {g for g, split in zip(groups, splits, strict=True) if split != "test"}
    pairs = zip(groups, splits, strict=True)
    return np.array([split == "test" and g in elsewhere for g, split in pairs], dtype=np.bool_)


def require_no_leakage(groups: Sequence[str], splits: Sequence[str], published_test: bool) -> None:
    """Raise LeakageError if a group crosses splits, a published test split aside."""
    sides: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        if not (published_test and split == "test"):
            sides[group].add(split)
    crossing = [group for group, found in sides.items() if len(found) > 1]
    if crossing:
        raise LeakageError(
            f"{len(crossing)} groups cross splits, among them {crossing[0]}: "
            f"{', '.join(sorted(sides[crossing[0]]))}"
        )


def _draw(seed: int, purpose: str, group: str) -> bytes:
    return hashlib.sha256(
        f"{seed}\x1f{purpose}\x1f{group}".encode("utf-8", "surrogatepass")
    ).digest()


def _train_groups(groups: Sequence[str], splits: Sequence[str]) -> dict[str, list[int]]:
    """Group -> its train tickets, in the order of the rows."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, split in enumerate(splits):
        if split == "train":
            members[groups[row]].append(row)
    return members


def _in_strata(
    members: Mapping[str, Sequence[int]], strata: Sequence[str | None]
) -> dict[str, list[str]]:
    """Stratum -> groups; a group counts to the stratum most of its tickets are in."""
    result: dict[str, list[str]] = defaultdict(list)
    for group, rows in members.items():
        names = sorted(strata[row] or "" for row in rows)
        result[max(names, key=names.count)].append(group)
    return dict(sorted(result.items()))


def _by_stratum(
    members: Mapping[str, Sequence[int]],
    strata: Sequence[str | None],
    quotas: Mapping[str, int],
    seed: int,
) -> dict[str, str]:
    rows = sum(map(len, members.values()))
    settled = dict.fromkeys(members, "train")
    for groups in _in_strata(members, strata).values():
        size = sum(len(members[group]) for group in groups)
        drawn = iter(sorted(groups, key=lambda g: _draw(seed, "split", g)))
        for name in _DRAWN:
            quota = quotas[name] * size / rows
            for group in _fill(drawn, members, quota):
                settled[group] = name
    return settled


def _fill(
    drawn: Iterator[str], members: Mapping[str, Sequence[int]], quota: float
) -> Iterator[str]:
    """Groups until the quota is met to within half of the last one.

    A group that alone is larger than the quota stays in train: one conversation of hundreds of
    tickets must not be all there is of a label in valid.
    """
    filled = 0
    while filled + 0.5 <= quota:
        group = next(drawn, None)
        if group is None:
            return
        size = len(members[group])
        if size <= max(1.0, quota - filled):
            filled += size
            yield group


def _by_time(
    members: Mapping[str, Sequence[int]],
    times: Sequence[str | None],
    quotas: Mapping[str, int],
) -> dict[str, str]:
    newest = {g: max(times[row] or "" for row in rows) for g, rows in members.items()}
    order = iter(sorted(members, key=lambda g: (newest[g], g), reverse=True))
    settled = dict.fromkeys(members, "train")
    for name in ("test", "calibration", "valid"):
        filled = 0
        while filled + 0.5 <= quotas[name] and (group := next(order, None)) is not None:
            settled[group] = name
            filled += len(members[group])
    return settled
