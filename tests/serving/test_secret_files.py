from pathlib import Path

import pytest
from pydantic_settings import SettingsError

from serving.settings import Settings


def test_a_secret_is_read_from_the_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "salt").write_text("from a file\n")
    monkeypatch.setenv("TICKETS_SALT_FILE", str(tmp_path / "salt"))
    assert Settings().salt == "from a file"


def test_every_setting_may_come_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {
        "STORE": "postgresql://a:b@c/d", "REDIS": "redis://:x@y", "MAX_TICKETS": "7",
        "ALLOWED_HOSTS": "a.example, b.example", "JWT_ROLES": '{"it": "agent"}',
    }  # fmt: skip
    for name, value in values.items():
        (tmp_path / name).write_text(value)
        monkeypatch.setenv(f"TICKETS_{name}_FILE", str(tmp_path / name))
    settings = Settings()
    assert (settings.store, settings.redis) == (values["STORE"], values["REDIS"])
    assert settings.max_tickets == 7
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert settings.jwt_roles == {"it": "agent"}


def test_a_file_that_cannot_be_read_refuses_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETS_SALT_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"TICKETS_SALT_FILE: .*No such file"):
        Settings()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("TICKETS_SALT_FILE", str(tmp_path / "binary"))
    with pytest.raises(SettingsError, match="not text"):
        Settings()


def test_a_secret_in_both_places_refuses_the_start_without_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "salt").write_text("one-that-nobody-knows")
    monkeypatch.setenv("TICKETS_SALT_FILE", str(tmp_path / "salt"))
    monkeypatch.setenv("TICKETS_SALT", "another-that-nobody-knows")
    with pytest.raises(SettingsError, match="are both set") as caught:
        Settings()
    assert "nobody-knows" not in str(caught.value)


def test_no_secret_stands_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "SALT": "salt-nobody-knows", "STORE": "postgresql://u:nobody-knows@h/d",
        "REDIS": "redis://:nobody-knows@h",
    }  # fmt: skip
    for name, value in secrets.items():
        monkeypatch.setenv(f"TICKETS_{name}", value)
    assert "nobody-knows" not in repr(Settings()) + str(Settings())


def test_a_name_between_commas_is_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKETS_CORS_ORIGINS", "https://a.example,https://b.example,")
    assert Settings().cors_origins == ("https://a.example", "https://b.example")
