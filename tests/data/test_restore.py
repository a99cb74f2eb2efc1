"""What was erased stays away when an older backup is restored, and older versions are migrated."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from data.backup import back_up, count_rows
from data.erasures import export_erasures, import_erasures
from data.errors import StoreError
from data.restore import restore
from data.sql import SqlStore, open_sql_store
from data.sql_engine import open_engine
from data.sql_migrations import find_revision, migrate, newest_revision
from data.store import Erasure, Event, Query
from tests.postgres import Postgres
from tests.stores import LABELS, NOON, make_feedback, make_prediction

LATER = NOON + timedelta(days=1)
OLD = Path(__file__).parent / "backups" / "0001.jsonl"
"""Made by the code of version 0001, with a row of every kind."""

NewStore = Callable[[str], SqlStore]


@pytest.fixture
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewStore]:
    """Opens an empty store on an engine."""
    opened: list[SqlStore] = []

    def make(kind: str) -> SqlStore:
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path}/{len(opened)}/store.db"
        else:
            server: Postgres = request.getfixturevalue("postgres")
            url = server.new_database()
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()
        opened.append(open_sql_store(url))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def ids(store: SqlStore) -> list[int]:
    return [int(row.stored.id, 16) for row in store.stream(Query())]


def fill(store: SqlStore) -> None:
    store.know_bundle("bundle-1", LABELS)
    store.add_predictions(
        [make_prediction(n, customer=f"c-{n % 2}", ticket_id=f"t-{n % 5}") for n in range(1, 10)]
    )
    store.add_feedback([make_feedback(f"k-{n}", n) for n in (1, 4, 6)])
    store.log(Event(at=NOON, actor="ann", action="publish", subject="bundle-1"))


FORMS = [("sqlite", "copy.db"), ("sqlite", "all.jsonl.gz"), ("postgresql", "all.jsonl")]


@pytest.mark.parametrize(("kind", "name"), FORMS)
def test_a_list_brought_along_keeps_what_was_erased_out_of_a_restored_store(
    new_store: NewStore, tmp_path: Path, kind: str, name: str
) -> None:
    old, new = new_store(kind), new_store(kind)
    fill(old)
    back_up(old.engine, tmp_path / name)
    old.erase(Erasure(customer="c-1"), "ann", LATER)
    old.erase(Erasure(ticket_id="t-2"), "ann", LATER)
    assert export_erasures(old.engine, tmp_path / "erased.json", "ann", LATER) == 2
    import_erasures(tmp_path / "erased.json", new.engine, "bob", LATER)
    assert restore(tmp_path / name, new.engine) == count_rows(new.engine)
    assert ids(new) == ids(old) == [4, 6, 8]
    assert [len(row.feedback) for row in new.stream(Query())] == [1, 1, 0]
    assert new.is_erased(customer="c-1")
    assert new.is_erased(ticket_id="t-2")
    assert not new.is_erased(ticket_id="c-1")
    new.add_predictions([make_prediction(1, customer="c-1"), make_prediction(20)])
    assert ids(new) == [4, 6, 8, 20]
    done = {event.action: event for event in new.events()}
    assert done["erasures.applied"].detail == {"predictions": 6, "feedback": 1}
    assert done["erasures.imported"].detail["erasures"] == 2
    assert done["publish"].actor == "ann"
    assert old.events(action="erasures.exported")[0].subject == "erased.json"
    if kind == "sqlite":
        written = Path(str(new.engine.url.database)).parent
        assert b"invented ticket 1" not in b"".join(p.read_bytes() for p in written.iterdir())


@pytest.mark.parametrize(("kind", "name"), FORMS)
def test_a_store_applies_what_it_knows_itself_under_a_salt_of_its_own(
    new_store: NewStore, tmp_path: Path, kind: str, name: str
) -> None:
    old, new = new_store(kind), new_store(kind)
    fill(old)
    old.erase(Erasure(ticket_id="t-4"), "ann", LATER)
    back_up(old.engine, tmp_path / name)
    new.erase(Erasure(customer="c-0"), "bob", LATER)
    new.erase(Erasure(ticket_id="unheard of"), "bob", LATER)
    restore(tmp_path / name, new.engine)
    assert ids(new) == [1, 3, 5, 7]
    assert new.is_erased(ticket_id="t-4")
    assert new.is_erased(customer="c-0")
    assert new.is_erased(ticket_id="unheard of")
    new.add_predictions([make_prediction(30, ticket_id="unheard of", at=NOON)])
    new.erase(Erasure(ticket_id="t-1"), "bob", LATER)
    assert ids(new) == [3, 5, 7]
    assert [event.actor for event in new.events(action="erase")].count("bob") == 3
    back_up(new.engine, tmp_path / f"again-{name}")
    third = new_store(kind)
    restore(tmp_path / f"again-{name}", third.engine)
    assert third.events() == new.events(), "no line is there twice"
    assert third.is_erased(ticket_id="unheard of")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_list_is_applied_to_a_store_that_was_restored_without_it(
    new_store: NewStore, tmp_path: Path, kind: str
) -> None:
    old, new = new_store(kind), new_store(kind)
    fill(old)
    back_up(old.engine, tmp_path / "all.jsonl")
    for name, second in (("early", 0), ("late", 6)):
        old.erase(Erasure(customer="c-1"), "ann", NOON + timedelta(seconds=second))
        export_erasures(old.engine, tmp_path / name, "ann", LATER)
    restore(tmp_path / "all.jsonl", new.engine)
    new.add_predictions([make_prediction(11, customer="c-1", arm="shadow", beside=uuid7(5))])
    gone = [
        import_erasures(tmp_path / name, new.engine, "bob", LATER)
        for name in ("early", "late", "early")
    ]
    assert [(one.predictions, one.feedback) for one in gone] == [(0, 0), (4, 1), (0, 0)]
    # 7 and 9 came after the erasure; 11 was a shadow of what came before it.
    assert ids(new) == [2, 4, 6, 7, 8, 9]
    new.add_predictions([make_prediction(5, customer="c-1"), make_prediction(7)])
    assert ids(new) == [2, 4, 6, 7, 8, 9], "the later moment is remembered"


def uuid7(second: int) -> str:
    milliseconds = int((NOON + timedelta(seconds=second)).timestamp() * 1000)
    return f"{milliseconds:012x}7{0:03x}8{0:015x}"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_portable_backup_of_an_older_version_is_migrated(new_store: NewStore, kind: str) -> None:
    new = new_store(kind)
    new.erase(Erasure(customer="c-2"), "bob", LATER)
    restore(OLD, new.engine)
    assert find_revision(new.engine) == newest_revision()
    found = {row.stored.id: row for row in new.stream(Query())}
    assert [int(name, 16) for name in found] == [1, 4]
    first = found[f"{1:032x}"].stored
    assert first == make_prediction(
        1, customer="c-1", text="NUL \0 and SUB \x1a1, ü🙂\n", ticket_id="t\0001"
    )
    assert (first.explicit, first.beside) == (False, None)
    assert new.is_erased(ticket_id="t-3")
    assert {event.actor for event in new.events()} == {"ann", "bob", "restore"}
    new.add_predictions([make_prediction(9, explicit=True)])
    (pending,) = new.search(Query(explicit=True)).found
    assert [said.status for said in pending.feedback] == ["accepted"]


def sealed(lines: list[dict[str, object]]) -> bytes:
    """Lines of a backup with the last one that proves them."""
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    counts: dict[str, int] = {}
    for line in lines[1:]:
        counts[str(line["table"])] = counts.get(str(line["table"]), 0) + 1
    end = {"counts": counts, "sha256": hashlib.sha256(content).hexdigest()}
    return content + json.dumps(end).encode() + b"\n"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"table": "unheard_of", "row": {"a": 1}}], "its version does not know"),
        (
            [{"table": "facts", "row": {"name": "a", "value": "1", "more": 2}}],
            "its version does not know",
        ),
        ([{"table": "facts", "row": {"name": "a", "value": "1"}}] * 2, "the store"),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restore_that_fails_leaves_the_store_as_it_was(
    new_store: NewStore, tmp_path: Path, kind: str, rows: list[dict[str, object]], reason: str
) -> None:
    new = new_store(kind)
    new.erase(Erasure(customer="c-2"), "bob", LATER)
    before = count_rows(new.engine)
    head = {"format": "ticket-assistant store 1", "revision": "0001"}
    (tmp_path / "all.jsonl").write_bytes(sealed([head, *rows]))
    with pytest.raises(StoreError, match=reason):
        restore(tmp_path / "all.jsonl", new.engine)
    assert count_rows(new.engine) == before
    assert find_revision(new.engine) == newest_revision()
    assert new.is_erased(customer="c-2")


@pytest.fixture
def listed(new_store: NewStore, tmp_path: Path) -> Path:
    """A list of two erasures."""
    store = new_store("sqlite")
    for name in ("t-1", "t-2"):
        store.erase(Erasure(ticket_id=name), "ann", LATER)
    export_erasures(store.engine, tmp_path / "erased.json", "ann", LATER)
    return tmp_path / "erased.json"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda told: told["erasures"].popitem(), "damaged"),
        (lambda told: told["salts"].append("0" * 64), "damaged"),
        (lambda told: told.pop("sha256"), "damaged"),
        (lambda told: told.update(format="another"), "no list"),
        (lambda told: told["salts"].append("short"), "no list"),
        (lambda told: told.update(more=1), "no list"),
    ],
)
def test_a_damaged_list_is_refused(
    new_store: NewStore, listed: Path, change: Callable[[dict[str, object]], object], reason: str
) -> None:
    told = json.loads(listed.read_bytes())
    change(told)
    listed.write_text(json.dumps(told))
    with pytest.raises(StoreError, match=reason):
        import_erasures(listed, new_store("sqlite").engine, "ann", LATER)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_list_is_refused(new_store: NewStore, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "erased.json"
    path.write_bytes(content)
    engine: Engine = new_store("sqlite").engine
    with pytest.raises(StoreError, match="no list of erasures"):
        import_erasures(path, engine, "ann", LATER)
    with pytest.raises(StoreError, match="cannot be read"):
        import_erasures(tmp_path / "nowhere", engine, "ann", LATER)
    with pytest.raises(StoreError, match="cannot be written"):
        export_erasures(engine, tmp_path / "erased.json" / "below", "ann", LATER)
