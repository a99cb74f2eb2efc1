"""Who may do what: the one table of roles, and the permission that each route needs.

A route that is missing here keeps the service from starting (`serving.guard`).
"""

from typing import Literal, get_args

Permission = Literal[
    "probe",
    "docs:read",
    "model:read",
    "metrics:read",
    "health:read",
    "tickets:predict",
    "tickets:similar",
    "feedback:write",
    "review:read",
    "history:read",
    "history:export",
    "history:erase",
    "jobs:read",
    "jobs:write",
]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

Role = Literal["anonymous", "viewer", "agent", "data-scientist", "admin"]

HEALTH_READ: Permission = "health:read"

ANONYMOUS: frozenset[Permission] = frozenset({"probe", "docs:read"})
VIEWER: frozenset[Permission] = ANONYMOUS | frozenset({"model:read", "metrics:read"})
AGENT: frozenset[Permission] = VIEWER | frozenset({
    "tickets:predict", "tickets:similar", "feedback:write", "review:read", "history:read",
})  # fmt: skip
DATA_SCIENTIST: frozenset[Permission] = AGENT | frozenset(
    {"history:export", "jobs:read", "jobs:write"}
)
ADMIN: frozenset[Permission] = DATA_SCIENTIST | frozenset({"history:erase", "health:read"})

ROLES: dict[Role, frozenset[Permission]] = {
    "anonymous": ANONYMOUS,
    "viewer": VIEWER,
    "agent": AGENT,
    "data-scientist": DATA_SCIENTIST,
    "admin": ADMIN,
}
"""`anonymous` is everybody who shows no credential; nobody can be given it."""

GRANTED: tuple[Role, ...] = ("viewer", "agent", "data-scientist", "admin")
"""The roles of keys and tokens."""

ROUTES: dict[str, Permission] = {
    "GET /livez": "probe",
    "GET /readyz": "probe",
    "GET /": "docs:read",
    "GET /docs": "docs:read",
    "GET /docs/page.css": "docs:read",
    "GET /docs/page.js": "docs:read",
    "GET /openapi.json": "docs:read",
    "GET /metrics": "metrics:read",
    "GET /v1/health": HEALTH_READ,
    "GET /v1/model": "model:read",
    "GET /v1/arms": "model:read",
    "POST /v1/predict": "tickets:predict",
    "POST /v1/predict/batch": "tickets:predict",
    "POST /v1/similar": "tickets:similar",
    "POST /v1/feedback": "feedback:write",
    "GET /v1/review": "review:read",
    "GET /v1/predictions": "history:read",
    "GET /v1/predictions/{id}": "history:read",
    "GET /v1/predictions/export": "history:export",
    "DELETE /v1/tickets/{ticket_id}": "history:erase",
    "DELETE /v1/customers/{customer}": "history:erase",
    "POST /v1/jobs": "jobs:write",
    "GET /v1/jobs": "jobs:read",
    "GET /v1/jobs/{id}": "jobs:read",
    "GET /v1/jobs/{id}/result": "jobs:read",
    "DELETE /v1/jobs/{id}": "jobs:write",
}
"""Method and address of every route -> what its caller must be allowed."""


def permissions_of(role: str, scopes: tuple[str, ...] | None = None) -> frozenset[Permission]:
    """What a role may, narrowed to the scopes named; nothing for a role that is not in the table.

    What everybody may is never taken away.
    """
    granted = ROLES[role] if role in GRANTED else ANONYMOUS
    if scopes is None:
        return granted
    return ANONYMOUS | {permission for permission in granted if permission in scopes}
