"""Requests made to cost more than they weigh, while others ask what they always ask."""

import gzip
import socket
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress

from serving.bench.systems.catalogue import HOST
from serving.drills.client import PREDICT
from serving.drills.drill import Drill, Finding
from serving.drills.ledger import in_words
from serving.drills.stage import Stage, rest
from serving.problems import MEDIA_TYPE

TIMES = 20
"""How often each is sent."""

UNPACKED = 200 * 2**20
"""Bytes of a bomb, if somebody unpacked it."""

AFTER = 1.0
"""Seconds in which others are seen to suffer from it."""

MIB = 2**20
PATIENCE = 10.0


def request(body: bytes, headers: bytes = b"") -> bytes:
    """The bytes of a request about a ticket."""
    return (
        b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
        b"%bContent-Length: %d\r\n\r\n%b"
        % (PREDICT.encode(), HOST.encode(), headers, len(body), body)
    )


def send(port: int, content: bytes) -> tuple[int, str]:
    """Status and media type of the answer; 0 where there is none."""
    answer = b""
    with socket.create_connection((HOST, port), timeout=PATIENCE) as connection:
        # Who is refused before all was sent may find the connection closed while sending.
        with suppress(OSError):
            connection.sendall(content)
        with suppress(OSError):
            while b"\r\n\r\n" not in answer and (piece := connection.recv(1 << 16)):
                answer += piece
    head, whole, _ = answer.partition(b"\r\n\r\n")
    if not whole:
        return 0, ""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    return int(first.split()[1]), fields.get("content-type", "")


def refused(
    requests: Callable[[], Mapping[str, bytes]], statuses: frozenset[int]
) -> Callable[[Stage], Finding]:
    """A drill that sends these again and again and wants each refused as a problem."""

    def act(stage: Stage) -> Finding:
        finding, sent = Finding(), requests()
        before, began = stage.server.taken(), time.monotonic()
        told: dict[str, set[int]] = {name: set() for name in sent}
        wrong = set()
        for _ in range(TIMES):
            for name, content in sent.items():
                status, media_type = send(stage.port, content)
                told[name].add(status)
                if status not in statuses or not media_type.startswith(MEDIA_TYPE):
                    wrong.add(f"{name}: {status} {media_type}".strip())
        ended = time.monotonic()
        grown = stage.server.taken().pss_mib - before.pss_mib
        slowest = stage.ledger.slowest(began, ended)
        rest(AFTER)
        answers = ", ".join(f"{name} {sorted(found)}" for name, found in told.items())
        finding.broken.extend(sorted(wrong))
        finding.saw(f"{answers}; memory {grown:+.0f} MiB, slowest ticket beside it {slowest:.2f} s")
        finding.expect(
            grown < UNPACKED / MIB, f"memory grew by {grown:.0f} MiB: something was unpacked"
        )
        failures = stage.ledger.failures
        finding.expect(not failures, f"others failed: {in_words(failures)}")
        return finding

    return act


def bombs() -> dict[str, bytes]:
    """A ticket of 200 MiB, packed."""
    content = b'{"text": "' + b"a" * UNPACKED + b'"}'
    packed = {"gzip": gzip.compress(content), "deflate": zlib.compress(content)}
    # Brotli is not in the standard library; what counts is that nobody tries.
    packed["br"] = packed["zstd"] = packed["gzip"]
    return {
        name: request(body, b"Content-Encoding: %b\r\n" % name.encode())
        for name, body in packed.items()
    }


def not_utf8() -> dict[str, bytes]:
    """Texts that are none."""
    return {
        "bytes": request(b'{"text": "\xff\xfe\xc3\x28"}'),
        "overlong": request(b'{"text": "\xc0\xaf"}'),
        "half a pair": request(b'{"text": "\\ud800"}'),
        "UTF-16": request('{"text": "wifi"}'.encode("utf-16")),
        "cut off": request('{"text": "ü'.encode()[:-1] + b'"}'),
    }


def deep() -> dict[str, bytes]:
    """JSON as deep as a body may be long."""
    return {
        "lists": request(b"[" * 1_000_000),
        "objects": request(b'{"a":' * 180_000),
        "closed, in a ticket": request(b'{"text":' + b"[" * 500_000 + b"]" * 500_000 + b"}"),
    }


def floods() -> dict[str, bytes]:
    """Heads of requests that do not end, or nearly."""
    body = b'{"text": "wifi"}'
    many = b"".join(b"X-%d: %b\r\n" % (i, b"v" * 20) for i in range(100_000))
    return {
        "100,000 headers": request(body, many),
        "a header of 10 MB": request(body, b"X-Long: " + b"v" * 10_000_000 + b"\r\n"),
        "an address of 1 MB": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    }


HOSTILE = (
    Drill(
        "decompression-bomb",
        "a packed body is not unpacked: it is refused as a problem, others are answered",
        refused(bombs, frozenset({400, 415, 422})),
    ),
    Drill(
        "invalid-utf-8",
        "refused with 400 or 422 as a problem that repeats nothing, others are answered",
        refused(not_utf8, frozenset({400, 422})),
    ),
    Drill(
        "deep-json",
        "refused with 400 or 422 as a problem, others are answered",
        refused(deep, frozenset({400, 422})),
    ),
    Drill(
        "header-flood",
        "refused with 431 as a problem before it is all read, others are answered",
        refused(floods, frozenset({431})),
    ),
)
