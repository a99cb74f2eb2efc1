"""An issuer of tokens, keys in a file, and settings of the production profile; all invented."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from serving import keys

ISSUER = "https://issuer.example"
AUDIENCE = "tickets"
SALT = "0123456789abcdef-invented"

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(number: int = 1, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(number: int = 1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def as_jwk(key: Private, kid: str | None = "k1", **more: Any) -> dict[str, Any]:
    """The public half, as an issuer shows it."""
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        facts = json.loads(RSAAlgorithm.to_jwk(public))  # type: ignore[arg-type]
    else:
        facts = json.loads(ECAlgorithm.to_jwk(public))  # type: ignore[arg-type]
    named = {} if kid is None else {"kid": kid}
    return {**facts, **named, **more}


def jwks(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; a change to None takes a claim out."""
    now = int(time.time())
    told = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300,
        "roles": ["agent"],
    }  # fmt: skip
    return {name: value for name, value in {**told, **changes}.items() if value is not None}


def token(
    key: Private | None = None,
    algorithm: str = "RS256",
    headers: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A token of the issuer."""
    sent = {"kid": "k1"} if headers is None else headers
    return jwt.encode(claims(**changes), key or rsa_key(), algorithm, headers=sent)


def key_file(
    folder: Path, role: str = "admin", name: str = "first", **more: Any
) -> tuple[Path, str]:
    """A file with one key, and the key."""
    file = folder / "keys.json"
    told = keys.create(
        file, name, role, more.get("scopes"), more.get("days"), more.get("now", datetime.now(UTC))
    )
    return file, told


def production(folder: Path, **settings: Any) -> dict[str, Any]:
    """Settings of the production profile, its tokens those of the issuer here."""
    file = folder / "jwks.json"
    file.write_bytes(jwks(as_jwk(rsa_key())))
    return {
        "profile": "production", "salt": SALT, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE,
        "jwt_keys": str(file), **settings,
    }  # fmt: skip


def bearer(credential: str) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}"}
