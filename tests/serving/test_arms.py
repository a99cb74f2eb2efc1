"""Shares are kept, keys stay where they are, and the audit knows nothing of the arm.

Keys and salts are fixed, so every count is the same in every run; bounds are those that a right
implementation would miss once in a million choices of keys.
"""

import time
import uuid
from collections import Counter

import pytest
from scipy.stats import binom, chi2_contingency

from models.deployment import Deployment
from serving.arms import Assignment, Told, assign, choose, draw, is_audited, new_id, watching
from tests.serving.arm_fakes import NOW, A, B, C, D, deployment

KEYS = [f"ticket-{i}" for i in range(20_000)]
RARE = 1e-6


def kept(count: int, n: int, share: float) -> bool:
    """Whether a count fits n draws with this probability; exact binomial bounds."""
    low, high = binom.interval(1 - RARE, n, share)
    return bool(low <= count <= high)


def map_keys(wanted: Deployment, salt: str = "") -> list[Assignment]:
    return [assign(key, wanted, salt) for key in KEYS]


@pytest.mark.parametrize("salt", ["", "salt", "other"])
@pytest.mark.parametrize(
    "shares", [{B: 0.5}, {B: 0.01}, {B: 0.1, C: 0.3}, {B: 0.3, C: 0.3, D: 0.3}]
)
def test_every_arm_gets_its_share(salt: str, shares: dict[str, float]) -> None:
    wanted = deployment(A, shares)
    counts = Counter(assign(key, wanted, salt).version for key in KEYS)
    for version, share in {A: wanted.rest, **shares}.items():
        assert kept(counts[version], len(KEYS), share)


def test_the_propensity_is_the_share_of_the_arm() -> None:
    wanted = deployment(A, {B: 0.1, C: 0.3})
    found = {(one.kind, one.version): one.propensity for one in map_keys(wanted)}
    assert found == {
        ("champion", A): pytest.approx(0.6),
        ("challenger", B): 0.1,
        ("challenger", C): 0.3,
    }


def test_the_same_key_always_meets_the_same_arm() -> None:
    wanted = deployment(A, {B: 0.2, C: 0.3})
    assert map_keys(wanted) == map_keys(wanted)


def test_another_salt_assigns_anew() -> None:
    wanted = deployment(A, {B: 0.5})
    both = zip(map_keys(wanted, "one"), map_keys(wanted, "two"), strict=True)
    assert kept(sum(one == two for one, two in both), len(KEYS), 0.5)


def test_a_challenger_that_comes_or_goes_moves_keys_of_the_champion_alone() -> None:
    alone, joined = deployment(A, {B: 0.2}), deployment(A, {B: 0.2, C: 0.3})
    for before, after in zip(map_keys(alone), map_keys(joined), strict=True):
        assert after.version == before.version or (before.version, after.version) == (A, C)


def test_a_greater_share_keeps_the_keys_of_the_smaller() -> None:
    small, great = deployment(A, {B: 0.2}), deployment(A, {B: 0.4})
    for before, after in zip(map_keys(small), map_keys(great), strict=True):
        assert (before.version, after.version) != (B, A)


def test_a_new_champion_leaves_the_challenger_its_keys() -> None:
    before, after = deployment(A, {B: 0.2}), deployment(C, {B: 0.2})
    assert [assign(key, before, "").kind for key in KEYS] == [
        assign(key, after, "").kind for key in KEYS
    ]


def test_two_experiments_one_after_the_other_do_not_meet_the_same_keys() -> None:
    first = [key for key in KEYS if assign(key, deployment(A, {B: 0.3}), "").version == B]
    again = sum(assign(key, deployment(A, {C: 0.3}), "").version == C for key in first)
    assert kept(again, len(first), 0.3)


def test_without_a_champion_nobody_is_assigned() -> None:
    with pytest.raises(ValueError, match="without a champion"):
        assign("key", Deployment(champion=None, published_at=NOW), "")


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_the_audit_draws_its_share_whatever_the_arm(share: float) -> None:
    wanted = deployment(A, {B: 0.3})
    table = Counter(
        (assign(key, wanted, "salt").kind, is_audited(key, share, "salt")) for key in KEYS
    )
    drawn = table["champion", True] + table["challenger", True]
    assert kept(drawn, len(KEYS), share)
    for kind in ("champion", "challenger"):
        assert kept(table[kind, True], table[kind, True] + table[kind, False], share)
    rows = [[table[kind, audit] for audit in (True, False)] for kind in ("champion", "challenger")]
    assert chi2_contingency(rows).pvalue > RARE


def test_an_audit_of_none_or_all_draws_none_or_all() -> None:
    assert not any(is_audited(key, 0, "") for key in KEYS)
    assert all(is_audited(key, 1, "") for key in KEYS)


def test_every_shadow_is_drawn_for_itself() -> None:
    wanted = deployment(A, shadows={B: 0.3, C: 0.5, D: 1})
    seen = Counter(frozenset(one.version for one in watching(key, wanted, "salt")) for key in KEYS)
    assert all(D in found for found in seen)
    assert kept(seen[frozenset({B, C, D})], len(KEYS), 0.3 * 0.5)
    assert kept(seen[frozenset({B, D})], len(KEYS), 0.3 * 0.5)
    assert kept(seen[frozenset({C, D})], len(KEYS), 0.7 * 0.5)


def test_a_draw_can_be_repeated_by_anyone_who_knows_the_salt() -> None:
    # printf 'audit\0ticket-1' | openssl dgst -sha256 -hmac salt: 42c5a0b403c298a9...
    assert draw("salt", "audit", "ticket-1") == (0x42C5A0B403C29 + 0.5) / 2**52
    assert draw("salt", "audit", "\udce9") != draw("salt", "audit", "e")


def test_a_caller_may_name_who_answers() -> None:
    wanted = deployment(A, {B: 0.1}, {C: 1})
    for name, kind, version in (
        ("champion", "champion", A),
        (A, "champion", A),
        (B, "challenger", B),
    ):
        found = choose(name, wanted)
        assert found
        assert (found.kind, found.version) == (kind, version)
        assert found.explicit
        assert found.propensity == 1
    assert choose(C, wanted) is None
    assert choose("challenger", wanted) is None


def test_an_id_is_a_uuid_of_version_7_that_sorts_by_its_moment() -> None:
    now = time.time_ns()
    ids = [new_id(now + 250 * i) for i in range(5_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    found = uuid.UUID(ids[0])
    assert found.hex == ids[0]
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == now // 1_000_000


def test_what_is_told_shows_no_ticket_when_it_is_printed() -> None:
    assert {"ticket", "key", "prediction"}.isdisjoint(
        name for name, one in Told.__dataclass_fields__.items() if one.repr
    )
