"""Times of day: 08:02, 7:15 am, 17h42, 8 Uhr, 05:31 CET."""

import re

from models.entity_rules.calendar_words import WEEKDAYS
from models.entity_rules.passage import Passage, words

ZONES = {
    "z": "Z",
    "utc": "Z",
    "gmt": "Z",
    "wet": "+00:00",
    "west": "+01:00",
    "bst": "+01:00",
    "cet": "+01:00",
    "mez": "+01:00",
    "cest": "+02:00",
    "mesz": "+02:00",
    "eet": "+02:00",
    "eest": "+03:00",
    "msk": "+03:00",
    "jst": "+09:00",
    "brt": "-03:00",
    "art": "-03:00",
    "edt": "-04:00",
    "est": "-05:00",
    "pdt": "-07:00",
    "pst": "-08:00",
    # Each stands for several zones: the time stays local.
    "cst": "",
    "cdt": "",
    "mst": "",
    "mdt": "",
    "ist": "",
}
"""Lower-case abbreviation of a time zone -> offset as in ISO 8601."""

_NAMED_ZONE = rf"(?-i:{'|'.join(zone.upper() for zone in ZONES)})(?![\w+-])"
_OFFSET = r"(?:UTC|GMT)?[+-](?:0[0-9]|1[0-4]):?[0-5][0-9](?!\d)"
_ZONE = rf"(?:[ \xa0]?(?P<zone>{_NAMED_ZONE}|{_OFFSET}))?"
_HALF = r"(?:[ \xa0]?(?P<half>[ap]\.m\.|[ap]m\b))?"
_UHR = r"(?:[ \xa0]?(?P<uhr>Uhr|hs|hrs?|h)\b)?"

TIME = re.compile(
    r"(?P<hour>[01]?\d|2[0-4])"
    r"(?:(?P<colon>:)(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?P<fraction>[.,][0-9]{1,9})?)?"
    r"|(?P<letter>h)(?P<minute_fr>[0-5]\d)(?!\d)"
    r"|\.(?P<minute_de>[0-5]\d)(?=[ \xa0]?(?:Uhr|[ap]\.?m)))?"
    rf"{_HALF}{_UHR}{_ZONE}(?!\w|[.,:]\d)",
    re.IGNORECASE,
)
"""A time at exactly this place; `normal_time` says whether it is one."""

_STARTS = re.compile(
    r"(?<![\w.,:/#+$€%-])(?=\d{1,2}(?:[:h.]\d\d|[ \xa0]?(?:uhr|h\b|hs\b|[ap]\.?m\b)))"
    r"|(?<=\d[-–])(?=\d{1,2}(?:[:h]\d\d|[ \xa0]?(?:uhr|h\b|[ap]\.?m\b)))",
    re.IGNORECASE,
)
# "22h" is a time of day after these words, and a duration elsewhere.
_HOUR_CUES = words(
    "as às ás das até las à a dès vers avant après um ab gegen alle dalle ore at until "
    "entre tra fra zwischen"
)
# "1h30" is a duration after these words, and a time of day elsewhere.
_LENGTH_CUES = words(
    "for took takes take lasts lasted within during pendant durant durée dura duró durou durante "
    "tarda tardó tarde leva levou demora demorou dauert dauerte binnen innerhalb circa ci mette "
    "impiega dure duré prend pris"
)
_CAPITAL = re.compile(r" ([A-ZÄÖÜ][^\W\d_]+)")


def find_times(passage: Passage) -> list[tuple[int, int, str]]:
    """Start, end and ISO 8601 form (T08:02, T16:52Z) of the times standing alone."""
    found = []
    for place in _STARTS.finditer(passage.text):
        match = TIME.match(passage.text, place.start())
        if match is None:
            continue
        value = normal_time(match)
        if value and _is_time_of_day(passage, match):
            found.append((match.start(), match.end(), value))
    return found


def normal_time(match: re.Match[str]) -> str | None:
    """ISO 8601 form of a match of `TIME`, None where it is a bare number or no time."""
    minute = match["minute"] or match["minute_fr"] or match["minute_de"]
    if minute is None and not (match["half"] or match["uhr"]):
        return None
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (match["half"][0] in "pP")
    if hour == 24 and int(minute or 0):
        return None
    text = f"T{hour:02}:{int(minute or 0):02}"
    if match["second"]:
        text += f":{int(match['second']):02}"
    if match["fraction"]:
        text += f".{match['fraction'][1:]}"
    return text + normal_zone(match["zone"])


def normal_zone(zone: str | None) -> str:
    """Offset as in ISO 8601, empty where it is not known."""
    if not zone:
        return ""
    offset = zone.lstrip("UTCGMutcgm")
    if offset and offset[0] in "+-":
        return f"{offset[:3]}:{offset[-2:]}"
    return ZONES[zone.lower()]


def _is_time_of_day(passage: Passage, match: re.Match[str]) -> bool:
    if match["colon"] or match["minute_de"]:
        return True
    if match["half"]:
        # "3 am Stück" is German; "3 am Monday" is not.
        after = _CAPITAL.match(passage.text, match.end())
        return after is None or after[1].casefold() in WEEKDAYS
    before = passage.words_before(match.start(), 1, width=16)
    if match["letter"]:
        return _LENGTH_CUES.isdisjoint(before)
    return match["uhr"].lower() == "uhr" or not _HOUR_CUES.isdisjoint(before)
