"""Who is told of events: read from a file that holds no secret, only where secrets lie.

endpoints:
  crm:
    url: https://crm.example.com/hooks/tickets
    events: [ticket.review_needed, certificate.lost]
    secret_files: [/run/secrets/crm-next, /run/secrets/crm]   # all sign; rotate without a gap
    secret_environment: [CRM_WEBHOOK_SECRET]
    allow: [10.20.0.0/16]        # private networks that may be reached; none otherwise
    http: false                  # whether a URL without TLS may be used
    ca_file: /etc/ssl/inside.pem
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, ValidationError, field_validator, model_validator

from data.errors import CatalogError
from data.outbox_events import Kind
from data.yaml_files import Section, explain, read_yaml
from serving.webhook_signing import Secret, read_secret

MAX_URL = 2_000


class Endpoint(Section):
    """One receiver."""

    url: str = Field(max_length=MAX_URL)
    events: tuple[Kind, ...] = Field(min_length=1)
    secret_files: tuple[Path, ...] = ()
    secret_environment: tuple[str, ...] = ()
    allow: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description="networks that may be reached although they are not public"
    )
    http: bool = Field(default=False, description="whether the URL may be without TLS")
    ca_file: Path | None = Field(default=None, description="of who signs its certificate")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("must be an address such as https://HOST/PATH")
        if parts.username or parts.password:
            raise ValueError("must hold neither user nor password")
        if not re.fullmatch(r"[\x21-\x7e]+", url):
            raise ValueError("must hold neither spaces nor characters beyond ASCII")
        _ = parts.port  # raises ValueError where it is none
        return url

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if urlsplit(self.url).scheme == "http" and not self.http:
            raise ValueError("url: without TLS only where `http: true` says so")
        if not self.secret_files and not self.secret_environment:
            raise ValueError("secret_files: at least one secret must sign")
        return self

    def secrets(self, environment: Mapping[str, str] = os.environ) -> tuple[Secret, ...]:
        """What signs, read anew each time, so that a secret is rotated without a restart.

        Raises
        ------
        CatalogError
            If one is missing or no secret; the message does not tell it.
        """
        found = []
        for path in self.secret_files:
            try:
                found.append(read_secret(path.read_text(encoding="ascii"), str(path)))
            except (OSError, UnicodeError) as error:
                raise CatalogError(f"{path} cannot be read: {type(error).__name__}") from None
        for name in self.secret_environment:
            if name not in environment:
                raise CatalogError(f"the environment holds no {name}")
            found.append(read_secret(environment[name], name))
        return tuple(found)


class Endpoints(Section):
    """All receivers, by their name."""

    endpoints: dict[str, Endpoint] = Field(default={})

    @field_validator("endpoints")
    @classmethod
    def _are_names(cls, endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
        for name in endpoints:
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
                raise ValueError("a name has up to 40 small letters, digits and hyphens")
        return endpoints

    @property
    def wanted(self) -> dict[str, tuple[Kind, ...]]:
        """Which endpoint wants which events."""
        return {name: endpoint.events for name, endpoint in self.endpoints.items()}


def read_endpoints(path: Path | None) -> Endpoints:
    """The receivers that a file names, with their secrets looked at once; none without a file.

    Raises
    ------
    CatalogError
        With the key that is wrong.
    """
    if path is None:
        return Endpoints()
    try:
        found = Endpoints.model_validate(read_yaml(path))
    except ValidationError as error:
        raise CatalogError(explain(error, f"{path.name}: ")) from None
    for endpoint in found.endpoints.values():
        endpoint.secrets()
    return found
