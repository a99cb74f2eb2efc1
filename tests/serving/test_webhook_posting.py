"""Attempts at a real receiver on the loopback interface, a friendly one or not."""

import http.server
import ssl
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.webhook_posting import Attempt, post
from tests.serving.webhook_fakes import (
    Receiver,
    drip,
    flood,
    hang,
    make_endpoint,
    receiving,
    status,
)

BODY = b'{"type":"webhook.test"}'
HEADERS = {"webhook-id": "msg_1", "content-type": "application/json"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def test_what_is_sent_arrives_and_any_2xx_takes_it(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers += [status(200), status(204)]
    endpoint = make_endpoint(receiver.url, tmp_path)
    assert post(endpoint, HEADERS, BODY, 5) == Attempt("delivered", 200)
    assert post(endpoint, HEADERS, BODY, 5) == Attempt("delivered", 204)
    first = receiver.received[0]
    assert (first.path, first.body) == ("/hook?of=tickets", BODY)
    assert first.headers["webhook-id"] == "msg_1"
    assert first.headers["host"] == receiver.url.split("/")[2]


@pytest.mark.parametrize(
    ("code", "attempt"),
    [(400, Attempt("refused", 400)), (500, Attempt("refused", 500)), (410, Attempt("gone", 410))],
)
def test_every_other_status_refuses_it(
    receiver: Receiver, tmp_path: Path, code: int, attempt: Attempt
) -> None:
    receiver.answers.append(status(code))
    assert post(make_endpoint(receiver.url, tmp_path), HEADERS, BODY, 5) == attempt


def test_a_redirect_is_not_followed(receiver: Receiver, tmp_path: Path) -> None:
    with receiving() as other:
        receiver.answers.append(status(307, location=other.url))
        found = post(make_endpoint(receiver.url, tmp_path), HEADERS, BODY, 5)
        assert found == Attempt("refused", 307)
        assert other.received == []


def test_who_is_busy_may_say_for_how_long(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers += [status(503, retry_after="120"), status(503, retry_after="soon")]
    endpoint = make_endpoint(receiver.url, tmp_path)
    assert post(endpoint, HEADERS, BODY, 5).retry_after == 120
    assert post(endpoint, HEADERS, BODY, 5).retry_after is None


@pytest.mark.parametrize("answer", [hang(), drip], ids=["hang", "drip"])
def test_who_does_not_come_to_an_end_is_left(
    receiver: Receiver, tmp_path: Path, answer: object
) -> None:
    receiver.answers.append(answer)  # type: ignore[arg-type]
    began = time.monotonic()
    assert post(make_endpoint(receiver.url, tmp_path), HEADERS, BODY, 0.5) == Attempt("late")
    assert time.monotonic() - began < 10  # the receiver would go on for 30 seconds


def test_an_answer_without_end_is_not_read_to_it(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers.append(flood)
    found = post(make_endpoint(receiver.url, tmp_path), HEADERS, BODY, 30)
    assert found == Attempt("delivered", 200)


def test_nobody_who_listens_is_unreachable(tmp_path: Path) -> None:
    with receiving() as gone:
        pass
    assert post(make_endpoint(gone.url, tmp_path), HEADERS, BODY, 5) == Attempt("unreachable")


def test_a_name_nobody_knows_is_unreachable(tmp_path: Path) -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("unknown")

    endpoint = make_endpoint("http://nowhere.invalid/", tmp_path)
    assert post(endpoint, HEADERS, BODY, 5, unknown) == Attempt("unreachable")


def test_this_machine_is_not_asked_unless_that_is_allowed(
    receiver: Receiver, tmp_path: Path
) -> None:
    endpoint = make_endpoint(receiver.url, tmp_path, allow=[])
    assert post(endpoint, HEADERS, BODY, 5) == Attempt("forbidden")
    assert receiver.received == []


def test_a_name_is_resolved_once_and_that_address_is_asked(
    receiver: Receiver, tmp_path: Path
) -> None:
    """What a name means a moment later, when the connection is made, does not matter."""
    told = iter([["127.0.0.1"], ["10.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return next(told)

    # The system knows no such name, so that whoever asked it again would not arrive.
    url = receiver.url.replace("localhost", "rebinding.invalid")
    endpoint = make_endpoint(url, tmp_path, allow=[ip_network("127.0.0.1/32")])
    assert post(endpoint, HEADERS, BODY, 5, rebinding) == Attempt("delivered", 204)
    assert asked == ["rebinding.invalid"]
    assert receiver.received[0].headers["host"].startswith("rebinding.invalid:")
    assert post(endpoint, HEADERS, BODY, 5, rebinding) == Attempt("forbidden")
    assert len(receiver.received) == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for `localhost` that signs itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls_is_spoken_with_who_the_name_says_it_is(authority: Path, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    with receiving(context) as receiver:
        known = make_endpoint(receiver.url, tmp_path, ca_file=authority, http=False)
        assert post(known, HEADERS, BODY, 5) == Attempt("delivered", 204)
        unknown = make_endpoint(receiver.url, tmp_path, http=False)
        assert post(unknown, HEADERS, BODY, 5) == Attempt("unreachable")
        url = receiver.url.replace("localhost", "127.0.0.1")
        other = make_endpoint(url, tmp_path, ca_file=authority, http=False)
        assert post(other, HEADERS, BODY, 5) == Attempt("unreachable")
        receiver.answers.append(hang())
        assert post(known, HEADERS, BODY, 0.5) == Attempt("late")
        assert len(receiver.received) == 2


def test_who_accepts_and_never_shakes_hands_is_left(receiver: Receiver, tmp_path: Path) -> None:
    class Silent(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            time.sleep(10)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads, server.block_on_close = True, False
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://localhost:{server.server_port}/"
    assert post(make_endpoint(url, tmp_path), HEADERS, BODY, 0.5) == Attempt("late")
    server.shutdown()
    server.server_close()
