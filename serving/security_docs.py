"""What the OpenAPI document tells of who may ask: schemes, permissions, and how one is refused."""

from collections.abc import Mapping
from typing import Any

from serving.edge_security import quotas_of
from serving.permissions import ANONYMOUS, GRANTED, ROLES, ROUTES, Permission
from serving.problem_docs import problems
from serving.problems import (
    ForbiddenError,
    HostError,
    KeysUnavailableError,
    RateLimitedError,
    RemoteError,
)
from serving.settings import Settings

SCHEMES: dict[str, Any] = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "a key of `python -m serving.keys`; as a bearer it is accepted, too",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "a token of the issuer that this installation trusts, RS256 or ES256",
    },
}

LIMIT_HEADERS: dict[str, Any] = {
    "RateLimit-Policy": {
        "description": "how many requests (`q`) in how many seconds (`w`), where there is a limit",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "how many are left (`r`), and in how many seconds all are again (`t`)",
        "schema": {"type": "string"},
    },
}


def roles_with(permission: Permission) -> tuple[str, ...]:
    """The roles that have a permission, the weakest first."""
    return tuple(role for role in GRANTED if permission in ROLES[role])


def describe(spec: dict[str, Any], settings: Settings) -> None:
    """Add to the document who may ask what, and the answers to who may not."""
    development = settings.profile == "development"
    refusals: list[int | type[Exception]] = [401, ForbiddenError, KeysUnavailableError]
    if development:
        refusals += [RemoteError]
    if development or settings.allowed_hosts:
        refusals += [HostError]
    counted = any(quotas_of(settings))
    if counted or settings.rate_tickets is not None:
        refusals += [RateLimitedError]
    told_of = problems(*refusals)
    spec["components"]["securitySchemes"] = SCHEMES
    shown: list[dict[str, list[str]]] = [{name: []} for name in SCHEMES]
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            permission = ROUTES[f"{method.upper()} {path}"]
            if permission in ANONYMOUS:
                operation["security"] = []
                continue
            operation["security"] = [{}, *shown] if development else shown
            roles = ", ".join(roles_with(permission))
            operation["x-permission"] = permission
            told = f"Needs the permission `{permission}`: {roles}."
            operation["description"] = f"{operation.get('description', '')}\n\n{told}".strip()
            _add(operation["responses"], told_of)
            if counted:
                _tell_limits(operation["responses"])


def _tell_limits(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if status != "421":
            response["headers"] = {**response.get("headers", {}), **LIMIT_HEADERS}


def _add(responses: dict[str, Any], refusals: Mapping[int | str, dict[str, Any]]) -> None:
    for status, told in refusals.items():
        there = responses.setdefault(str(status), {**told, "content": {}})
        _merge(there, told)


def _merge(there: dict[str, Any], told: Mapping[str, Any]) -> None:
    for media_type, media in told["content"].items():
        ours = there["content"].setdefault(media_type, {"schema": media["schema"], "examples": {}})
        ours["examples"] = {**ours["examples"], **media["examples"]}
    titles = dict.fromkeys(there["description"].split(" or "))
    titles.update(dict.fromkeys(told["description"].split(" or ")))
    there["description"] = " or ".join(titles)
    if "headers" in told:
        there["headers"] = {**told["headers"], **there.get("headers", {})}
