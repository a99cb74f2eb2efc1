"""What it costs to know who asks: processor time a request, in one process, without a network.

    python -m serving.bench.identity

Asks an app that does nothing, bare and behind the layers of `serving.edge_security`, with a key and
with a token of each algorithm that was seen before, and with tokens that are all new.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import keys
from serving.api_keys import ApiKeys
from serving.guard import Guarded
from serving.identity import Identified, Identity
from serving.rate_limits import Buckets, Quota, RateLimited
from serving.secure_headers import SecureHeaders
from serving.token_keys import FileKeys
from serving.tokens import Tokens

ISSUER, AUDIENCE = "https://issuer.example", "tickets"
SENT = [
    (b"host", b"127.0.0.1:3000"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"), (b"user-agent", b"python-httpx"), (b"content-length", b"180"),
    (b"content-type", b"application/json"),
]  # fmt: skip
START: Message = {
    "type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")],
}  # fmt: skip
END: Message = {"type": "http.response.body", "body": b""}
NEW = 1_000
"""Tokens that were never seen, at most: each is signed before."""


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers at once."""
    await send(dict(START))
    await send(END)


async def deaf(message: Message) -> None:
    """Takes an answer."""


async def mute() -> Message:
    """No body."""
    return {"type": "http.request", "body": b"", "more_body": False}


def layers(app: ASGIApp, identity: Identity) -> ASGIApp:
    """An app behind its permission, who asks, how often, and the headers of every answer."""
    guarded = Guarded(app, "tickets:predict")
    limited = RateLimited(guarded, Buckets(), Quota("caller", 10**9, 60), None)
    return SecureHeaders(Identified(limited, identity))


async def seconds(app: ASGIApp, credentials: Iterator[str], requests: int) -> float:
    """Processor seconds of one request, in the mean."""
    scopes: list[dict[str, Any]] = [
        {
            "type": "http", "path": "/v1/predict", "method": "POST", "scheme": "http",
            "client": ("127.0.0.1", 4711),
            "headers": [*SENT, (b"authorization", f"Bearer {next(credentials)}".encode())],
        }
        for _ in range(requests)
    ]  # fmt: skip
    began = time.process_time()
    for scope in scopes:
        await app(scope, mute, deaf)
    took = time.process_time() - began
    answers: list[Message] = []

    async def keep(message: Message) -> None:
        answers.append(message)

    await app(scopes[-1], mute, keep)
    if answers[0]["status"] != 200:
        raise AssertionError("what is measured was refused")
    return took / requests


def signer(key: Any, algorithm: str, kid: str) -> Callable[[str], str]:
    """What makes tokens of a subject."""
    now = int(time.time())
    facts = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3600, "roles": ["agent"]}
    return lambda subject: jwt.encode({**facts, "sub": subject}, key, algorithm, {"kid": kid})


def measure(folder: Path, requests: int, rounds: int) -> dict[str, float]:
    """Microseconds of processor time a request, by what is shown; the best of several rounds."""
    file = folder / "keys.json"
    key = keys.create(file, "bench", "agent", None, None, datetime.now(UTC))
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    shown = [
        {**json.loads(RSAAlgorithm.to_jwk(private.public_key())), "kid": "rs"},
        {**json.loads(ECAlgorithm.to_jwk(curve.public_key())), "kid": "es"},
    ]
    (folder / "jwks.json").write_text(json.dumps({"keys": shown}))

    def identity() -> Identity:
        tokens = Tokens(FileKeys(folder / "jwks.json"), ISSUER, AUDIENCE)
        return Identity(False, ApiKeys(file), tokens)

    rs, es = signer(private, "RS256", "rs"), signer(curve, "ES256", "es")
    seen = {"key": key, "token RS256, seen before": rs("a"), "token ES256, seen before": es("a")}
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        bare = asyncio.run(seconds(nothing, cycle([key]), requests))
        found.setdefault("no layers", []).append(bare)
        for name, credential in seen.items():
            app = layers(nothing, identity())
            took = asyncio.run(seconds(app, cycle([credential]), requests))
            found.setdefault(name, []).append(took)
        for name, sign in (("token RS256, new", rs), ("token ES256, new", es)):
            fresh = iter([sign(str(number)) for number in range(NEW)])
            took = asyncio.run(seconds(layers(nothing, identity()), fresh, NEW))
            found.setdefault(name, []).append(took)
    return {name: 1e6 * min(times) for name, times in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), asked.requests, asked.rounds)
    for name, micros in found.items():
        sys.stdout.write(f"{name:26} {micros:8.1f} µs\n")


if __name__ == "__main__":
    main()
