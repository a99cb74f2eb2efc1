"""A route documents each problem it may answer, with an example of its type."""

from typing import Any

from data.errors import StoreError
from serving.problem_docs import NAMED_BY_ROUTES, problems
from serving.problems import KINDS, MEDIA_TYPE, HeaderError, RateLimitedError


def shown(documented: dict[str, Any]) -> dict[str, Any]:
    """Name -> example of a documented status."""
    examples = documented["content"][MEDIA_TYPE]["examples"]
    return {name: example["value"] for name, example in examples.items()}


def test_a_status_stands_for_its_problems_but_those_that_routes_name() -> None:
    told = shown(problems(503)[503])
    named = {KINDS[kind].name for kind in NAMED_BY_ROUTES}
    assert told
    assert not named & set(told)
    assert all(example["status"] == 503 for example in told.values())


def test_a_named_problem_joins_those_of_its_status() -> None:
    both = problems(KINDS[StoreError].status, StoreError)
    [(status, documented)] = both.items()
    alone = shown(problems(status)[status])
    assert set(shown(documented)) == {*alone, KINDS[StoreError].name}


def test_a_fault_of_a_header_shows_a_header_and_one_of_the_body_a_field() -> None:
    told = shown(problems(422, HeaderError)[422])
    pointers = {name: example["errors"][0]["pointer"] for name, example in told.items()}
    assert pointers[KINDS[HeaderError].name] == "#/X-Customer"
    assert pointers["validation"] == "#/text"


def test_whoever_is_to_try_again_is_told_when() -> None:
    assert "Retry-After" in problems(503)[503]["headers"]
    assert "Retry-After" in problems(RateLimitedError)[KINDS[RateLimitedError].status]["headers"]
    assert "headers" not in problems(500)[500]


def test_problems_refer_to_the_schema_of_the_document() -> None:
    content = problems(500)[500]["content"]
    assert content[MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
