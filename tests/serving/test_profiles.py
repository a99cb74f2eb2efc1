from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from serving import keys
from serving.profiles import PLACEHOLDERS
from serving.settings import Settings
from tests.serving.identity_fakes import SALT, key_file, production


def refused(match: str, **settings: Any) -> None:
    with pytest.raises(ValidationError, match=match) as caught:
        Settings.model_validate(settings)
    for name in ("salt", "store", "redis"):
        told = str(settings.get(name) or "nothing")
        assert told == "short" or told not in str(caught.value)


def test_production_starts_with_a_salt_and_a_key_or_an_issuer(tmp_path: Path) -> None:
    file, _ = key_file(tmp_path)
    assert Settings.model_validate({"profile": "production", "salt": SALT, "key_file": file})
    assert Settings.model_validate(production(tmp_path))


def test_development_starts_with_nothing() -> None:
    assert Settings().profile == "development"


@pytest.mark.parametrize(
    "salt", ["", "short", "changeme", "change-me-change-me", "passwordpassword"[:15]]
)
def test_production_refuses_a_salt_that_is_missing_or_short(tmp_path: Path, salt: str) -> None:
    refused("salt: production needs 16|salt: this one", **production(tmp_path, salt=salt))


@pytest.mark.parametrize("value", ["changeme", "CHANGE_ME", "secret123", "<your-salt>", "xxxx"])
def test_what_stands_in_examples_is_known(value: str) -> None:
    assert PLACEHOLDERS.fullmatch(value)


@pytest.mark.parametrize("value", ["placeholder-0000000000", "<put-a-long-random-value-here>"])
def test_production_refuses_a_salt_from_an_example(tmp_path: Path, value: str) -> None:
    refused("salt: this one stands in examples", **production(tmp_path, salt=value))


def test_production_refuses_to_let_in_nobody() -> None:
    refused("production has to know who asks", profile="production", salt=SALT)


def test_production_refuses_a_key_file_that_opens_nothing(tmp_path: Path) -> None:
    usual = {"profile": "production", "salt": SALT}
    refused("is not there", **usual, key_file=tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    refused("not a file of keys", **usual, key_file=tmp_path / "broken.json")
    past = datetime.now(UTC) - timedelta(days=2)
    file, _ = key_file(tmp_path, days=1, now=past)
    refused("no key that is valid", **usual, key_file=file)
    keys.create(file, "second", "admin", None, None, datetime.now(UTC))
    assert Settings.model_validate({**usual, "key_file": file})


@pytest.mark.parametrize("name", ["store", "redis"])
def test_production_refuses_a_password_from_an_example(tmp_path: Path, name: str) -> None:
    scheme = "postgresql" if name == "store" else "redis"
    for password in ("postgres", "changeme", "password1"):
        address = f"{scheme}://tickets:{password}@db.example/tickets"
        refused(f"{name}: its password", **production(tmp_path, **{name: address}))
    good = f"{scheme}://tickets:Ahx9-invented@db.example/tickets"
    assert Settings.model_validate(production(tmp_path, **{name: good}))


@pytest.mark.parametrize("missing", ["jwt_issuer", "jwt_audience", "jwt_keys"])
def test_tokens_need_issuer_audience_and_keys(tmp_path: Path, missing: str) -> None:
    settings = production(tmp_path, profile="development")
    refused(f"{missing}: tokens need all of", **{**settings, missing: ""})


@pytest.mark.parametrize(
    ("source", "good"),
    [
        ("https://issuer.example/jwks", True),
        ("http://127.0.0.1:9/jwks", True),
        ("http://issuer.example/jwks", False),
        ("http://127.0.0.1.example/jwks", False),
        ("ftp://issuer.example/jwks", False),
        ("file:///etc/passwd", False),
        ("nowhere.json", False),
    ],
)
def test_keys_come_by_tls_or_from_here(tmp_path: Path, source: str, good: bool) -> None:
    settings = production(tmp_path, jwt_keys=source)
    if good:
        assert Settings.model_validate(settings)
    else:
        refused("jwt_keys:", **settings)


def test_a_role_of_the_issuer_leads_to_one_of_ours() -> None:
    assert Settings.model_validate({"jwt_roles": {"it": "agent"}})
    for role in ("root", "anonymous"):
        refused("a role is one of", jwt_roles={"it": role})
