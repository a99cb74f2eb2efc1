"""A bundle is loaded only if it is, to the byte, what was sealed, and answers as it did then."""

import json
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data.errors import BundleError
from data.schema import Ticket
from models.assistant import TicketAssistant
from models.bundle import load, verify
from models.content import sha256_of
from models.manifest import SAFE_SUFFIXES, language_detector_of
from models.sealing import Origin, seal

Construct = Callable[[Path], TicketAssistant]
ROOT = Path(__file__).parents[2]


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def list_file(folder: Path, name: str) -> None:
    """Enter a file into the manifest as if it had been sealed."""
    entry = {"sha256": sha256_of(folder / name), "bytes": (folder / name).stat().st_size}
    rewrite_manifest(folder, lambda manifest: manifest["files"].update({name: entry}))


def test_a_sealed_bundle_loads_and_answers(sealed: Path, keywords: Construct) -> None:
    manifest, assistant = load(sealed, keywords)
    assert manifest.targets == {"category": ("network", "printer")}
    assert manifest.fallback is True
    assert manifest.members == ("linear",)
    assert manifest.weights == {"category": {"linear": 1.0, "embedding": 0.0}}
    assert manifest.certificate["category"]["certified_automation"] == 0.8
    assert manifest.libraries["scikit-learn"]
    assert manifest.languages == ("en", "nl")
    assert manifest.language_detector == "langdetect"
    [answer] = assistant.predict([Ticket(text="network again")])
    assert answer.targets["category"].decision == "auto"


def test_the_detector_of_languages_is_the_one_it_was_trained_with() -> None:
    assert language_detector_of({"prepare": {"language": {"detector": "lingua"}}}) == "lingua"


def test_a_bundle_that_names_no_detector_is_of_a_time_that_knew_langdetect_only() -> None:
    assert language_detector_of({"prepare": {"language": {"targets": ["en"]}}}) == "langdetect"


def delete_file(folder: Path) -> None:
    (folder / "linear/member.json").unlink()


def alter_byte(folder: Path) -> None:
    path = folder / "linear/member.json"
    path.write_bytes(path.read_bytes().replace(b"0.97", b"0.96"))


def cut_file(folder: Path) -> None:
    path = folder / "linear/member.json"
    path.write_bytes(path.read_bytes()[:-1])


