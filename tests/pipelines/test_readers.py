"""The readers' stage: what stands in where data cannot be had, and what is written down."""

from pathlib import Path

import httpx
import pytest

from data.errors import FetchError
from data.fetching import find_mirror
from models.readers import FILE, TAGGER
from models.tagger_network import TaggerParams
from pipelines.params import ReadersParams
from pipelines.readers import fit_readers

ROOT = Path(__file__).parents[2]
SMALL_TAGGER = TaggerParams(frozen_layers=5, upper_layers=1, epochs=1)


@pytest.fixture
def offline() -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(404)))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a mirror."""
    place = tmp_path / "project"
    (place / "data").mkdir(parents=True)
    (place / "data/catalog.yaml").write_bytes((ROOT / "data/catalog.yaml").read_bytes())
    (place / "data/sample").symlink_to(ROOT / "data/sample")
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TICKETS_MIRROR", str(tmp_path / "empty"))
    return place


def test_without_data_the_rules_read_alone(
    root: Path, tmp_path: Path, offline: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "readers"
    assert fit_readers(ReadersParams(), 0, folder, root, offline, tagger=SMALL_TAGGER) == {}
    assert list(folder.iterdir()) == []
    assert "left to the rules" in caplog.text


def test_without_a_fallback_missing_data_stop_the_run(
    root: Path, tmp_path: Path, offline: httpx.Client
) -> None:
    with pytest.raises(FetchError):
        fit_readers(ReadersParams(fallback=False), 0, tmp_path / "r", root, offline)


def test_nothing_asked_for_leaves_an_empty_folder(
    root: Path, tmp_path: Path, offline: httpx.Client
) -> None:
    params = ReadersParams(entities=None)
    assert fit_readers(params, 0, tmp_path / "readers", root, offline) == {}
    assert list((tmp_path / "readers").iterdir()) == []


@pytest.mark.mirror
@pytest.mark.skipif(find_mirror(ROOT) is None, reason="no mirror of the public data sets here")
def test_a_slice_of_the_real_data_is_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole stage on a few sentences: what it reads, writes and measures."""
    from evaluation.league import learned_entities
    from pipelines import readers

    monkeypatch.setattr(readers, "read_split", lambda *a: learned_entities.read_split(*a).first(40))
    folder = tmp_path / "readers"
    with httpx.Client() as client:
        facts = fit_readers(
            ReadersParams(fallback=False), 0, folder, ROOT, client, tagger=SMALL_TAGGER
        )
    assert facts[TAGGER].rows == 80
    assert "span_f1" in facts[TAGGER].figures
    assert (folder / FILE).is_file()
