"""User names and handles."""

import re
from collections.abc import Iterator

from models.entity_rules.passage import CLAUSE_END, Passage, Span, words
from models.entity_rules.paths import is_file_name

# What a lookahead found is not given back. A group that is repeated possessively would say so
# more simply; Python 3.11.2 then swallows the full stop behind a name, 3.11.7 does not.
_HANDLE = re.compile(
    r"(?<![^\s(\[:\"'“«*>])@[A-Za-z_][\w-]{0,37}+(?=(?P<rest>(?:\.[\w-]{1,30}+){0,3}))(?P=rest)"
    r"(?![\w@/(=])"
)
# Mentions of everybody, and words that CSS and decorators put behind the sign.
_NO_HANDLES = words(
    "@here @channel @all @everyone @media @import @override @property @test @param @return "
    "@returns @deprecated @types @author @see @since @keyframes"
)
_CUES = (
    r"user(?:name| name| id)?|usuario|usuaria|usuário|utente|utilisateur|utilizador|"
    r"(?:be)?nutzer(?:name)?|account|compte|cuenta|konto|conta|login|admin|administrator|uid|"
    r"sessions? from|logged in as|anmeldung als|nom d'utilisateur|nome utente"
)
_CUED = re.compile(
    rf"(?<![\w-])(?:{_CUES})(?:[ ](?:is|ist|es|est|é|è|di|de|of|called|named|as|von))?"
    r"(?P<sign>[ ]?[=:][ ]?|[ ])(?P<quote>[\"'`“«]?)"
    r"(?P<name>@?[A-Za-z][\w-]{0,31}(?:\.[\w-]{1,31}){0,3})(?![\w@/(\\])",
    re.IGNORECASE,
)
_INITIAL_AND_NAME = re.compile(r"(?<![\w.@/\\-])[a-z]\.[a-z]{4,20}(?![\w@/(-]|\.\w)")
_JOINED = re.compile(
    r"(?<![\w.@/$-])[a-z][a-z0-9]{1,20}(?:\.[a-z0-9]{2,20}|(?:_[a-z0-9]{1,20}){1,4})"
    r"(?![\w@/(=-]|\.\w)"
)
_JOINED_CUES = words(
    "user users account accounts compte cuenta konto conta login usuario usuário utente "
    "utilisateur benutzer sessions admin"
)
_NAMING = words("called named namens genannt llamado llamada chamado chamada nommé appelé chiamato")
_STRUCTURED = re.compile(r"[A-Za-z]+\d|\w[_.]\w")
_ENDS = re.compile(r"[\"'`”».,;:?!)\n]|$")
# Ordinary words that stand between "user" and the end of a sentence.
_NO_NAMES = words(
    "access account accounts admin administrator base check count data error experience group "
    "groups guide here id import input interface is limit list login management manual menu "
    "name names now page panel password permissions profile reports rights role roles search "
    "session sessions settings side story table there today too type view with"
)


def find_users(passage: Passage) -> Iterator[Span]:
    """Handles, and names after a word for a user; the value has no @."""
    text = passage.text
    if "@" in text:
        for match in _HANDLE.finditer(text):
            if match[0].lower() not in _NO_HANDLES:
                yield Span(*match.span(), "user", match[0][1:])
    for match in _CUED.finditer(text):
        if _is_name(match):
            yield Span(*match.span("name"), "user", match["name"].lstrip("@"))
    for match in _JOINED.finditer(text):
        if _is_joined_name(passage, match):
            yield Span(*match.span(), "user", match[0])
    for match in _INITIAL_AND_NAME.finditer(text):
        yield Span(*match.span(), "user", match[0])


def _is_joined_name(passage: Passage, match: re.Match[str]) -> bool:
    # "user_roles" is a table and "account.yaml" a file, also in a sentence on users.
    if re.split(r"[_.]", match[0])[0] in _JOINED_CUES or is_file_name(match[0]):
        return False
    near = passage.words_before(match.start(), 6, ends=CLAUSE_END)
    reach = 6 if near and near[-1] in _NAMING else 4
    return not _JOINED_CUES.isdisjoint(near[-reach:])


def _is_name(match: re.Match[str]) -> bool:
    name = match["name"]
    if len(name) < 2 or name == name.upper():
        return False
    if _STRUCTURED.search(name) or name[0] == "@":
        return not is_file_name(name)
    # Words are names where something marks them so: "user ci-pusher, ...", user=backup, "gast".
    ends = _ENDS.match(match.string, match.end()) is not None
    marked = match["sign"] == "=" or (ends and (match["quote"] or "-" in name))
    return bool(marked) and name == name.lower() and name not in _NO_NAMES
