"""Lines of a ticket that no customer wrote: what mail programs and help desks put around them.

A template is always in the language of whoever set the program up, so it tells nothing about the
customer. Used to find out the language, never to change what the members read.
"""

import re

_NOTICES = (
    r"-{2,} ?(?:original|forwarded) (?:message|appointment) ?-{2,}",
    r"begin forwarded message:?",
    r"[-#=*_ ]*(?:please )?(?:do not|don't) (?:reply|respond|write) .{0,40}",
    r"[-#=*_ ]*please (?:reply|type your reply|write) above this line.*",
    r"[-#=*_ ]*(?:reply|type your reply) above this line.*",
    r"(?:sent (?:from|via|with) (?:my |the )?|get outlook for )\S.{0,40}",
    r"(?:this|it) (?:is an?|was) (?:automated|automatic(?:ally)?|auto-generated|no-?reply)\b.*",
    r"this (?:e-?mail|message|email message|communication)\b.{0,80}\b"
    r"(?:confidential|privileged|intended|scanned|sent from|generated)\b.*",
    r"(?:if you (?:are not|have received|received) ).{0,60}\b(?:recipient|in error|by mistake)\b.*",
    r"(?:confidentiality|privacy|legal) (?:notice|disclaimer)\b.*",
    r"(?:disclaimer|caution|external (?:e-?mail|sender|message))\b.{0,120}",
    r"please consider the environment before printing.*",
    r"to (?:unsubscribe|add (?:additional |more )?comments)\b.*",
    r"to view (?:this|your) (?:ticket|request)\b.*",
    r"(?:your|the|a new) (?:request|ticket|case)\b.{0,40}\b(?:has been|was|is now)\b.{0,60}",
    r"thank(?:s| you) for (?:contacting|reaching out|your (?:e-?mail|message|request))\b.{0,60}",
    r"you (?:are receiving|received|have received) this (?:e-?mail|message)\b.*",
    r"view (?:it |this )?(?:in|on) (?:your )?(?:browser|jira|github|zendesk)\b.*",
    r"all rights reserved\.?|(?:copyright|©).{0,80}|(?:powered|delivered) by .{0,40}",
)
_NOTICE = re.compile("|".join(f"(?:{notice})" for notice in _NOTICES), re.IGNORECASE)

_FIELD = re.compile(r"[^\W\d_][\w ./()#-]{0,30} ?: ?\S.*|[^\W\d_][\w ./()#-]{0,30} ?:")
"""`Ticket ID: 4711`, `Priority: high`, `Description:`."""

_FIELD_WORDS = 4
"""Words a field's name may have; "My problem since this morning is: ..." is a sentence."""

_QUOTED = re.compile('"[^"\n]{15,400}"|“[^“”\n]{15,400}”|„[^„“”\n]{15,400}[“”]|«[^«»\n]{15,400}»')
"""A message somebody read off a screen; shorter quotations are names of buttons and products."""


def own_words(text: str, min_letters: int) -> str:
    """What is left of a text without the lines and quotations that tell nothing of its language.

    Notices of mail programs and help desks and quoted lines go in any case. Fields (`Key: value`)
    and quotations within a sentence go only if `min_letters` letters are left without them: there
    are tickets of nothing else.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if not (_is_quoted(line) or _NOTICE.fullmatch(line))]
    kept = "\n".join(lines)
    for fewer in (_without_fields(kept), _QUOTED.sub(" ", _without_fields(kept))):
        if count_letters(fewer) >= min_letters:
            kept = fewer
    return kept


def count_letters(text: str) -> int:
    """How many characters of a text are letters, of whatever script."""
    return sum(map(str.isalpha, text))


def _is_quoted(line: str) -> bool:
    # ">>> " is the prompt of Python as often as a quotation.
    return line.startswith(">") and not line.startswith(">>> ")


def _without_fields(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not _is_field(line))


def _is_field(line: str) -> bool:
    return _FIELD.fullmatch(line) is not None and len(line.split(":")[0].split()) <= _FIELD_WORDS
