"""Who asks, as decided at the edge and carried in the request's scope."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request
from starlette.types import Scope

from serving.permissions import ADMIN, ANONYMOUS, Permission

CredentialKind = Literal["key", "token", "unclear"]
"""What was shown; `unclear`: neither can be told."""

RefusalReason = Literal[
    "malformed", "unknown", "expired", "revoked", "early", "audience", "issuer", "invalid",
    "not_accepted",
]  # fmt: skip
"""Why a credential is worth nothing: a few words, as they are a label of metrics."""


class CredentialRefusedError(Exception):
    """A key or token is worth nothing; the message may be told to whoever showed it."""

    def __init__(self, told: str, reason: RefusalReason) -> None:
        super().__init__(told)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, and what they may do.

    Parameters
    ----------
    name : `key:<name>` or `user:<subject>`; empty where nobody was asked to say who they are
    fault : why the credential that was shown is worth nothing
    """

    name: str
    permissions: frozenset[Permission]
    fault: str | None = None

    @property
    def identified(self) -> bool:
        """Whether a credential told who it is."""
        return bool(self.name)

    def author(self, claimed: str | None) -> str | None:
        """What feedback is signed with: nobody signs in the name of another.

        An application that speaks for several people tells which behind its own name.
        """
        if not self.identified:
            return claimed
        if claimed is None or claimed == self.name:
            return self.name
        return f"{self.name}/{claimed}"


NOBODY = Principal("", ANONYMOUS)
"""Shows no credential."""

DEVELOPER = Principal("", ADMIN)
"""On this machine, in the development profile."""


def principal_of(scope: Scope) -> Principal:
    """Who asks, as the edge decided; nobody where there is no edge."""
    principal: Principal = scope.get("user", NOBODY)
    return principal


async def find_principal(request: Request) -> Principal:
    """Who asks; asynchronous, or each request changed threads."""
    return principal_of(request.scope)


Caller = Annotated[Principal, Depends(find_principal)]
