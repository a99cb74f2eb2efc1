import json
from pathlib import Path

import pytest

from data.schema import Prediction
from serving.each import Answered
from serving.job_lines import (
    count_errors,
    erase_answer,
    erase_ticket,
    error_of,
    is_erased_ticket,
    read_answer,
    read_ticket_id,
)

SMALLEST = Prediction(
    ticket_id="1", bundle="b", fallback=False, language=None, targets={}, id="0" * 32
)


def line_of(index: int, prediction: Prediction = SMALLEST) -> bytes:
    return Answered(index=index, prediction=prediction).model_dump_json().encode() + b"\n"


@pytest.mark.parametrize("line", [b'{"id": "T-1"}\n', b"\xff\0\n", b"\n", b'{"half', b""])
def test_an_erased_ticket_leaves_blanks_of_the_same_length(line: bytes) -> None:
    erased = erase_ticket(line)
    assert len(erased) == len(line)
    assert erased.endswith(b"\n") == line.endswith(b"\n")
    assert is_erased_ticket(erased)
    assert not is_erased_ticket(b'{"text": "a"}\n')


@pytest.mark.parametrize("index", [0, 9, 123_456_789])
def test_an_erased_answer_fits_into_the_smallest_prediction(index: int) -> None:
    line = line_of(index)
    erased = erase_answer(line)
    assert len(erased) == len(line)
    told = json.loads(erased)
    assert (told["index"], told["prediction"]) == (index, None)
    assert told["problem"]["type"] == "urn:ticket-assistant:problem:erased"
    assert Answered.model_validate_json(erased).problem is not None
    assert error_of(line, index) == 0
    assert error_of(erased, index) == 1


@pytest.mark.parametrize(
    "line", [b'{"index": 3', b'{"index": 3}', b"[]\n", b'{"index": "3"}\n', b"{}\n", b"\xff\n"]
)
def test_what_is_no_whole_answer_is_erased_to_blanks(line: bytes) -> None:
    assert read_answer(line) is None
    assert error_of(line, 3) is None
    assert erase_answer(line) == erase_ticket(line)


def test_an_answer_of_another_line_is_none() -> None:
    assert error_of(line_of(4), 3) is None


def test_ids_are_read_as_they_are_meant() -> None:
    assert read_ticket_id(b'{"id": "\\u0054-1"}\n') == "T-1"
    assert read_ticket_id(b'{"id": 7}') == "7"
    assert read_ticket_id(b'{"id": null}') is read_ticket_id(b"{}") is None
    for line in (b"[]", b"no json", b"", b"[" * 100_000):
        with pytest.raises(ValueError, match="no JSON object"):
            read_ticket_id(line)


def test_errors_are_counted_among_the_first_answers(tmp_path: Path) -> None:
    file = tmp_path / "output"
    erased = [erase_answer(line_of(index)) for index in (0, 2, 3)]
    file.write_bytes(erased[0] + line_of(1) + erased[1] + erased[2] + b'{"index": 4')
    assert [count_errors(file, answers) for answers in range(6)] == [0, 1, 1, 2, 3, 3]
