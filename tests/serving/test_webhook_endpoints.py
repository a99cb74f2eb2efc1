from pathlib import Path

import pytest

from data.errors import CatalogError
from serving.webhook_endpoints import Endpoints, read_endpoints
from serving.webhook_signing import new_secret
from tests.serving.webhook_fakes import SECRET, WRITTEN, make_endpoint


def write(folder: Path, text: str) -> Path:
    (folder / "secret").write_text(WRITTEN)
    path = folder / "webhooks.yaml"
    path.write_text(text.replace("SECRET", str(folder / "secret")))
    return path


GOOD = """
endpoints:
  crm:
    url: https://crm.example.com/hooks
    events: [ticket.review_needed, certificate.lost]
    secret_files: [SECRET]
    allow: [10.0.0.0/8]
"""


def test_a_file_tells_who_wants_what(tmp_path: Path) -> None:
    found = read_endpoints(write(tmp_path, GOOD))
    assert found.wanted == {"crm": ("ticket.review_needed", "certificate.lost")}
    assert found.endpoints["crm"].secrets() == (SECRET,)
    assert read_endpoints(None) == Endpoints()


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("https://crm.example.com/hooks", "http://crm.example.com/hooks", "without TLS"),
        ("https://crm.example.com/hooks", "https://u:p@crm.example.com/", "user nor password"),
        ("https://crm.example.com/hooks", "ftp://crm.example.com/", "an address such as"),
        ("https://crm.example.com/hooks", "crm", "an address such as"),
        ("https://crm.example.com/hooks", "https://crm:99999/", "url"),
        ("https://crm.example.com/hooks", '"https://crm/a b"', "neither spaces"),
        ("certificate.lost", "certificate.found", "events"),
        ("[ticket.review_needed, certificate.lost]", "[]", "events"),
        ("[SECRET]", "[]", "at least one secret"),
        ("[SECRET]", "[/nowhere/secret]", "/nowhere/secret cannot be read"),
        ("[10.0.0.0/8]", "[everything]", "allow"),
        ("    url", "    colour: red\n    url", "colour: unknown key"),
        ("  crm:", "  C R M:", "small letters, digits and hyphens"),
    ],
)
def test_a_wrong_file_is_refused_by_its_key(
    tmp_path: Path, was: str, becomes: str, told: str
) -> None:
    assert was in GOOD
    with pytest.raises(CatalogError, match=told):
        read_endpoints(write(tmp_path, GOOD.replace(was, becomes)))


def test_a_secret_is_read_anew_each_time(tmp_path: Path) -> None:
    endpoint = make_endpoint("http://localhost/", tmp_path, secret_environment=["CRM_SECRET"])
    environment = {"CRM_SECRET": new_secret()}
    first = endpoint.secrets(environment)
    assert len(first) == 2
    (tmp_path / "secret").write_text(new_secret())
    assert endpoint.secrets(environment)[0] != first[0]
    assert endpoint.secrets(environment)[1] == first[1]
    with pytest.raises(CatalogError, match="no CRM_SECRET"):
        endpoint.secrets({})
