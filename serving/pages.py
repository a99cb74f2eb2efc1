"""The documentation page: our own three files, nothing from elsewhere."""

from functools import cache
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse

FOLDER = Path(__file__).parent / "page"

FILES = {
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/page.css": ("page.css", "text/css; charset=utf-8"),
    "/docs/page.js": ("page.js", "text/javascript; charset=utf-8"),
}

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@cache
def read_page(name: str) -> bytes:
    """One file of the page, read once."""
    return (FOLDER / name).read_bytes()


def install(app: FastAPI) -> None:
    """Serve the page at /docs, and lead / there."""

    async def index() -> Response:
        return RedirectResponse("/docs")

    app.add_api_route("/", index, include_in_schema=False)
    for path, (name, media_type) in FILES.items():

        async def file(name: str = name, media_type: str = media_type) -> Response:
            return Response(read_page(name), media_type=media_type, headers=HEADERS)

        app.add_api_route(path, file, include_in_schema=False)