def half_write(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def remove_all(folder: Path) -> None:
    folder.rename(folder.with_name("gone"))


def empty(folder: Path) -> None:
    remove_all(folder)
    folder.mkdir()


def add_foreign_file(folder: Path) -> None:
    (folder / "linear/extra.json").write_text("{}")


def add_pickle(folder: Path) -> None:
    (folder / "linear/model.pkl").write_bytes(pickle.dumps(len))
    list_file(folder, "linear/model.pkl")


def link_file(folder: Path) -> None:
    (folder / "linear/member.json").rename(folder.parent / "member.json")
    (folder / "linear/member.json").symlink_to(folder.parent / "member.json")


def link_folder(folder: Path) -> None:
    (folder / "linear").rename(folder.parent / "linear")
    (folder / "linear").symlink_to(folder.parent / "linear")


def link_manifest(folder: Path) -> None:
    (folder / "manifest.json").rename(folder.parent / "manifest.json")
    (folder / "manifest.json").symlink_to(folder.parent / "manifest.json")


def add_pipe(folder: Path) -> None:
    os.mkfifo(folder / "linear/pipe.json")


def traverse(folder: Path) -> None:
    (folder.parent / "secret.json").write_text("{}")
    list_file(folder, "../secret.json")


def list_absolute(folder: Path) -> None:
    (folder.parent / "secret.json").write_text("{}")
    list_file(folder, str(folder.parent / "secret.json"))


def list_crooked(folder: Path) -> None:
    list_file(folder, "linear/./member.json")


def list_manifest(folder: Path) -> None:
    list_file(folder, "manifest.json")


def newer_format(folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.update(format=2))


def older_format(folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.update(format=0))


def no_format(folder: Path) -> None:
    (folder / "manifest.json").write_text('["something", "else"]')


def no_json(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 1, "ver')


def huge_manifest(folder: Path) -> None:
    with (folder / "manifest.json").open("ab") as file:
        file.truncate(17 * 2**20)


def unknown_field(folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.update(run_this="now"))


def crooked_digest(folder: Path) -> None:
    rewrite_manifest(folder, lambda m: m["files"]["README.md"].update(sha256="short"))


def other_version(folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.update(version="invented-00000000"))


def unlist_probes(folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest["files"].pop("probes.jsonl"))


REFUSALS = [
    (remove_all, "is not a bundle: there is no such folder"),
    (empty, r"is not a bundle: it holds no manifest\.json"),
    (half_write, r"is half-written: manifest\.json, which is written last, is missing"),
    (delete_file, r"is incomplete: linear/member\.json missing"),
    (alter_byte, r"member\.json is altered: its sha256 is not the sealed one"),
    (cut_file, r"member\.json has \d+ bytes, sealed with \d+"),
    (add_foreign_file, r"holds what its manifest does not list: linear/extra\.json"),
    (add_pickle, r"lists 'linear/model\.pkl', a type that may carry code \(\.pkl\)"),
    (link_file, r"linear/member\.json is a symbolic link"),
    (link_folder, "linear is a symbolic link"),
    (link_manifest, r"manifest\.json is a symbolic link"),
    (add_pipe, r"pipe\.json is not a plain file"),
    (traverse, r"lists '\.\./secret\.json', a path that leads out of the bundle"),
    (list_absolute, "a path that leads out of the bundle"),
    (list_crooked, "not the plain relative path"),
    (list_manifest, "not the plain relative path"),
    (newer_format, "has format 2, this program reads 1: update the program"),
    (older_format, "has format 0, this program reads 1: seal it anew"),
    (no_format, "is not the manifest of a bundle: it names no format"),
    (no_json, "is not JSON"),
    (huge_manifest, "has more than 16777216 bytes"),
    (unknown_field, "is malformed: run_this: Extra inputs are not permitted"),
    (crooked_digest, r"is malformed: files\.README\.md\.sha256"),
    (other_version, "calls itself invented-00000000, its content is invented-"),
    (unlist_probes, r"does not list probes\.jsonl"),
]


@pytest.mark.parametrize(
    ("harm", "reason"), REFUSALS, ids=lambda case: getattr(case, "__name__", "")
)
def test_what_is_not_as_sealed_is_refused_before_anything_is_constructed(
    harm: Callable[[Path], None], reason: str, sealed: Path
) -> None:
    harm(sealed)

    def construct(folder: Path) -> TicketAssistant:
        pytest.fail("constructed from a bundle that does not verify")

    with pytest.raises(BundleError, match=reason):
        load(sealed, construct)


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".pt", ".bin", ".py", ".PKL", ""])
def test_a_type_that_may_carry_code_is_refused_even_if_listed(suffix: str, sealed: Path) -> None:
    assert suffix not in SAFE_SUFFIXES
    (sealed / f"linear/model{suffix}").write_bytes(b"")
    list_file(sealed, f"linear/model{suffix}")
    with pytest.raises(BundleError, match="may carry code"):
        verify(sealed)


def test_a_pickle_under_an_innocent_name_is_foreign(sealed: Path) -> None:
    (sealed / "linear/member.json").write_bytes(pickle.dumps({}))
    with pytest.raises(BundleError, match="bytes, sealed with"):
        verify(sealed)


def test_a_copy_under_another_name_is_the_same_bundle(
    sealed: Path, tmp_path: Path, keywords: Construct
) -> None:
    before = verify(sealed)
    sealed.rename(tmp_path / "moved")
    assert load(tmp_path / "moved", keywords)[0] == before


def answering(keywords: Construct, named: list[float]) -> Construct:
    """Construct the assistant as if this machine computed other probabilities."""

    def construct(folder: Path) -> TicketAssistant:
        assistant = keywords(folder)
        assistant.members["linear"].probabilities["named"] = named  # type: ignore[attr-defined]
        return assistant

    return construct


