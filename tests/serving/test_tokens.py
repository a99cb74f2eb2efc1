import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from serving import tokens as module
from serving.permissions import ANONYMOUS, ROLES
from serving.principals import CredentialRefusedError, Principal
from serving.token_keys import FileKeys
from serving.tokens import MAX_TOKEN, Tokens
from tests.serving.identity_fakes import (
    AUDIENCE,
    ISSUER,
    as_jwk,
    claims,
    ec_key,
    jwks,
    rsa_key,
    token,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(as_jwk(rsa_key()), as_jwk(ec_key(), "k2")))
    return path


def made(file: Path, **more: Any) -> Tokens:
    return Tokens(FileKeys(file), ISSUER, AUDIENCE, **more)


def found(file: Path, shown: str, **more: Any) -> Principal:
    return asyncio.run(made(file, **more).find(shown))


def refused(file: Path, shown: str, why: str = ".", **more: Any) -> None:
    with pytest.raises(CredentialRefusedError, match=why) as caught:
        found(file, shown, **more)
    assert shown not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def part(value: Mapping[str, Any] | bytes) -> bytes:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def test_a_token_tells_its_subject_and_what_it_may(file: Path) -> None:
    assert found(file, token()) == Principal("user:alice", ROLES["agent"])
    es256 = token(ec_key(), "ES256", {"kid": "k2"}, sub="bob", roles=["admin"])
    assert found(file, es256) == Principal("user:bob", ROLES["admin"])


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub"])
def test_a_token_without_a_claim_it_needs_is_refused(file: Path, claim: str) -> None:
    refused(file, token(**{claim: None}), "lacks one of")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": "others"}, "another audience"),
        ({"aud": ["others", "still others"]}, "another audience"),
        ({"iss": "https://elsewhere.example"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"exp": 1}, "expired"),
        ({"nbf": 10**11}, "not valid yet"),
        ({"iat": 10**11}, "not valid yet"),
        ({"exp": "soon"}, "not valid"),
        ({"exp": 10**400}, "not valid"),
        ({"sub": ""}, "empty"),
        ({"sub": "x" * 151}, "too long"),
    ],
)
def test_a_token_of_others_or_of_another_time_is_refused(
    file: Path, changes: dict[str, Any], why: str
) -> None:
    refused(file, token(**changes), why)


def test_one_of_several_audiences_is_enough(file: Path) -> None:
    assert found(file, token(aud=["others", AUDIENCE])).identified


def test_clocks_may_differ_by_the_leeway_and_no_more(file: Path) -> None:
    now = int(time.time())
    for changes in ({"exp": now - 20}, {"nbf": now + 20}, {"iat": now + 20}):
        assert found(file, token(**changes), leeway=30).identified
        refused(file, token(**changes), leeway=10)


def test_a_token_that_was_known_is_refused_once_it_expires(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]
    known = made(file, clock=lambda: now[0], leeway=30)

    async def ask() -> None:
        shown = token()
        await known.find(shown)
        monkeypatch.setattr(module.jwt, "decode", None)  # a second look would fail
        assert (await known.find(shown)).name == "user:alice"
        now[0] += 329
        assert (await known.find(shown)).name == "user:alice"
        now[0] += 2
        with pytest.raises(CredentialRefusedError, match="expired"):
            await known.find(shown)

    asyncio.run(ask())


def test_a_token_is_forgotten_when_its_key_is_rotated_away(file: Path) -> None:
    now = [0.0]
    known = Tokens(FileKeys(file, lambda: now[0]), ISSUER, AUDIENCE)

    async def ask() -> None:
        shown = token()
        await known.find(shown)
        file.write_bytes(jwks(as_jwk(rsa_key(2), "k3")))
        now[0] += 2
        with pytest.raises(CredentialRefusedError, match="does not show"):
            await known.find(shown)
        assert (await known.find(token(rsa_key(2), headers={"kid": "k3"}))).identified

    asyncio.run(ask())


