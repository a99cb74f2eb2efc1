"""The one door through which text reaches a model, in training and in serving alike.

`prepare_text` cleans what is not the ticket: markup, invisible characters, quoted replies,
signatures. `model_text` also masks personal data; it is what every member reads.
"""

import html
import re
import unicodedata

from data.privacy import mask
from data.replies import drop_replies

_NEWLINE = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Format characters show nothing but split words; lone surrogates crash tokenizers.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(" ?\n ?")
_EMPTY_LINES = re.compile("\n{3,}")

# "&amp;lt;" is what two systems in a row make of "<".
_ENTITY = re.compile(
    r"&(?:amp;|#38;|#x26;)*(?:([A-Za-z][A-Za-z0-9]{1,30})|#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6}));"
)
_AMPERSAND = re.compile(r"&(?:amp;|#38;|#x26;)+")

_NAMES = (
    "a|abbr|address|article|b|big|blockquote|body|br|center|code|col|colgroup|dd|del|div|dl|dt|em|"
    "font|footer|form|h[1-6]|head|header|hr|html|i|img|ins|label|li|link|main|meta|nav|ol|p|pre|s|"
    "section|small|span|strike|strong|style|script|sub|sup|table|tbody|td|tfoot|th|thead|title|tr|"
    "tt|u|ul"
)
_TAG = re.compile(rf"</?(?:{_NAMES})(?:[\s/][^<>]*)?>|<!doctype[^<>]*>", re.IGNORECASE)
_BLOCK = re.compile(
    r"</?(?:address|article|blockquote|br|dd|div|dl|dt|footer|h[1-6]|header|hr|li|ol|p|pre|section|"
    r"table|tr|ul)\b",
    re.IGNORECASE,
)
# A lone <b> may be what the ticket is about; a closing tag or a line break is markup.
_IS_HTML = re.compile(
    rf"</(?:{_NAMES})\s*>|<br\s?/?>|<(?:html|body)[\s>]|<!doctype html", re.IGNORECASE
)
_HIDDEN = (("<style", "</style>"), ("<script", "</script>"), ("<!--", "-->"))


def model_text(text: str) -> str:
    """What every member reads: the prepared text with personal data masked."""
    return mask(prepare_text(text)).text


def prepare_text(text: str) -> str:
    """The text of a ticket without what is not part of it.

    Unicode NFC; no control, zero-width or lone surrogate characters; HTML tags and entities
    resolved; runs of blanks made one, at most one empty line in a row; quoted replies, reply
    headers and signatures dropped where they are certain (`data.replies`). Stack traces stay.

    Preparing twice is preparing once. The time is linear in the length. Text with a letter or a
    digit in it, entities resolved, never becomes empty.
    """
    text = _NEWLINE.sub("\n", text)
    text = _INVISIBLE.sub("", text)
    text = _SURROGATE.sub("\ufffd", text)
    text = unicodedata.normalize("NFC", text)
    if "&" in text:
        text = _AMPERSAND.sub("&", _ENTITY.sub(_character, text))
    plain = _without_markup(text)
    if _says_something(plain) or not _says_something(text):
        text = plain
    text = _tidy(unicodedata.normalize("NFC", text))
    if "\n" not in text:
        return text
    kept = _tidy(drop_replies(text))
    return kept if _says_something(kept) or not _says_something(text) else text


def _tidy(text: str) -> str:
    text = _LINE_ENDS.sub("\n", _BLANKS.sub(" ", text))
    return _EMPTY_LINES.sub("\n\n", text).strip()


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))


def _character(match: re.Match[str]) -> str:
    """What an entity stands for; the entity itself where that could build another one."""
    name, decimal, hexadecimal = match.groups()
    if name:
        character = html.unescape(f"&{name};")
        if character == f"&{name};":
            return match[0]
    else:
        code = int(decimal) if decimal else int(hexadecimal, 16)
        if code > 0x10FFFF:
            return match[0]
        character = chr(code)
    if _INVISIBLE.search(character) or _SURROGATE.search(character):
        return ""
    character = unicodedata.normalize("NFC", character)
    builds = any(c.isascii() and (c.isalnum() or c in "&#;") for c in character)
    return match[0] if builds else _NEWLINE.sub("\n", character)


def _without_markup(text: str) -> str:
    if "<" not in text or not _IS_HTML.search(text):
        return text
    for opening, closing in _HIDDEN:
        text = _without_hidden(text, opening, closing)
    # A blank, not nothing: what stood on both sides of a tag must not become a new tag.
    return _TAG.sub(lambda tag: "\n" if _BLOCK.match(tag[0]) else " ", text)


def _without_hidden(text: str, opening: str, closing: str) -> str:
    # A search by find, because a pattern would look for the end again from every opening.
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters grow when lowered, and positions would shift
        return text
    pieces, position = [], 0
    while (start := lowered.find(opening, position)) >= 0:
        end = lowered.find(closing, start)
        if end < 0:
            break
        pieces.append(text[position:start])
        position = end + len(closing)
    return " ".join((*pieces, text[position:])) if pieces else text
