"""What a store knows to be erased, carried to another store, and applied there.

A store restored from a backup holds again what was erased since. Whoever restores brings the list
of erasures along: it is applied before anybody reads a row, and kept, so that late rows are refused
as well. The list names nobody, but as it holds the salt, whoever has it can try keys.
"""

import hashlib
import json
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from sqlalchemy import Connection, Engine, bindparam, select

from data.durable import write_text
from data.errors import StoreError
from data.schema import Record
from data.sql_engine import shrink, writing
from data.sql_erasure import SALT, delete_predictions, digests_of, read_salts
from data.sql_rows import MOST_VALUES, insert_event, insert_new
from data.sql_tables import erasures, facts, predictions, to_microseconds, to_moment
from data.store import Erased, Event, asked_at

Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_COLUMNS = [predictions.c[name] for name in ("id", "at", "beside", "ticket_id", "customer")]


class ErasureList(Record):
    """Digests of who was erased, and when; and the salts they were made with."""

    format: Literal["ticket-assistant erasures 1"] = "ticket-assistant erasures 1"
    salts: tuple[Hex64, ...]
    erasures: dict[Hex64, int] = Field(description="digest -> microseconds since 1970 in UTC")

    @property
    def checksum(self) -> str:
        """SHA-256 of the content, whatever its order."""
        content = json.dumps([sorted(self.salts), sorted(self.erasures.items())])
        return hashlib.sha256(content.encode()).hexdigest()


def export_erasures(engine: Engine, path: Path, actor: str, at: datetime) -> int:
    """Write the list of a store to a file, and log that; how many erasures it holds.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    with writing(engine) as connection:
        found = read_erasures(connection)
        try:
            told = found.model_dump() | {"sha256": found.checksum}
            write_text(path, json.dumps(told) + "\n")
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {type(error).__name__}") from None
        detail = {"erasures": len(found.erasures)}
        insert_event(
            connection,
            Event(at=at, actor=actor, action="erasures.exported", subject=path.name[:200],
                  detail=detail),
        )  # fmt: skip
    return len(found.erasures)


def import_erasures(path: Path, engine: Engine, actor: str, at: datetime) -> Erased:
    """Take over the list in a file, remove what it says, and log that; what went.

    A store without rows keeps the list for those that are restored into it.

    Raises
    ------
    StoreError
        If the file is damaged or no list.
    """
    found = load_erasures(path)
    with writing(engine, alone=True) as connection:
        keep_erasures(connection, found)
        gone = apply_erasures(connection)
        detail = {"erasures": len(found.erasures), **gone.model_dump()}
        insert_event(
            connection,
            Event(at=at, actor=actor, action="erasures.imported", subject=path.name[:200],
                  detail=detail),
        )  # fmt: skip
    shrink(engine)
    return gone


def load_erasures(path: Path) -> ErasureList:
    """The list in a file.

    Raises
    ------
    StoreError
        If it cannot be read, is damaged or no list.
    """
    try:
        told = json.loads(path.read_bytes())
        checksum = told.pop("sha256", None) if isinstance(told, dict) else None
        found = ErasureList.model_validate(told)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {type(error).__name__}") from None
    except (ValueError, ValidationError):
        raise StoreError(f"{path.name} is no list of erasures") from None
    if checksum != found.checksum:
        raise StoreError(f"{path.name} is damaged: its checksum is not that of it")
    return found


def read_erasures(connection: Connection) -> ErasureList:
    """The list of a store."""
    found = connection.execute(select(erasures.c.digest, erasures.c.at))
    return ErasureList(
        salts=tuple(read_salts(connection)), erasures={row.digest: row.at for row in found}
    )


def keep_erasures(connection: Connection, found: ErasureList) -> None:
    """Add a list to that of a store; of the same erasure the later moment counts."""
    known = set(read_salts(connection))
    salts = [
        {"name": f"{SALT}.{hashlib.sha256(salt.encode()).hexdigest()[:16]}", "value": salt}
        for salt in found.salts
        if salt not in known
    ]
    if found.erasures:
        insert_new(connection, facts, salts, "name")
    rows = [{"digest": digest, "at": at} for digest, at in found.erasures.items()]
    new = insert_new(connection, erasures, rows, "digest")
    later = [
        {"this": row["digest"], "moment": row["at"]} for row in rows if row["digest"] not in new
    ]
    if later:
        condition = (erasures.c.digest == bindparam("this"), erasures.c.at < bindparam("moment"))
        connection.execute(
            erasures.update().where(*condition).values(at=bindparam("moment")), later
        )


def apply_erasures(connection: Connection) -> Erased:
    """Remove every prediction made before its erasure, with all that hangs on it."""
    found = read_erasures(connection)
    predictions_gone = feedback_gone = 0
    if found.erasures:
        gone = iter(_find_erased(connection, found))
        while part := list(islice(gone, MOST_VALUES)):
            taken = delete_predictions(connection, predictions.c.id.in_(part))
            predictions_gone += taken.predictions
            feedback_gone += taken.feedback
    return Erased(predictions=predictions_gone, feedback=feedback_gone)


def _find_erased(connection: Connection, found: ErasureList) -> list[str]:
    statement = select(*_COLUMNS).execution_options(stream_results=True, yield_per=1_000)
    erased = []
    for row in connection.execute(statement):
        asked = to_microseconds(asked_at(to_moment(row.at), row.beside))
        digests = digests_of(found.salts, row.ticket_id, row.customer)
        if any(asked <= found.erasures.get(digest, -1) for digest in digests):
            erased.append(str(row.id))
    return erased
