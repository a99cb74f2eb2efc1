"""The alias moves, and deployment.json says so once the bundle lies in the store."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.errors import BundleError, ModelError
from models.publishing import FolderStore
from models.registry import Registry
from pipelines.deploying import (
    Part,
    promote,
    publish_aliases,
    rollback,
    stop,
    tell_arms,
    tell_rollback,
)
from tests.pipelines.conftest import Check


def test_a_promoted_bundle_is_published_and_named(
    registry: Registry, bundles: FolderStore, first: str, check: Check, tmp_path: Path
) -> None:
    deployment = promote(registry, bundles, first, "champion", check=check)
    assert deployment == bundles.find_deployment()
    assert deployment.champion
    assert deployment.champion.version == first
    assert deployment.challengers == ()
    folder = bundles.find(first, tmp_path)
    assert folder
    check(folder)


def test_a_challenger_gets_its_share_beside_the_champion(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, bundles, first, "champion", check=check)
    deployment = promote(registry, bundles, second, "challenger", 0.25, check)
    assert deployment.champion
    assert deployment.champion.version == first
    assert [(one.version, one.share) for one in deployment.challengers] == [(second, 0.25)]
    changed = promote(registry, bundles, second, "challenger", 0.5, check)
    assert [(one.version, one.share) for one in changed.challengers] == [(second, 0.5)]


def test_a_challenger_that_wins_leaves_no_challenger(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, bundles, first, "champion", check=check)
    promote(registry, bundles, second, "challenger", check=check)
    deployment = promote(registry, bundles, second, "champion", check=check)
    assert deployment.champion
    assert deployment.champion.version == second
    assert deployment.challengers == ()


def test_going_back_is_promoting_the_former_champion(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    for version in (first, second, first):
        deployment = promote(registry, bundles, version, "champion", check=check)
    assert deployment.champion
    assert deployment.champion.version == first


def test_promoting_again_changes_nothing(
    registry: Registry, bundles: FolderStore, first: str, check: Check
) -> None:
    before = promote(registry, bundles, first, "champion", check=check)
    assert promote(registry, bundles, first, "champion", check=check) == before


@pytest.fixture
def third(bundles: FolderStore, sealed: Path) -> str:
    """Published by hand and named in no register: only a name in deployment.json."""
    version = "invented-33333333"
    shutil.copytree(sealed, bundles.root / version)
    return version


def test_a_shadow_watches_a_fraction_and_stays_when_the_champion_changes(
    registry: Registry, bundles: FolderStore, first: str, second: str, third: str, check: Check
) -> None:
    promote(registry, bundles, first, "champion", check=check)
    now = bundles.find_deployment()
    assert now
    bundles.deploy(now.with_shadow(third, 0.5, datetime.now(UTC)))
    promote(registry, bundles, second, "shadow", check=check, fraction=0.25)
    deployment = promote(registry, bundles, second, "champion", check=check)
    assert deployment.champion
    assert deployment.champion.version == second
    assert [(one.version, one.fraction) for one in deployment.shadows] == [(third, 0.5)]
    assert deployment == bundles.find_deployment()


def test_a_challenger_stays_beside_the_one_the_alias_names(
    registry: Registry, bundles: FolderStore, first: str, second: str, third: str, check: Check
) -> None:
    promote(registry, bundles, first, "champion", check=check)
    now = bundles.find_deployment()
    assert now
    bundles.deploy(now.with_challenger(third, 0.2, datetime.now(UTC)))
    deployment = promote(registry, bundles, second, "challenger", 0.3, check)
    assert [(one.version, one.share) for one in deployment.challengers] == [
        (third, 0.2),
        (second, 0.3),
    ]
    with pytest.raises(ModelError, match=r"would share 1\.1 of the tickets"):
        promote(registry, bundles, second, "challenger", 0.9, check)
    assert bundles.find_deployment() == deployment
    assert registry.find_share(second) == 0.3


def test_a_challenger_that_becomes_a_shadow_answers_nothing_more(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, bundles, first, "champion", check=check)
    promote(registry, bundles, second, "challenger", check=check)
    deployment = promote(registry, bundles, second, "shadow", check=check)
    assert deployment.challengers == ()
    assert [one.version for one in deployment.shadows] == [second]
    assert publish_aliases(registry, bundles, check) == deployment


@pytest.mark.parametrize("part", ["challenger", "shadow"])
def test_a_part_that_is_stopped_does_not_come_back(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check, part: Part
) -> None:
    promote(registry, bundles, first, "champion", check=check)
    promote(registry, bundles, second, part, check=check)
    assert stop(registry, bundles, second, check).versions == (first,)
    assert publish_aliases(registry, bundles, check).versions == (first,)
    with pytest.raises(ModelError, match="is no challenger or shadow; there are: none"):
        stop(registry, bundles, second, check)
    with pytest.raises(ModelError, match="is the champion and can only be replaced"):
        stop(registry, bundles, first, check)


def test_rolling_back_is_publishing_the_former_champion(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, bundles, first, "champion", check=check)
    with pytest.raises(ModelError, match="no former champion"):
        rollback(registry, bundles, check)
    promote(registry, bundles, second, "champion", check=check)
    deployment = rollback(registry, bundles, check)
    assert deployment == bundles.find_deployment()
    assert deployment.versions == (first,)
    assert registry.find_alias("champion") == first
    with pytest.raises(ModelError, match="no former champion"):
        rollback(registry, bundles, check)


def test_nothing_moves_if_the_bundle_fails_its_probes(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    promote(registry, bundles, first, "champion", check=check)

    def fail(folder: Path) -> None:
        raise BundleError("answers otherwise")

    with pytest.raises(BundleError, match="answers otherwise"):
        promote(registry, bundles, second, "champion", check=fail)
    assert registry.find_alias("champion") == first
    deployment = bundles.find_deployment()
    assert deployment
    assert deployment.versions == (first,)


def test_what_is_not_registered_cannot_be_promoted(
    registry: Registry, bundles: FolderStore, first: str
) -> None:
    with pytest.raises(ModelError, match="no bundle 'invented-00000000' is registered"):
        promote(registry, bundles, "invented-00000000", "champion")


def test_the_champion_cannot_challenge_itself(
    registry: Registry, bundles: FolderStore, first: str, check: Check
) -> None:
    promote(registry, bundles, first, "champion", check=check)
    with pytest.raises(ModelError, match="cannot challenge itself"):
        promote(registry, bundles, first, "challenger", check=check)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_lies_between_none_and_all(
    registry: Registry, bundles: FolderStore, first: str, share: float
) -> None:
    with pytest.raises(ModelError, match="share lies between 0 and 1"):
        promote(registry, bundles, first, "challenger", share)


def test_without_aliases_nobody_is_named(registry: Registry, bundles: FolderStore) -> None:
    deployment = publish_aliases(registry, bundles)
    assert deployment.versions == ()


def test_a_rollback_is_told_by_who_answers_now_and_who_did(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    for version in (first, second):
        before = promote(registry, bundles, version, "champion", check=check)
    event = tell_rollback(before, rollback(registry, bundles, check), ["it was slow"], "anna")
    assert (event.action, event.actor, event.subject) == ("rollback", "anna", first)
    assert event.detail == {
        "reasons": ["it was slow"], "former": second, "published": f"champion {first}",
    }  # fmt: skip


def test_all_arms_are_told_in_one_line(
    registry: Registry, bundles: FolderStore, first: str, second: str, check: Check
) -> None:
    assert tell_arms(publish_aliases(registry, bundles)) == "champion nobody"
    promote(registry, bundles, first, "champion", check=check)
    told = tell_arms(promote(registry, bundles, second, "challenger", 0.25, check))
    assert told == f"champion {first}, challenger {second} (0.25)"
