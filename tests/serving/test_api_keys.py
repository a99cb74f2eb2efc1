import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving import keys
from serving.api_keys import LOOK_SECONDS, ApiKeys
from serving.permissions import ANONYMOUS, ROLES
from serving.principals import CredentialRefusedError
from tests.serving.identity_fakes import key_file


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_key_tells_its_name_and_what_it_may(tmp_path: Path) -> None:
    file, told = key_file(tmp_path, "agent", "helpdesk")
    found = ApiKeys(file).find(told)
    assert found.name == "key:helpdesk"
    assert found.permissions == ROLES["agent"]


def test_scopes_narrow_a_role_and_never_widen_it(tmp_path: Path) -> None:
    file, told = key_file(tmp_path, "agent", scopes=("tickets:predict", "history:erase"))
    assert ApiKeys(file).find(told).permissions == ANONYMOUS | {"tickets:predict"}


def test_a_role_of_another_version_allows_nothing(tmp_path: Path) -> None:
    file, told = key_file(tmp_path, "superuser")
    assert ApiKeys(file).find(told).permissions == ANONYMOUS


def test_another_secret_and_another_id_are_refused_alike(tmp_path: Path) -> None:
    file, told = key_file(tmp_path)
    other = "ta_" + "z" * 12 + told[15:]
    wrong = told[:-1] + ("A" if told[-1] != "A" else "B")
    for presented in (wrong, other):
        with pytest.raises(CredentialRefusedError, match="the key is not known"):
            ApiKeys(file).find(presented)


def test_a_key_that_expired_is_refused_by_that_reason(tmp_path: Path) -> None:
    file, told = key_file(tmp_path, days=1, now=datetime.now(UTC) - timedelta(days=2))
    with pytest.raises(CredentialRefusedError, match="expired"):
        ApiKeys(file).find(told)


def test_a_key_made_revoked_or_rotated_counts_within_a_second(tmp_path: Path, clock: Clock) -> None:
    file, told = key_file(tmp_path, name="first")
    known = ApiKeys(file, clock)
    known.find(told)
    now = datetime.now(UTC)
    second = keys.create(file, "second", "agent", None, None, now)
    with pytest.raises(CredentialRefusedError):
        known.find(second)
    clock.now += LOOK_SECONDS
    assert known.find(second).name == "key:second"
    follower = keys.rotate(file, "second", timedelta(hours=1), now)
    keys.revoke(file, "first", now)
    clock.now += LOOK_SECONDS
    assert known.find(follower).name == known.find(second).name == "key:second"
    with pytest.raises(CredentialRefusedError, match="revoked"):
        known.find(told)


def test_a_damaged_file_leaves_the_keys_as_they_were(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    file, told = key_file(tmp_path)
    known = ApiKeys(file, clock)
    known.find(told)
    file.write_text("{")
    for _ in range(3):
        clock.now += LOOK_SECONDS
        with caplog.at_level(logging.ERROR):
            assert known.find(told).name == "key:first"
    assert len(caplog.records) == 1


def test_a_file_that_is_gone_leaves_no_key(tmp_path: Path, clock: Clock) -> None:
    file, told = key_file(tmp_path)
    content = file.read_bytes()
    known = ApiKeys(file, clock)
    known.find(told)
    file.unlink()
    clock.now += LOOK_SECONDS
    with pytest.raises(CredentialRefusedError, match="not known"):
        known.find(told)
    file.write_bytes(content)
    clock.now += LOOK_SECONDS
    assert known.find(told).name == "key:first"
