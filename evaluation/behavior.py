"""What must hold whatever the figures say: invariance, direction, minimum functionality.

The three kinds are those of Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with
CheckList", ACL 2020. Invariances and the general directions are made from the data set's own test
tickets, so they hold for any taxonomy; cases that name a label live in behavior.yaml and are
counted as skipped where the data set, the target or the label is another.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.suites import BehaviorReport, Cases, Direction, Functionality, Kind, Outcome, Suites
from evaluation.transformations import TONES, TRANSFORMATIONS

Answers = Mapping[str, NDArray[np.float64]]


class Assistant(Protocol):
    """What can be asked for probabilities; a TicketAssistant is one."""

    @property
    def targets(self) -> Mapping[str, tuple[str, ...]]: ...

    def predict_proba(self, texts: Sequence[str]) -> Answers: ...


def run_behavior(
    assistant: Assistant,
    suites: Suites,
    dataset: str,
    ids: Sequence[str],
    texts: Sequence[str],
    labels: Mapping[str, Sequence[str | None]],
    seed: int,
    toned: Collection[str] = (),
) -> BehaviorReport:
    """Run every suite against an assistant.

    Parameters
    ----------
    toned : targets that the tone of a ticket may change, such as sentiment and severity
    ids, texts, labels : the data set's own test tickets; `suites.tickets` of them are drawn
    """
    generator = np.random.default_rng(seed)
    drawn = np.sort(generator.permutation(len(texts))[: suites.tickets])
    own_ids = [ids[row] for row in drawn]
    own_texts = [texts[row] for row in drawn]
    own_labels = {target: [column[row] for row in drawn] for target, column in labels.items()}
    before = _ask(assistant, own_texts)
    outcomes = [
        *_invariances(assistant, suites, own_ids, own_texts, before, generator, toned),
        *_evidence(assistant, suites, own_ids, own_texts, own_labels, before, generator),
        *_directions(assistant, suites, dataset),
        *_odd_texts(assistant, suites),
        *_functionality(assistant, suites, dataset),
    ]
    return BehaviorReport(dataset=dataset, outcomes=tuple(outcomes))


def _invariances(
    assistant: Assistant,
    suites: Suites,
    ids: Sequence[str],
    texts: Sequence[str],
    before: Answers,
    generator: np.random.Generator,
    toned: Collection[str],
) -> list[Outcome]:
    outcomes = []
    for name, minimum in suites.invariance.items():
        asked = [t for t in assistant.targets if name not in TONES or t not in toned]
        changed = [TRANSFORMATIONS[name](text, generator) for text in texts]
        rows = [row for row, text in enumerate(changed) if text is not None]
        after = _ask(assistant, [text for text in changed if text is not None])
        for target in asked:
            moved = before[target][rows].argmax(axis=1) != after[target].argmax(axis=1)
            failing = [ids[row] for row, failed in zip(rows, moved, strict=True) if failed]
            outcomes.append(
                _outcome("invariance", name, target, len(rows), failing, minimum, texts)
            )
    return outcomes


def _evidence(
    assistant: Assistant,
    suites: Suites,
    ids: Sequence[str],
    texts: Sequence[str],
    labels: Mapping[str, Sequence[str | None]],
    before: Answers,
    generator: np.random.Generator,
) -> list[Outcome]:
    """A sure and right ticket of a class, appended to another's, must make the class likelier."""
    outcomes = []
    for target, classes in assistant.targets.items():
        column = labels.get(target, [None] * len(texts))
        witnesses = [
            row
            for row, label in enumerate(column)
            if label in classes and before[target][row].argmax() == classes.index(label)
        ]
        witnesses.sort(key=lambda row: -before[target][row].max())
        witnesses = witnesses[: max(1, len(witnesses) // 2)]
        pairs = []
        for row, text in enumerate(texts):
            others = [w for w in witnesses if column[w] != column[row]]
            if others and column[row] is not None:
                witness = others[int(generator.integers(len(others)))]
                pairs.append(
                    (row, classes.index(str(column[witness])), f"{text}\n{texts[witness]}")
                )
        after = _ask(assistant, [pair[2] for pair in pairs])
        failing = [
            ids[row]
            for place, (row, position, _) in enumerate(pairs)
            if after[target][place, position] <= before[target][row, position]
        ]
        name = "another class's ticket appended"
        outcomes.append(
            _outcome("direction", name, target, len(pairs), failing, suites.evidence, texts)
        )
    return outcomes


def _odd_texts(assistant: Assistant, suites: Suites) -> list[Outcome]:
    """One letter, emoji, a wall of text: the answer must still be a distribution."""
    if not suites.odd_texts:
        return []
    answers = assistant.predict_proba(suites.odd_texts)
    outcomes = []
    for target, classes in assistant.targets.items():
        failing = [
            f"odd text {number}"
            for number, row in enumerate(answers[target], start=1)
            if len(row) != len(classes) or not np.isclose(row.sum(), 1) or (row < 0).any()
        ]
        outcomes.append(
            _outcome(
                "minimum functionality",
                "odd text still answered",
                target,
                len(suites.odd_texts),
                failing,
                1.0,
                suites.odd_texts,
            )
        )
    return outcomes


def _functionality(assistant: Assistant, suites: Suites, dataset: str) -> list[Outcome]:
    cases = suites.datasets.get(dataset, Cases()).minimum_functionality
    outcomes = []
    for target in _targets(cases):
        own = [(n, case) for n, case in enumerate(cases, start=1) if case.target == target]
        classes = assistant.targets.get(target, ())
        tried = [(n, case) for n, case in own if set(case.expect) <= set(classes)]
        answers = _ask(assistant, [case.text for _, case in tried]).get(target, ())
        failing = [
            f"case {n}"
            for (n, case), row in zip(tried, answers, strict=True)
            if classes[int(row.argmax())] not in case.expect
        ]
        outcomes.append(
            _outcome(
                "minimum functionality",
                "plain tickets of each class",
                target,
                len(tried),
                failing,
                suites.minimum_functionality,
                own,
            )
        )
    return outcomes


def _directions(assistant: Assistant, suites: Suites, dataset: str) -> list[Outcome]:
    cases = suites.datasets.get(dataset, Cases()).direction
    outcomes = []
    for target in _targets(cases):
        own = [(n, case) for n, case in enumerate(cases, start=1) if case.target == target]
        classes = assistant.targets.get(target, ())
        tried = [(n, case) for n, case in own if set(case.labels) <= set(classes)]
        failing = []
        before = _ask(assistant, [case.text for _, case in tried]).get(target, ())
        after = _ask(assistant, [f"{case.text} {case.add}" for _, case in tried]).get(target, ())
        for (n, case), old, new in zip(tried, before, after, strict=True):
            columns = [classes.index(label) for label in case.labels]
            change = float(new[columns].sum() - old[columns].sum())
            if (change if case.goes == "up" else -change) <= 0:
                failing.append(f"case {n}")
        outcomes.append(
            _outcome(
                "direction",
                "words that speak for a class",
                target,
                len(tried),
                failing,
                suites.direction,
                own,
            )
        )
    return outcomes


def _targets(cases: Sequence[Functionality] | Sequence[Direction]) -> list[str]:
    """Targets the cases speak of, those the assistant does not answer among them."""
    return sorted({case.target for case in cases})


def _ask(assistant: Assistant, texts: Sequence[str]) -> Answers:
    """Probabilities per target, with no rows where there is no text: members refuse to be idle."""
    if texts:
        return assistant.predict_proba(texts)
    return {target: np.zeros((0, len(names))) for target, names in assistant.targets.items()}


def _outcome(
    kind: Kind,
    name: str,
    target: str,
    cases: int,
    failing: Sequence[str],
    minimum: float,
    wanted: Sequence[object],
) -> Outcome:
    return Outcome(
        kind=kind,
        name=name,
        target=target,
        cases=cases,
        failures=len(failing),
        skipped=len(wanted) - cases,
        minimum=minimum,
        failing=tuple(failing[:20]),
    )
