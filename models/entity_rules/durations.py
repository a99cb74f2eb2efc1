"""Lengths of time, normalised to ISO 8601."""

import re
from collections.abc import Iterator
from decimal import Decimal

from models.entity_rules.numbers import NUMBER, plain, read_number
from models.entity_rules.passage import Passage, Span

_UNITS = {
    "ns": "ns nanosecond nanoseconds nanosekunden nanosecondes nanosegundos nanosecondi",
    "µs": "µs μs us microsecond microseconds mikrosekunden microsecondes microsegundos "
    "microsecondi",
    "ms": "ms msec msecs millis millisecond milliseconds millisekunde millisekunden milliseconde "
    "millisecondes milisegundo milisegundos milissegundo milissegundos millisecondo millisecondi",
    "S": "s sec secs second seconds sek sekunde sekunden seconde secondes segundo segundos seg "
    "segs secondo secondi",
    "M": "min mins minute minutes minuten minuto minutos minuti",
    "H": "h hr hrs hour hours std stunde stunden heure heures hora horas ora ore",
    "D": "d day days tag tage tagen jour jours día días dia dias giorno giorni werktag werktage "
    "werktagen arbeitstag arbeitstage arbeitstagen",
    "W": "week weeks wk wks woche wochen semaine semaines semana semanas settimana settimane",
    "MO": "month months monat monate monaten mois mes meses mês mese mesi",
    "Y": "year years yr yrs jahr jahre jahren an ans année années año años ano anos anno anni",
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_SECONDS = {"ns": Decimal("1e-9"), "µs": Decimal("1e-6"), "ms": Decimal("1e-3")}
# One letter is a unit only as it is always written: 5 S and 3 D are no durations.
_LETTERS = frozenset({"s", "h", "d"})

_ONE = re.compile(
    rf"(?<![\w.,:/#+$€%])(?<!\w-)(?P<number>{NUMBER})(?P<gap>[ \xa0]?|-)"
    r"(?:(?:working|business|calendar)[ -])?(?P<unit>[^\W\d_]{1,16})\b\.?"
)
_MORE = re.compile(
    r"[ \xa0]?(?:,|and|und|et|y|e)?[ \xa0]?"
    r"(?P<number>\d{1,4})(?P<gap>[ \xa0]?)(?P<unit>[^\W\d_]{1,16})\b"
)
_COMPACT = re.compile(
    r"(?<![\w.,:/-])(?=\d)(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,4})m(?!s))?(?:(\d{1,6})s)?"
    r"(?!\w|[.,:]\w)"
)
_HOURS_AND_MINUTES = re.compile(r"(?<![\w.,:/-])(\d{1,3})h(\d\d)(?!\w)")
# "I am 58 years old" tells an age in each of the languages, not how long something takes.
_HAS = re.compile(
    r"(?<!\w)(?:ho|ha|tengo|tiene|tenho|tem|j['’]ai|il a|elle a)[ \xa0]$", re.IGNORECASE
)
_OLD = re.compile(r"[ -](?:old|alt)\b", re.IGNORECASE)
_DECADE = re.compile(r"(?<!\w)(?:the|late|early|mid|in)[ -]$", re.IGNORECASE)
_ORDER = ("Y", "MO", "W", "D", "H", "M", "S")


def find_durations(passage: Passage) -> Iterator[Span]:
    """A number and a unit of time: PT6H, P2W, PT0.03S; working days count as days."""
    text, end = passage.text, 0
    for match in _ONE.finditer(text):
        if match.start() < end:
            continue
        part = _part(match)
        if part is None:
            continue
        parts, end = [part], match.end("unit")
        while (more := _MORE.match(text, end)) and (part := _part(more)):
            if not _continues(part, parts[-1]):
                break
            parts.append(part)
            end = more.end("unit")
        if not (parts[0][1] == "Y" and _is_age(passage, match.start(), end)):
            yield Span(match.start(), end, "duration", _iso(parts))
    for match in _COMPACT.finditer(text):
        pieces = [(Decimal(n), unit) for n, unit in zip(match.groups(), "DHMS", strict=True) if n]
        if len(pieces) > 1:
            yield Span(*match.span(), "duration", _iso(pieces))
    for match in _HOURS_AND_MINUTES.finditer(text):
        if int(match[2]) < 60:
            pieces = [(Decimal(match[1]), "H"), (Decimal(match[2]), "M")]
            yield Span(*match.span(), "duration", _iso(pieces))


def _is_age(passage: Passage, start: int, end: int) -> bool:
    return bool(_HAS.search(passage.before(start, 12)) or _OLD.match(passage.after(end, 8)))


def _part(match: re.Match[str]) -> tuple[Decimal, str] | None:
    word = match["unit"]
    unit = _UNIT_OF.get(word if word in _LETTERS else word.casefold())
    if unit is None or (len(word) == 1 and word not in _LETTERS):
        return None
    number = read_number(match["number"])
    if word == "an" and number != 1:
        return None  # French for a year, German for a great deal else: "von 6 an"
    if match[0].lower() in ("2d", "3d") or (word == "s" and not match["gap"] and _is_decade(match)):
        return None
    if unit in _SECONDS:
        return number * _SECONDS[unit], "S"
    return number, unit


def _is_decade(match: re.Match[str]) -> bool:
    """Whether it is "the late 90s" or "10s of thousands"."""
    text = match.string
    return bool(
        _DECADE.search(text[max(0, match.start() - 8) : match.start()])
        or text[match.end() : match.end() + 3] == " of"
    )


def _continues(part: tuple[Decimal, str], previous: tuple[Decimal, str]) -> bool:
    """Whether "30 min" goes on after "2 h": whole numbers, units next to each other."""
    step = _ORDER.index(part[1]) - _ORDER.index(previous[1])
    return step == 1 and part[0] == int(part[0]) and previous[0] == int(previous[0])


def _iso(parts: list[tuple[Decimal, str]]) -> str:
    dates = "".join(f"{plain(n)}{unit[0]}" for n, unit in parts if unit in _ORDER[:4])
    times = "".join(f"{plain(n)}{unit}" for n, unit in parts if unit in _ORDER[4:])
    return f"P{dates}{'T' + times if times else ''}"
