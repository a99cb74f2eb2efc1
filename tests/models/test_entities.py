"""What the finder promises: offsets, order, no overlap, normal forms."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from pydantic import ValidationError

from data.schema import Entity
from models.entities import KINDS, EntityFinder, resolve
from models.entity_rules.passage import Span

FINDER = EntityFinder()
REFERENCE = datetime(2025, 3, 20, tzinfo=UTC)

VALUES = [
    ("Mail Anna.Lind@MAIL.Kestrel.Example", "email", "Anna.Lind@mail.kestrel.example"),
    ("see HTTPS://Status.Kestrel.Example/A?b=C", "url", "https://status.kestrel.example/A?b=C"),
    ("jdbc:postgresql://DB.kestrel.example/x", "url", "jdbc:postgresql://db.kestrel.example/x"),
    ("on API.KESTREL.EXAMPLE now", "domain", "api.kestrel.example"),
    ("ping 2001:0DB8:0:0::0001 fails", "ip", "2001:db8::1"),
    ("port 08080 is shut", "port", "8080"),
    ("Call +44 (0)20 7946 0123 now", "phone", "+442079460123"),
    ("Tel. 030/23125-118", "phone", "03023125118"),
    ("ask @mira_k", "user", "mira_k"),
    ("code=0x8007000e", "error_code", "0x8007000E"),
    ("agent v4.8.1-RC1", "version", "4.8.1-rc1"),
    ("commit 4be91d7", "hash", "4be91d7"),
    ("ID 7C1E0D52-4B8F-4F0E-9A61-2F5D0C77BE19", "uuid", "7c1e0d52-4b8f-4f0e-9a61-2f5d0c77be19"),
    ("cve-2021-44228", "cve", "CVE-2021-44228"),
    ("ticket #48213", "ticket", "48213"),
    ("order #1234", "order", "1234"),
    ("HTTP 503", "http_status", "503"),
    ("1.5 GB", "size", "1500000000"),
    ("2,5 MB", "size", "2500000"),
    ("512Mi", "size", "536870912"),
    ("8.192 bytes", "size", "8192"),
    ("640 Go", "size", "640000000000"),
    ("30 ms", "duration", "PT0.03S"),
    ("2 h 30 min", "duration", "PT2H30M"),
    ("1.5 hours", "duration", "PT1.5H"),
    ("3m20s", "duration", "PT3M20S"),
    ("5 Werktage", "duration", "P5D"),
    ("3 semaines", "duration", "P3W"),
    ("2 anni di ritardo", "duration", "P2Y"),
    ("6 months", "duration", "P6M"),
    ("at 7:15 pm", "datetime", "T19:15"),
    ("at 12 am", "datetime", "T00:00"),
    ("at 05:31 CET", "datetime", "T05:31+01:00"),
    ("at 05:31 IST", "datetime", "T05:31"),
    ("às 22h", "datetime", "T22:00"),
    ("12/02/2025 à 17h42", "datetime", "2025-02-12T17:42"),
    ("2025-03-18 08:02:11,123", "datetime", "2025-03-18T08:02:11.123"),
    ("20250318T080211Z", "datetime", "2025-03-18T08:02:11Z"),
    ("18/Mar/2025:08:02:11 +0100", "datetime", "2025-03-18T08:02:11+01:00"),
    ("Wed Oct 27 17:52:56 UTC 2021", "datetime", "2021-10-27T17:52:56Z"),
    ("am 31.05.25", "datetime", "2025-05-31"),
    ("31. Mai 2025", "datetime", "2025-05-31"),
    ("15 de marzo de 2025", "datetime", "2025-03-15"),
    ("1º de dezembro de 2025", "datetime", "2025-12-01"),
    ("9 ottobre 2025", "datetime", "2025-10-09"),
    ("1er août 2025", "datetime", "2025-08-01"),
    ("March 3rd, 2025", "datetime", "2025-03-03"),
    ("on 25 June", "datetime", "--06-25"),
]


@pytest.mark.parametrize(("text", "kind", "value"), VALUES)
def test_the_value_is_the_normal_form(text: str, kind: str, value: str) -> None:
    found = {(one.label, one.value) for one in FINDER.find(text)}
    assert found == {(kind, value)}


@pytest.mark.parametrize(
    ("text", "value"),
    [("25 June", "2025-06-25"), ("12 November", "2024-11-12"), ("29 February", "2024-02-29")],
)
def test_a_date_without_a_year_is_put_nearest_to_the_reference(text: str, value: str) -> None:
    [entity] = FINDER.find(text, reference=REFERENCE)
    assert entity.value == value


@pytest.mark.parametrize("year", [1, 9999])
def test_a_reference_at_the_edge_of_the_calendar_is_no_trouble(year: int) -> None:
    [entity] = FINDER.find("25 June", reference=datetime(year, 1, 1, tzinfo=UTC))
    assert entity.value == f"{year:04}-06-25"


def test_another_date_of_the_text_tells_whether_the_day_comes_first() -> None:
    told = FINDER.find("03/04/2025, then 03/17/2025")
    assert [entity.value for entity in told] == ["2025-03-04", "2025-03-17"]
    assert FINDER.find("03/04/2025")[0].value == "2025-04-03"
    assert EntityFinder(day_first=False).find("03/04/2025")[0].value == "2025-03-04"
    assert EntityFinder(day_first=False).find("17/03/2025 03/04/2025")[1].value == "2025-04-03"


def test_years_and_weekdays_are_found_on_demand_only() -> None:
    text = "It broke in 2024 and again on Saturday"
    assert FINDER.find(text) == ()
    coarse = EntityFinder(coarse_dates=True).find(text)
    assert [(text[one.start : one.end], one.value) for one in coarse] == [
        ("2024", "2024"),
        ("Saturday", None),
    ]


def test_entities_come_in_the_order_of_the_text() -> None:
    text = "10.0.0.7 at 08:02: HTTP 500, mail a.b@kestrel.example, v2 on db-prod-03"
    found = FINDER.find(text)
    assert [one.label for one in found] == [
        "ip", "datetime", "http_status", "email", "version", "domain"
    ]  # fmt: skip
    assert all(one.end <= two.start for one, two in pairwise(found))


def test_the_longest_reading_wins() -> None:
    spans = [Span(0, 4, "url"), Span(2, 9, "version"), Span(9, 11, "port")]
    assert [span.kind for span in resolve(spans, 11)] == ["version", "port"]


def test_of_two_equally_long_readings_the_kind_decides_then_the_place() -> None:
    assert [s.kind for s in resolve([Span(0, 4, "version"), Span(0, 4, "ip")], 4)] == ["ip"]
    assert [s.kind for s in resolve([Span(1, 5, "ip"), Span(0, 4, "version")], 5)] == ["ip"]
    assert [s.start for s in resolve([Span(1, 5, "ip"), Span(0, 4, "ip")], 5)] == [0]


def test_a_shorter_reading_stays_where_only_a_dropped_one_covered_it() -> None:
    spans = [Span(0, 6, "url"), Span(5, 9, "ip"), Span(6, 8, "port")]
    assert [span.kind for span in resolve(spans, 9)] == ["url", "port"]


def test_a_url_keeps_its_host_port_and_path_to_itself() -> None:
    [entity] = FINDER.find("see http://10.0.0.7:8080/var/log/x.log")
    assert entity.label == "url"


def test_every_kind_can_be_found() -> None:
    text = (
        "https://a.example/x a@b.example 7c1e0d52-4b8f-4f0e-9a61-2f5d0c77be19 CVE-2021-44228 "
        "ValueError /var/log/x 10.0.0.7 08:02 +44 20 7946 0123 4be91d7 ORD-77120 INC-20481 "
        "ORA-01653 HTTP 500 a.example port 80 1 GB 5 min @mira v2"
    )
    assert {entity.label for entity in FINDER.find(text)} == set(KINDS)


def test_a_finder_cannot_be_changed_and_serves_threads_alike() -> None:
    with pytest.raises(FrozenInstanceError):
        FINDER.day_first = False  # type: ignore[misc]
    texts = [f"10.0.0.{n} at 08:0{n % 10}, INC-{10_000 + n}" for n in range(50)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(FINDER.find, texts)) == [FINDER.find(text) for text in texts]


def test_no_text_has_no_entities() -> None:
    assert FINDER.find("") == ()


def test_entities_are_records_as_before_and_know_their_source() -> None:
    entity = Entity(start=0, end=2, label="os")
    assert (entity.value, entity.source) == (None, "rule")
    assert FINDER.find("HTTP 500")[0].source == "rule"
    with pytest.raises(ValidationError):
        Entity(start=0, end=2, label="os", source="guess")
