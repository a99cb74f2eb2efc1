"""A folder that proves what it is: verified byte by byte, and loaded only then."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from data.errors import BundleError
from data.text import model_text
from models.content import digests_of, plain_files, version_of, warn_of_other_libraries
from models.manifest import (
    CARD,
    MANIFEST,
    PROBES,
    REFERENCE,
    Manifest,
    language_detector_of,
    languages_of,
    read_manifest,
)
from models.probes import Assistant, probes_file, read_probes, replay
from models.runtime import RUNTIMES, TORCH
from models.runtime_choice import Precision, RuntimeChoice, choose
from models.runtime_file import RuntimeFile, check_sources, find_runtime_file
from models.runtime_parts import RuntimeParts

if TYPE_CHECKING:
    from models.assistant import TicketAssistant

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Assistant)


def verify(folder: Path) -> Manifest:
    """Check every byte of a bundle without constructing anything from it.

    Raises
    ------
    BundleError
        With the reason: no bundle, half-written, newer, malformed, a file missing, altered or
        foreign, a link, a path that leads out, a type that may carry code, a version that is not
        that of the content.
    """
    manifest = read_manifest(folder)
    found = set(plain_files(folder)) - {MANIFEST}
    for name in (CARD, REFERENCE, PROBES):
        if name not in manifest.files:
            raise BundleError(f"{folder / MANIFEST} does not list {name}")
    if missing := sorted(manifest.files.keys() - found):
        raise BundleError(f"{folder} is incomplete: {_some(missing)} missing")
    if foreign := sorted(found - manifest.files.keys()):
        raise BundleError(f"{folder} holds what its manifest does not list: {_some(foreign)}")
    for name, entry in manifest.files.items():
        size = (folder / name).stat().st_size
        if size != entry.bytes:
            raise BundleError(f"{folder / name} has {size} bytes, sealed with {entry.bytes}")
    digests = digests_of(folder, manifest.files)
    for name, entry in manifest.files.items():
        if digests[name] != entry.sha256:
            raise BundleError(f"{folder / name} is altered: its sha256 is not the sealed one")
    if manifest.version != (right := version_of(manifest.dataset, digests)):
        raise BundleError(f"{folder} calls itself {manifest.version}, its content is {right}")
    return manifest


@overload
def load(
    folder: Path,
    construct: None = None,
    *,
    runtime: str = TORCH,
    precision: Precision = "same",
    threads: int = 1,
) -> "tuple[Manifest, TicketAssistant]": ...


@overload
def load(folder: Path, construct: Callable[[Path], A]) -> tuple[Manifest, A]: ...


def load(
    folder: Path,
    construct: Callable[[Path], Any] | None = None,
    *,
    runtime: str = TORCH,
    precision: Precision = "same",
    threads: int = 1,
) -> tuple[Manifest, Any]:
    """Verify a bundle, construct its assistant and replay the probes.

    Parameters
    ----------
    construct : from the folder to an assistant; a `TicketAssistant` by default
    runtime : what computes the networks: torch, the name of a runtime that the bundle ships, or
        auto, the fastest of those here; torch where it ships none
    precision : whether auto may take a runtime whose numbers depend on the processor
    threads : of one call's arithmetic, in a runtime other than torch

    Raises
    ------
    BundleError
        As `verify` does, or if the parts cannot be constructed, answer other targets than the
        manifest names, or answer a probe otherwise than when they were sealed; or if the runtime
        asked for by name cannot answer here.
    """
    manifest = verify(folder)
    warn_of_other_libraries(manifest)
    probes = PROBES
    try:
        if construct:
            assistant = construct(folder)
        else:
            told = find_runtime_file(folder)
            if told is not None:
                check_sources(told, {name: one.sha256 for name, one in manifest.files.items()})
            texts = [model_text(one.ticket.full_text) for one in read_probes(folder / PROBES)]
            choice = choose(
                folder, told, texts, asked=runtime, precision=precision, threads=threads
            )
            logger.info("%s runs on %s", manifest.version, choice.described)
            probes = probes_file(choice.name)
            assistant = load_parts(
                folder,
                manifest.params,
                manifest.version,
                manifest.fallback,
                told=told,
                choice=choice,
                threads=threads,
            )
        if dict(assistant.targets) != manifest.targets:
            raise BundleError(f"{folder} answers other targets or classes than its manifest names")
        replay(assistant, read_probes(folder / probes))
    except BundleError:
        raise
    # The readers of weights and tokenizers raise bare Exceptions, and whoever loads a bundle
    # beside a living one must learn of all of them in one way.
    except Exception as error:
        raise BundleError(
            f"{folder} is whole but does not work here: {type(error).__name__}"
        ) from error
    return manifest, assistant


def load_parts(
    folder: Path,
    params: Mapping[str, Any],
    version: str | None = None,
    fallback: bool = False,
    *,
    told: RuntimeFile | None = None,
    choice: RuntimeChoice | None = None,
    threads: int = 1,
) -> "TicketAssistant":
    """The assistant of a folder of parts, whether it is a bundle already or becomes one.

    Parameters
    ----------
    params : of the whole run; they name the languages and what detects them
    told, choice : what was exported and what of it answers; torch does where either is left out

    Raises
    ------
    BundleError
        If a part is missing or cannot be read.
    """
    # Whoever only verifies or publishes needs none of the libraries of the members.
    from models.assistant import Facts, TicketAssistant

    choice = choice or RuntimeChoice()
    facts = Facts(
        version or Facts.version,
        fallback,
        languages_of(params) or Facts.languages,
        language_detector_of(params),
        choice,
    )
    served = None
    if told is not None and choice.name != TORCH:
        served = RuntimeParts(folder, told, RUNTIMES[choice.name], threads)
    return TicketAssistant.load_parts(folder, facts, served)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