def test_wrong_answers_to_the_probes_are_refused_without_their_texts(
    sealed: Path, keywords: Construct
) -> None:
    with pytest.raises(BundleError) as refused:
        load(sealed, answering(keywords, [0.2, 0.8]))
    message = str(refused.value)
    assert "probe 1, category: a probability strayed by 0.770, allowed are 0.02" in message
    assert "label 'printer', sealed as 'network'" in message
    assert "the network is down" not in message


def test_answers_that_are_not_numbers_are_refused(sealed: Path, keywords: Construct) -> None:
    with pytest.raises(BundleError, match=r"probability strayed|does not work here"):
        load(sealed, answering(keywords, [0.97, float("nan")]))


def test_another_processor_may_round_differently(sealed: Path, keywords: Construct) -> None:
    load(sealed, answering(keywords, [0.955, 0.045]))


def test_other_classes_than_the_manifest_names_are_refused(
    sealed: Path, keywords: Construct
) -> None:
    def construct(folder: Path) -> TicketAssistant:
        assistant = keywords(folder)
        assistant.targets = {"category": ("printer", "network")}
        return assistant

    with pytest.raises(BundleError, match="answers other targets or classes"):
        load(sealed, construct)


def test_parts_that_cannot_be_constructed_are_a_bundle_error(sealed: Path) -> None:
    def construct(folder: Path) -> TicketAssistant:
        raise RuntimeError("no such operator on this processor")

    with pytest.raises(BundleError, match="is whole but does not work here: RuntimeError"):
        load(sealed, construct)


def reseal_with_libraries(folder: Path, **versions: str) -> None:
    rewrite_manifest(folder, lambda manifest: manifest["libraries"].update(versions))


def test_another_major_version_of_a_library_is_loaded_with_a_warning(
    sealed: Path, keywords: Construct, caplog: pytest.LogCaptureFixture
) -> None:
    reseal_with_libraries(sealed, **{"scikit-learn": "0.24.2", "absent-library": "9"})
    with caplog.at_level(logging.WARNING):
        load(sealed, keywords)
    [warning] = caplog.messages
    assert "sealed with scikit-learn 0.24.2" in warning


def test_another_minor_version_of_a_library_is_no_matter(
    sealed: Path, keywords: Construct, caplog: pytest.LogCaptureFixture
) -> None:
    here = verify(sealed).libraries["scikit-learn"].split(".")[0]
    reseal_with_libraries(sealed, **{"scikit-learn": f"{here}.999"})
    with caplog.at_level(logging.WARNING):
        load(sealed, keywords)
    assert not caplog.messages


@pytest.fixture
def linear_bundle(tmp_path: Path, trained_keywords: Path) -> Iterator[Path]:
    """A bundle with the real linear member, sealed without any injected constructor."""
    from models.linear import LinearMember, LinearParams

    texts = ["the network is down", "no network", "printer jam", "printer has no paper"] * 3
    labels = ["network", "network", "printer", "printer"] * 3
    member = LinearMember(LinearParams(min_df=1)).fit(texts, {"category": labels})
    member.save(trained_keywords / "linear")
    folder = tmp_path / "linear-bundle"
    origin = Origin("invented", False, "0" * 64, {"seed": 1}, {"n_test": 3})
    probes = [Ticket(text=text) for text in texts[:4]]
    seal(trained_keywords, folder, origin, card="# Card\n", reference={}, probes=probes)
    yield folder


def test_loading_never_unpickles(linear_bundle: Path) -> None:
    code = """
import sys
sys.path.insert(0, sys.argv[1])
def watch(event, arguments):
    if event == "pickle.find_class":
        sys.exit(f"unpickled {arguments[1:]}")
from pathlib import Path
import joblib, numpy, pickle, torch
sys.addaudithook(watch)
def refuse(*arguments, **named):
    sys.exit("a loader that runs code was called")
joblib.load = torch.load = pickle.load = pickle.loads = refuse
from models.bundle import load
manifest, assistant = load(Path(sys.argv[2]))
print(manifest.version == assistant.version, assistant.fallback)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(linear_bundle)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.strip() == "True False", done.stderr
