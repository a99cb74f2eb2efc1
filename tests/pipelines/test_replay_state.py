"""A replay goes on with its own state and no other."""

from pathlib import Path

import pytest

from data.errors import DataError
from evaluation.replay_incident_records import Staged
from evaluation.replay_records import MonthsPlayed, Played
from pipelines.replay_state import read_state


@pytest.mark.parametrize("kind", [Played, Staged])
def test_the_state_of_another_replay_is_refused(kind: type[MonthsPlayed], tmp_path: Path) -> None:
    fresh = kind(scenario="real", dataset="d", target="kind", first=4, planned=3)
    state = tmp_path / "state.json"
    assert read_state(state, fresh) is fresh
    state.write_text(fresh.model_copy(update={"done": 2}).model_dump_json())
    assert read_state(state, fresh).done == 2
    for change in ({"planned": 9}, {"first": 5}, {"scenario": "shuffled"}):
        state.write_text(fresh.model_copy(update=change).model_dump_json())
        with pytest.raises(DataError, match="another replay"):
            read_state(state, fresh)
    state.write_text("{}")
    with pytest.raises(DataError, match="no state"):
        read_state(state, fresh)
