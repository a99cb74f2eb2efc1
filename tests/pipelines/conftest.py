"""Registered bundles, a folder to publish them in, and a store whose tickets change."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.schema import Ticket
from data.sql import SqlStore, open_sql_store
from evaluation.drift_reference import FILE, write_reference
from models.assistant import TicketAssistant
from models.bundle import load, verify
from models.publishing import FolderStore
from models.registry import Registry
from models.sealing import Origin, seal
from tests.pipelines.drifting import (
    DAY,
    LABELS,
    NEW_WORDS,
    OLD_WORDS,
    make_tickets,
    stored,
    window_of,
)
from tests.stores import NOON

Check = Callable[[Path], object]
RegisterAnswering = Callable[[Path, list[float], list[float]], str]
"""From a new folder and the answers to texts with and without a network to the version."""


@pytest.fixture
def check(keywords: Callable[[Path], TicketAssistant]) -> Check:
    return lambda folder: load(folder, keywords)


@pytest.fixture
def registry(repository: Path) -> Registry:
    return Registry.open(repository, "ticket-assistant")


@pytest.fixture
def bundles(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def first(registry: Registry, sealed: Path) -> str:
    """Version of a registered bundle."""
    registry.register(sealed, verify(sealed))
    return verify(sealed).version


@pytest.fixture
def register_answering(
    registry: Registry, trained_keywords: Path, keywords: Callable[[Path], TicketAssistant]
) -> RegisterAnswering:
    """Seal and register a bundle of the keyword member with other probabilities."""

    def register(folder: Path, named: list[float], other: list[float]) -> str:
        answers = {"named": named, "else": other}
        (trained_keywords / "linear/member.json").write_text(json.dumps(answers))
        seal(
            trained_keywords, folder, Origin("invented", False, "0" * 64, {}, {}),
            card="", reference={}, probes=[Ticket(text="network")], construct=keywords,
        )  # fmt: skip
        manifest = verify(folder)
        registry.register(folder, manifest)
        return manifest.version

    return register


@pytest.fixture
def second(first: str, register_answering: RegisterAnswering, tmp_path: Path) -> str:
    """Version of another registered bundle, which is surer."""
    return register_answering(tmp_path / "second", [0.99, 0.01], [0.4, 0.6])


@pytest.fixture
def keyword_bundle(
    trained_keywords: Path, tmp_path: Path, keywords: Callable[[Path], TicketAssistant]
) -> Path:
    """A bundle whose reference is 400 tickets of two known kinds."""
    window, known = window_of(make_tickets(0, 400))
    folder = tmp_path / "bundles" / "drift"
    seal(
        trained_keywords,
        folder,
        Origin(
            dataset="invented",
            fallback=True,
            data_fingerprint="f" * 64,
            params={"prepare": {"language": {"targets": ["en", "de"]}}},
            metrics={},
        ),
        card="# An invented card\n",
        reference={"tickets": 400},
        probes=[Ticket(text="the network is down"), Ticket(text="no paper left")],
        construct=keywords,
        write_beside=lambda partial: write_reference(window, known, partial / FILE),
    )
    return folder


@pytest.fixture
def drift_root(tmp_path: Path, keyword_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml, a published champion and an empty store."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "params.yaml").write_text("dataset: invented\nseed: 7\n", encoding="utf-8")
    monkeypatch.chdir(root)
    monkeypatch.setenv("TICKETS_STORE", "sqlite:///store.db")
    monkeypatch.setenv("TICKETS_BUNDLE_STORE", str(root / "published"))
    return root


@pytest.fixture
def changed_store(drift_root: Path, keyword_bundle: Path) -> Iterator[SqlStore]:
    """A day of 150 tickets as before, then a day of 150 about something new."""
    version = json.loads((keyword_bundle / "manifest.json").read_text())["version"]
    opened = open_sql_store("sqlite:///store.db")
    opened.know_bundle(version, LABELS)
    for day, words in enumerate((OLD_WORDS, NEW_WORDS)):
        texts = make_tickets(day + 1, 150, words)
        opened.add_predictions(
            [
                stored(1000 * day + n, text, NOON + day * DAY, version)
                for n, text in enumerate(texts)
            ]
        )
    yield opened
    opened.close()
