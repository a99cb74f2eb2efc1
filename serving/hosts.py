"""By which names this service may be asked.

A page of elsewhere whose name suddenly leads to this machine (DNS rebinding) asks by that name. In
the development profile, which needs no credential, names of the public DNS are refused therefore.
"""

from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.identity import PROBES
from serving.problems import KINDS, HostError, problem_response


def name_of(host: bytes) -> str:
    """The name in a Host header, without port and brackets."""
    told = host.decode("latin-1").strip().lower()
    if told.startswith("["):
        return told[1:].partition("]")[0]
    return told.rpartition(":")[0] if told.count(":") == 1 else told


def is_near(name: str) -> bool:
    """Whether a name cannot be one that the public DNS leads anywhere: an address, or no dot."""
    if "." not in name or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class AllowedHosts:
    """Refuses to be asked by another name.

    Parameters
    ----------
    names : that are ours; empty: any, or only near ones
    only_near : whether without names those of the public DNS are refused
    """

    def __init__(self, app: ASGIApp, names: tuple[str, ...], only_near: bool) -> None:
        self.app = app
        self._names = frozenset(name.lower() for name in names)
        self._only_near = only_near

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in PROBES or self._answers(scope):
            await self.app(scope, receive, send)
        else:
            await problem_response(KINDS[HostError])(scope, receive, send)

    def _answers(self, scope: Scope) -> bool:
        told = [value for name, value in scope["headers"] if name == b"host"]
        if len(told) != 1:
            return not told and not self._names
        name = name_of(told[0])
        if self._names:
            return name in self._names
        return not self._only_near or is_near(name)
