"""deployment.json says who answers, competes and watches, and nobody is two of these by mistake."""

from datetime import UTC, datetime, timedelta

import pytest

from data.errors import BundleError, ModelError
from models.deployment import (
    Arm,
    Challenger,
    Deployment,
    Shadow,
    former_champion,
    parse_deployment,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
A, B, C = "a-00000000", "b-11111111", "c-22222222"


@pytest.fixture
def alone() -> Deployment:
    return Deployment(champion=Arm(version=A, since=NOW), published_at=NOW)


def test_a_deployment_keeps_its_form() -> None:
    whole = Deployment(
        champion=Arm(version=A, since=NOW),
        challengers=(Challenger(version=B, share=0.1), Challenger(version=C, share=0.2)),
        shadows=(Shadow(version="d-33333333", fraction=0.5), Shadow(version=A)),
        published_at=NOW,
    )
    assert parse_deployment(whole.to_json().encode()) == whole
    assert whole.versions == (A, B, C, "d-33333333")
    assert whole.rest == pytest.approx(0.7)


def test_a_file_of_format_1_is_read() -> None:
    old = (
        b'{"format": 1, "champion": {"version": "a-00000000"},'
        b' "challenger": {"version": "b-11111111", "share": 0.1},'
        b' "shadows": [{"version": "c-22222222"}], "published_at": "2026-11-23T12:00:00Z"}'
    )
    assert parse_deployment(old) == Deployment(
        champion=Arm(version=A),
        challengers=(Challenger(version=B, share=0.1),),
        shadows=(Shadow(version=C, fraction=1),),
        published_at=NOW,
    )
    minimal = b'{"format": 1, "champion": null, "published_at": "2026-11-23T12:00:00Z"}'
    assert parse_deployment(minimal).versions == ()


def test_a_file_of_format_2_is_read_and_withholds_nothing(alone: Deployment) -> None:
    old = (
        b'{"format": 2, "champion": {"version": "a-00000000", "since": "2026-11-23T12:00:00Z"},'
        b' "challengers": [{"version": "b-11111111", "share": 0.1}], "shadows": [],'
        b' "published_at": "2026-11-23T12:00:00Z"}'
    )
    found = parse_deployment(old)
    assert (found.format, found.all_withheld) == (3, {})
    assert found.champion == alone.champion
    assert found.challengers == (Challenger(version=B, share=0.1),)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "is not JSON"),
        (b'{"format": 4, "arms": []}', "has format 4, this program reads 3: update the program"),
        (b"[]", "is malformed"),
        (b'{"format": 1}', "is malformed: champion: Field required"),
        (
            b'{"format": 1, "champion": {"version": "../x"}, "published_at": "2026-11-23T12:00Z"}',
            "is malformed: champion.version",
        ),
        (
            b'{"format": 2, "champion": {"version": "a-00000000"}, "challengers": ['
            b'{"version": "b-11111111", "share": 0.5}, {"version": "c-22222222", "share": 0.5}],'
            b' "published_at": "2026-11-23T12:00Z"}',
            "is malformed: Value error, the challengers share 1 of the tickets, expected below 1",
        ),
        (
            b'{"format": 2, "champion": {"version": "a-00000000"}, "challengers": ['
            b'{"version": "a-00000000", "share": 0.5}], "published_at": "2026-11-23T12:00Z"}',
            "a-00000000 is named twice",
        ),
    ],
)
def test_a_deployment_that_cannot_be_read_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(BundleError, match=reason):
        parse_deployment(content)


def test_since_tells_when_a_part_or_share_began(alone: Deployment) -> None:
    deployment = alone.with_challenger(B, 0.1, LATER)
    assert deployment.champion == alone.champion
    assert deployment.challengers[0].since == LATER
    assert deployment.with_challenger(B, 0.1, LATER + timedelta(hours=1)) is deployment
    more = deployment.with_challenger(B, 0.2, LATER + timedelta(hours=1))
    assert more.challengers[0].since == LATER + timedelta(hours=1)
    assert more.with_champion(B, LATER).champion == Arm(version=B, since=LATER)


def test_arms_of_format_1_began_when_it_was_published() -> None:
    old = Deployment(champion=Arm(version=A), published_at=NOW)
    deployment = old.with_shadow(B, 0.5, LATER)
    assert deployment.champion == Arm(version=A, since=NOW)


def test_a_bundle_has_one_part(alone: Deployment) -> None:
    shadow = alone.with_challenger(B, 0.1, LATER).with_shadow(B, 0.5, LATER)
    assert [type(arm) for arm in shadow.arms] == [Arm, Shadow]
    challenger = shadow.with_challenger(B, 0.1, LATER)
    assert [type(arm) for arm in challenger.arms] == [Arm, Challenger]
    assert challenger.with_champion(B, LATER).versions == (B,)
    assert challenger.stopping(B, LATER).versions == (A,)


def test_the_champion_is_nothing_else(alone: Deployment) -> None:
    with pytest.raises(ModelError, match="cannot challenge itself"):
        alone.with_challenger(A, 0.1, LATER)
    with pytest.raises(ModelError, match="has nothing to watch"):
        alone.with_shadow(A, 0.1, LATER)
    with pytest.raises(ModelError, match="promote another"):
        alone.stopping(A, LATER)


@pytest.mark.parametrize("fraction", [0.0, 1.1, float("nan")])
def test_a_fraction_is_above_none_and_at_most_all(alone: Deployment, fraction: float) -> None:
    with pytest.raises(ModelError, match="fraction lies above 0"):
        alone.with_shadow(B, fraction, LATER)


@pytest.mark.parametrize(
    ("champions", "former"),
    [
        ("", None),
        ("A", None),
        ("AAA", None),
        ("AB", "A"),
        ("ABC", "B"),
        ("ABCB", "A"),
        ("ABCBA", None),
        ("ABA", None),
        ("ABAC", "A"),
    ],
)
def test_going_back_never_leads_forward(champions: str, former: str | None) -> None:
    deployments = [
        Deployment(champion=Arm(version=f"{name}-00000000"), published_at=NOW) for name in champions
    ]
    assert former_champion(deployments) == (former and f"{former}-00000000")


def test_a_deployment_without_champion_is_nobody_to_go_back_to(alone: Deployment) -> None:
    nobody = Deployment(champion=None, published_at=NOW)
    assert former_champion([alone, nobody, alone.with_champion(B, LATER)]) == A
