"""Every route behind the permission that the table names for it."""

from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from data.errors import TicketAssistantError
from serving.permissions import ROUTES, Permission
from serving.principals import Principal, principal_of
from serving.problems import KINDS, ForbiddenError, problem_response

REALM = 'Bearer realm="ticket-assistant"'


class UnguardedRouteError(TicketAssistantError):
    """A route has no permission: name one in `serving.permissions.ROUTES`."""


class Guarded:
    """A route's app, for those who may ask it."""

    def __init__(self, app: ASGIApp, permission: Permission) -> None:
        self.app = app
        self.permission = permission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = principal_of(scope)
        if self.permission in principal.permissions:
            await self.app(scope, receive, send)
        else:
            await refusal_of(principal, self.permission)(scope, receive, send)


def refusal_of(principal: Principal, permission: Permission) -> Response:
    """401 for somebody unknown, 403 for somebody known who may not (RFC 6750, section 3.1)."""
    if principal.identified:
        needed = f'{REALM}, error="insufficient_scope", scope="{permission}"'
        detail = f"the permission {permission} is needed"
        return problem_response(KINDS[ForbiddenError], detail, {"www-authenticate": needed})
    if principal.fault is None:
        return problem_response(
            KINDS[401], "an API key or a token is needed", {"www-authenticate": REALM}
        )
    invalid = f'{REALM}, error="invalid_token"'
    return problem_response(KINDS[401], principal.fault, {"www-authenticate": invalid})


def needs_of(route: BaseRoute) -> dict[str, Permission | None]:
    """Method and address of a route -> its permission; None where the table names none."""
    if not isinstance(route, Route):
        return {f"* {getattr(route, 'path', type(route).__name__)}": None}
    methods = {"GET" if method == "HEAD" else method for method in route.methods or {"*"}}
    names = [f"{method} {route.path_format}" for method in sorted(methods)]
    return {name: ROUTES.get(name) for name in names}


def unguarded(app: FastAPI) -> list[str]:
    """Routes for which the table names no permission."""
    found = [needs_of(route) for route in app.routes]
    return [name for needs in found for name, permission in needs.items() if permission is None]


def install(app: FastAPI) -> None:
    """Put every route behind its permission; call it when all of them are there.

    Raises
    ------
    UnguardedRouteError
        If the table names none, or two for one route.
    """
    if missing := unguarded(app):
        raise UnguardedRouteError(f"no permission is named for {', '.join(missing)}")
    for route in app.routes:
        assert isinstance(route, Route)
        permissions = {permission for permission in needs_of(route).values() if permission}
        if len(permissions) != 1:
            raise UnguardedRouteError(f"{route.path} needs {len(permissions)} permissions")
        route.app = Guarded(route.app, permissions.pop())
