import re

import pytest
from starlette.testclient import TestClient

from serving.pages import FILES, read_page


def test_the_first_page_leads_to_the_documentation(client: TestClient) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.url.path == "/docs"
    assert "Ticket Assistant" in response.text


@pytest.mark.parametrize("path", FILES)
def test_every_file_of_the_page_is_served_under_a_closed_policy(
    client: TestClient, path: str
) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == FILES[path][1]
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = read_page("docs.html").decode()
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert loaded
    assert all(re.match(r"/(?!/)|#|data:image", address) for address in loaded)
    assert "url(" not in read_page("page.css").decode()
    assert "@import" not in read_page("page.css").decode()
    assert not re.search(r"https?://", read_page("page.js").decode())


def test_the_page_has_no_inline_script_or_style_that_its_policy_would_refuse() -> None:
    page = read_page("docs.html").decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert "<style" not in page
    assert not re.search(r"\s(?:style|on\w+)=", page)


def test_the_page_builds_no_markup_from_strings() -> None:
    script = read_page("page.js").decode()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in script


def test_every_element_the_script_looks_for_is_on_the_page() -> None:
    page = read_page("docs.html").decode()
    wanted = set(re.findall(r'byId\("([\w-]+)"\)', read_page("page.js").decode()))
    assert wanted
    assert wanted <= set(re.findall(r'id="([\w-]+)"', page))


def test_the_page_sends_a_credential_and_keeps_it_nowhere() -> None:
    script = read_page("page.js").decode()
    assert 'id="credential" type="password" autocomplete="off"' in read_page("docs.html").decode()
    assert "authorization" in script
    for word in ("localStorage", "sessionStorage", "document.cookie", "indexedDB"):
        assert word not in script
