import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from data.errors import DataError
from serving.bench.choosing import choose_texts
from serving.bench.load import Load, Outcome, arrivals
from serving.bench.texts import (
    REPEATED,
    repeated_texts,
    request_head,
    requests,
    unique_texts,
)
from tests.serving.bench.prepared import prepare_tickets

TEXTS = [f"ticket {i}" for i in range(30)]


@pytest.mark.parametrize("both", [{}, {"clients": 2, "rate": 3.0}])
def test_a_load_is_a_closed_or_an_open_loop(both: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="either clients or a rate"):
        Load.model_validate({"texts": "texts.json", "seconds": 1, **both})


def test_arrivals_are_those_of_a_poisson_process() -> None:
    moments = np.array(arrivals(50, 100, np.random.default_rng(3)))
    assert (np.diff(moments) > 0).all()
    assert 0 <= moments[0] < moments[-1] < 100
    assert len(moments) == pytest.approx(5_000, abs=5 * np.sqrt(5_000))
    gaps = np.diff(moments)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # as of exponential gaps
    assert arrivals(0.001, 0.01, np.random.default_rng(3)) == [0.0]


def test_what_several_processes_measured_at_once_is_added_up() -> None:
    one = Outcome(seconds=2.0, milliseconds=(1.0, 2.0), failures={"503": 1}, cpu_seconds=0.5)
    other = Outcome(
        seconds=2.5, milliseconds=(3.0,), failures={"503": 2, "500": 1}, late=(0.1,), cpu_seconds=1
    )
    both = Outcome.together((one, other))
    assert both.seconds == 2.5
    assert both.milliseconds == (1.0, 2.0, 3.0)
    assert both.failures == {"503": 3, "500": 1}
    assert both.late == (0.1,)
    assert both.cpu_seconds == 1.5


def test_unique_texts_differ_within_and_between_streams() -> None:
    drawn = [text for stream in range(3) for text in islice(unique_texts(TEXTS, 1, stream), 100)]
    assert len(set(drawn)) == 300
    again = list(islice(unique_texts(TEXTS, 1, 2), 100))
    assert again == drawn[200:]


def test_repeated_texts_are_few_and_the_first_is_asked_most() -> None:
    many = [f"ticket {i}" for i in range(500)]
    drawn = list(islice(repeated_texts(many, 1, 0), 5_000))
    assert set(drawn) <= set(many[:REPEATED])
    harmonic = sum(1 / k for k in range(1, REPEATED + 1))
    assert drawn.count(many[0]) == pytest.approx(5_000 / harmonic, rel=0.15)


@pytest.mark.parametrize("listed", [False, True])
def test_a_request_is_whole_and_tells_its_length_in_bytes(listed: bool) -> None:
    head = request_head("localhost", "/v1/predict")
    request = next(requests(iter(["Drücker \U0001f5a8 klemmt"]), head, listed=listed))
    top, body = request.split(b"\r\n\r\n")
    assert top.startswith(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n")
    assert f"Content-Length: {len(body)}".encode() in top
    text = "Drücker \U0001f5a8 klemmt"
    assert json.loads(body) == ({"texts": [text]} if listed else {"text": text})


def test_texts_are_those_of_the_test_split(tmp_path: Path) -> None:
    prepare_tickets(tmp_path, ["a" * 10, "b" * 30, "c" * 20], ["test", "train", "test"])
    facts, texts = choose_texts(tmp_path)
    assert texts == ["a" * 10, "c" * 20]
    assert facts.tickets == 2
    assert (facts.characters_p50, facts.characters_max) == (15, 20)
    assert choose_texts(tmp_path, most=1)[1][0] in texts


def test_without_test_tickets_there_is_nothing_to_ask(tmp_path: Path) -> None:
    prepare_tickets(tmp_path, ["a"], ["train"])
    with pytest.raises(DataError, match="no test ticket"):
        choose_texts(tmp_path)
