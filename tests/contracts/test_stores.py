"""What every store promises; a new one is done when it is in STORES and this passes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import ConflictError, DataError
from data.sql import open_sql_store
from data.store import MAX_PAGE, Answered, Erasure, Event, Page, Query, Store, StoredPrediction
from tests.postgres import Postgres
from tests.stores import LABELS, NOON, MemoryStore, make_feedback, make_prediction, matches

STORES = ("memory", "sqlite", "postgresql")
LATER = NOON + timedelta(days=1)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        opened: Store = MemoryStore()
    elif request.param == "sqlite":
        opened = open_sql_store(f"sqlite:///{tmp_path}/store.db")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        opened = open_sql_store(server.empty_store())
    opened.know_bundle("bundle-1", LABELS)
    yield opened
    opened.close()


def ids(found: Page | list[Answered]) -> list[int]:
    """The numbers of the predictions found."""
    rows = found.found if isinstance(found, Page) else found
    return [int(row.stored.id, 16) for row in rows]


def test_a_prediction_is_found_as_it_was_kept(store: Store) -> None:
    row = make_prediction(
        1, subject="NUL \0 and SUB \x1a1", text="日本 🙂\r\n'; DROP TABLE", ticket_id="\0\x1a0",
        customer="c", cost={"category": 0.1 + 0.2}, language=None, audit=True,
    )  # fmt: skip
    store.add_predictions([row])
    assert store.find(row.id) == Answered(stored=row)
    assert ids(store.search(Query(ticket_id="\0\x1a0"))) == [1]


def test_what_is_not_there_is_not_found(store: Store) -> None:
    assert store.find("0") is None
    assert store.search(Query()) == Page(found=(), next=None)
    assert list(store.stream(Query())) == []
    assert store.to_review() == []
    assert store.events() == []


def test_nothing_to_keep_is_kept_without_complaint(store: Store) -> None:
    store.add_predictions([])
    assert store.add_feedback([]) == ()


def test_an_id_that_is_there_is_left_as_it_is(store: Store) -> None:
    first = make_prediction(1, text="first")
    store.add_predictions([first, make_prediction(1, text="second")])
    store.add_predictions([make_prediction(1, text="third"), make_prediction(2)])
    assert store.find(first.id) == Answered(stored=first)
    assert ids(store.search(Query())) == [2, 1]


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"verdict": "confirm"}, "accepted"),
        ({"verdict": "reject"}, "accepted"),
        ({"verdict": "correct", "label": "printer"}, "accepted"),
        ({"verdict": "correct", "label": "coffee"}, "proposal"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_feedback_is_accepted_unless_its_label_is_unknown(
    store: Store, facts: dict[str, str], status: str, late: bool
) -> None:
    row, said = make_prediction(1), make_feedback("k", 1, **facts)
    if late:
        store.add_predictions([row])
    (answer,) = store.add_feedback([said])
    assert answer.status == (status if late else "pending")
    store.add_predictions([row])
    found = store.find(row.id)
    assert found
    assert [given.status for given in found.feedback] == [status]
    assert store.add_feedback([said]) == found.feedback


def test_a_label_of_a_bundle_nobody_named_is_a_proposal(store: Store) -> None:
    store.add_predictions([make_prediction(1, bundle="bundle-2")])
    said = make_feedback("k", 1, verdict="correct", label="printer")
    assert store.add_feedback([said])[0].status == "proposal"


def test_a_bundle_is_known_by_what_was_said_first(store: Store) -> None:
    store.know_bundle("bundle-1", {"category": ["coffee"]})
    store.add_predictions([make_prediction(1)])
    said = make_feedback("k", 1, verdict="correct", label="printer")
    assert store.add_feedback([said])[0].status == "accepted"


def test_a_repeated_key_counts_once_and_keeps_its_first_moment(store: Store) -> None:
    store.add_predictions([make_prediction(1)])
    first, again = make_feedback("k", 1), make_feedback("k", 1, at=LATER)
    assert store.add_feedback([first, again]) == store.add_feedback([again]) * 2
    found = store.find(first.prediction_id)
    assert found
    assert [(given.key, given.at) for given in found.feedback] == [("k", first.at)]


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "reject"}, {"target": "severity"}, {"author": "someone else"}, {"number": 2}],
)
def test_a_key_used_for_something_else_keeps_nothing(store: Store, changes: dict) -> None:
    store.add_predictions([make_prediction(1), make_prediction(2)])
    store.add_feedback([make_feedback("k", 1)])
    other = make_feedback("k", changes.get("number", 1), **{
        name: value for name, value in changes.items() if name != "number"
    })  # fmt: skip
    with pytest.raises(ConflictError):
        store.add_feedback([make_feedback("new", 2), other])
    with pytest.raises(ConflictError):
        store.add_feedback([make_feedback("new", 2), make_feedback("new", 1)])
    assert ids(store.search(Query(answered=True))) == [1]


def test_feedback_on_a_target_that_was_not_answered_keeps_nothing(store: Store) -> None:
    store.add_predictions([make_prediction(1)])
    with pytest.raises(DataError):
        store.add_feedback([make_feedback("a", 1), make_feedback("b", 1, target="colour")])
    assert ids(store.search(Query(answered=True))) == []


def test_pending_feedback_on_a_target_that_was_not_answered_is_a_proposal(store: Store) -> None:
    said = make_feedback("k", 1, target="colour")
    store.add_feedback([said])
    store.add_predictions([make_prediction(1)])
    assert store.add_feedback([said])[0].status == "proposal"


def test_feedback_stands_in_the_order_it_was_given(store: Store) -> None:
    store.add_predictions([make_prediction(1)])
    moments = {"late": 3, "early": 1, "b": 2, "a": 2}
    store.add_feedback(
        [make_feedback(key, 1, at=NOON + timedelta(days=day)) for key, day in moments.items()]
    )
    found = store.find(make_prediction(1).id)
    assert found
    assert [given.key for given in found.feedback] == ["early", "a", "b", "late"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(text="WLAN"), [3, 1]),
        (Query(text="100%"), [2]),
        (Query(text="_b"), [2]),
        (Query(text="STRASSE"), [2]),
        (Query(text="ÄRGER"), [3]),
        (Query(text="\\"), [3]),
        (Query(label="printer"), [3, 2]),
        (Query(target="category", label="printer"), [2]),
        (Query(target="category", decision="review"), [1]),
        (Query(label="printer", decision="review"), [3]),
        (Query(target="colour"), []),
        (Query(language="de"), [2]),
        (Query(arm="shadow"), [3]),
        (Query(arm=("champion", "challenger")), [2, 1]),
        (Query(arm=("champion", "shadow")), [3, 2, 1]),
        (Query(arm=()), []),
        (Query(explicit=True), [1]),
        (Query(explicit=False), [3, 2]),
        (Query(beside=f"{2:032x}"), [3]),
        (Query(beside="nothing"), []),
        (Query(bundle="bundle-2"), [1]),
        (Query(audit=True), [2]),
        (Query(audit=False), [3, 1]),
        (Query(answered=True), [1]),
        (Query(answered=False), [3, 2]),
        (Query(ticket_id="t-2"), [2]),
        (Query(customer="c"), [3, 1]),
        (Query(since=NOON + timedelta(seconds=2)), [3, 2]),
        (Query(until=NOON + timedelta(seconds=2)), [1]),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, Query) else "",
)
def test_a_query_finds_what_it_means(store: Store, query: Query, expected: list[int]) -> None:
    store.add_predictions(
        [
            make_prediction(
                1, subject="wlan", bundle="bundle-2", customer="c", explicit=True,
                decisions={"category": "review"},
            ),
            make_prediction(
                2, text="100% a_b Straße", language="de", audit=True,
                labels={"category": "printer"},
            ),
            make_prediction(
                3, text="no Wlan, Ärger, C:\\", arm="shadow", customer="c",
                beside=f"{2:032x}",
                labels={"category": "network", "device": "printer"},
                decisions={"device": "review"},
            ),
        ]
    )  # fmt: skip
    store.add_feedback([make_feedback("k", 1)])
    assert ids(store.search(query)) == expected
    assert ids(list(store.stream(query))) == expected[::-1]


def test_pages_follow_each_other_and_new_rows_disturb_none(store: Store) -> None:
    store.add_predictions([make_prediction(number) for number in range(1, 8)])
    first = store.search(Query(), limit=3)
    store.add_predictions([make_prediction(8)])
    second = store.search(Query(), limit=3, cursor=first.next)
    third = store.search(Query(), limit=3, cursor=second.next)
    assert [ids(page) for page in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert third.next is None


def test_a_page_that_ends_with_the_last_row_names_no_next(store: Store) -> None:
    store.add_predictions([make_prediction(1), make_prediction(2)])
    assert store.search(Query(), limit=2).next is None


@pytest.mark.parametrize("cursor", ["", "x", "ä", "AAAA", "!" * 40, "A" * 64])
def test_a_cursor_of_another_kind_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(DataError, match="cursor"):
        store.search(Query(), cursor=cursor)


def test_a_cursor_of_another_query_is_refused(store: Store) -> None:
    store.add_predictions([make_prediction(1), make_prediction(2)])
    cursor = store.search(Query(), limit=1).next
    with pytest.raises(DataError, match="cursor"):
        store.search(Query(language="en"), cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, MAX_PAGE + 1])
def test_a_limit_out_of_range_is_refused(store: Store, limit: int) -> None:
    with pytest.raises(DataError, match=f"1 to {MAX_PAGE}"):
        store.search(Query(), limit=limit)


def test_a_stream_of_many_rows_gives_each_once(store: Store) -> None:
    store.add_predictions([make_prediction(number) for number in range(250)])
    assert ids(list(store.stream(Query()))) == list(range(250))


MOMENTS = {"since": NOON + timedelta(minutes=60), "until": NOON + timedelta(minutes=240)}


@pytest.mark.parametrize("moments", [("since", "until"), ("since",), ("until",)])
@pytest.mark.parametrize(
    "facts",
    [{}, {"bundle": "bundle-2"}, {"audit": True}, {"target": "category"}, {"label": "printer"},
     {"target": "category", "label": "printer"}, {"answered": True}],
    ids=str,
)  # fmt: skip
def test_a_stream_of_moments_gives_each_row_of_them_in_order(
    store: Store, moments: tuple[str, ...], facts: dict[str, str | bool]
) -> None:
    rows = [
        make_prediction(
            number,
            # Ids follow time nearly: a few rows were kept much later than they were answered.
            at=NOON + timedelta(minutes=number - (90 if number % 40 == 0 else 0)),
            bundle=f"bundle-{1 + number % 2}",
            audit=number % 3 == 0,
            labels={"category": "printer" if number % 5 else "network", "severity": "low"},
        )
        for number in range(300)
    ]
    store.add_predictions(rows)
    store.add_feedback([make_feedback(f"k{number}", number) for number in range(0, 300, 4)])
    query = Query(**{name: MOMENTS[name] for name in moments}, **facts)
    expected = [row for row in store.stream(Query()) if matches(query, row)]
    assert len(expected) > 10
    assert list(store.stream(query)) == expected
    nothing = Query(since=NOON + timedelta(days=9), **facts)
    assert list(store.stream(nothing)) == []


def review(number: int, cost: float, **facts: object) -> StoredPrediction:
    """A prediction whose category a person should look at."""
    decisions = {"category": "review"}
    return make_prediction(number, decisions=decisions, cost={"category": cost}, **facts)


def test_the_costliest_is_reviewed_first_and_of_equals_the_older(store: Store) -> None:
    store.add_predictions(
        [
            review(1, 1.0),
            review(2, 3.0),
            review(3, 3.0),
            review(4, 9.0, arm="shadow"),
            make_prediction(5, cost={"category": 9.0}),
            make_prediction(6, cost={"category": 1.5, "severity": 2.0}, audit=True),
            review(7, 2.0, arm="challenger"),
        ]
    )
    assert ids(store.to_review()) == [6, 2, 3, 7, 1]
    assert ids(store.to_review(limit=2)) == [6, 2]
    assert ids(store.to_review(targets=["category"])) == [2, 3, 7, 6, 1]
    assert ids(store.to_review(targets=["severity"])) == [6]
    assert ids(store.to_review(targets=[])) == []


def test_what_somebody_answered_leaves_the_review(store: Store) -> None:
    store.add_feedback([make_feedback("early", 3)])
    store.add_predictions([review(1, 1.0), review(2, 2.0), review(3, 3.0)])
    store.add_predictions([review(4, 4.0, audit=True)])
    assert ids(store.to_review()) == [4, 2, 1]
    store.add_feedback([make_feedback("b", 2), make_feedback("d", 4)])
    assert ids(store.to_review()) == [1, 4]
    assert ids(store.to_review(targets=["category"])) == [1]


@pytest.mark.parametrize("erasure", [Erasure(ticket_id="t-1"), Erasure(customer="c")])
def test_an_erasure_takes_every_row_and_names_nobody(store: Store, erasure: Erasure) -> None:
    store.add_predictions(
        [make_prediction(1, customer="c"), make_prediction(2), review(3, 1.0, customer="d")]
    )
    store.add_feedback([make_feedback("a", 1), make_feedback("b", 1), make_feedback("c", 2)])
    gone = store.erase(erasure, "operator", LATER)
    assert (gone.predictions, gone.feedback) == (1, 2)
    assert ids(store.search(Query())) == [3, 2]
    assert ids(store.search(Query(answered=True))) == [2]
    (event,) = store.events(action="erase")
    assert (event.actor, event.at) == ("operator", LATER)
    assert {"predictions": 1, "feedback": 2}.items() <= event.detail.items()
    assert "t-1" not in event.subject


def test_who_was_erased_is_known_by_key_and_kind(store: Store) -> None:
    store.erase(Erasure(ticket_id="1"), "operator", LATER)
    assert store.is_erased(ticket_id="1")
    assert not store.is_erased(customer="1")
    assert not store.is_erased(ticket_id="2")
    assert not store.is_erased()


@pytest.mark.parametrize("erasure", [Erasure(ticket_id="t"), Erasure(customer="c")])
def test_what_was_erased_does_not_come_back(store: Store, erasure: Erasure) -> None:
    row = make_prediction(1, ticket_id="t", customer="c")
    store.add_feedback([make_feedback("k", 1)])
    store.erase(erasure, "operator", row.at)
    store.erase(erasure, "operator", row.at - timedelta(seconds=9))
    store.add_predictions([row, make_prediction(2)])
    assert ids(store.search(Query())) == [2]
    after = make_prediction(3, ticket_id="t", customer="c")
    store.add_predictions([after])
    assert store.find(after.id) == Answered(stored=after)
    (said,) = store.add_feedback([make_feedback("k", 3)])
    assert said.status == "accepted", "what waited for an erased prediction is gone too"


def test_what_a_shadow_answers_late_counts_from_when_the_ticket_came(store: Store) -> None:
    milliseconds = int(NOON.timestamp() * 1000)
    told = f"{milliseconds:012x}7{0:03x}8{0:015x}"
    store.erase(Erasure(ticket_id="t"), "operator", NOON + timedelta(seconds=5))
    late = make_prediction(9, ticket_id="t", arm="shadow", beside=told)
    store.add_predictions([late, make_prediction(10, ticket_id="t", arm="shadow")])
    assert late.at > NOON + timedelta(seconds=5)
    assert ids(store.search(Query())) == [10]


def test_retention_takes_what_is_older_and_logs_it(store: Store) -> None:
    store.add_predictions([make_prediction(number) for number in (1, 2, 3)])
    store.add_feedback(
        [make_feedback("a", 1), make_feedback("b", 3), make_feedback("old", 9, at=NOON)]
    )
    gone = store.drop_before(NOON + timedelta(seconds=3), "timer", LATER)
    assert (gone.predictions, gone.feedback) == (2, 2)
    assert ids(store.search(Query())) == [3]
    (event,) = store.events(action="retain")
    assert event.detail == {"predictions": 2, "feedback": 2}
    assert not store.is_erased(ticket_id="t-1")


def test_the_audit_log_gives_its_newest_lines_first(store: Store) -> None:
    lines = [
        Event(at=LATER + timedelta(hours=hour), actor="a", action=action, subject=f"{n}",
              detail={"n": n, "nested": {"x": [None, True, 1.5, "\0"]}})
        for n, (hour, action) in enumerate([(1, "publish"), (3, "override"), (2, "publish"),
                                            (3, "publish")])
    ]  # fmt: skip
    for line in lines:
        store.log(line)
    assert store.events() == [lines[3], lines[1], lines[2], lines[0]]
    assert store.events(limit=2) == [lines[3], lines[1]]
    assert store.events(action="publish") == [lines[3], lines[2], lines[0]]


def test_a_store_that_can_be_written_says_nothing(store: Store) -> None:
    store.ping()
    store.ping()


WORDS = st.text("aAbBßſİıΣς%_\\'\n", min_size=1, max_size=5)
QUERIES = st.builds(
    Query,
    text=st.none() | WORDS,
    target=st.sampled_from([None, "category", "severity"]),
    label=st.sampled_from([None, "network", "printer", "low"]),
    decision=st.sampled_from([None, "auto", "review"]),
    language=st.sampled_from([None, "en", "de"]),
    audit=st.sampled_from([None, True, False]),
    answered=st.sampled_from([None, True, False]),
    customer=st.sampled_from([None, "c"]),
)


@st.composite
def many_predictions(draw: st.DrawFn) -> list[dict]:
    one = st.fixed_dictionaries(
        {
            "subject": st.just("") | WORDS,
            "text": WORDS,
            "labels": st.dictionaries(
                st.sampled_from(["category", "severity"]),
                st.sampled_from(["network", "printer", "low"]),
            ),
            "decisions": st.dictionaries(
                st.sampled_from(["category", "severity"]), st.sampled_from(["auto", "review"])
            ),
            "language": st.sampled_from([None, "en", "de"]),
            "audit": st.booleans(),
            "customer": st.sampled_from([None, "c", "d"]),
        }
    )
    return draw(st.lists(one, min_size=1, max_size=12))


@given(rows=many_predictions(), queries=st.lists(QUERIES, min_size=1, max_size=4), data=st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_search_finds_what_a_plain_filter_finds(
    store: Store, rows: list[dict], queries: list[Query], data: st.DataObject
) -> None:
    store.drop_before(LATER, "test", LATER)
    kept = [make_prediction(number, **row) for number, row in enumerate(rows)]
    store.add_predictions(kept)
    answered = [row for row in kept if row.prediction.targets]
    said = data.draw(
        st.lists(st.sampled_from(answered), unique_by=lambda row: row.id)
        if answered
        else st.just([])
    )
    store.add_feedback(
        [make_feedback(row.id, int(row.id, 16), target=min(row.prediction.targets)) for row in said]
    )
    everything = [row for row in (store.find(row.id) for row in kept) if row]
    for query in queries:
        expected = [row for row in everything if matches(query, row)]
        assert list(store.stream(query)) == expected
        page = store.search(query, limit=3)
        found = list(page.found)
        while page.next:
            page = store.search(query, limit=3, cursor=page.next)
            found += page.found
        assert found == expected[::-1]
