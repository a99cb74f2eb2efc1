"""Latency and errors of each arm, measured outside of the store.

A JSON file or URL, version -> {"p95_ms": 40, "error_rate": 0.001}, or an exposition of Prometheus
with the histogram `tickets_arm_seconds` and the counters `tickets_arm_answers_total` and
`tickets_arm_failures_total`, each with the label `version`. An exposition counts since the start of
the service, whatever the experiment is old. What is not there is not measured.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter, ValidationError

from data.errors import DataError
from evaluation.guardrails import Measured

SECONDS = "tickets_arm_seconds_bucket"
ANSWERS = "tickets_arm_answers_total"
FAILURES = "tickets_arm_failures_total"

_MEASURED = TypeAdapter(dict[str, Measured])
_TIMEOUT = 10.0


def read_measured(place: str) -> dict[str, Measured]:
    """Version -> what was measured of it, from a file or an http(s) URL.

    Raises
    ------
    DataError
        If it cannot be read, or is neither of the two forms.
    """
    try:
        if place.startswith(("http://", "https://")):
            with urlopen(place, timeout=_TIMEOUT) as answer:  # noqa: S310
                text = answer.read().decode("utf-8")
        else:
            text = Path(place).read_text(encoding="utf-8")
    except (URLError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"--metrics: {place} cannot be read: {error}") from None
    try:
        return parse_measured(text)
    except (ValidationError, ValueError) as error:
        raise DataError(
            f"--metrics: {place} is neither JSON of measurements nor Prometheus text "
            f"({type(error).__name__})"
        ) from None


def parse_measured(text: str) -> dict[str, Measured]:
    """Version -> what was measured of it; ValueError if the text is of neither form."""
    if text.lstrip().startswith("{"):
        return _MEASURED.validate_python(json.loads(text))
    buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    answers: dict[str, float] = defaultdict(float)
    failures: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            version = sample.labels.get("version")
            if version is None:
                continue
            if sample.name == SECONDS:
                buckets[version][float(sample.labels["le"])] += sample.value
            elif sample.name == ANSWERS and sample.labels.get("arm") != "shadow":
                answers[version] += sample.value
            elif sample.name == FAILURES:
                failures[version] += sample.value
    return {
        version: Measured(
            p95_ms=_quantile(buckets.get(version, {}), 0.95),
            # A service that counts no failures has not shown that there are none.
            error_rate=_rate(failures[version], answers[version]) if failures else None,
        )
        for version in {*buckets, *answers, *failures}
    }


def _quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Milliseconds by linear interpolation in cumulative buckets, as Prometheus does."""
    bounds = sorted(buckets)
    if not bounds or not (total := buckets[bounds[-1]]):
        return None
    rank = share * total
    place = next(place for place, bound in enumerate(bounds) if buckets[bound] >= rank)
    bound, start = bounds[place], bounds[place - 1] if place else 0.0
    if bound == float("inf"):
        return 1000 * start
    below = buckets[start] if place else 0.0
    return 1000 * (start + (rank - below) / (buckets[bound] - below) * (bound - start))


def _rate(failed: float, answered: float) -> float | None:
    total = failed + answered
    return failed / total if total else None
