from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.keys import ApiKey, read_ring, split_key
from serving import keys


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TICKETS_KEY_FILE", str(tmp_path / "keys.json"))
    return tmp_path / "keys.json"


def told_by(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    keys.main(arguments)
    return capsys.readouterr().out.strip()


def opened_by(file: Path, told: str) -> ApiKey:
    parts = split_key(told)
    assert parts is not None
    key = read_ring(file).find(parts[0])
    assert key is not None
    assert key.opens_with(parts[1])
    return key


def test_a_key_is_made_and_told_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = told_by(capsys, "create", "helpdesk", "--role", "agent", "--days", "30",
                   "--scope", "tickets:predict")  # fmt: skip
    key = opened_by(file, told)
    assert (key.name, key.role, key.scopes) == ("helpdesk", "agent", ("tickets:predict",))
    assert key.expires_at is not None
    assert key.expires_at - key.created_at == timedelta(days=30)
    listed = told_by(capsys, "list")
    assert "helpdesk" in listed
    assert told.rpartition("_")[2] not in listed
    assert key.digest not in listed


def test_rotation_lets_the_old_key_go_on_for_a_while(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = told_by(capsys, "create", "helpdesk", "--role", "agent", "--days", "30")
    new = told_by(capsys, "rotate", "helpdesk", "--overlap-hours", "2")
    was, now = opened_by(file, old), opened_by(file, new)
    assert (now.name, now.role) == (was.name, was.role)
    assert was.expires_at is not None
    assert now.expires_at is not None
    moment = datetime.now(UTC)
    assert was.state(moment) == now.state(moment) == "valid"
    assert was.state(moment + timedelta(hours=3)) == "expired"
    assert now.expires_at - now.created_at == timedelta(days=30)


def test_rotation_never_makes_a_key_last_longer(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = told_by(capsys, "create", "helpdesk", "--role", "agent", "--days", "0.01")
    before = opened_by(file, old).expires_at
    told_by(capsys, "rotate", "helpdesk", "--overlap-hours", "24")
    assert opened_by(file, old).expires_at == before


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_key_is_revoked(file: Path, capsys: pytest.CaptureFixture[str], by: str) -> None:
    told = told_by(capsys, "create", "helpdesk", "--role", "agent")
    which = "helpdesk" if by == "name" else opened_by(file, told).id
    assert told_by(capsys, "revoke", which) == "1 revoked"
    assert opened_by(file, told).state(datetime.now(UTC)) == "revoked"
    with pytest.raises(SystemExit, match="no valid key"):
        keys.main(["revoke", which])
    told_by(capsys, "create", "helpdesk", "--role", "viewer")


def test_a_taken_name_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told_by(capsys, "create", "helpdesk", "--role", "agent")
    with pytest.raises(SystemExit, match="rotate it"):
        keys.main(["create", "helpdesk", "--role", "agent"])


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "-x", "x" * 65])
def test_a_name_that_could_be_mistaken_is_refused(file: Path, name: str) -> None:
    with pytest.raises(SystemExit):
        keys.main(["create", "--role", "agent", "--", name])
    assert not file.exists()


def test_nobody_is_made_anonymous(file: Path) -> None:
    with pytest.raises(SystemExit):
        keys.main(["create", "x", "--role", "anonymous"])


def test_the_file_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TICKETS_KEY_FILE", raising=False)
    with pytest.raises(SystemExit):
        keys.main(["list"])


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(SystemExit, match="is not there"):
        keys.main(["list"])
