"""Numbers as six languages write them."""

import re
from decimal import Decimal

NUMBER = r"\d{1,3}(?:[., '\u00a0\u202f]\d{3}){1,4}(?!\d)(?:[.,]\d{1,3})?|\d{1,15}(?:[.,]\d{1,6})?"
"""Pattern: 12, 1.5, 1,5, 1,900, 12.000, 8 000."""

_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:[., '\u00a0\u202f]\d{3})+")
_NO_DIGIT = re.compile(r"\D")


def read_number(text: str) -> Decimal:
    """The value of what `NUMBER` matched.

    Three digits behind a separator are thousands, in 1.900 and 1,900 alike, unless a zero stands
    before it: 0.125.
    """
    if _THOUSANDS.fullmatch(text):
        return Decimal(_NO_DIGIT.sub("", text))
    whole, _, fraction = text.replace(",", ".").rpartition(".")
    if not whole:
        return Decimal(_NO_DIGIT.sub("", text))
    return Decimal(f"{_NO_DIGIT.sub('', whole)}.{_NO_DIGIT.sub('', fraction)}")


def plain(number: Decimal) -> str:
    """A number without exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
