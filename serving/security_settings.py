"""What an operator may turn about who may ask, and how often."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from serving.permissions import GRANTED
from serving.secret_files import SecretFiles

Names = Annotated[tuple[str, ...], NoDecode]
"""In the environment: names with commas between."""


class SecuritySettings(BaseSettings):
    """The part of `Settings` that keeps others out."""

    model_config = SettingsConfigDict(
        env_prefix="TICKETS_", frozen=True, hide_input_in_errors=True, extra="ignore"
    )

    profile: Literal["development", "production"] = Field(
        default="development",
        description="development: this machine may ask everything, without a credential, and no "
        "other anything. production: whoever asks shows a key or a token, and the service does not "
        "start with secrets missing",
    )
    key_file: Path | None = Field(
        default=None, description="API keys, as `python -m serving.keys` writes them"
    )
    jwt_issuer: str = Field(default="", description="whose tokens are accepted; empty: nobody's")
    jwt_audience: str = Field(default="", description="for whom a token has to be")
    jwt_keys: str = Field(
        default="", description="the issuer's public keys (JWKS): a file, or an https address"
    )
    jwt_roles_claim: str = Field(
        default="roles", description="where a token tells the roles; dots lead into objects"
    )
    jwt_roles: dict[str, str] = Field(
        default={}, description="JSON: the issuer's role -> ours; empty: the issuer uses ours"
    )
    jwt_leeway_seconds: NonNegativeInt = Field(
        default=30, le=300, description="that the clocks of issuer and service may differ"
    )
    open_docs: bool = Field(
        default=True, description="whether the documentation is told to who shows no credential"
    )

    rate_limit: PositiveInt | None = Field(
        default=None,
        description="requests of one caller in `rate_seconds`, at most; beyond it 429. None: no "
        "limit",
    )
    rate_tickets: PositiveInt | None = Field(
        default=None,
        description="tickets of one caller in `rate_seconds`, at most, a batch by its size; beyond "
        "it 429. Those of jobs are not counted. None: no limit",
    )
    rate_seconds: PositiveInt = Field(default=60, description="the window of the limits")
    refused_limit: PositiveInt | None = Field(
        default=60,
        description="requests of one address in `rate_seconds` whose credential is worth nothing",
    )
    redis: str = Field(
        default="",
        repr=False,
        description="redis://… where the workers of all machines count together; empty: each "
        "worker counts for itself",
    )
    redis_timeout_seconds: PositiveFloat = Field(
        default=0.1, description="after which a worker counts for itself"
    )

    allowed_hosts: Names = Field(
        default=(), description="host names this service is asked by; empty: any"
    )
    cors_origins: Names = Field(
        default=(), description="origins whose pages may read answers; empty: none"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, and files that it names."""
        return init_settings, env_settings, SecretFiles(settings_cls)

    @field_validator("allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _between_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("jwt_roles")
    @classmethod
    def _are_roles(cls, roles: dict[str, str]) -> dict[str, str]:
        if unknown := sorted({role for role in roles.values() if role not in GRANTED}):
            raise ValueError(f"{', '.join(unknown)}: a role is one of {', '.join(GRANTED)}")
        return roles
