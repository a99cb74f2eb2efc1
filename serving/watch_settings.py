"""What an operator may turn about what is told of the service, and to whom."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.log_lines import LogFormat


class WatchSettings(BaseSettings):
    """The part of `Settings` that is about logs, traces and webhooks."""

    model_config = SettingsConfigDict(
        env_prefix="TICKETS_", frozen=True, hide_input_in_errors=True, extra="ignore"
    )

    access_log: bool = Field(default=True, description="one line per request, without its content")
    log_format: LogFormat = Field(
        default="text", description="text: lines for people; json: one object a line"
    )

    traces_endpoint: str = Field(
        default="",
        description="where spans are sent by OTLP over HTTP, e.g. http://collector:4318/v1/traces; "
        "empty: none are made",
    )
    traces_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="of the requests whose caller does not say whether to trace them",
    )
    sentry_dsn: str = Field(
        default="",
        repr=False,
        description="where unexpected errors are told, by the package sentry-sdk; empty: nowhere",
    )

    webhooks: Path | None = Field(
        default=None, description="YAML: who is told of which events; None: nobody"
    )
    webhook_attempts: PositiveInt = Field(
        default=12, description="to deliver an event, before it is a dead letter"
    )
    webhook_first_seconds: PositiveFloat = Field(
        default=5.0, description="between the first attempt and the second; then ever longer"
    )
    webhook_seconds: PositiveFloat = Field(
        default=10.0, description="for one attempt, from connecting to the end of the answer"
    )

    @field_validator("traces_endpoint")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and (urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname):
            raise ValueError("must be an address such as http://HOST:4318/v1/traces")
        return url
