"""A class that lost its certificate stays withheld, whatever part its bundle is given."""

from datetime import UTC, datetime, timedelta

import pytest

from data.errors import BundleError, ModelError
from models.deployment import Arm, Deployment, parse_deployment
from models.withholding import restore, withhold

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
A, B = "a-00000000", "b-11111111"
WHY = "at most 93 % right, 95 % are promised"


@pytest.fixture
def lost() -> Deployment:
    """A champion and a challenger, of which the champion withholds a class."""
    alone = Deployment(champion=Arm(version=A, since=NOW), published_at=NOW)
    return withhold(alone.with_challenger(B, 0.1, NOW), A, "team", {"network": WHY}, LATER)


def test_a_withheld_class_is_told_by_target_and_label_with_its_reason(lost: Deployment) -> None:
    assert lost.withheld_of(A) == {"team": {"network": WHY}}
    assert lost.withheld_of(B) == lost.withheld_of("c-22222222") == {}
    assert lost.champion is not None and lost.champion.since == NOW
    assert lost.published_at == LATER
    assert parse_deployment(lost.to_json().encode()) == lost


def test_a_class_withheld_twice_keeps_its_first_reason(lost: Deployment) -> None:
    assert withhold(lost, A, "team", {"network": "another"}, LATER) is lost
    more = withhold(lost, A, "team", {"network": "another", "mail": WHY}, LATER)
    assert more.withheld_of(A) == {"team": {"network": WHY, "mail": WHY}}
    assert withhold(lost, A, "team", {}, LATER) is lost


def test_what_is_withheld_goes_with_the_bundle_through_every_part(lost: Deployment) -> None:
    other = lost.with_champion(B, LATER)
    assert other.champion == Arm(version=B, since=LATER)
    assert other.withheld_of(A) == {"team": {"network": WHY}}
    for again in (
        other.with_champion(A, LATER),
        other.with_challenger(A, 0.5, LATER),
        other.with_shadow(A, 0.5, LATER),
        other.with_challenger(A, 0.5, LATER).stopping(A, LATER).with_shadow(A, 1, LATER),
    ):
        [arm] = [arm for arm in again.arms if arm.version == A]
        assert arm.withheld == {"team": {"network": WHY}}
        assert again.withheld_before == {}
        assert parse_deployment(again.to_json().encode()) == again


def test_a_restored_class_is_withheld_no_more_and_leaves_nothing_behind(lost: Deployment) -> None:
    two = withhold(lost, A, "team", {"mail": WHY}, LATER)
    assert restore(two, A, "team", "mail", LATER).withheld_of(A) == lost.withheld_of(A)
    none = restore(lost, A, "team", "network", LATER)
    assert none.all_withheld == {}
    assert none.with_champion(B, LATER).withheld_before == {}


def test_only_what_is_withheld_can_be_restored(lost: Deployment) -> None:
    for target, label in (("team", "mail"), ("severity", "network")):
        with pytest.raises(ModelError, match="withheld are: team network"):
            restore(lost, A, target, label, LATER)
    with pytest.raises(ModelError, match="withheld are: none"):
        restore(lost, B, "team", "network", LATER)


def test_a_bundle_without_a_part_is_left_alone(lost: Deployment) -> None:
    with pytest.raises(ModelError, match=f"bundles that have one: {A}, {B}"):
        withhold(lost, "c-22222222", "team", {"network": WHY}, LATER)
    nobody = Deployment(champion=None, published_at=NOW)
    with pytest.raises(ModelError, match="bundles that have one: none"):
        restore(nobody, A, "team", "network", LATER)


def test_a_class_without_a_reason_is_refused() -> None:
    bare = (
        b'{"format": 3, "champion": {"version": "a-00000000", "withheld": {"team": {"mail": ""}}},'
        b' "published_at": "2026-11-23T12:00:00Z"}'
    )
    with pytest.raises(BundleError, match=r"champion\.withheld\.team\.mail: String should have"):
        parse_deployment(bare)
