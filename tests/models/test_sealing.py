"""A bundle holds what answers and nothing else, and is written whole or not at all."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from data.errors import BundleError
from data.schema import Ticket
from models.assistant import TicketAssistant
from models.bundle import load, verify
from models.sealing import Origin, content_version, seal

Construct = Callable[[Path], TicketAssistant]


@pytest.fixture
def origin() -> Origin:
    return Origin("invented", False, "0" * 64, {"seed": 1}, {"n_test": 3})


def test_a_bundle_holds_its_members_card_reference_and_probes_only(sealed: Path) -> None:
    found = {p.relative_to(sealed).as_posix() for p in sealed.rglob("*") if p.is_file()}
    assert found == {
        "manifest.json",
        "README.md",
        "reference.json",
        "probes.jsonl",
        "ensemble/ensemble.json",
        "linear/member.json",
    }


def test_the_version_names_the_data_set_and_the_content(
    sealed: Path, trained_keywords: Path, origin: Origin
) -> None:
    version = verify(sealed).version
    assert version == content_version(trained_keywords, "invented")
    (trained_keywords / "linear/training.json").write_text('{"seconds": 99}')
    assert version == content_version(trained_keywords, "invented")
    (trained_keywords / "linear/member.json").write_text(
        '{"named": [0.9, 0.1], "else": [0.5, 0.5]}'
    )
    assert version != content_version(trained_keywords, "invented")


def test_a_member_the_ensemble_asks_for_must_be_there(trained_keywords: Path) -> None:
    (trained_keywords / "linear").rename(trained_keywords / "elsewhere")
    with pytest.raises(BundleError, match="has no linear"):
        content_version(trained_keywords, "invented")


def seal_again(
    source: Path, folder: Path, origin: Origin, construct: Construct, text: str = "a network"
) -> None:
    tickets = [Ticket(text=text)] if text else []
    seal(source, folder, origin, card="", reference={}, probes=tickets, construct=construct)


def test_sealing_replaces_what_was_there(
    sealed: Path, trained_keywords: Path, origin: Origin, keywords: Construct
) -> None:
    (sealed / "left-over.json").write_text("{}")
    seal_again(trained_keywords, sealed, origin, keywords)
    assert load(sealed, keywords)[0].data_fingerprint == "0" * 64
    assert [path.name for path in sealed.parent.iterdir()] == ["candidate"]


def test_an_interrupted_sealing_leaves_what_was_there(
    sealed: Path, trained_keywords: Path, origin: Origin
) -> None:
    def interrupted(folder: Path) -> TicketAssistant:
        raise KeyboardInterrupt

    before = verify(sealed)
    with pytest.raises(KeyboardInterrupt):
        seal_again(trained_keywords, sealed, origin, interrupted)
    assert verify(sealed) == before
    assert [path.name for path in sealed.parent.iterdir()] == ["candidate"]


def test_no_bundle_is_sealed_without_probes(
    trained_keywords: Path, tmp_path: Path, origin: Origin, keywords: Construct
) -> None:
    with pytest.raises(BundleError, match="needs probes"):
        seal_again(trained_keywords, tmp_path / "new", origin, keywords, text="")


def test_no_pickle_is_sealed(
    trained_keywords: Path, tmp_path: Path, origin: Origin, keywords: Construct
) -> None:
    (trained_keywords / "linear/head.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(
        BundleError, match=r"head\.pkl cannot be sealed: a type that may carry code"
    ):
        seal_again(trained_keywords, tmp_path / "new", origin, keywords)
    assert not (tmp_path / "new").exists()


def test_a_member_that_does_not_answer_is_not_sealed(
    trained_keywords: Path, tmp_path: Path, origin: Origin, keywords: Construct
) -> None:
    class Broken:
        targets_: ClassVar = {"category": ("network", "printer")}

        def predict_proba(self, texts: object) -> dict[str, Any]:
            raise RuntimeError

    def construct(folder: Path) -> TicketAssistant:
        whole = keywords(folder)
        return TicketAssistant({**whole.members, "embedding": Broken()}, whole.ensemble)  # type: ignore[dict-item]

    with pytest.raises(BundleError, match="do not answer: embedding"):
        seal_again(trained_keywords, tmp_path / "new", origin, construct)
