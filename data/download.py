"""One file from the network: resumed, retried, checked to the last byte."""

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from tqdm import tqdm

from data.catalog import File
from data.errors import FetchError

logger = logging.getLogger(__name__)

ATTEMPTS = 4
TIMEOUT = httpx.Timeout(30.0, connect=10.0)

_WORTH_ANOTHER_TRY = {408, 416, 425, 429, 500, 502, 503, 504}


def new_client() -> httpx.Client:
    """A client that follows redirects and does not wait for ever."""
    return httpx.Client(timeout=TIMEOUT, follow_redirects=True)


def download(
    file: File,
    target: Path,
    client: httpx.Client,
    attempts: int = ATTEMPTS,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Bring `file` from its origin to `target`.

    What has arrived stands in `target` + ".part" and is continued, here or in a later run, with a
    Range request. `target` appears only when size and sha256 are right.

    Parameters
    ----------
    attempts : tries in all; between them a pause of 1, 2, 4, ... seconds
    pause : called with the seconds to wait

    Raises
    ------
    FetchError
        If the origin does not answer, refuses, or sends other bytes than the catalog promises.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    reason = ""
    for attempt in range(attempts):
        if attempt:
            pause(2.0 ** (attempt - 1))
        try:
            _continue(file, part, client)
        except httpx.HTTPStatusError as error:
            reason = f"HTTP {error.response.status_code}"
            if error.response.status_code not in _WORTH_ANOTHER_TRY:
                break
        except httpx.HTTPError as error:
            reason = type(error).__name__
        else:
            reason = find_fault(part, file.bytes, file.sha256) or ""
            if not reason:
                part.replace(target)
                return
            part.unlink()
        logger.info("%s: attempt %d of %d: %s", file.name, attempt + 1, attempts, reason)
    raise FetchError(f"{file.url}: {reason}")


def find_fault(path: Path, size: int, sha256: str) -> str | None:
    """What is wrong with the bytes of a file, None if nothing is."""
    if not path.is_file():
        return "not there"
    found = path.stat().st_size
    if found != size:
        return f"{found:,} bytes, expected {size:,}"
    digest = sha256_of(path)
    return None if digest == sha256 else f"sha256 {digest}, expected {sha256}"


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _continue(file: File, part: Path, client: httpx.Client) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have == file.bytes:
        return
    if have > file.bytes:
        part.unlink()
        have = 0
    # Compressed transfer would make the offsets of a Range request mean something else.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", file.url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
        response.raise_for_status()
        resumed = have > 0 and _resumes_at(response, have)
        if not resumed:
            have = 0
        with (
            part.open("ab" if resumed else "wb") as sink,
            tqdm(
                total=file.bytes, initial=have, unit="B", unit_scale=True, desc=file.name
            ) as progress,
        ):
            for chunk in response.iter_bytes():
                sink.write(chunk)
                progress.update(len(chunk))
                have += len(chunk)
                if have > file.bytes:
                    break  # the check that follows names the fault; the disk is not filled for it


def _resumes_at(response: httpx.Response, offset: int) -> bool:
    unit = response.headers.get("Content-Range", "")
    return response.status_code == httpx.codes.PARTIAL_CONTENT and unit.startswith(
        f"bytes {offset}-"
    )
