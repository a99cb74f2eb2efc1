"""The model card: what the assistant is, what it can do, and what nobody has proven."""

from collections.abc import Mapping
from typing import Any

from evaluation.cascade import cascade_check
from evaluation.files import Evaluation
from evaluation.wording import (
    count,
    headline,
    held_out_check,
    interval,
    languages_check,
    levels_check,
    listing,
    number,
    percent,
    uncertified,
)

# Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, gives the sections.


def render_card(evaluation: Evaluation) -> str:
    """The card in Markdown; the same evaluation gives the same card."""
    summary = evaluation.summary
    parts = [
        f"# Ticket Assistant on {_cell(summary['dataset'])}",
        *_warning(evaluation),
        _what_it_is(evaluation),
        "## Data",
        _data(evaluation),
        "## Figures",
        _figures(evaluation),
        *_readers(evaluation),
        "## The certificate, and exactly what it means",
        _certificate(evaluation),
        "## Limits",
        _limits(evaluation),
        "## How it was made",
        _making(evaluation),
    ]
    return "\n\n".join(parts) + "\n"


def _warning(evaluation: Evaluation) -> list[str]:
    if not evaluation.synthetic:
        return []
    why = (
        "The data set asked for could not be fetched, and the bundled sample stood in."
        if evaluation.fallback
        else "This is the bundled sample."
    )
    return [
        f"> **Warning: synthetic.** {why} Its tickets were written for this project. Neither the "
        "models nor the figures below speak of real tickets. Do not put this bundle to work."
    ]


def _what_it_is(evaluation: Evaluation) -> str:
    version = f" Bundle `{evaluation.bundle}`." if evaluation.bundle else ""
    members: list[str] = []
    for found in evaluation.targets.values():
        members.extend(name for name in found.members if name not in members)
    return (
        f"Reads a support ticket and answers {listing([*evaluation.targets])}; routes what it can "
        "prove it may route, and hands the rest to a person with a short list. An ensemble of "
        f"{listing(members)}, calibrated by temperatures, fitted per target.{version}"
    )


def _data(evaluation: Evaluation) -> str:
    summary = evaluation.summary
    rows, splits = summary["rows"], summary["splits"]
    told = ", ".join(f"{name} {count(n)}" for name, n in splits.items())
    published = summary["published_split"]
    return "\n".join(
        [
            f"- Data set: {_cell(summary['dataset'])}; licence {_cell(summary['licence'])}",
            f"- Cite: {_cell(summary['citation'])}",
            f"- Tickets: {count(rows['accepted'])} of {count(rows['read'])}; splits {told}",
            f"- Test split: {f'published ({_cell(published)})' if published else 'drawn here'}; "
            f"{count(summary['near_train'])} of its tickets resemble one outside it",
            f"- Fingerprint: `{summary['fingerprint']}`",
        ]
    )


