import hashlib
from pathlib import Path

import httpx
import pytest

from data.catalog import File
from data.download import download, new_client
from data.errors import FetchError

CONTENT = bytes(range(256)) * 40
FILE = File(
    path="set/file.bin",
    url="https://example.org/file.bin",
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


class Origin:
    """Answers with the steps it is given, the last one again and again, and remembers requests."""

    def __init__(self, *steps):
        self.steps, self.requests = list(steps), []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        return step(request) if callable(step) else httpx.Response(step)


def serve(request: httpx.Request) -> httpx.Response:
    if "Range" in request.headers:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        header = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return httpx.Response(206, content=CONTENT[start:], headers={"Content-Range": header})
    return httpx.Response(200, content=CONTENT)


def breaks_off(request: httpx.Request) -> httpx.Response:
    def body():
        yield CONTENT[:1000]
        raise httpx.ReadError("gone")

    return httpx.Response(200, content=body())


def fetched(origin: Origin, tmp_path: Path, waits: list[float] | None = None) -> Path:
    target = tmp_path / "folder" / "file.bin"
    with httpx.Client(transport=httpx.MockTransport(origin)) as client:
        download(FILE, target, client, pause=(waits if waits is not None else []).append)
    return target


def test_a_file_arrives_whole_and_leaves_no_part(tmp_path):
    target = fetched(Origin(serve), tmp_path)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_broken_transfer_is_resumed_where_it_broke(tmp_path):
    origin, waits = Origin(breaks_off, serve), []
    assert fetched(origin, tmp_path, waits).read_bytes() == CONTENT
    assert [r.headers.get("Range") for r in origin.requests] == [None, "bytes=1000-"]
    assert waits == [1.0]


def test_a_part_of_an_earlier_run_is_resumed(tmp_path):
    part = tmp_path / "folder" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:5000])
    origin = Origin(serve)
    assert fetched(origin, tmp_path).read_bytes() == CONTENT
    assert origin.requests[0].headers["Range"] == "bytes=5000-"


def test_a_whole_part_needs_no_request(tmp_path):
    part = tmp_path / "folder" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT)
    origin = Origin(500)
    assert fetched(origin, tmp_path).read_bytes() == CONTENT
    assert origin.requests == []


def test_an_origin_that_ignores_ranges_is_read_from_the_start(tmp_path):
    part = tmp_path / "folder" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"other bytes")
    whole = Origin(lambda request: httpx.Response(200, content=CONTENT))
    assert fetched(whole, tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_wrong_is_thrown_away_and_fetched_anew(tmp_path):
    part = tmp_path / "folder" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 5000)
    assert fetched(Origin(serve), tmp_path).read_bytes() == CONTENT
    part.write_bytes(b"x" * (len(CONTENT) + 1))
    assert fetched(Origin(serve), tmp_path).read_bytes() == CONTENT


def test_a_range_that_cannot_be_served_starts_anew(tmp_path):
    part = tmp_path / "folder" / "file.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:10])
    assert fetched(Origin(416, serve), tmp_path).read_bytes() == CONTENT


def test_busy_and_unreachable_origins_are_asked_again_after_longer_and_longer_pauses(tmp_path):
    waits = []
    origin = Origin(503, httpx.ConnectTimeout("slow"), 429, serve)
    assert fetched(origin, tmp_path, waits).read_bytes() == CONTENT
    assert waits == [1.0, 2.0, 4.0]


def test_after_the_last_attempt_the_reason_is_told(tmp_path):
    with pytest.raises(FetchError, match=r"https://example.org/file.bin: ConnectError"):
        fetched(Origin(httpx.ConnectError("no route")), tmp_path)


def test_a_refusal_is_not_repeated(tmp_path):
    origin = Origin(404)
    with pytest.raises(FetchError, match=r"HTTP 404"):
        fetched(origin, tmp_path)
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENT[:-1] + b"!", "sha256 .*, expected"),
        (CONTENT[:-1], "10,239 bytes, expected 10,240"),
        (CONTENT + b"more", "expected 10,240"),
    ],
)
def test_bytes_that_are_not_the_promised_ones_are_refused(tmp_path, content, message):
    origin = Origin(lambda request: httpx.Response(200, content=content))
    with pytest.raises(FetchError, match=message):
        fetched(origin, tmp_path)
    assert not (tmp_path / "folder/file.bin").exists()


def test_clients_do_not_wait_for_ever():
    with new_client() as client:
        assert client.timeout.connect and client.timeout.read
        assert client.follow_redirects
