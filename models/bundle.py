"""A folder that proves what it is: sealed once, verified byte by byte, loaded only then."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from data.durable import copy_file, fill_folder, write_text
from data.errors import BundleError
from data.schema import Ticket
from data.text import model_text
from models.content import (
    ENSEMBLE,
    digests_of,
    libraries,
    model_files,
    plain_files,
    version_of,
    warn_of_other_libraries,
)
from models.ensemble import read_ensemble
from models.manifest import (
    CARD,
    FORMAT,
    MANIFEST,
    PROBES,
    REFERENCE,
    FileEntry,
    Manifest,
    language_detector_of,
    languages_of,
    path_fault,
    read_manifest,
)
from models.probes import Assistant, answer, probes_file, read_probes, replay, to_jsonl
from models.runtime import RUNTIMES, TORCH
from models.runtime_choice import Precision, RuntimeChoice, choose
from models.runtime_file import RuntimeFile, check_sources, find_runtime_file
from models.runtime_parts import RuntimeParts

if TYPE_CHECKING:
    from models.assistant import TicketAssistant

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Assistant)


@dataclass(frozen=True)
class Origin:
    """Where a bundle comes from: what its manifest says beside what the files say themselves."""

    dataset: str
    fallback: bool
    data_fingerprint: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    commit: str | None = None
    created_at: str | None = None
    dirty: bool | None = None


def content_version(trained: Path, dataset: str) -> str:
    """`<dataset>-<8 hex digits>` of the models that a bundle of this folder will hold.

    The same bytes give the same version on every machine, whatever the time and the commit, so it
    can be known before the bundle is sealed.

    Raises
    ------
    BundleError
        If the ensemble or one of its members is missing.
    """
    return version_of(dataset, digests_of(trained, model_files(trained)))


def seal(
    source: Path,
    folder: Path,
    origin: Origin,
    *,
    card: str,
    reference: Mapping[str, Any],
    probes: Sequence[Ticket],
    construct: Callable[[Path], Assistant] | None = None,
    write_beside: Callable[[Path], object] | None = None,
) -> Manifest:
    """Make a bundle of a folder of trained parts.

    All is written to a hidden sibling, the manifest last, and becomes `folder` in one rename: an
    interruption leaves what was there before. Only the members that the ensemble weighs go in.

    Parameters
    ----------
    source : holds ensemble/ and a folder for each of its members
    card : README.md of the bundle, markdown
    reference : profile of the calibration rows, for drift
    probes : tickets whose answers the bundle must give again; already masked, for they travel along
    construct : from a folder of parts to an assistant; `TicketAssistant.load_parts` by default
    write_beside : puts more files beside the manifest; they are no part of the version

    Raises
    ------
    BundleError
        If a part is missing, a file is of a type that may carry code, or there are no probes.
    """
    if not probes:
        raise BundleError("a bundle needs probes: it could not prove its answers without")
    with fill_folder(folder) as partial:
        for name in model_files(source):
            if fault := path_fault(name):
                raise BundleError(f"{source / name} cannot be sealed: {fault}")
            copy_file(source / name, partial / name)
        told = None if construct else find_runtime_file(partial)
        if told is not None:
            exported = [name for name in told.sources if (partial / name).is_file()]
            check_sources(told, digests_of(partial, exported))
        assistant = construct(partial) if construct else _load_parts(partial, origin.params)
        write_text(partial / CARD, card)
        write_text(partial / REFERENCE, _json(reference))
        write_text(partial / PROBES, to_jsonl(answer(assistant, probes)))
        for runtime in told.shipped if told else ():
            choice = RuntimeChoice(name=runtime.name)
            served = _load_parts(partial, origin.params, told=told, choice=choice)
            write_text(partial / probes_file(runtime.name), to_jsonl(answer(served, probes)))
        if write_beside is not None:
            write_beside(partial)
        manifest = _manifest(partial, origin, _read_beside(assistant), told)
        write_text(partial / MANIFEST, _json(manifest.model_dump(mode="json")))
    logger.info("sealed %s: %d files", manifest.version, len(manifest.files))
    return manifest


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
            assistant = _load_parts(
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


def _load_parts(
    folder: Path,
    params: Mapping[str, Any],
    version: str | None = None,
    fallback: bool = False,
    *,
    told: RuntimeFile | None = None,
    choice: RuntimeChoice | None = None,
    threads: int = 1,
) -> "TicketAssistant":
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


def _manifest(
    partial: Path, origin: Origin, readers: dict[str, Any], told: RuntimeFile | None
) -> Manifest:
    digests = digests_of(partial, plain_files(partial))
    files = {
        name: FileEntry(sha256=digests[name], bytes=(partial / name).stat().st_size)
        for name in sorted(digests)
    }
    ensemble = read_ensemble(partial / ENSEMBLE)
    return Manifest(
        format=FORMAT,
        version=version_of(origin.dataset, {name: entry.sha256 for name, entry in files.items()}),
        created_at=origin.created_at,
        commit=origin.commit,
        dirty=origin.dirty,
        dataset=origin.dataset,
        fallback=origin.fallback,
        data_fingerprint=origin.data_fingerprint,
        params=dict(origin.params),
        targets={target: found.classes for target, found in ensemble.targets.items()},
        members=ensemble.members,
        weights={target: found.weights for target, found in ensemble.targets.items()},
        class_weights={
            target: found.class_weights for target, found in ensemble.targets.items() if found.pool
        },
        temperatures={
            target: {**found.temperatures, "ensemble": found.temperature}
            for target, found in ensemble.targets.items()
        },
        certificate={
            target: found.routing.model_dump(mode="json")
            for target, found in ensemble.targets.items()
        },
        metrics=dict(origin.metrics),
        readers=readers,
        runtimes={} if told is None else told.facts,
        libraries=libraries(),
        files=files,
    )


def _read_beside(assistant: Assistant) -> dict[str, Any]:
    """What the assistant reads beside its targets, not what lies in the folder unused."""
    readers = getattr(assistant, "readers", None)
    facts = {} if readers is None else readers.facts
    return {name: found.model_dump(mode="json") for name, found in facts.items()}


def _json(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
