"""JSON Web Tokens of an issuer that is trusted (RFC 7519, checked as RFC 8725 advises).

The key says which algorithm is used, never the token: one signed with another is refused, as is one
that is not signed, and addresses of keys inside a token are not followed.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import jwt
from jwt import exceptions as faults

from serving.permissions import GRANTED, permissions_of
from serving.principals import CredentialRefusedError, Principal, RefusalReason
from serving.token_keys import Keys

MAX_TOKEN = 8192
"""Characters of a token that are looked at, at most."""

REMEMBERED = 4096
"""Tokens whose signature is not checked anew, at most."""

MAX_SUBJECT = 150

REQUIRED = ("exp", "iat", "iss", "aud", "sub")

TOLD: dict[type[Exception], tuple[str, RefusalReason]] = {
    faults.ExpiredSignatureError: ("the token is expired", "expired"),
    faults.ImmatureSignatureError: ("the token is not valid yet", "early"),
    faults.InvalidAudienceError: ("the token is for another audience", "audience"),
    faults.InvalidIssuerError: ("the token is of another issuer", "issuer"),
    faults.MissingRequiredClaimError: (
        "the token lacks one of exp, iat, iss, aud, sub", "invalid",
    ),
    faults.InvalidAlgorithmError: (
        "the token is signed with an algorithm that is not accepted", "invalid",
    ),
    faults.DecodeError: ("the token is not valid", "malformed"),
}  # fmt: skip
"""What may be told of a token that is refused, and what is counted."""


class _Known(NamedTuple):
    principal: Principal
    expires: float
    generation: int


class Tokens:
    """Tells who a token speaks of. Call it from one event loop.

    Parameters
    ----------
    roles_claim : where the token tells the roles; dots lead into claims that are objects
    roles : the issuer's name of a role -> ours; empty: the issuer uses ours
    leeway : seconds that the clocks of issuer and service may differ
    """

    def __init__(
        self,
        keys: Keys,
        issuer: str,
        audience: str,
        roles_claim: str = "roles",
        roles: Mapping[str, str] | None = None,
        leeway: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._roles_claim = roles_claim
        self._roles = dict(roles or {}) or {role: role for role in GRANTED}
        self._leeway = leeway
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def find(self, token: str) -> Principal:
        """Who the token speaks of.

        Raises
        ------
        CredentialRefusedError
            If it is not one of the issuer's, for us and of now.
        KeysUnavailableError
            If the issuer's keys are not known.
        """
        if len(token) > MAX_TOKEN:
            raise CredentialRefusedError("the token is too long", "malformed")
        self._keys.follow()
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._known.get(digest)
        if known is not None and known.generation == self._keys.generation:
            if known.expires > self._clock() - self._leeway:
                return known.principal
            raise CredentialRefusedError(*TOLD[faults.ExpiredSignatureError])
        claims, expires = await self._checked(token)
        principal = self._principal(claims)
        self._known[digest] = _Known(principal, expires, self._keys.generation)
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return principal

    async def _checked(self, token: str) -> tuple[dict[str, Any], float]:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.find(kid)
            if key is None:
                raise CredentialRefusedError(
                    "the token is signed with a key the issuer does not show", "unknown"
                )
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": list(REQUIRED), "enforce_minimum_key_length": True},
            )
            return claims, float(claims["exp"])
        except (faults.PyJWTError, ValueError, OverflowError, RecursionError) as error:
            told = TOLD.get(type(error), ("the token is not valid", "invalid"))
            raise CredentialRefusedError(*told) from None

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        # A slash stands between an application and whom it speaks for, so none is left in a name.
        subject = quote(claims["sub"], safe="@|:+=.,~ ")
        if not 0 < len(subject) <= MAX_SUBJECT:
            raise CredentialRefusedError("the token's subject is empty or too long", "invalid")
        roles = [self._roles[name] for name in self._told_roles(claims) if name in self._roles]
        permissions = permissions_of("").union(*(permissions_of(role) for role in roles))
        return Principal(f"user:{subject}", permissions)

    def _told_roles(self, claims: Mapping[str, Any]) -> Sequence[str]:
        found: Any = claims.get(self._roles_claim)
        if found is None:
            found = claims
            for part in self._roles_claim.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, str):
            return found.split()
        return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
