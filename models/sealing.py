"""Trained parts become a bundle: checked, answered with, and written whole or not at all."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.durable import copy_file, fill_folder, write_text
from data.errors import BundleError
from data.schema import Ticket
from models.bundle import load_parts
from models.content import ENSEMBLE, digests_of, libraries, model_files, plain_files, version_of
from models.ensemble import read_ensemble
from models.manifest import (
    CARD,
    FORMAT,
    MANIFEST,
    PROBES,
    REFERENCE,
    FileEntry,
    Manifest,
    path_fault,
)
from models.probes import Assistant, answer, probes_file, to_jsonl
from models.runtime_choice import RuntimeChoice
from models.runtime_file import RuntimeFile, check_sources, find_runtime_file

logger = logging.getLogger(__name__)


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
        assistant = construct(partial) if construct else load_parts(partial, origin.params)
        write_text(partial / CARD, card)
        write_text(partial / REFERENCE, _json(reference))
        write_text(partial / PROBES, to_jsonl(answer(assistant, probes)))
        for runtime in told.shipped if told else ():
            choice = RuntimeChoice(name=runtime.name)
            served = load_parts(partial, origin.params, told=told, choice=choice)
            write_text(partial / probes_file(runtime.name), to_jsonl(answer(served, probes)))
        if write_beside is not None:
            write_beside(partial)
        manifest = _manifest(partial, origin, _read_beside(assistant), told)
        write_text(partial / MANIFEST, _json(manifest.model_dump(mode="json")))
    logger.info("sealed %s: %d files", manifest.version, len(manifest.files))
    return manifest


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
