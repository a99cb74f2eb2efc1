"""What staged incidents showed, in a few lines for docs/loop.md and the end of a replay.

`python -m evaluation.replay_incident_summary` writes that part of docs/loop.md anew.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.readme import with_part
from evaluation.wording import percent

INCIDENTS = Path("evaluation/reports/replay_incidents.json")
PAGE = Path("docs/loop.md")
PART = "incidents"

NONE = "No such replay is kept yet: `make replay PROFILE=incidents` plays one."

PHASES = {
    "before": "before",
    "until_alert": "until the alert",
    "while_withheld": "while classes are withheld",
    "after": "after the rollback",
}


def read_incidents(path: Path = INCIDENTS) -> Mapping[str, Any] | None:
    """The content of replay_incidents.json; None where none is kept."""
    if not path.is_file():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def render_incidents(report: Mapping[str, Any] | None) -> str:
    """Markdown: what became of the poison, and of the bundle promoted against the gate."""
    if report is None:
        return NONE
    head = (
        f"{report['months_done']} months of {report['dataset']} after the first "
        f"{report['learned_first']:,} tickets, {report['seconds'] / 60:.0f} minutes of play. The "
        "faults and the decisions of people are staged; what the product says of them is its own."
    )
    parts = [head, _poison(report["poison"]), *_override(report["override"])]
    return "\n\n".join(part for part in parts if part)


def _poison(found: Mapping[str, Any]) -> str:
    if not found["batches"]:
        return ""
    batches = ", ".join(
        f"{one['wrong_held']} of {one['wrong']} wrong rows in {one['month']}"
        for one in found["batches"]
    )
    learned = "; ".join(
        f"let go unread, {one['wrong_learned']} of them were learned, and the candidate was "
        f"{one['outcome']}" + (f" ({one['reasons'][0]})" if one["reasons"] else "")
        for one in found["learned_by"]
    )
    after = found["retrained_without"]
    told = f"**Poisoned feedback.** By itself the product held back {batches}"
    told += f". {learned[:1].upper()}{learned[1:]}" if learned else ""
    if after:
        told += (
            f". After the revoke {after['wrong_learned']} were learned; that candidate was "
            f"{after['outcome']}"
        )
    suspected = found["honest_batches_suspected"]
    return f"{told}. Of {found['honest_batches']} honest batches {suspected} were suspected."


def _override(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    why = found["gate"][0] if found["gate"] else "unknown"
    told = f"**A bundle promoted against the gate.** The gate had said: {why}. "
    if drift := found["first_drift_alert"]:
        told += (
            f"Drift was alerted {drift['tickets']} tickets after the promotion (looks: "
            f"{drift['months']}, one a month). "
        )
    if found["months_to_alert"] is None:
        told += "No class of it lost its certificate."
    else:
        told += (
            f"After {found['tickets_to_alert']} tickets (looks: {found['months_to_alert']}) it "
            f"lost a certificate; withheld were {', '.join(found['withheld'])}."
        )
    if back := found["rollback"]:
        told += f" Rolled back by {back['by']} after {back['month']}: {back['why']}."
    if found["recovered_by"]:
        told += f" The retrain after {found['recovered_by']['month']} passed the gate and answers."
    rows = [
        "| months | tickets | right | routed unseen, of these right | the former champion: right, "
        "routed, of these right |",
        "|---|---|---|---|---|",
    ]
    for key, name in PHASES.items():
        one = found[key]
        if one and one["tickets"]:
            former = one["former"]
            rows.append(
                f"| {name} | {one['tickets']} | {percent(one['accuracy'])} | {_routed(one)} | "
                f"{percent(former['accuracy'])}, {_routed(former)} |"
            )
    return [told, "\n".join(rows)]


def _routed(one: Mapping[str, Any]) -> str:
    return f"{percent(one['automation'])}, {percent(one['automatic_accuracy'])}"


def main() -> None:
    page = with_part(PAGE.read_text(encoding="utf-8"), PART, render_incidents(read_incidents()))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
