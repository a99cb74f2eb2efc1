from datetime import UTC, datetime, timedelta

import pytest

from data.errors import CatalogError
from serving.webhook_signing import TOLERANCE, Secret, new_secret, read_secret, sign, verify

# The example of the specification's reference libraries.
KEY = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "here")
ID, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
OTHER = Secret(b"another key of 32 bytes, invented")


def test_a_signature_is_that_of_standard_webhooks() -> None:
    assert sign([KEY], ID, AT, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_who_knows_the_old_or_the_new_secret_accepts_what_both_signed() -> None:
    headers = sign([KEY, OTHER], ID, AT, BODY)
    assert headers["webhook-signature"].count("v1,") == 2
    assert verify([KEY], headers, BODY, AT)
    assert verify([OTHER], headers, BODY, AT)
    assert not verify([Secret(b"x" * 32)], headers, BODY, AT)


@pytest.mark.parametrize(
    ("header", "value"),
    [("webhook-id", "msg_other"), ("webhook-timestamp", "1614265331"),
     ("webhook-timestamp", "now"), ("webhook-signature", "v1,AAAA"), ("webhook-signature", "")],
)  # fmt: skip
def test_what_was_changed_is_refused(header: str, value: str) -> None:
    headers = sign([KEY], ID, AT, BODY)
    assert verify([KEY], headers, BODY, AT)
    assert not verify([KEY], {**headers, header: value}, BODY, AT)
    assert not verify([KEY], headers, BODY + b" ", AT)


def test_what_is_old_is_refused() -> None:
    headers = sign([KEY], ID, AT, BODY)
    assert verify([KEY], headers, BODY, AT + timedelta(seconds=TOLERANCE))
    assert not verify([KEY], headers, BODY, AT + timedelta(seconds=TOLERANCE + 1))


def test_a_new_secret_can_be_read() -> None:
    assert len(read_secret(new_secret() + "\n", "here")) == 32
    assert new_secret() != new_secret()


@pytest.mark.parametrize(
    "text", ["", "whsec_", "swordfish", "whsec_c3dvcmRmaXNo", "whsec_" + "QUJD" * 40]
)
def test_what_is_no_secret_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(CatalogError, match="the-place holds no webhook secret") as caught:
        read_secret(text, "the-place")
    assert not text or text not in str(caught.value) or text == "whsec_"
