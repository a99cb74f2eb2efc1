"""The walk on 1,200 real tickets, brought in as anyone would bring in a file of their own."""

import csv
import io
import json
import os
import zipfile
from itertools import islice
from pathlib import Path

import pytest

from models.bundle import load
from tests.walk import ROOT, set_out, take_all

MIRROR = Path(os.environ.get("TICKETS_MIRROR", ROOT.parent / "shared/data"))
ARCHIVE = MIRROR / "it_service_tickets/kaggle_archive.zip"

pytestmark = [
    pytest.mark.mirror,
    pytest.mark.skipif(not ARCHIVE.is_file(), reason="no mirror of the public data sets here"),
]

ENTRY = """
my-tickets:
  path: {path}
  text: [Document]
  targets: {{department: Topic_group}}
  language: en
  licence: CC0-1.0
"""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("slice")
    with zipfile.ZipFile(ARCHIVE) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    rows = list(islice(csv.reader(io.StringIO(text)), 1_201))
    mine = folder / "mine.csv"
    with mine.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([*rows, ["", "Hardware"]])
    with pytest.MonkeyPatch.context() as patch:
        set_out(folder, patch, dataset="my-tickets")
        with (folder / "data/catalog.yaml").open("a", encoding="utf-8") as stream:
            stream.write(ENTRY.format(path=mine))
        take_all(patch)
        yield folder


def test_the_empty_row_is_kept_aside_with_its_reason(walked: Path) -> None:
    rejected = list(csv.DictReader((walked / "data/prepared/rejected.csv").open(encoding="utf-8")))
    assert [row["reason"] for row in rejected] == ["empty_text"]


def test_the_ensemble_beats_always_answering_the_largest_department(walked: Path) -> None:
    metrics = json.loads((walked / "evaluation/reports/metrics.json").read_text(encoding="utf-8"))
    department = metrics["targets"]["department"]
    largest = 13_617 / 47_837  # Hardware, of the whole data set
    assert department["accuracy"] > largest + 0.2
    assert not metrics["fallback"]


def test_what_is_routed_unseen_was_certified(walked: Path) -> None:
    [version] = [path for path in (walked / "store").iterdir() if path.is_dir()]
    manifest, assistant = load(version)
    policy = assistant.ensemble.targets["department"].routing
    for certificate in policy.classes.values():
        assert certificate.certified == (certificate.threshold is not None)
        assert not certificate.certified or certificate.lower_bound >= policy.accuracy
    assert manifest.dataset == "my-tickets"
