"""Safe unpacking: nothing outside the folder, no links, no bombs."""

import hashlib
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from data.errors import FetchError

CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may cost; beyond it is taken for a bomb.

    `ratio` is unpacked bytes per packed byte: text packs 3 to 20 to one, a bomb 1,000 to one.
    """

    members: int = 10_000
    bytes: int = 4 << 30
    ratio: float = 200.0


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    is_folder: bool
    open: Callable[[], IO[bytes] | None] | None  # None unless a plain file


def unpack(
    archive: Path,
    folder: Path,
    wanted: Mapping[str, str] | None = None,
    limits: Limits | None = None,
) -> dict[str, Path]:
    """Unpack a zip or tar file below `folder`.

    Parameters
    ----------
    wanted : member name -> sha256; only these are written, and all of them must be there.
        None writes every file.

    Returns
    -------
    dict of member name -> the file written

    Raises
    ------
    FetchError
        If a member would leave the folder, is a link or a device, the limits are passed, a
        checksum differs or a wanted member is missing. Nothing that failed stays behind.
    """
    limits = limits or Limits()
    budget = min(limits.bytes, int(limits.ratio * archive.stat().st_size))
    written: dict[str, Path] = {}
    declared = 0
    try:
        with _entries(archive) as entries:
            for number, entry in enumerate(entries, 1):
                if number > limits.members:
                    raise FetchError(f"{archive.name} has more than {limits.members} members")
                name = _safe_name(archive, entry)
                declared += entry.size
                if declared > budget:
                    raise _too_large(archive, budget)
                if entry.is_folder or (wanted is not None and name not in wanted):
                    continue
                if name.casefold() in {other.casefold() for other in written}:
                    raise FetchError(f"{archive.name} holds {name} twice")
                target = folder / name
                written[name] = target
                digest = _write(archive, entry, target, budget)
                if wanted is not None and digest != wanted[name]:
                    raise FetchError(
                        f"{name} in {archive.name}: sha256 {digest}, expected {wanted[name]}"
                    )
        missing = sorted(set(wanted or ()) - set(written))
        if missing:
            raise FetchError(f"{archive.name} lacks {', '.join(missing)}")
    except BaseException as error:
        for path in written.values():
            path.unlink(missing_ok=True)
        if isinstance(error, zipfile.BadZipFile | tarfile.TarError | EOFError | OSError):
            raise FetchError(f"{archive.name} is damaged: {error}") from error
        raise
    return written


def _safe_name(archive: Path, entry: _Entry) -> str:
    name = entry.name
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive
    if outside or "\\" in name or "\0" in name or not path.parts:
        raise FetchError(f"{archive.name} has a member outside the folder: {name!r}")
    if not (entry.open or entry.is_folder):
        raise FetchError(f"{archive.name}: {name} is a link, a device or encrypted")
    return path.as_posix()


def _write(archive: Path, entry: _Entry, target: Path, budget: int) -> str:
    # The size in the header is a claim of whoever made the archive: bytes are counted.
    digest, count = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    stream = entry.open() if entry.open else None
    assert stream is not None
    with stream as source, target.open("wb") as sink:
        while chunk := source.read(CHUNK):
            count += len(chunk)
            if count > entry.size or count > budget:
                raise _too_large(archive, min(entry.size, budget))
            digest.update(chunk)
            sink.write(chunk)
    return digest.hexdigest()


def _too_large(archive: Path, budget: int) -> FetchError:
    return FetchError(f"{archive.name} unpacks to more than the {budget:,} bytes allowed")


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[_Entry]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_entries(opened)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as opened_tar:
            yield _tar_entries(opened_tar)
    else:
        raise FetchError(f"{archive.name} is neither a zip nor a tar file")


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        encrypted = member.flag_bits & 0x1
        plain = kind in (0, stat.S_IFREG) and not encrypted and not member.is_dir()
        opened = partial(archive.open, member) if plain else None
        yield _Entry(member.orig_filename, member.file_size, member.is_dir(), opened)


def _tar_entries(archive: tarfile.TarFile) -> Iterator[_Entry]:
    for member in archive:
        opened = partial(archive.extractfile, member) if member.isreg() else None
        yield _Entry(member.name, member.size, member.isdir(), opened)
