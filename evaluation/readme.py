"""The figures in README.md, generated from the metrics of measured runs.

`python -m evaluation.readme` writes them anew; `python -m evaluation.readme keep NAME` first keeps
the metrics of the last run as docs/results/NAME.json.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.errors import DataError
from evaluation.files import without_slices
from evaluation.summary import REPORTS, read_metrics
from evaluation.wording import interval, percent

README = Path("README.md")
RESULTS = Path("docs/results")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def render_figures(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A markdown table with a row per kept run and target, certified automation with interval."""
    lines = [
        "| run | data set | accuracy | macro F1 | ECE | routed unseen | of those right |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, metrics in results.items():
        for target, figures in metrics["targets"].items():
            routed = percent(figures["certified_automation"])
            between = interval(figures["certified_automation_ci"])
            lines.append(
                f"| {name} | {metrics['dataset']}, {target} "
                f"| {figures['accuracy']:.4f} | {figures['macro_f1']:.4f} | {figures['ece']:.4f} "
                f"| {routed} [{between}] | {percent(figures['automatic_accuracy'])} |"
            )
    return "\n".join(lines)


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Kept runs by name, in alphabetical order."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }


def with_figures(page: str, figures: str) -> str:
    """The page with what stands between the two markers replaced.

    Raises
    ------
    DataError
        If the markers are not there once each.
    """
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    block = f"{BEGIN}\n{figures}\n{END}"
    changed, count = pattern.subn(lambda _: block, page)
    if count != 1:
        raise DataError(f"README.md needs the markers {BEGIN} and {END} once; found {count}")
    return changed


def main() -> None:
    if sys.argv[1:2] == ["keep"]:
        RESULTS.mkdir(parents=True, exist_ok=True)
        kept = json.dumps(without_slices(read_metrics(REPORTS)), indent=1) + "\n"
        (RESULTS / f"{sys.argv[2]}.json").write_text(kept, encoding="utf-8")
    page = with_figures(README.read_text(encoding="utf-8"), render_figures(read_results(RESULTS)))
    README.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
