"""What an operator may turn: environment variables that begin with `TICKETS_`."""

from pathlib import Path
from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.schema import MAX_TEXT


class Settings(BaseSettings):
    """Read once when the service starts; a value out of range refuses the start by its name.

    Host and port are not here: `bentoml serve --host --port` owns the socket.
    """

    model_config = SettingsConfigDict(
        env_prefix="TICKETS_", frozen=True, hide_input_in_errors=True, extra="ignore"
    )

    bundle_store: str = Field(
        default="models/published",
        description="folder or fsspec URL that holds deployment.json and the published bundles",
    )
    bundle_cache: Path = Field(
        default=Path(".cache/bundles"), description="where bundles of a remote store are kept"
    )
    follow_seconds: PositiveFloat = Field(
        default=2.0, description="how often deployment.json is looked at"
    )

    workers: PositiveInt = Field(default=1, description="processes; each holds the whole bundle")
    threads: PositiveInt = Field(
        default=1,
        description="threads of one worker's arithmetic; more than one collapses on shared cores",
    )
    timeout_seconds: PositiveFloat = Field(
        default=20.0, description="a request not answered by then gets 504"
    )

    max_body_bytes: PositiveInt = Field(default=1 << 20, description="larger bodies get 413")
    max_tickets: PositiveInt = Field(default=256, description="tickets of one batch request")
    max_text: int = Field(default=MAX_TEXT, ge=1, le=MAX_TEXT, description="characters of a ticket")

    encoder_batch: PositiveInt = Field(default=32, description="tickets of one encoder call")
    max_waiting: PositiveInt = Field(
        default=512, description="tickets accepted and not yet answered; beyond it 503 at once"
    )

    access_log: bool = Field(default=True, description="one line per request, without its content")

    @model_validator(mode="after")
    def _a_full_batch_can_wait(self) -> Self:
        if self.max_waiting < self.max_tickets:
            raise ValueError(
                f"max_waiting ({self.max_waiting}) is below max_tickets ({self.max_tickets}): "
                "a full batch could never be accepted"
            )
        return self
