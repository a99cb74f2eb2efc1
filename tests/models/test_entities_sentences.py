"""Invented sentences with their entities marked inline, `{kind:text}`: found are these, no others.

Six languages, and beside each kind what looks like it and is none.
"""

import re

import pytest

from models.entities import EntityFinder

_MARK = re.compile(r"\{(\w+):([^{}]+)\}")

SENTENCES = """
Thanks to @all and {user:@jo.doe}. Look into {path:%TEMP%\\logs} and {path:%APPDATA%\\kestrel}
Write to {email:anna.lind+billing@mail.kestrel.example}, not to info@ or @ alone.
Mail an {email:o'neill@brodt.example}.
See {url:https://status.kestrel.example/incidents/42?tab=log#top}. It is red.
(see {url:http://kestrel.example/a_(b)/c}) and [docs]({url:https://docs.kestrel.example/x})
Open {url:kestrel.example/pricing}, or {domain:www.kestrel.example}.
The stream is {url:wss://[2001:db8::7]:8443/feed}, not wss://.
{ip:192.0.2.17} answers, 192.0.2.300 does not exist, {ip:2001:db8::1} neither.
From {ip:10.0.0.0}/8 to {ip:198.51.100.7}:{port:443} and [{ip:2001:db8::2}]:{port:22}
std::vector is no address, nor is 1::x.
Upgrade snappy to {version:1.1.10.1} today.
Build {version:10.4.2.1} is worse than {version:10.4.2.0-rc1}.
Host {domain:web2} cannot reach {domain:db-prod-03} or {domain:cache.intern.kestrel.example}.
the certificate of *.{domain:kestrel.example} and {domain:marktplatz.de} expired
Der Server {domain:srv-db1} steht, el servidor {domain:nodo7} también.
Wait.It broke. self.id and events.id and user.name are columns, main.py a file.
We use socket.io, ASP.NET and Node.js on it.
us-east-1 is a region, and covid-19, utf-8, sha-256, iso-8859-1 are names.
port {port:8443} is closed, as are ports {port:80} and {port:8080}
Port: {port:5432}, el puerto {port:3306}, a porta {port:6379}, {port:53}/udp, localhost:{port:3000}
RunCollector.java:118 and client.go:88 and Assert.fail:88 are lines.
Port 99999 does not exist, nor does a 4-port switch; port {port:80} and 4000 users
It writes to {path:/var/log/agent/out.log}, {path:~/.ssh/config} and {path:./deploy.sh}.
POST /v2/orders and GET /api/x.json are no files, and/or 24/7, km/h neither.
in {path:C:\\Program Files\\Kestrel Agent\\agent.exe} and {path:D:\\data}
open {path:\\\\filer\\share\\x.txt}
siehe {path:src/main/App.tsx} Zeile 12
{path:%APPDATA%\\Kestrel\\settings.json} est vide
User {user:j.doe} and {user:@mira_k} cannot log in, user="{user:guest}" too.
account {user:svc_backup}, cuenta {user:svc_copia}, compte d'intégration {user:sf_sync}
user={user:backup} Ask @here or the user interface.
The table order_items has a user, and user_roles is a table.
Login {user:k.brunetti} passe, Benutzer "{user:gast}" nicht.
Call {phone:+44 20 7946 0123} or {phone:+1 (202) 555-0143}, fax {phone:0221 4710815}.
Rückruf bitte unter {phone:030 23125 118}, Tel. {phone:0221/4710-815}
Appelez {phone:01 99 00 12 34}, llámame al {phone:612 345 678}, chiamare {phone:06 1234 5678}
Batch 4711 0815 4242 went through 123 456 7890 rows.
{error_code:ECONNREFUSED} from libpq, then {error_code:E1043} and error {error_code:42501}
ERROR {error_code:1205} ({error_code:HY000}): Lock wait, SQLSTATE: {error_code:40P01}
Fehler {error_code:4012}, errore {error_code:E7712}, código de error: {error_code:MX-9}
it ends with {error_code:INVALID_SESSION_ID} while HTTPS_PROXY and MAX_RETRIES are set
{error_code:0x80070005} is access denied, 0x00007fa4fc113378 a place in memory
bounced: 550 {error_code:5.7.1} rejected, exit code 137
fails with {error_code:ORA-01653}, {error_code:ERR-8810} and "code":"{error_code:NL-2100}"
{exception:java.lang.NullPointerException}: null at com.kestrel.Main, Error and Exception aside
raised {exception:requests.exceptions.ConnectionError} there.
then {exception:KeyboardInterrupt} or {exception:TypeError}.
The Exception Handling of the Error page is fine.
HTTP {http_status:500} for all, status code {http_status:204}, {http_status:404} Not Found
The endpoint returns {http_status:502} since noon. 500 users see it, 404 of them complain.
die API liefert {http_status:503}, la API devuelve {http_status:422}
l'API renvoie {http_status:401}
l'API restituisce {http_status:429}, a API retorna {http_status:403} sempre
we got 200 orders and 300 returns of 400 sold
HTTP/1.1 {http_status:415} Unsupported Media Type
agent {version:4.8.1}, {version:v2}, {version:v1.0.0-rc1}.
PostgreSQL {version:15.4} on Debian {version:12}
since the {version:2.3} update, Version {version:7}, fixed in {version:4.11}.
It costs 12.50 EUR, 1.900 people, 2.1 million rows, section 4.2, 8.400 cadastros.
in Chrome {version:132}, unter Windows {version:11}, TLS {version:1.3}, with 11 windows open
on {datetime:2025-03-18 08:02:11}, {datetime:2025-03-18T08:02:11.123Z} and {datetime:2025-03-18}
at {datetime:7:15 am}, {datetime:4pm}, {datetime:16:52 UTC} and {datetime:05:31 CET}
seit {datetime:8 Uhr}, am {datetime:31. Mai 2025 um 14.30 Uhr}, am {datetime:12.03.}
le {datetime:12/02/2025 à 17h42}, depuis le {datetime:1er mars}, sauf vers {datetime:18h}
el {datetime:15 de marzo de 2025, a las 9:30}, il {datetime:9 ott 2025 alle 18:00}
{datetime:18/03/2025 às 22h}, das {datetime:22h} às {datetime:23h}
{datetime:March 3, 2025} and {datetime:Jan 5} and
since {datetime:12 January} or {datetime:Fri, 27 Jun 2025 at 18:20}
{datetime:18/Mar/2025:08:02:11 +0000} and {datetime:Wed Oct 27 17:52:56 UTC 2021}
10 out of 12, step 3 set up, 1. Set it, 5 may fail, ratio 3:1, on Saturday, yesterday, 2024
30/02/2025 and 2025-13-01 and 25:61 do not exist
{duration:6 hours}, {duration:30 ms}, {duration:5min}
{duration:2 h 30 min}, {duration:3m20s}, {duration:1.5 Stunden}
nach {duration:5 Werktagen}, depuis {duration:3 semaines}
hace {duration:2 días}, há {duration:2 horas}, da {duration:3 giorni}
it took {duration:1h30}, pendant {duration:1h30}, a {duration:30-day} trial
the late 90s, 10s of people, a 3d view, two days, 5 people, 40 m, I am 58 years old
{size:1.2 GB}, {size:512Mi}, {size:8192 bytes}, {size:640 Go}
{size:1 GiB}, {size:0 Byte}, {size:2,5 MB}
{size:30 megabytes} or {size:2 Gigabyte} or {size:30Mb}
40k rows, 5 M users, 100 Mbit, 3 Mio.
commit {hash:4be91d7} and {hash:d41d8cd98f00b204e9800998ecf8427e}, not deadbeef, 20250318 or facade
{uuid:7c1e0d52-4b8f-4f0e-9a61-2f5d0c77be19} is one
{cve:CVE-2021-44228} and {cve:cve-2024-3094}, not CVE-1
ticket {ticket:#48213}, {ticket:INC-20481}, Vorgang {ticket:4711-22}
chamado {ticket:#47730}, {ticket:OPS-311}
colour #333, #ff0000 and #112233, the #1 problem
order {order:#1234}, {order:ORD-77120}, Rechnung {order:INV-2025-0388}
{order:PO-5520}, pedido {order:91006}
"""


def parse(marked: str) -> tuple[str, set[tuple[int, int, str]]]:
    text, spans, end = "", set(), 0
    for match in _MARK.finditer(marked):
        text += marked[end : match.start()]
        spans.add((len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        end = match.end()
    return text + marked[end:], spans


@pytest.mark.parametrize("marked", SENTENCES.strip().split("\n"))
def test_the_marked_entities_are_found_and_no_others(marked: str) -> None:
    text, expected = parse(marked)
    found = {(one.start, one.end, one.label) for one in EntityFinder().find(text)}
    shown = [{(kind, text[start:end]) for start, end, kind in spans} for spans in (found, expected)]
    assert shown[0] == shown[1]
    assert found == expected
