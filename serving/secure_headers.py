"""Headers that keep browsers from doing with an answer what it is not for."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Added where the answer itself has no other."""

TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
"""Added to what was asked for by https; a year, as RFC 6797, section 7, has it in its example."""


class SecureHeaders:
    """Adds them to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        wanted = (*HEADERS, TRANSPORT) if scope.get("scheme") == "https" else HEADERS

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                there = {name for name, _ in headers}
                headers.extend(pair for pair in wanted if pair[0] not in there)
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, adding)
