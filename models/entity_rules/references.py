"""Numbers of tickets and orders, and the error codes that look like them."""

import re
from collections.abc import Iterator

from models.entity_rules.passage import Passage, Span, words

_CODE = re.compile(r"(?<![\w#./-])([A-Z][A-Z0-9]{1,9})-(?:(\d{4})-)?(\d{2,10})(?![\w-]|\.\d)")
_ORDER_PREFIXES = words(
    "ORD ORDER PO INV SO RMA RE RG RNR BEST AB LS PED FAC FACT FT CMD BC QUO DN CN"
)
_TICKET_PREFIXES = words(
    "INC REQ RITM SR CHG CHANGE PRB TASK SCTASK TICKET TKT CASE CS SUP SUPPORT HD HELP BUG ISSUE "
    "JIRA"
)
_ERROR_PREFIXES = words("ORA TNS PLS RMAN IMP EXP SQL ERR ERROR E MSG EVT FEHLER")
_NO_CODES = words(
    "UTF ISO SHA MD AES RSA RFC CVE TLS SSL HTTP COVID IPV WPA USB EN DIN IEC IEEE PCI NIST CIS "
    "WCAG ES HTML PDF TYPE LATIN CP WEEK KW ECMA FIPS BASE CWE CAPEC GHSA JSR JEP PEP BCP JDK ARM "
    "RS INT UINT LINE ROOM"
)
_TICKET_WORDS = words(
    "ticket tickets case cases incident incidents issue issues jira tracked bug request "
    "vorgang vorfall anfrage störung incidencia incidencias caso casos tíquet solicitud chamado "
    "chamados incidente incidentes dossier demande segnalazione segnalazioni richiesta tíquete"
)
_ORDER_WORDS = words(
    "order orders invoice invoices purchase delivery shipment bestellung bestellungen auftrag "
    "rechnung rechnungen lieferschein commande commandes facture factures bon pedido pedidos "
    "factura facturas fatura faturas encomenda ordine ordini fattura fatture orden nota"
)
_OTHER_WORDS = words(
    "customer kunde kundennummer client cliente contract vertrag contrat contrato contratto model "
    "modell article artikel serial asset member room raum"
)
_ERROR_WORDS = words(
    "error errors fehler erreur errore erro code fatal fails failed failing "
    "throws reports says meldet meldung affiche renvoie dice devuelve mostra"
)

_NUMBER_SIGN = re.compile(r"(?<![\w#&/])#(\d{3,10})(?![\w-]|[.,]\d)")
_WORDED = re.compile(
    r"(?<!\w)(?P<word>tickets?|case|incident|issue|vorgang|caso|chamado|incidencia|dossier|"
    r"segnalazione|order|bestellung|auftrag|commande|pedido|encomenda|ordine|invoice|rechnung|"
    r"facture|factura|fatura|fattura)"
    r"(?:s?nummer|[- ]?(?:number|id|no|nr|num|número|numéro|numero|n)\b)?[ :.#°º]{1,3}"
    r"(?P<number>#?(?:[A-Z]{1,4}[-/]?)?\d[\d/-]{2,14}\d)(?![\w%]|[.,:]\d|-\w)",
    re.IGNORECASE,
)


def find_codes(passage: Passage) -> Iterator[Span]:
    """Letters, a hyphen and digits: an order, a ticket or an error code, upper-cased.

    Known prefixes decide first, then the words before. Without either, a leading zero makes an
    error code, and any other number a ticket, as issue trackers write them (OPS-311).
    """
    if "-" not in passage.text:
        return
    for match in _CODE.finditer(passage.text):
        kind = _kind(passage, match)
        if kind:
            yield Span(*match.span(), kind, match[0])


def _kind(passage: Passage, match: re.Match[str]) -> str | None:
    prefix, year, number = match[1], match[2], match[3]
    if prefix in _NO_CODES:
        return None
    if prefix in _ORDER_PREFIXES:
        return "order"
    if prefix in _TICKET_PREFIXES:
        return "ticket"
    if prefix in _ERROR_PREFIXES:
        return "error_code"
    near = passage.words_before(match.start(), 4)
    if not _ERROR_WORDS.isdisjoint(near):
        return "error_code"
    if not _TICKET_WORDS.isdisjoint(near):
        return "ticket"
    if not _ORDER_WORDS.isdisjoint(near):
        return "order"
    if year or not _OTHER_WORDS.isdisjoint(near):
        return None
    if number[0] == "0":
        return "error_code"
    return "ticket" if prefix.isalpha() and len(number) >= 3 else None


def find_numbers(passage: Passage) -> Iterator[Span]:
    """#48213, ticket 48213, Rechnung 2025-0047: digits after a word or a number sign."""
    for match in _NUMBER_SIGN.finditer(passage.text):
        near = passage.words_before(match.start(), 4)
        if not _ORDER_WORDS.isdisjoint(near[-2:]):
            yield Span(*match.span(), "order", match[1])
        # Three and six digits may be a colour.
        elif len(match[1]) not in (3, 6) or not _TICKET_WORDS.isdisjoint(near):
            yield Span(*match.span(), "ticket", match[1])
    for match in _WORDED.finditer(passage.text):
        word = match["word"].casefold()
        kind = "order" if word in _ORDER_WORDS else "ticket"
        yield Span(*match.span("number"), kind, match["number"].lstrip("#").upper())
