"""Whatever the document allows, and much that it does not: no failure of ours, no broken promise.

`TICKETS_FUZZ` says how many cases each address gets; `make fuzz` asks for more than CI does.
"""

import os
from collections import Counter

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CASES = int(os.environ.get("TICKETS_FUZZ", "12"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_every_answer_is_one_that_the_document_promises(whole_app: FastAPI) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", whole_app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 18
    statuses: Counter[int] = Counter()
    for operation in operations:
        cases = st.one_of(
            operation.as_strategy(generation_mode=mode)
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        )

        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def ask(case: schemathesis.Case) -> None:
            statuses[case.call_and_validate(checks=CHECKS).status_code] += 1

        ask()
    print(f"{sum(statuses.values())} cases: {dict(sorted(statuses.items()))}")  # noqa: T201
    assert statuses[200] > len(operations)
    assert statuses[422] > len(operations)
