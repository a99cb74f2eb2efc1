"""What a mail carries besides its message: quoted replies, reply headers, signatures.

Everything here works on tidy lines: single blanks, no blanks at the ends. Only what is certain is
dropped, and what is dropped leaves an empty line, so that lines which were apart never meet and
dropping twice is dropping once.
"""

import re

ENOUGH_WORDS = 3
"""History is cut only below a message of so many words; "see below" alone needs what is below."""

SIGNATURE_LINES = 8
"""Lines that may follow the "--" of RFC 3676, section 4.3, to be taken for a signature."""

CLOSING_LINES = 3
"""Short lines (name, role, company) that may follow "Best regards"."""

_WORD = re.compile(r"[^\W\d_]{2,}")

_ATTRIBUTION = re.compile(
    r"(?:on|am|le|el|em|il|op)\b(?=.{0,300}\d).{3,300}?\b"
    r"(?:wrote|schrieb|a écrit|escribió|escreveu|ha scritto|schreef)\b.{0,120}:",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(r"(?:on|am|le|el|em|il|op)\b.*\d", re.IGNORECASE)

_HISTORY = re.compile(
    r"-{2,} ?(?:original message|original appointment|ursprüngliche nachricht|originalnachricht|"
    r"message d'origine|message original|mensaje original|mensagem original|messaggio originale)"
    r" ?-{2,}",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"-{2,} ?(?:forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado|"
    r"mensagem encaminhada|messaggio inoltrato)(?: by .{1,80})? ?-{2,}|begin forwarded message:",
    re.IGNORECASE,
)
_FROM = re.compile(r"(?:from|von|de|da) ?: ?\S", re.IGNORECASE)
_HEADER = re.compile(
    r"(?:from|sent|to|cc|bcc|subject|date|importance|reply-to|"
    r"von|gesendet|an|betreff|datum|de|envoyé|à|objet|enviado|enviado el|para|asunto|assunto|"
    r"fecha|data|da|inviato|a|oggetto)(?: le| el| em)? ?:",
    re.IGNORECASE,
)

_CLOSING = re.compile(
    r"(?:(?:with )?(?:best|kind|kindest|warm|many)? ?regards|best wishes|"
    r"yours (?:sincerely|faithfully)|sincerely(?: yours)?|"
    r"mit (?:freundlichen|besten|vielen|herzlichen) grüßen|"
    r"(?:freundliche|viele|beste|liebe|herzliche) grüße|mfg|cordialement|bien cordialement|"
    r"(?:un )?(?:cordial )?saludos?(?: cordiales)?|atentamente|atenciosamente|"
    r"(?:com os melhores )?cumprimentos|cordiali saluti|distinti saluti)[,.!]?",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"(?:sent from my .{2,40}|get outlook for .{2,20}|von meinem .{2,40} gesendet|"
    r"envoyé de mon .{2,40}|enviado (?:desde|do) (?:mi|meu) .{2,40}|inviato da .{2,40})",
    re.IGNORECASE,
)


def drop_replies(text: str) -> str:
    """The message of a mail, without history, quotes and signature."""
    return "\n".join(_without_signature(_message(text.split("\n"))))


def _message(lines: list[str]) -> list[str]:
    kept: list[str] = []
    words = 0
    position = 0
    while position < len(lines):
        length, history = _reply_mark(lines, position)
        if length and history and words >= ENOUGH_WORDS:
            break
        if length:
            kept.append("")
            position += length
            continue
        kept.append(lines[position])
        words += len(_WORD.findall(lines[position])) if words < ENOUGH_WORDS else 0
        position += 1
    return kept


def _reply_mark(lines: list[str], position: int) -> tuple[int, bool]:
    """How many lines from here are no message, and whether all below them is history."""
    line = lines[position]
    # ">>> " is the prompt of Python as often as a reply to a reply to a reply.
    if line.startswith(">") and not line.startswith(">>> "):
        return 1, False
    if _HISTORY.fullmatch(line):
        return 1 + _headers(lines, position + 1), True
    if _FORWARD.fullmatch(line):
        return 1 + _headers(lines, position + 1), False
    if _FROM.match(line) and (length := _headers(lines, position)) >= 3:
        return length, True
    length = _attribution(lines, position)
    if length:
        return length, not _quote_follows(lines, position + length)
    return 0, False


def _headers(lines: list[str], position: int) -> int:
    start = position
    while position < len(lines) and _HEADER.match(lines[position]):
        position += 1
    return position - start


def _attribution(lines: list[str], position: int) -> int:
    line = lines[position]
    if _ATTRIBUTION.fullmatch(line):
        return 1
    # Mail programs wrap "On Monday, 3 June 2024, Ann <ann@example.org>" before "wrote:".
    if position + 1 < len(lines) and len(line) < 300 and _ATTRIBUTION_START.match(line):
        following = lines[position + 1]
        if len(following) < 300 and _ATTRIBUTION.fullmatch(f"{line} {following}"):
            return 2
    return 0


def _quote_follows(lines: list[str], position: int) -> bool:
    while position < len(lines) and not lines[position]:
        position += 1
    return position < len(lines) and lines[position].startswith(">")


def _without_signature(lines: list[str]) -> list[str]:
    # Backwards, each mark judged by what is still below it: one pass reaches the end of it.
    below: list[str] = []  # lines with content below the current one, nearest last, at most 9
    end = len(lines)
    for position in range(len(lines) - 1, -1, -1):
        line = lines[position]
        if not line:
            continue
        if _ends_message(line, below):
            end, below = position, []
        elif len(below) <= SIGNATURE_LINES:
            below.append(line)
    return lines[:end]


def _ends_message(line: str, below: list[str]) -> bool:
    if line == "--":
        return len(below) <= SIGNATURE_LINES
    if _CLOSING.fullmatch(line):
        return len(below) <= CLOSING_LINES and all(map(_is_short, below))
    return not below and _DEVICE.fullmatch(line) is not None


def _is_short(line: str) -> bool:
    return len(line) <= 40 and len(line.split()) <= 5 and "?" not in line
