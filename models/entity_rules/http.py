"""HTTP status codes: three digits that the sentence makes an answer."""

import re
from collections.abc import Iterator
from http import HTTPStatus

from models.entity_rules.passage import Passage, Span, words

_STATUSES = {str(int(status)): status for status in HTTPStatus}
_CANDIDATE = re.compile(r"(?<![\w.,:/#+$€£-])[1-5]\d\d(?![\w%]|[.,:-]\d|/\w|[ \xa0]?[%€$])")
_LABEL = re.compile(
    r"(?:\bhttps?(?: ?status| ?code| ?error)?|\bHTTP/[123](?:\.[01])?|"
    r"\bstatus(?:[ -]?codes?)?(?: (?:is|ist|est|es|é|è|of|von|de))?|"
    r"\b(?:error|erreur|errore|fehler|erro)(?:[ -]?code)?)[ :=]{1,3}[\"'(]?$",
    re.IGNORECASE,
)
# Somebody answers: no more evidence is asked for.
_ANSWERS = words(
    "return returns returned returning answer answers answered answering respond responds "
    "responded responding reply replies replied throw throws threw receive receives received "
    "liefert liefern antwortet antworten meldet melden bekommen bekomme wirft "
    "renvoie renvoient répond répondent retourne retournent reçois recevons "
    "devuelve devuelven responde responden recibimos recibo lanza "
    "devolve devolvem respondem retorna retornam recebo recebemos "
    "restituisce restituiscono risponde rispondono ritorna riceviamo ricevo"
)
_ANSWERED = words("back returned zurück beantwortet geantwortet zurückgegeben")
# Less certain words before a code: they count where the sentence speaks of the web.
_SAYS = words(
    "get gets got getting give gives gave giving see sees seeing serve serves show shows say says "
    "kommt kommen gibt sagt zeigt donne affiche dit da dan dice muestra dá dão diz mostra dà danno"
)
_HINTS = _SAYS | words(
    "a an is are the on only just all your with always still "
    "ein eine einen mit auf ist der nur noch immer une des sur avec est seulement toujours "
    "un una con es el en solo siempre um uma com é o só sempre su è"
)
_COUNTS = words("from than about of to max limit page line zeile until bis zu fino hasta")
_WEB = re.compile(
    r"https?|\bapis?\b|\bendpoints?\b|\brequests?\b|\bresponses?\b|\burls?\b|"
    r"\b(?:GET|POST|PUT|PATCH|DELETE)\b|/v\d|\bheaders?\b|\bservers?\b|\bdown\b|\bdeploy|"
    r"\bpages?\b|\bseiten?\b|\bgateway\b|\bproxy\b|\bwebhooks?\b|\blogin\b|\btoken\b|\bservi[czç]|"
    r"\bbackends?\b|\bclient\b|\bdownload|\bkeys?\b|\bp[áa]gina|\bretry|\bsit[eo]\b|\bcalls?\b",
    re.IGNORECASE,
)
# What may follow a code; another word is what the number counts ("500 users").
_AFTER = words(
    "when if on in at for since as after before and or but then about although though because "
    "from instead while until again now only even every everywhere to by is was error errors "
    "response responses status without with code page pages so always "
    "wenn bei und oder aber seit auf für nach statt obwohl weil aus im überall immer "
    "quand sur et ou mais depuis pour avec à au dans lorsque alors partout toujours "
    "si cuando en y o pero desde para por con al sin aunque siempre "
    "se quando em e mas com sem ao sempre "
    "su ma da per ovunque nel nella dal anche"
)
_END = re.compile(r"\s*(?:$|[\n.,;:!?)\"'`”»…–—(-])")
_OPENS = re.compile(r"(?:^|[.,;:!?(\"'“«>\n-])\s{0,2}$")
# Codes that people use as words.
_PROVERBIAL = words("401 403 404 429 501 502 503 504")


def find_http_statuses(passage: Passage) -> Iterator[Span]:
    """Codes of the IANA registry, as `http.HTTPStatus` lists them, that somebody answers."""
    for match in _CANDIDATE.finditer(passage.text):
        status = _STATUSES.get(match[0])
        if status is not None and _is_answer(passage, match, status):
            yield Span(*match.span(), "http_status", match[0])


def _is_answer(passage: Passage, match: re.Match[str], status: HTTPStatus) -> bool:
    before, after = passage.before(match.start(), 80), passage.after(match.end(), 40)
    if _LABEL.search(before[-24:]) or _is_phrase(after, status):
        return True
    near = passage.words_before(match.start(), 2)
    answered = not _ANSWERS.isdisjoint(near)
    if answered and match[0] in _PROVERBIAL:
        return True
    following = passage.words_after(match.end(), 1)
    if not _ANSWERED.isdisjoint(following):
        return True
    if not _END.match(after) and _AFTER.isdisjoint(following):
        return False
    if answered:
        return True
    if not _COUNTS.isdisjoint(near[-1:]):
        return False
    if match[0] == "200":
        # The most ordinary of counts: "max_connections is 200".
        hinted = not _SAYS.isdisjoint(near)
    else:
        hinted = _OPENS.search(before) is not None or not _HINTS.isdisjoint(near)
    return hinted and (match[0] in _PROVERBIAL or _WEB.search(before + after) is not None)


def _is_phrase(after: str, status: HTTPStatus) -> bool:
    """Whether the code's own reason phrase follows, with or without its blanks."""
    spaced, joined = status.phrase.casefold(), status.phrase.replace(" ", "").casefold()
    rest = after[1:].casefold()
    return after[:1] == " " and rest.startswith((spaced, joined))
