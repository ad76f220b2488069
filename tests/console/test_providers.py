"""Signing in at a provider: who comes back, and who cannot come back for somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from strongroom.app import METHODS
from strongroom.auth.jwt import OidcAuth
from tests.api.serving import NOW, Served, serving
from tests.auth.jwt_issuer import URL
from tests.auth.test_jwt_oidc import CONFIG, Provider
from tests.console.visiting import ADMIN, Browser, named

CALLBACK = "https://localhost:8200/sign-in/callback/oidc"


@pytest.fixture
def provider() -> Provider:
    made = Provider()
    at = int(NOW.timestamp())
    made.claims = {"iat": at - 1, "exp": at + 300}
    return made


@pytest.fixture
async def served(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    monkeypatch.setattr("strongroom.app.METHODS", {**METHODS, "oidc": OidcAuth(provider)})
    async with serving(f"sqlite://{tmp_path / 'strongroom.db'}") as running:

        async def did(path: str, body: object) -> None:
            got = await running.ask("POST", path, body)
            assert got.status == 204, (path, got.raw)

        await did("sys/policies/acl/admin", {"policy": ADMIN})
        mount = {"type": "oidc", "config": {"listing_visibility": "unauth"}}
        await did("sys/auth/oidc", {**mount, "description": "the company"})
        await did("auth/oidc/config", CONFIG)
        role = {"user_claim": "sub", "allowed_redirect_uris": CALLBACK, "token_policies": "admin"}
        await did("auth/oidc/role/dev", role)
        yield running


async def sent(browser: Browser, provider: Provider, wanted: str = "/people") -> str:
    """Go to the provider; return the state that it is asked to bring back."""
    got = await browser.get(f"/sign-in/with?mount=oidc/&next={wanted}")
    assert got.status == 303, got.body.decode()
    where = named(got, "location")
    assert where.startswith(f"{URL}/authorize?")
    asked = {name: value for name, [value] in parse_qs(urlsplit(where).query).items()}
    assert asked["redirect_uri"] == CALLBACK
    provider.claims["nonce"] = asked["nonce"]
    return asked["state"]


async def test_somebody_comes_in_by_a_provider(browser: Browser, provider: Provider) -> None:
    assert b"Sign in with the company" in (await browser.get("/sign-in")).body
    state = await sent(browser, provider)

    got = await browser.get(f"/sign-in/callback/oidc?state={state}&code=good")

    assert (got.status, b"You are signed in" in got.body) == (200, True)
    assert b'content="0;url=/people"' in got.body  # a visit of our own, which has the cookie
    assert browser.away == ""
    assert b"What needs you?" in (await browser.get("/")).body
    assert b"console" in (await browser.get("/sessions")).body


async def test_the_cookie_on_the_way_tells_nothing_and_comes_back_alone(
    browser: Browser, provider: Provider
) -> None:
    got = await browser.get("/sign-in/with?mount=oidc/")

    cookie = named(got, "set-cookie")
    assert "SameSite=Lax" in cookie
    assert "HttpOnly" in cookie
    assert "Max-Age=300" in cookie
    assert "oidc" not in cookie
    assert "authorize" not in cookie


async def test_nobody_is_signed_in_by_the_link_of_somebody_else(
    served: Served, browser: Browser, provider: Provider
) -> None:
    state = await sent(browser, provider)
    victim = Browser(served)
    other = Browser(served, agent="another")
    other.away = browser.away

    for each in (victim, other):
        got = await each.get(f"/sign-in/callback/oidc?state={state}&code=good")
        assert (got.status, each.cookie) == (400, "")
    await sent(victim, provider)
    got = await victim.get(f"/sign-in/callback/oidc?state={state}&code=good")
    assert (got.status >= 400, victim.cookie) == (True, "")


@pytest.mark.parametrize(
    "query",
    [
        "code=good",
        "state=x&code=good",
        "state={state}",
        "state={state}&code=bad",
        "state={state}&code=good&iss=https://evil.test",
        "state={state}&error=access_denied",
        "state={state}&state={state}&code=good",
    ],
)
async def test_what_the_provider_did_not_give_lets_nobody_in(
    browser: Browser, provider: Provider, query: str
) -> None:
    state = await sent(browser, provider)

    got = await browser.get(f"/sign-in/callback/oidc?{query.format(state=state)}")

    assert (got.status >= 400, browser.cookie) == (True, "")


async def test_a_callback_counts_once_and_in_time(
    served: Served, browser: Browser, provider: Provider
) -> None:
    state, away = await sent(browser, provider), browser.away
    await browser.get(f"/sign-in/callback/oidc?state={state}&code=good")
    browser.cookie, browser.away = "", away

    again = await browser.get(f"/sign-in/callback/oidc?state={state}&code=good")
    state = await sent(browser, provider)
    mixed = await browser.get(f"/sign-in/callback/other?state={state}&code=good")
    served.clock.advance(timedelta(minutes=5))
    late = await browser.get(f"/sign-in/callback/oidc?state={state}&code=good")

    assert (again.status >= 400, mixed.status, late.status) == (True, 400, 400)
    assert browser.cookie == ""


@pytest.mark.parametrize(
    "mount", ["", "oidc", "../sys/", "sys/seal", "https://evil.test/", "other/", "oidc/%0a/"]
)
async def test_a_mount_that_is_no_provider_sends_nobody_anywhere(
    browser: Browser, mount: str
) -> None:
    got = await browser.get(f"/sign-in/with?mount={mount}")

    assert (got.status >= 400, named(got, "location")) == (True, "")


@pytest.mark.parametrize("wanted", ["//evil.test", "https://evil.test", "/a?b"])
async def test_a_provider_leads_back_to_no_other_site(
    browser: Browser, provider: Provider, wanted: str
) -> None:
    state = await sent(browser, provider, wanted)

    got = await browser.get(f"/sign-in/callback/oidc?state={state}&code=good")

    assert b'content="0;url=/"' in got.body
