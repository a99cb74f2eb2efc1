"""Who asks is decided here, once, before anything else looks at a request."""

import logging
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from data.keys import PREFIX
from serving.api_keys import ApiKeys
from serving.permissions import ANONYMOUS
from serving.principals import (
    DEVELOPER,
    NOBODY,
    CredentialKind,
    CredentialRefusedError,
    Principal,
    RefusalReason,
)
from serving.problems import KINDS, KeysUnavailableError, RemoteError, problem_response
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.tokens import Tokens

logger = logging.getLogger(__name__)

PROBES = frozenset({"/livez", "/readyz"})
"""Answered to whoever asks, from wherever."""

FORWARDING = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})
"""Headers of a proxy: behind one, the address of the connection tells nothing."""

UNIX_SOCKET, TEST_CLIENT = "", "testclient"
"""What stands for an address where there is none: a socket file's, and Starlette's own client."""

TO_LET_OTHERS_IN = "set TICKETS_PROFILE=production to let others in"

Headers = Iterable[tuple[bytes, bytes]]

Count = Callable[[CredentialKind, RefusalReason], object]
"""Told of every credential that is refused."""


class Identity:
    """Decides who asks.

    Parameters
    ----------
    open_here : whether requests of this machine need no credential, and others are refused
    keys, tokens : what can tell who asks
    count : told of every credential that is refused
    """

    def __init__(
        self,
        open_here: bool,
        keys: ApiKeys | None = None,
        tokens: "Tokens | None" = None,
        nobody: Principal = NOBODY,
        count: Count = lambda kind, reason: None,
    ) -> None:
        self.open_here = open_here
        self._keys = keys
        self._tokens = tokens
        self._nobody = DEVELOPER if open_here else nobody
        self._count = count

    @classmethod
    def of(cls, settings: Settings, count: Count = lambda kind, reason: None) -> "Identity":
        """As an installation asks for it."""
        open_here = settings.profile == "development"
        keys = None if settings.key_file is None else ApiKeys(settings.key_file)
        tokens = None
        if settings.jwt_issuer:
            from serving.token_keys import open_keys
            from serving.tokens import Tokens

            tokens = Tokens(
                open_keys(settings.jwt_keys),
                settings.jwt_issuer,
                settings.jwt_audience,
                settings.jwt_roles_claim,
                settings.jwt_roles,
                settings.jwt_leeway_seconds,
            )
        if open_here:
            logger.warning(
                "profile development: whoever asks from this machine may do everything, and nobody "
                "else anything; %s",
                TO_LET_OTHERS_IN,
            )
        hidden = frozenset() if settings.open_docs else frozenset({"docs:read"})
        return cls(open_here, keys, tokens, Principal("", ANONYMOUS - hidden), count)

    async def find(self, headers: Headers) -> Principal:
        """Who asks, by the credential that the headers show.

        Raises
        ------
        KeysUnavailableError
            If the token's issuer cannot be asked for its keys.
        """
        shown = [
            value.decode("latin-1")
            for name, value in headers
            if name in (b"authorization", b"x-api-key")
            for value in ((b"Bearer " + value if name == b"x-api-key" else value),)
        ]
        if not shown:
            return self._nobody
        if len(shown) > 1:
            return self._refused("more than one credential is shown", "unclear", "malformed")
        scheme, _, credential = shown[0].partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            fault = "a credential is shown as `Authorization: Bearer …`"
            return self._refused(fault, "unclear", "malformed")
        try:
            return await self._known(credential)
        except CredentialRefusedError as error:
            kind: CredentialKind = "key" if credential.startswith(PREFIX) else "token"
            return self._refused(str(error), kind, error.reason)

    async def _known(self, credential: str) -> Principal:
        if credential.startswith(PREFIX):
            if self._keys is None:
                raise CredentialRefusedError("no keys are accepted here", "not_accepted")
            return self._keys.find(credential)
        if self._tokens is None:
            raise CredentialRefusedError("no tokens are accepted here", "not_accepted")
        return await self._tokens.find(credential)

    def _refused(self, fault: str, kind: CredentialKind, reason: RefusalReason) -> Principal:
        self._count(kind, reason)
        return Principal("", NOBODY.permissions & self._nobody.permissions, fault)


def is_local(host: str | None, headers: Headers) -> bool:
    """Whether a connection comes from this machine, and from no proxy on it."""
    if any(name in FORWARDING for name, _ in headers):
        return False
    if host in (None, UNIX_SOCKET, TEST_CLIENT):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class Identified:
    """Puts who asks into the scope, as `user`."""

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self.app = app
        self.identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = scope["headers"]
        if scope["path"] in PROBES:
            scope["user"] = NOBODY
            await self.app(scope, receive, send)
            return
        if self.identity.open_here:
            client = scope.get("client")
            if not is_local(client and client[0], headers):
                refusal = problem_response(KINDS[RemoteError], TO_LET_OTHERS_IN)
                await refusal(scope, receive, send)
                return
        try:
            scope["user"] = await self.identity.find(headers)
        except KeysUnavailableError as error:
            later = problem_response(KINDS[type(error)], None, {"retry-after": "5"})
            await later(scope, receive, send)
            return
        await self.app(scope, receive, send)
