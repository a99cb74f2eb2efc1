"""The request headers of ours, as routes take them and the document tells them."""

from typing import Annotated

from fastapi import Header

AssignmentKey = Annotated[
    str | None,
    Header(
        alias="X-Assignment-Key",
        min_length=1,
        max_length=200,
        description="tickets with the same key meet the same arm, e.g. those of one customer; "
        "else each ticket's `id` is its key",
    ),
]

ArmName = Annotated[
    str | None,
    Header(
        alias="X-Arm",
        min_length=1,
        max_length=200,
        description="who is to answer instead of drawing: `champion`, or a version that "
        "`GET /v1/arms` names as challenger",
    ),
]

Customer = Annotated[
    str | None,
    Header(
        alias="X-Customer",
        min_length=1,
        max_length=200,
        description="your key of who wrote the tickets; kept with the answers, and what erasing "
        "a customer goes by",
    ),
]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="instead of `key`, where one is given",
    ),
]
