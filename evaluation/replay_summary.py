"""What a replay showed, in a few lines for the README."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.wording import percent

REPLAY = Path("evaluation/reports/replay.json")

NONE = "No replay is kept yet: `make replay` plays one."


def read_replay(path: Path = REPLAY) -> Mapping[str, Any] | None:
    """The content of replay.json; None where none is kept."""
    if not path.is_file():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def render_replay(report: Mapping[str, Any] | None) -> str:
    """Markdown: both arms year by year, promotions and false alarms."""
    if report is None:
        return NONE
    real = report["real"]
    rows = [
        "| | right, left alone | right, in the loop | routed unseen, of these right | the same, "
        "in the loop |",
        "|---|---|---|---|---|",
    ]
    for year in real["years"]:
        fixed, loop = year["fixed"], year["loop"]
        rows.append(
            f"| {year['year']} | {percent(fixed['accuracy'])} | {percent(loop['accuracy'])} | "
            f"{_routed(fixed)} | {_routed(loop)} |"
        )
    looks = real["looks"]["loop"]
    worse = real["class_made_worse"]
    controls = report["controls"].values()
    alarms = sum(control["false_alarms"]["drift"] for control in controls)
    told = (
        f"{real['months_done']} months of {real['dataset']} after the first "
        f"{real['learned_first']:,} tickets ({report['profile']} profile of `make replay`, "
        f"{sum(report['seconds'].values()) / 60:.0f} minutes of play): drift was first flagged in "
        f"{looks['first_alarm']}; {len(real['promotions'])} models were promoted, "
        f"{worse or 'none'} of them made a class worse by more than its budget; on tickets "
        f"without drift {alarms} of {sum(c['looks']['looks'] for c in controls)} looks were false "
        "alarms. People are simulated by the known labels."
    )
    return "\n".join([told, "", *rows])


def _routed(arm: Mapping[str, Any]) -> str:
    return f"{percent(arm['automation'])}, {percent(arm['automatic_accuracy'])}"
