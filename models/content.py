"""What lies in the folder of a bundle: which files, which bytes, made with which libraries."""

import hashlib
import logging
import os
import platform
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from data.errors import BundleError
from models.ensemble import read_ensemble
from models.manifest import Manifest

logger = logging.getLogger(__name__)

ENSEMBLE = "ensemble"
LEFT_BEHIND = frozenset({"probabilities.npz", "features.npz", "training.json", "novelty.npz"})
"""Made beside the models and not part of them; training.json differs from run to run."""

READERS = "readers"
READERS_FILE = "readers.json"
"""Tells in the folder of the readers what they are; see `models.readers.ReadersFile`."""

RUNTIME = "runtime"
"""Folder of the graphs that stand in for torch; see `models.runtime_file`."""

OPTIONAL = ("memory", "cascade", READERS, RUNTIME)
"""Parts beside the members; a bundle answers without them, and tells less."""

HASHED_AT_ONCE = min(4, os.cpu_count() or 1)

LIBRARIES = (
    *("scikit-learn", "numpy", "scipy", "safetensors"),
    *("torch", "transformers", "tokenizers", "sentence-transformers"),
    *("onnxruntime", "openvino"),
)


def model_files(trained: Path) -> list[str]:
    """Sorted relative paths of the ensemble, its members that carry weight, and what is beside.

    Raises
    ------
    BundleError
        If one of these parts is missing.
    """
    names = []
    optional = [part for part in OPTIONAL if (trained / part).is_dir()]
    for part in (ENSEMBLE, *read_ensemble(trained / ENSEMBLE).members, *optional):
        if not (trained / part).is_dir():
            raise BundleError(f"{trained} has no {part}, which the ensemble asks: train it first")
        names += [
            path.relative_to(trained).as_posix()
            for path in (trained / part).rglob("*")
            if path.is_file() and path.relative_to(trained / part).as_posix() not in LEFT_BEHIND
        ]
    return sorted(names)


def version_of(dataset: str, digests: Mapping[str, str]) -> str:
    """`<dataset>-<8 hex digits>` of the models among these files, given as path -> sha256.

    The files beside the manifest speak about the models; those in folders are the models.
    """
    listing = "".join(f"{name} {digests[name]}\n" for name in sorted(digests) if "/" in name)
    return f"{dataset}-{hashlib.sha256(listing.encode()).hexdigest()[:8]}"


def plain_files(folder: Path) -> list[str]:
    """Relative paths of all files in a folder.

    Raises
    ------
    BundleError
        If something in it is a symbolic link, or neither a file nor a folder.
    """
    found = []
    for inner, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(inner, name)
            if path.is_symlink():
                raise BundleError(f"{path} is a symbolic link; a bundle holds plain files only")
            if name in names:
                if not path.is_file():
                    raise BundleError(f"{path} is not a plain file")
                found.append(path.relative_to(folder).as_posix())
    return found


def sha256_of(path: Path) -> str:
    """Hex digest of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Relative path -> sha256 of files in a folder, several read at once.

    Hashing lets other threads run meanwhile, and the longest file goes first: that of the weights
    is as long as all others together.
    """
    sizes = {name: (folder / name).stat().st_size for name in names}
    longest = sorted(sizes, key=lambda name: -sizes[name])
    with ThreadPoolExecutor(HASHED_AT_ONCE, thread_name_prefix="hash") as threads:
        found = threads.map(lambda name: sha256_of(folder / name), longest)
        return dict(zip(longest, found, strict=True))


def libraries(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Versions of Python and of those of the libraries that are installed.

    Parameters
    ----------
    names : of distributions; by default those that can change an answer
    """
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def warn_of_other_libraries(manifest: Manifest) -> None:
    """Log every library whose major version is not the one the bundle was made with."""
    here = libraries()
    for name, sealed in manifest.libraries.items():
        if name in here and here[name].split(".")[0] != sealed.split(".")[0]:
            logger.warning(
                "%s was sealed with %s %s, here is %s: its answers are replayed, but seal it anew",
                manifest.version, name, sealed, here[name],
            )  # fmt: skip