def test_as_many_tokens_are_remembered_as_may_be(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    known = made(file)

    async def ask() -> None:
        for name in "abcd":
            await known.find(token(sub=name))

    asyncio.run(ask())
    assert len(known._known) == 2


def test_a_token_that_is_not_signed_is_refused(file: Path) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        head = part({"alg": algorithm, "typ": "JWT", "kid": "k1"})
        refused(file, b".".join((head, part(claims()), b"")).decode())


def test_a_public_key_is_no_shared_secret(file: Path) -> None:
    """The confusion of algorithms: the public key, which everybody has, as the key of an HMAC."""
    public = rsa_key().public_key()
    known = [
        public.public_bytes(serialization.Encoding.PEM, form)
        for form in (serialization.PublicFormat.SubjectPublicKeyInfo,
                     serialization.PublicFormat.PKCS1)
    ] + [json.dumps(as_jwk(rsa_key())).encode()]  # fmt: skip
    for secret in known:
        signed = b".".join((part({"alg": "HS256", "kid": "k1"}), part(claims())))
        seal = hmac.new(secret, signed, hashlib.sha256).digest()
        refused(file, b".".join((signed, part(seal))).decode(), "algorithm")


def test_a_key_is_used_with_its_own_algorithm_alone(file: Path) -> None:
    refused(file, token(rsa_key(), "RS512"), "algorithm")
    refused(file, token(rsa_key(), "PS256"), "algorithm")
    refused(file, token(ec_key(), "ES256", {"kid": "k1"}))
    refused(file, token(rsa_key(), "RS256", {"kid": "k2"}))


def test_a_token_names_no_keys_of_its_own(file: Path) -> None:
    forged = rsa_key(9)
    for headers in (
        {"kid": "k1", "jwk": as_jwk(forged)},
        {"kid": "k1", "jku": "https://elsewhere.example/jwks"},
        {"kid": "k1", "x5u": "https://elsewhere.example/cert"},
        {"kid": "k9", "jwk": as_jwk(forged, "k9")},
        {"kid": "../../dev/null"},
    ):
        refused(file, token(forged, headers=headers))


def test_a_header_that_must_be_understood_refuses_the_token(file: Path) -> None:
    refused(file, token(headers={"kid": "k1", "crit": ["ours"], "ours": 1}))


def test_a_changed_token_is_refused(file: Path) -> None:
    head, _, seal = token().split(".")
    more = part(claims(roles=["admin"])).decode()
    refused(file, f"{head}.{more}.{seal}", "not valid")


@pytest.mark.parametrize(
    "shown",
    ["", "a", "a.b", "a.b.c", "a.b.c.d", ".", "..", "eyJ.eyJ.", "é.é.é", "\ud800", "[" * 99],
)
def test_what_is_no_token_is_refused(file: Path, shown: str) -> None:
    with pytest.raises(CredentialRefusedError):
        found(file, shown)


def test_a_deep_or_long_token_is_refused_before_it_is_looked_at(file: Path) -> None:
    refused(file, "a" * (MAX_TOKEN + 1), "too long")
    deep = part(b'{"a":' * 600 + b"1" + b"}" * 600).decode()
    refused(file, f"{deep}.{deep}.x")


def test_without_a_name_the_only_key_counts(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_bytes(jwks(as_jwk(rsa_key(), None)))
    two.write_bytes(jwks(as_jwk(rsa_key(), None), as_jwk(ec_key(), None)))
    assert found(one, token(headers={})).identified
    refused(two, token(headers={}), "does not show")


@pytest.mark.parametrize(
    ("told", "more", "role"),
    [
        ({"roles": "viewer"}, {}, "viewer"),
        ({"roles": "viewer agent"}, {}, "agent"),
        ({"roles": ["viewer", "nonsense", 3]}, {}, "viewer"),
        ({"roles": {"admin": True}}, {}, None),
        ({"roles": ["anonymous"]}, {}, None),
        ({"roles": None}, {}, None),
        ({"groups": ["it-support"]}, {"roles_claim": "groups", "roles": {"it-support": "agent"}},
         "agent"),
        ({"roles": ["admin"]}, {"roles": {"it-support": "agent"}}, None),
        ({"realm_access": {"roles": ["admin"]}}, {"roles_claim": "realm_access.roles"}, "admin"),
        ({"https://x.example/roles": ["admin"]}, {"roles_claim": "https://x.example/roles"},
         "admin"),
    ],
)  # fmt: skip
def test_roles_are_read_where_the_issuer_tells_them(
    file: Path, told: dict[str, Any], more: dict[str, Any], role: str | None
) -> None:
    shown = token(**{"roles": None, **told})
    expected = ANONYMOUS if role is None else ROLES[role]  # type: ignore[index]
    assert found(file, shown, **more).permissions == expected


def test_a_name_holds_no_slash_and_no_control_character(file: Path) -> None:
    assert found(file, token(sub="auth0|1")).name == "user:auth0|1"
    assert found(file, token(sub="a/b\n")).name == "user:a%2Fb%0A"


def test_a_curve_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    file = tmp_path / "jwks.json"
    file.write_bytes(jwks(as_jwk(other)))
    refused(file, jwt.encode(claims(), other, "ES384", {"kid": "k1"}), "does not show")
