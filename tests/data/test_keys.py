from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.errors import ConflictError, DataError
from data.keys import (
    KeyRing,
    change_ring,
    digest_of,
    make_key,
    read_ring,
    require_free,
    split_key,
)

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_a_key_is_kept_without_what_opens_anything(tmp_path: Path) -> None:
    key, told = make_key("helpdesk", "agent", NOW)
    change_ring(tmp_path / "keys.json", lambda ring: ring.with_key(key))
    parts = split_key(told)
    assert parts is not None
    content = (tmp_path / "keys.json").read_text()
    assert parts[0] in content
    assert parts[1] not in content
    assert parts[1] not in repr(key)
    assert key.digest not in repr(key)
    assert read_ring(tmp_path / "keys.json").keys == (key,)


def test_only_its_secret_opens_a_key() -> None:
    key, told = make_key("helpdesk", "agent", NOW)
    parts = split_key(told)
    assert parts is not None
    assert key.opens_with(parts[1])
    assert not key.opens_with(parts[1][:-1])
    assert not key.opens_with("")
    assert not key.opens_with(digest_of(parts[1]))


def test_two_keys_are_never_the_same() -> None:
    told = {make_key("helpdesk", "agent", NOW)[1] for _ in range(100)}
    assert len(told) == 100


@pytest.mark.parametrize(
    "presented",
    ["", "ta_", "ta_abc_def", "x" * 10_000, "ta_" + "a" * 12 + "_" + "b" * 44, "ta_é" + "a" * 55],
)
def test_what_has_not_the_shape_of_a_key_is_none(presented: str) -> None:
    assert split_key(presented) is None


def test_a_key_is_valid_until_it_expires_or_is_revoked() -> None:
    key, _ = make_key("helpdesk", "agent", NOW, expires_at=NOW + timedelta(days=1))
    assert key.state(NOW) == "valid"
    assert key.state(NOW + timedelta(days=1)) == "expired"
    assert key.model_copy(update={"revoked_at": NOW}).state(NOW) == "revoked"


def test_a_name_that_is_taken_is_refused_until_its_key_ends() -> None:
    key, _ = make_key("helpdesk", "agent", NOW, expires_at=NOW + timedelta(days=1))
    ring = KeyRing().with_key(key)
    with pytest.raises(ConflictError, match="helpdesk"):
        require_free(ring, "helpdesk", NOW)
    require_free(ring, "helpdesk", NOW + timedelta(days=2))
    require_free(ring, "other", NOW)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 2}', b'{"keys": [{"id": "x"}]}', b"\xff"]
)
def test_a_damaged_file_is_refused_without_its_content(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match="not a file of keys"):
        read_ring(file)


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    change_ring(file, lambda ring: ring.with_key(make_key("a", "agent", NOW)[0]))
    before = file.read_bytes()

    def refuse(ring: KeyRing) -> KeyRing:
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        change_ring(file, refuse)
    assert file.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"keys.json", "keys.json.lock"}


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    change_ring(file, lambda ring: ring)
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        change_ring(tmp_path / "taken" / "keys.json", lambda ring: ring)