def _figures(evaluation: Evaluation) -> str:
    """One table, a row per target; intervals are 95 % bootstrap intervals."""
    lines = [
        "| target | tickets | accuracy | macro F1 | ECE | certified automation "
        "| accuracy of automatic | coverage at 95 % |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, found in evaluation.targets.items():
        f = found.figures
        cells = [
            _cell(name),
            count(f["n_test"]),
            _share(f, "accuracy"),
            _plain(f, "macro_f1", 3),
            _plain(f, "ece", 4),
            _share(f, "certified_automation"),
            _share(f, "automatic_accuracy"),
            _share(f, "coverage_at_95"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    told = [
        f"- {_cell(name)}: {' '.join(headline(found.figures))}"
        for name, found in evaluation.targets.items()
    ]
    return "\n".join([*lines, "", "In brackets: 95 % bootstrap intervals.", "", *told])


def _readers(evaluation: Evaluation) -> list[str]:
    """What is read beside the targets, a line each; nothing where nothing is."""
    lines = []
    for name, facts in evaluation.readers.items():
        metric = "macro_f1" if "macro_f1" in facts["figures"] else "span_f1"
        low, high = facts["intervals"].get(metric, (None, None))
        bounds = "" if low is None else f" ({number(low, 3)}–{number(high, 3)})"
        stood_in = "; the **synthetic** sample stood in" if facts["fallback"] else ""
        lines.append(
            f"- {_cell(name)}: learned from {count(facts['rows'])} rows of "
            f"{_cell(facts['dataset'])}{stood_in}; {metric.replace('_f1', ' F1')} "
            f"{number(facts['figures'][metric], 3)}{bounds} on its test rows, which are not tickets"
        )
    return ["## What is read beside the targets", "\n".join(lines)] if lines else []


def _certificate(evaluation: Evaluation) -> str:
    parts = []
    for name, found in evaluation.targets.items():
        routing = found.routing
        who = "For all classes at once" if routing["family"] == "all" else "For each class alone"
        lines = [
            f"**{_cell(name)}**: a ticket is routed without a person when its confidence reaches "
            f"the threshold of its predicted class. {who}, with "
            f"{percent(routing['confidence'], 0)} confidence, at least "
            f"{percent(routing['accuracy'], 0)} of the tickets so routed carry the label a person "
            "would have given, as long as new tickets resemble the calibration tickets. "
            f"Method: {_cell(routing['method'])}.",
            "",
            "| class | threshold | proven at least | errors there | on test |",
            "|---|---:|---:|---:|---:|",
        ]
        for entry in found.figures["classes"]:
            errors = f"{count(entry['calibration_errors'])} of "
            errors += count(entry["calibration_automatic"])
            test = f"{percent(entry['accuracy'])} of {count(entry['automatic'])}"
            cells = [_cell(entry["label"])]
            cells += (
                [number(entry["threshold"]), percent(entry["lower_bound"]), errors, test]
                if entry["certified"]
                else ["never automatic", "–", "–", "–"]
            )
            lines.append(f"| {' | '.join(cells)} |")
        if without := uncertified(found.figures["classes"]):
            lines += [
                "",
                f"Always left to a person: {listing([_cell(label) for label in without])}.",
            ]
        if checked := held_out_check(routing):
            lines.append(f"\n{_cell(checked)}")
        figures = found.figures
        checks = (languages_check(routing), levels_check(figures), cascade_check(figures))
        lines += [f"\n{_cell(check)}" for check in checks if check]
        lines += [f"\n{_cell(note)}" for note in routing.get("notes", ())]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _limits(evaluation: Evaluation) -> str:
    behavior = evaluation.behavior
    failed = (
        [o.name for o in behavior.outcomes if o.passed is False] if behavior is not None else []
    )
    lines = [
        "- The certificate speaks of tickets like those of the calibration split. When the mix "
        "changes, it must be checked again on reviewed tickets.",
        "- Labels given by people are the measure; "
        f"{count(len(evaluation.label_errors))} of those outside the test split look wrong.",
        "- Languages and topics that the data lack were never measured.",
        "- Personal data are masked by rules, which can miss some.",
        "- Of several classes, each certified with the stated confidence, one may still break "
        "its promise by chance unless the certificate was asked for all at once.",
    ]
    if failed:
        lines.append(f"- Behavioural tests that failed: {listing(sorted(set(failed)))}.")
    return "\n".join(lines)


def _making(evaluation: Evaluation) -> str:
    seconds, peak = evaluation.costs["seconds"], evaluation.costs["peak_mib"]
    lines = [f"- {stage}: {number(taken, 1)} s" for stage, taken in seconds.items()]
    if peak:
        lines.append(f"- Most memory: {count(max(peak.values()))} MiB")
    if evaluation.latency:
        lines.append(
            f"- One ticket: {number(evaluation.latency['p50_ms'], 1)} ms (median), "
            f"{number(evaluation.latency['p95_ms'], 1)} ms (95 %), one thread"
        )
    if tiers := evaluation.tiers:
        lines.append(
            f"- Decisions about 1,000 tickets: {number(tiers['seconds_per_1000'], 1)} s, "
            f"{number(tiers['seconds_per_1000_alone'], 1)} s if all members decide about each, "
            "one thread"
        )
    return "\n".join(["`dvc repro`, from the parameters in the manifest:", "", *lines])


def _share(figures: Mapping[str, Any], name: str) -> str:
    bounds = interval(figures[f"{name}_ci"])
    return f"{percent(figures[name])} ({bounds})" if bounds else percent(figures[name])


def _plain(figures: Mapping[str, Any], name: str, digits: int) -> str:
    bounds = figures[f"{name}_ci"]
    told = number(figures[name], digits)
    return f"{told} ({number(bounds[0], digits)}–{number(bounds[1], digits)})" if bounds else told


def _cell(text: object) -> str:
    """Words from the data that cannot break a table or become markup."""
    line = " ".join(str(text).split())
    for character in "\\|<>*_`[]":
        line = line.replace(character, f"\\{character}")
    return line
