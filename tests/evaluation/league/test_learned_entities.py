"""What counts as a sentence, a kind and a right answer in the benchmarks of learned entities."""

import os
from pathlib import Path

import pytest

from evaluation.league.learned_entities import (
    CODE_KINDS,
    STACKOVERFLOW_KINDS,
    EmergingEntities,
    StackOverflowEntities,
    read_stackoverflow,
    settle_alternatives,
)

MIRROR = Path(os.environ.get("TICKETS_MIRROR", Path(__file__).parents[3].parent / "shared/data"))
needs_mirror = pytest.mark.skipif(
    not (MIRROR / "stackoverflow_ner").is_dir(), reason="no mirror of the public data sets here"
)

FILE = """Question_ID\tO\tQuestion_ID\tO
:\tO\t:\tO
1\tO\t1\tO
\t
Java\tB-Language\tJava\tO
map\tB-Library_Class\tmap\tB-Code_Block
CTRL\tB-Keyboard_IP\tCTRL\tO
\t
CODE_BLOCK\tB-Code_Block\tCODE_BLOCK\tB-Code_Block
:\tI-Code_Block\t:\tI-Code_Block
omitted\tI-Code_Block\tomitted\tI-Code_Block
for\tI-Code_Block\tfor\tI-Code_Block
annotation\tI-Code_Block\tannotation\tI-Code_Block
\t
Answer_to_Question_ID\tO\tAnswer_to_Question_ID\tO
:\tO\t:\tO
1\tO\t1\tO
\t
Yes\tO\tYes\tO
"""


def test_headers_and_omitted_code_are_no_sentences(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(FILE, encoding="utf-8")
    part = read_stackoverflow(path)
    assert part.tokens == [["Java", "map", "CTRL"], ["Yes"]]
    assert part.tags == [["B-programming_language", "B-class", "O"], ["O"]]
    assert part.groups == ["train 1", "train 1"]  # the answer belongs to its question


def test_there_are_twenty_kinds_eight_of_them_code() -> None:
    kinds = set(STACKOVERFLOW_KINDS.values())
    assert len(kinds) == 20
    assert len(CODE_KINDS) == 8
    assert kinds > CODE_KINDS


def test_any_alternative_is_right_and_counts_once() -> None:
    tags = ["B-corporation,B-person", "I-person", "O", "B-group"]
    entity, group = (0, 1, "corporation"), (3, 4, "group")
    assert settle_alternatives(tags, [entity]) == ([entity, group], [entity])
    longer = [(0, 2, "person"), group]
    assert settle_alternatives(tags, longer) == ([entity, group], [entity, group])
    wrong = [(0, 1, "person")]
    assert settle_alternatives(tags, wrong) == ([entity, group], wrong)


@pytest.mark.mirror
@needs_mirror
@pytest.mark.parametrize(
    ("benchmark", "folder"),
    [(StackOverflowEntities(), "stackoverflow_ner"), (EmergingEntities(), "wnut17")],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_small_run_gives_figures(benchmark, folder: str) -> None:
    figures = benchmark.run({benchmark.datasets[0]: MIRROR / folder}, small=True)
    assert {"span_f1", "shared_texts"} <= {figure.metric for figure in figures}
