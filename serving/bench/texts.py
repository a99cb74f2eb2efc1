"""What a load asks, request by request, drawn by seed from texts that are given."""

import json
from collections.abc import Iterator, Sequence

import numpy as np

REPEATED = 100
"""Texts of the repeated profile, drawn by Zipf's law: the k-th is asked 1/k times as often as the
first. Invented for comparison of caches; real inboxes repeat themselves less."""


def unique_texts(texts: Sequence[str], seed: int, stream: int) -> Iterator[str]:
    """Endlessly many texts of which no two are the same, in any stream of the seed.

    Each round is all texts in an order of its own; a last line numbers it, as a forwarded ticket
    has its reference.
    """
    rounds = 0
    while True:
        order = np.random.default_rng([seed, stream, rounds]).permutation(len(texts))
        for position in order:
            yield f"{texts[position]}\nref. {stream}-{rounds}"
        rounds += 1


def repeated_texts(texts: Sequence[str], seed: int, stream: int) -> Iterator[str]:
    """Endlessly many texts out of `REPEATED`, the first of them most often; see there."""
    few = list(texts[:REPEATED])
    shares = 1 / np.arange(1, len(few) + 1)
    draw = np.random.default_rng([seed, stream])
    while True:
        for position in draw.choice(len(few), 1_000, p=shares / shares.sum()):
            yield few[position]


def begun_large(texts: Iterator[str]) -> Iterator[str]:
    """The same, each with a capital at its head, so that learned entities are looked for.

    The tickets of it-service-tickets are published in small letters, and kinds that are never
    written so are not looked for in them (`models.readers`); other desks pay for that pass.
    """
    for text in texts:
        yield text[:1].upper() + text[1:]


def request_head(host: str, path: str) -> bytes:
    """The first lines of every request, up to the length of its body."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        "Content-Length: "
    ).encode("ascii")


def requests(texts: Iterator[str], head: bytes, *, listed: bool) -> Iterator[bytes]:
    """Whole HTTP/1.1 requests, one per text.

    Parameters
    ----------
    listed : the body is `{"texts": [text]}`, as a batchable BentoML API takes it, instead of a
        ticket
    """
    for text in texts:
        content = {"texts": [text]} if listed else {"text": text}
        body = json.dumps(content).encode("ascii")
        yield b"%s%d\r\n\r\n%s" % (head, len(body), body)
