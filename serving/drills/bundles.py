"""Bundles that are published and cannot be trusted, or not yet."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from models.content import digests_of, version_of
from models.deployment import Arm, Deployment
from models.manifest import MANIFEST, read_manifest
from serving.drills.client import ask
from serving.drills.drill import Drill, Finding
from serving.drills.ledger import in_words
from serving.drills.stage import DrillError, Stage, rest, until


def retouched(bundle: Path, store: Path) -> str:
    """Put another whole bundle into a store, the same but for a line break; its version."""
    manifest = read_manifest(bundle)
    partial = store / ".retouched"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(bundle, partial)
    # Of the models, as the version is theirs alone; JSON may end in a line break more.
    touched = next(name for name in sorted(manifest.files) if re.fullmatch(r".+/.+\.json", name))
    with (partial / touched).open("ab") as file:
        file.write(b"\n")
    digests = digests_of(partial, manifest.files)
    files = {
        name: {"sha256": digests[name], "bytes": (partial / name).stat().st_size}
        for name in manifest.files
    }
    version = version_of(manifest.dataset, digests)
    told = {**json.loads((partial / MANIFEST).read_bytes()), "version": version, "files": files}
    (partial / MANIFEST).write_text(json.dumps(told), encoding="utf-8")
    place = store / version
    shutil.rmtree(place, ignore_errors=True)
    partial.rename(place)
    return version


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def publish(stage: Stage, version: str) -> None:
    """Name a champion, as `pipelines.promote` does in the end."""
    stage.bundles.deploy(Deployment(champion=Arm(version=version), published_at=datetime.now(UTC)))


def own_store(stage: Stage) -> None:
    """Follow a bundle store of this drill, so that the others never see what is done to it."""
    store = stage.folder / "bundles"
    shutil.copytree(stage.workplace.store, store)
    stage.settings["TICKETS_BUNDLE_STORE"] = str(store)


def corrupt(stage: Stage) -> Finding:
    """Publish a bundle of which one bit is wrong, then the former one again."""
    finding, former = Finding(), stage.workplace.version
    version = retouched(stage.bundles.root / former, stage.bundles.root)
    largest = max(
        (file for file in (stage.bundles.root / version).rglob("*") if file.is_file()),
        key=lambda file: file.stat().st_size,
    )
    flip(largest)
    publish(stage, version)
    seconds = until(lambda: "altered" in _reason(stage), "the bundle is refused as altered")
    rest(3.0)
    finding.saw(f"refused as altered after {seconds:.1f} s")
    _goes_on(stage, finding, former)
    publish(stage, former)
    until(lambda: not _reason(stage), "the former bundle is named again")
    return finding


def half_published(stage: Stage) -> Finding:
    """Name a bundle of which half is there, then add the rest."""
    finding, former = Finding(), stage.workplace.version
    version = retouched(stage.bundles.root / former, stage.bundles.root)
    place, aside = stage.bundles.root / version, stage.folder / "aside"
    files = sorted(file for file in place.rglob("*") if file.is_file() and file.name != MANIFEST)
    # The manifest is written last, so a bundle without one is still on its way.
    late = [place / MANIFEST, *files[len(files) // 2 :]]
    for file in late:
        (aside / file.relative_to(place)).parent.mkdir(parents=True, exist_ok=True)
        file.rename(aside / file.relative_to(place))
    publish(stage, version)
    until(lambda: bool(_reason(stage)), "the reason is told")
    rest(3.0)
    _goes_on(stage, finding, former)
    for file in reversed(late):
        (aside / file.relative_to(place)).rename(file)
    seconds = until(lambda: _answering(stage) == version, "the whole bundle answers")
    finding.saw(f"once whole it answers after {seconds:.1f} s")
    rest(3.0)
    finding.expect(not stage.ledger.failures, f"failed: {in_words(stage.ledger.failures)}")
    return finding


def _goes_on(stage: Stage, finding: Finding, former: str) -> None:
    answering, failures = _answering(stage), stage.ledger.failures
    finding.saw(f"{answering} goes on, failed: {in_words(failures)}")
    finding.expect(answering == former, f"{answering} answers, not the former {former}")
    finding.expect(not failures, f"failed: {in_words(failures)}")


def _model(stage: Stage) -> dict[str, object]:
    answer = ask(stage.port, "GET", "/v1/model")
    if answer.status != 200:
        raise DrillError(f"/v1/model answers {answer.status}")
    told: dict[str, object] = answer.json()
    return told


def _reason(stage: Stage) -> str:
    return str(_model(stage).get("reason") or "")


def _answering(stage: Stage) -> str:
    return str(_model(stage).get("version"))


BUNDLES = (
    Drill(
        "bundle-corrupt",
        "a published bundle that was altered is refused with its reason, the former one goes on "
        "and no request fails",
        corrupt,
        own_store,
    ),
    Drill(
        "bundle-half-published",
        "a bundle that is not whole does not answer, the former one goes on; once it is whole it "
        "answers without a restart, and no request fails",
        half_published,
        own_store,
    ),
)
