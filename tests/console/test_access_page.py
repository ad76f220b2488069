"""Who can do what, as a page: of a path, of somebody, of everybody, now and then."""

from __future__ import annotations

import pytest

from tests.api.serving import Served
from tests.console.visiting import Browser

NASTY = "<script>alert(1)"


@pytest.fixture
async def ada(served: Served, browser: Browser) -> Browser:
    """Ada, who may see everything, and an entity whose name is none."""
    loose = {"policies": ["admin"], "kinds": ["none"]}  # pages are tested here, and not factors
    await served.ask("POST", "strongroom/factors/rules/loose", loose)
    rule = f'path "secret/{NASTY}/*" {{ capabilities = ["read"] }}'
    await served.ask("POST", "sys/policies/acl/odd", {"policy": rule})
    made = await served.ask("POST", "identity/entity", {"name": NASTY, "policies": ["odd"]})
    assert made.status == 200
    await served.ask("POST", "identity/entity", {"name": "boss", "policies": ["admin"]})
    await browser.sign_in()
    return browser


async def body(browser: Browser, path: str, status: int = 200) -> str:
    got = await browser.get(path)
    assert got.status == status, (path, got.status, got.body.decode())
    page = got.body.decode()
    assert "<script>alert" not in page
    return page


async def test_of_a_path_everybody_who_can(ada: Browser) -> None:
    page = await body(ada, "/access?path=secret/%3Cscript%3Ealert(1)/a")

    assert "&lt;script&gt;" in page
    assert "odd#secret/" in page
    assert 'class="proof" href="/entries/' in page


async def test_of_somebody_everything_they_can(ada: Browser) -> None:
    page = await body(ada, "/access?whom=boss")

    assert "<code>*</code>" in page
    assert "Can do nothing." not in page


async def test_of_everybody_in_rows(ada: Browser) -> None:
    page = await body(ada, "/access?below=secret/")

    assert "different rows" in page
    assert "odd" in page or "&lt;script&gt;" in page


async def test_what_was_so_before_and_what_cannot_be_known(served: Served, ada: Browser) -> None:
    then = await body(ada, "/access?path=secret/x&at=2000-01-01", 400)
    ahead = await body(ada, "/access?path=secret/x&at=2999-01-01", 400)

    assert "is before the log begins" in then
    assert "lies ahead" in ahead


@pytest.mark.parametrize(
    ("query", "status"),
    [("whom=nobody", 404), ("path=x&capability=fly", 400), ("matrix=none", 404)],
)
async def test_what_means_nothing_is_said(ada: Browser, query: str, status: int) -> None:
    assert 'role="alert"' in await body(ada, f"/access?{query}", status)


async def test_it_is_in_the_navigation_and_asks_what_is_wanted(ada: Browser) -> None:
    page = await body(ada, "/access")

    assert 'href="/access"' in page
    assert "Show who can" in page
