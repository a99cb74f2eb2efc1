from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import LeakageError
from data.split import (
    SPLITS,
    UNUSED,
    assign_folds,
    assign_splits,
    find_near_train,
    limit_train,
    require_no_leakage,
)

SHARES = {"valid": 0.1, "calibration": 0.1, "test": 0.2}

TICKETS = st.lists(
    st.tuples(
        st.integers(0, 40).map(str),
        st.sampled_from(["a", "b", "c", None]),
        st.sampled_from([None, None, "train", "valid", "calibration", "test"]),
    ),
    max_size=120,
)


def sides(groups, splits):
    found = defaultdict(set)
    for group, split in zip(groups, splits, strict=True):
        found[group].add(split)
    return found


@settings(max_examples=200, deadline=None)
@given(TICKETS, st.integers(0, 3))
def test_no_group_crosses_a_split_and_a_published_test_split_is_exact(tickets, seed):
    groups, strata, published = ([t[k] for t in tickets] for k in range(3))
    splits = assign_splits(groups, strata, SHARES, seed, published)
    assert set(splits) <= set(SPLITS)
    if "test" in published:
        assert [s == "test" for s in splits] == [p == "test" for p in published]
    rest = [k for k, p in enumerate(published) if p != "test"]
    crossing = sides([groups[k] for k in rest], [splits[k] for k in rest])
    assert all(len(found) == 1 for found in crossing.values())
    require_no_leakage(groups, splits, published_test="test" in published)


@settings(max_examples=100, deadline=None)
@given(TICKETS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_has_no_say(tickets, seed, random):
    def assigned(order):
        columns = [[tickets[k][c] for k in order] for c in range(3)]
        splits = assign_splits(columns[0], columns[1], SHARES, seed, columns[2])
        folds = assign_folds(columns[0], columns[1], splits, 3, seed)
        return {k: (split, fold) for k, split, fold in zip(order, splits, folds, strict=True)}

    order = list(range(len(tickets)))
    shuffled = order.copy()
    random.shuffle(shuffled)
    assert assigned(order) == assigned(shuffled)


def test_shares_hold_in_every_stratum():
    strata = ["big"] * 1000 + ["small"] * 100
    splits = assign_splits([str(k) for k in range(1100)], strata, SHARES, seed=7)
    counts = Counter(zip(strata, splits, strict=True))
    for stratum, size in (("big", 1000), ("small", 100)):
        for name, share in SHARES.items():
            assert counts[stratum, name] == pytest.approx(share * size, abs=1)


def test_another_seed_draws_other_tickets():
    groups = [str(k) for k in range(200)]
    assert assign_splits(groups, ["a"] * 200, SHARES, 1) != assign_splits(
        groups, ["a"] * 200, SHARES, 2
    )


def test_a_label_of_one_ticket_is_learned_from():
    splits = assign_splits([str(k) for k in range(101)], ["a"] * 100 + ["rare"], SHARES, seed=1)
    assert splits[100] == "train"


def test_a_group_larger_than_a_split_stays_in_train():
    groups = ["crowd"] * 300 + [str(k) for k in range(700)]
    for seed in range(5):
        splits = assign_splits(groups, ["a"] * 1000, SHARES, seed)
        assert splits[0] == "train"
        assert Counter(splits)["test"] == pytest.approx(200, abs=1)


def test_shares_are_of_all_tickets_also_where_the_test_split_is_published():
    published = ["test"] * 300 + [None] * 700
    splits = assign_splits([str(k) for k in range(1000)], ["a"] * 1000, SHARES, 1, published)
    assert Counter(splits) == {"test": 300, "valid": 100, "calibration": 100, "train": 500}


def test_published_parts_hold_and_a_group_in_two_of_them_goes_to_train():
    groups = ["a", "b", "c", "c", "d", "d", "e"]
    published = ["valid", "calibration", "valid", "calibration", "test", "valid", None]
    splits = assign_splits(groups, ["x"] * 7, SHARES, 1, published)
    assert splits == ["valid", "calibration", "train", "train", "test", "valid", "train"]


def test_by_time_train_is_the_oldest_and_test_the_newest():
    times = [f"2024-01-{day:02d}" for day in range(1, 21)] + [None]
    splits = assign_splits([str(k) for k in range(21)], ["x"] * 21, SHARES, 1, times=times)
    assert splits[:20] == ["train"] * 12 + ["valid"] * 2 + ["calibration"] * 2 + ["test"] * 4
    assert splits[20] == "train"


def test_by_time_a_group_is_as_old_as_its_newest_ticket():
    times = [f"2024-01-{day:02d}" for day in range(1, 21)]
    groups = ["thread", *map(str, range(18)), "thread"]
    splits = assign_splits(groups, ["x"] * 20, SHARES, 1, times=times)
    assert splits[0] == splits[19] == "test"


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_are_alike_and_no_group_crosses_them(folds):
    groups = [str(k // 3) for k in range(300)]
    strata = ["a" if k % 4 else "b" for k in range(300)]
    splits = assign_splits(groups, strata, SHARES, 1)
    found = assign_folds(groups, strata, splits, folds, 1)
    train = np.array(splits) == "train"
    assert (found[~train] == -1).all()
    sizes = np.bincount(found[train], minlength=folds)
    assert sizes.max() - sizes.min() <= 6
    assert all(len(s) == 1 for s in sides(groups, found.tolist()).values())


def test_without_folds_there_is_none():
    assert assign_folds(["a", "b"], ["x", "x"], ["train", "test"], 0, 1).tolist() == [-1, -1]


def test_a_limited_train_keeps_groups_whole_strata_alike_and_other_splits():
    groups = [str(k // 3) for k in range(900)]
    strata = ["a" if k // 3 % 4 else "b" for k in range(900)]
    splits = assign_splits(groups, strata, SHARES, 1)
    limited = limit_train(groups, strata, splits, 100, 1)
    kept = [k for k in range(900) if limited[k] == "train"]
    assert 100 <= len(kept) <= 106
    assert sum(strata[k] == "b" for k in kept) == pytest.approx(len(kept) / 4, abs=3)
    assert all(len(s) == 1 for s in sides(groups, limited).values())
    assert ["train" if name == UNUSED else name for name in limited] == splits


def test_a_limit_above_what_there_is_changes_nothing():
    splits = ["train", "test", "train", "valid"]
    assert limit_train(["a", "b", "c", "d"], ["x"] * 4, splits, 9, 1) == splits


def test_near_train_is_a_test_ticket_with_a_sibling_elsewhere():
    groups = ["a", "a", "b", "c", "c"]
    splits = ["train", "test", "test", "test", "test"]
    assert find_near_train(groups, splits).tolist() == [False, True, False, False, False]


def test_a_crossing_group_is_a_leak_unless_the_test_split_is_published():
    require_no_leakage(["a", "a"], ["train", "test"], published_test=True)
    with pytest.raises(LeakageError, match="1 groups cross splits, among them a: test, train"):
        require_no_leakage(["a", "a"], ["train", "test"], published_test=False)
    with pytest.raises(LeakageError, match="calibration, train"):
        require_no_leakage(["a", "a", "a"], ["train", "test", "calibration"], published_test=True)
