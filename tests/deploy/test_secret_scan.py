"""No secret stands in the repository, and one that did would be found."""

import secrets

import pytest

from deploy import secret_scan
from deploy.secret_scan import KNOWN, entropy, files, scan, scan_files

HEX = "9f1c0b7d2e6a4835c7d0e1f2a3b49586"


def test_there_is_none_in_the_repository() -> None:
    found = [one for one in scan_files(files()) if one.path not in KNOWN]
    assert not found


def test_what_is_known_to_be_none_is_still_there() -> None:
    assert {one.path for one in scan_files(KNOWN)} == set(KNOWN)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("-----BEGIN " + "RSA PRIVATE KEY-----", "private key"),
        ("-----BEGIN " + "PRIVATE KEY-----", "private key"),
        ("key = AKI" + "AIOSFODNN7EXAMPLE", "AWS key"),
        ("url: https://x?key=AIz" + "a" * 36, "Google key"),
        ("gh" + "p_" + "a1B2" * 9, "GitHub token"),
        ("glp" + "at-" + "a1B2" * 5, "GitLab token"),
        ("h" + "f_" + "aB" * 17, "Hugging Face token"),
        ("xox" + "b-" + "1234567890-abcdefghij", "Slack token"),
        ("sk_" + "live_" + "a1B2" * 6, "Stripe key"),
        ("eyJ" + "h" * 20 + ".eyJ" + "z" * 20 + "." + "s" * 20, "token (JWT)"),
        ("t" + "a_0a1b2c3d_" + "Zz09" * 10, "key of ours"),
        ("whs" + "ec_" + "a1B2" * 8, "webhook secret"),
    ],
)
@pytest.mark.parametrize("path", ["serving/some.py", "tests/some.py"])
def test_what_has_the_form_of_a_secret_is_found_everywhere(line: str, kind: str, path: str) -> None:
    assert [one.kind for one in scan(f"first\n{line}\n", path)] == [kind]
    assert [one.line for one in scan(f"first\n{line}\n", path)] == [2]


@pytest.mark.parametrize(
    "line",
    [
        f'password = "{HEX}"', f"TICKETS_SALT: '{HEX}'", f'"api_key": "{HEX}"',
        f"postgresql://tickets:{HEX}@host/db",
    ],
)  # fmt: skip
def test_a_random_value_is_found_but_where_secrets_are_made_up(line: str) -> None:
    assert len(list(scan(line, "deploy/some.yaml"))) == 1
    assert not list(scan(line, "tests/some.py"))


@pytest.mark.parametrize(
    "line",
    [
        'password = "aaaaaaaaaaaaaaaaaaaa"', "password: /run/secrets/password", 'token = ""',
        "postgresql://tickets:…@host/db", 'secret = read_secret("postgres")',
        "postgresql://tickets:%s@postgres/tickets", "http://localhost:3000/v1@x",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_not_found(line: str) -> None:
    assert not list(scan(line, "deploy/some.yaml"))


def test_random_values_count_as_random() -> None:
    drawn = [secrets.token_urlsafe(32) for _ in range(200)]
    assert all(entropy(value) > secret_scan.RANDOM_BITS for value in drawn)


def test_what_is_found_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = secret_scan.Finding("a.py", 3, "AWS key")
    monkeypatch.setattr(secret_scan, "scan_files", lambda names: [found])
    with pytest.raises(SystemExit):
        secret_scan.main()
    assert capsys.readouterr().out.splitlines()[0] == "a.py:3: AWS key"
