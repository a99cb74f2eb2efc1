"""Dates and timestamps, normalised to ISO 8601."""

import re
from collections.abc import Iterator
from datetime import date, datetime

from models.entity_rules.calendar_words import MONTHS, ORDINARY_WORDS, WEEKDAYS
from models.entity_rules.clock import TIME, ZONES, find_times, normal_time, normal_zone
from models.entity_rules.passage import Passage, Span, words

_ISO = re.compile(r"(?<![\w.-])(\d{4})(?:([-.])(\d\d)\2(\d\d)|/(\d{1,2})/(\d{1,2}))(?!\d|[-/.]\d)")
_COMPACT = re.compile(
    r"(?<!\w)(\d{4})(\d\d)(\d\d)T([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])(Z?)(?!\w)"
)
_NUMERIC = re.compile(r"(?<![\w.,/-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)(?!\w|[/.-]\d)")
_DAY_MONTH = re.compile(
    r"(?<!\w)(?:(?:am|vom|seit|bis|zum|ab|den|dem|der)[ \xa0](\d{1,2})\.(\d{1,2})\.(?!\d)"
    r"|(?:am|le|du|au|il|dal|del|al|el|día|dia|em|on|since|by)[ \xa0](\d{1,2})/(\d{1,2})"
    r"(?![\w%/]|[.,]\d))",
    re.IGNORECASE,
)
_CTIME = re.compile(
    r"(?<!\w)(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([A-Z][a-z]{2}) {1,2}(\d{1,2}) "
    r"((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    rf"(?: ({'|'.join(ZONES).upper()}))? (\d{{4}})(?!\w)"
)
_NAMED = re.compile(
    r"(?<![\w.,:/-])(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?"
    r"(\d{1,2})(?:st|nd|rd|th|er|º|°|\.)?(?:\s{1,2}|(?<=\.)|-|/)(?P<of>(?:de|of|di|d’|d')\s?)?"
    r"([^\W\d_]{3,10})(?!\w)\.?(?:[ ,]{1,2}(?:de |del |of )?(\d{4})|[-/:]?(\d{4}))?(?![\w])"
)
_MONTH_FIRST = re.compile(
    r"(?<!\w)(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?"
    r"(January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?\s{1,2}"
    r"(\d{1,2})(st|nd|rd|th)?(?:,?\s(\d{4}))?(?![\w%]|[.,:/]\d)",
    re.IGNORECASE,
)
_JOINER = re.compile(
    r"(?:T|:|[ \xa0]?[,·–-]?\s(?:(?:at|um|gegen|à|vers|às|as|a las|alle(?: ore)?|ore)\s)?)"
    r"(?=\d)",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<![\w.,:/#+$€-])(?:19|20)[0-9][0-9](?![\w%]|[.,:/-]\d)")
_YEAR_CUES = words(
    "in during since of a an the until before after from by year anno an año ano jahr jahre seit "
    "von bis vor nach en depuis avant de desde del dal nel em"
)
_WEEKDAY = re.compile(rf"(?<!\w)(?:{'|'.join(WEEKDAYS)})(?!\w)", re.IGNORECASE)


def find_datetimes(passage: Passage) -> Iterator[Span]:
    """Dates, times of day and both together.

    Values: `2025-03-18`, `2025-03-18T08:02+01:00`, `T08:02` (no date told), `--06-25` (no year
    told and no reference: XML Schema's gMonthDay), `1977`; None for a weekday. A two-digit year
    is read as POSIX does (69 to 99 are 19xx). 03/04 is read as the other dates of the text with
    slashes demand, else as `day_first` says.
    """
    text = passage.text
    if any(map(str.isdigit, text)):
        for start, end, value in _dates(passage):
            yield _with_time(text, start, end, value)
        for start, end, value in find_times(passage):
            yield Span(start, end, "datetime", value)
    if passage.coarse_dates:
        for match in _YEAR.finditer(text):
            if not _YEAR_CUES.isdisjoint(passage.words_before(match.start(), 1, width=16)):
                yield Span(*match.span(), "datetime", match[0])
        for match in _WEEKDAY.finditer(text):
            yield Span(*match.span(), "datetime", None)


def _with_time(text: str, start: int, end: int, value: str) -> Span:
    joiner = _JOINER.match(text, end)
    if joiner is not None and "T" not in value:
        match = TIME.match(text, joiner.end())
        time = normal_time(match) if match else None
        if match and time:
            return Span(start, match.end(), "datetime", f"{value}{time}")
    return Span(start, end, "datetime", value)


def _dates(passage: Passage) -> Iterator[tuple[int, int, str]]:
    text = passage.text
    for match in _ISO.finditer(text):
        if value := _date(int(match[1]), int(match[3] or match[5]), int(match[4] or match[6])):
            yield *match.span(), value
    for match in _COMPACT.finditer(text):
        if value := _date(int(match[1]), int(match[2]), int(match[3])):
            yield *match.span(), f"{value}T{match[4]}:{match[5]}:{match[6]}{match[7]}"
    numeric = list(_NUMERIC.finditer(text))
    day_first = _is_day_first(passage, numeric)
    for match in numeric:
        if value := _numeric(match, day_first):
            yield *match.span(), value
    for match in _DAY_MONTH.finditer(text):
        group = 1 if match[1] else 3
        first, second = int(match[group]), int(match[group + 1])
        day, month = (first, second) if day_first or match[1] else (second, first)
        if value := _undated(passage, month, day):
            yield match.start(group), match.end(), value
    for match in _CTIME.finditer(text):
        month = MONTHS.get(match[1].lower(), 0)
        if value := _date(int(match[5]), month, int(match[2])):
            yield *match.span(), f"{value}T{match[3]}{normal_zone(match[4])}"
    yield from _named(passage)


def _named(passage: Passage) -> Iterator[tuple[int, int, str]]:
    for match in _NAMED.finditer(passage.text):
        word, year = match[3], match[4] or match[5]
        month = MONTHS.get(word.casefold())
        if month is None or (word in ORDINARY_WORDS and not (year or match["of"])):
            continue
        day = int(match[1])
        value = _date(int(year), month, day) if year else _undated(passage, month, day)
        if value:
            yield match.start(), match.end() if year else match.end(3), value
    for match in _MONTH_FIRST.finditer(passage.text):
        word, year = match[1], match[4]
        if word in ORDINARY_WORDS and not (year or match[3]):
            continue
        month, day = MONTHS.get(word.casefold(), 0), int(match[2])  # "Aprıl" matches April
        value = _date(int(year), month, day) if year else _undated(passage, month, day)
        if value:
            yield *match.span(), value


def _is_day_first(passage: Passage, numeric: list[re.Match[str]]) -> bool:
    slashed = [(int(match[1]), int(match[3])) for match in numeric if match[2] == "/"]
    if any(first > 12 for first, _ in slashed):
        return True
    return passage.day_first and not any(second > 12 for _, second in slashed)


def _numeric(match: re.Match[str], day_first: bool) -> str | None:
    first, separator, second, year = int(match[1]), match[2], int(match[3]), match[4]
    if len(year) == 2:
        if separator != "/" and not (len(match[1]) == len(match[3]) == 2):
            return None  # 1.2.34 is rather a version
        year = str(datetime.strptime(year, "%y").year)  # noqa: DTZ007
    if separator != "/" or day_first:
        return _date(int(year), second, first)
    return _date(int(year), first, second)


def _date(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _undated(passage: Passage, month: int, day: int) -> str | None:
    """A date without a year: the one nearest to the reference."""
    if _date(2000, month, day) is None:  # a leap year: 29 February exists
        return None
    if passage.reference is None:
        return f"--{month:02}-{day:02}"
    reference = passage.reference.date()
    candidates = [
        date.fromisoformat(value)
        for year in range(reference.year - 1, reference.year + 2)
        if 1 <= year <= 9999 and (value := _date(year, month, day))
    ]
    if not candidates:
        return f"--{month:02}-{day:02}"
    return min(candidates, key=lambda one: abs((one - reference).days)).isoformat()
