"""Figures in words: the same phrases in the report, the card and the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

DASH = "–"
PERCENT = "\u00a0%"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, never rounded to none or to all; a dash where there is none."""
    if share is None:
        return DASH
    smallest = 10.0**-digits
    told = round(100 * share, digits)
    if share > 0 and told == 0:
        return f"<{smallest:.{digits}f}{PERCENT}"
    if share < 1 and told == 100:
        return f">{100 - smallest:.{digits}f}{PERCENT}"
    return f"{told:.{digits}f}{PERCENT}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with a fixed count of decimals; a dash where there is none."""
    return DASH if value is None else f"{value:.{digits}f}"


def count(value: float | None) -> str:
    """A whole number with thin spaces between thousands; a dash where there is none."""
    return DASH if value is None else f"{value:,.0f}".replace(",", "\u2009")


def interval(bounds: Sequence[float] | None, digits: int = 1) -> str:
    """An interval of shares in per cent, without the sign; empty where there is none."""
    if bounds is None:
        return ""
    return f"{100 * bounds[0]:.{digits}f}{DASH}{100 * bounds[1]:.{digits}f}"


def of_hundred(share: float) -> str:
    """A share as people say it, never rounded to none or to all."""
    rounded = round(100 * share)
    if share > 0 and rounded == 0:
        return "fewer than 1"
    if share < 1 and rounded == 100:
        return "more than 99"
    return str(rounded)


def hundred_tickets(automatic: float, accuracy: float | None) -> dict[str, int]:
    """A hundred tickets shared out: `right`, `wrong`, `review`, whole numbers that sum to 100.

    A share of mistakes that exists is never rounded away.
    """
    wrong_share = automatic * (1 - accuracy) if accuracy is not None else 0.0
    routed = round(100 * automatic)
    wrong = round(100 * wrong_share)
    if wrong_share > 0 and wrong == 0 and routed > 0:
        wrong = 1
    return {"right": routed - wrong, "wrong": wrong, "review": 100 - routed}


def uncertified(classes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Labels that hold no certificate."""
    return [entry["label"] for entry in classes if not entry["certified"]]


def listing(names: Sequence[str]) -> str:
    """Names as a list in a sentence."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def headline(figures: Mapping[str, Any]) -> tuple[str, str]:
    """Two plain sentences about one target: how much is automatic, and how good that is."""
    automatic, accuracy = figures["certified_automation"], figures["automatic_accuracy"]
    if not automatic or accuracy is None:
        return (
            "No ticket is routed without a person yet.",
            "The calibration tickets prove too little for that.",
        )
    return (
        f"{of_hundred(automatic)} of 100 tickets can be routed without a person.",
        f"Of those, {of_hundred(accuracy)} of 100 go to the right place.",
    )


def held_out_check(routing: Mapping[str, Any]) -> str:
    """What calibration tickets say of the final models; empty where these certified by themselves.

    Parameters
    ----------
    routing : the `routing` entry of a target in ensemble.json
    """
    excess = routing.get("excess")
    if not excess:
        return ""
    told = (
        "Of the calibration tickets, which nothing was fitted on, "
        f"{count(excess['automatic'])} lie above the thresholds of the out-of-fold answers; "
        f"{count(excess['errors'])} of them are wrong, where {count(excess['expected'])} were "
        "to be expected. "
    )
    if excess["asked"] >= 1:
        told += "That leaves open more errors than are promised, so these thresholds prove nothing."
    elif excess["bound"] > 0:
        told += (
            "That the share of errors has grown by up to "
            f"{number(100 * excess['bound'], 2)} points cannot be ruled out, so "
            f"{percent(excess['asked'], 2)} had to be proven."
        )
    else:
        told += "That the final models err more is ruled out."
    shared = [n for n, c in routing["classes"].items() if c.get("by_share")]
    if shared:
        told += (
            f" {listing(shared)} did not reach that and took over the certified share of "
            f"{'its' if len(shared) == 1 else 'their'} tickets instead."
        )
    return told


def levels_check(figures: Mapping[str, Any]) -> str:
    """How far off the answers of an ordered target are; empty for any other."""
    if figures.get("level_error") is None:
        return ""
    told = f"The answer is {number(figures['level_error'], 2)} levels off on average"
    if figures.get("quadratic_kappa") is not None:
        told += f"; quadratic kappa {number(figures['quadratic_kappa'], 2)}"
    return f"{told}."


def languages_check(routing: Mapping[str, Any]) -> str:
    """In which languages tickets are routed, and in which a person decides."""
    languages = routing.get("languages") or {}
    if not languages:
        return ""
    certified = [
        f"{name} ({count(found['automatic'])} routed, {percent(found['lower_bound'])} proven)"
        for name, found in languages.items()
        if found["certified"]
    ]
    others = [name for name, found in languages.items() if not found["certified"]]
    told = f"Tickets are routed in {listing(certified)}." if certified else ""
    if others:
        told += f" In {listing(others)} too few were seen to prove the promise: a person decides."
    return f"{told} A ticket in any other language goes to a person.".strip()
