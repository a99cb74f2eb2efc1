"""Names of months and days in English, German, French, Spanish, Portuguese and Italian."""

_MONTHS = (
    "january jan januar jänner janvier janv enero ene janeiro gennaio gen",
    "february feb februar feber février fevrier févr fevr febrero fevereiro fev febbraio",
    "march mar märz maerz mär mrz mars marzo março marco",
    "april apr avril avr abril abr aprile",
    "may mai mayo maio maggio mag",
    "june jun juni juin junio junho giugno giu",
    "july jul juli juillet juil julio julho luglio lug",
    "august aug août aout agosto ago",
    "september sep sept septembre septiembre setiembre setembro settembre set",
    "october oct oktober okt octobre octubre outubro out ottobre ott",
    "november nov novembre noviembre novembro",
    "december dec dezember dez décembre decembre déc diciembre dic dezembro dicembre",
)
_DAYS = (
    "monday montag lundi lunes segunda-feira lunedì",
    "tuesday dienstag mardi martes terça-feira martedì",
    "wednesday mittwoch mercredi miércoles quarta-feira mercoledì",
    "thursday donnerstag jeudi jueves quinta-feira giovedì",
    "friday freitag vendredi viernes sexta-feira venerdì",
    "saturday samstag sonnabend samedi sábado sabato",
    "sunday sonntag dimanche domingo domenica",
)

MONTHS = {word: n for n, words in enumerate(_MONTHS, start=1) for word in words.split()}
"""Casefolded name or abbreviation -> 1 to 12."""

WEEKDAYS = {word: n for n, words in enumerate(_DAYS, start=1) for word in words.split()}
"""Casefolded name -> 1 (Monday) to 7, as in ISO 8601."""

ORDINARY_WORDS = frozenset(
    {"may", "march", "mar", "dec"}
    | {form for word in ("set", "out", "ago", "mag", "gen") for form in (word, word.title())}
)
"""Months that are ordinary words when written so: "10 out of 12", "1. Set the variable"."""
