"""From a password to a session: second factors, those who must enrol first, and fresh factors."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import pytest

from strongroom.api.wire import HttpResponse
from strongroom.base.secret import Secret
from strongroom.crypto.totp import hotp
from tests.api.serving import Served
from tests.console.visiting import AGENT, PASSWORD, Browser, field_of, named
from tests.core.system.authenticator import Authenticator
from tests.core.system.people import secret_of
from tests.crypto.pictures import of_path, scanned


def code(served: Served, secret: bytes) -> str:
    """Return the code of the next period, which time moves on to."""
    served.clock.advance(timedelta(seconds=30))
    return hotp(int(served.clock.now().timestamp()) // 30, Secret(secret), 6)


async def enrol_app(browser: Browser, **shown: str) -> bytes:
    """Enrol an authenticator app through its pages; return its key."""
    page = await browser.post("/factors/new/app", name="phone", **shown)
    found = re.search(r'href="(otpauth:[^"]+)"', page.body.decode())
    assert found is not None, page.body.decode()
    secret = secret_of(unescape(found[1]))
    step = int(browser.served.clock.now().timestamp()) // 30
    done = await browser.post(
        "/factors/new/app/code",
        begun=field_of(page, "begun"),
        code=hotp(step, Secret(secret), 6),
    )
    assert b"is enrolled" in done.body, done.body.decode()
    return secret


async def test_an_apps_key_is_a_picture_too_which_says_what_the_link_does(browser: Browser) -> None:
    await browser.sign_in()

    page = await browser.post("/factors/new/app", name="phone")
    again = await browser.post(
        "/factors/new/app/code", begun=field_of(page, "begun"), code="000000"
    )

    for each in (page, again):
        shown = each.body.decode()
        [link] = re.findall(r'href="(otpauth:[^"]+)"', shown)
        [(width, path)] = re.findall(r'viewBox="0 0 (\d+) \1".* d="([^"]+)"', shown)
        assert scanned(of_path(path, int(width))) == unescape(link)
        assert 'role="img" aria-label="QR code of the key below' in shown
        assert secret_of(unescape(link))
        assert named(each, "cache-control") == "no-store"
        assert "img-src 'self'" in named(each, "content-security-policy")


async def demand(served: Served, *kinds: str) -> None:
    """Let administrators need one of these kinds of factor."""
    rule = {"policies": ["admin"], "kinds": list(kinds)}
    assert (await served.ask("POST", "strongroom/factors/rules/keys", rule)).status == 204


async def answered(browser: Browser, page: HttpResponse, answer: str) -> HttpResponse:
    """Answer the page that asks for a second factor, by its first way."""
    form = {"waiting": field_of(page, "waiting"), "way": field_of(page, "way"), "answer": answer}
    return await browser.send("POST", "/sign-in/factor", form)


async def test_a_session_is_opened_for_the_console_before_its_cookie_is_given(
    served: Served, browser: Browser
) -> None:
    await browser.sign_in()

    page = (await browser.get("/sessions")).body.decode()

    assert "console" in page
    assert "this one" in page
    assert AGENT in page
    served.clock.advance(timedelta(hours=1))
    assert named(await browser.get("/sessions"), "location") == "/sign-in?next=/sessions"


async def test_who_may_not_open_a_session_gets_no_cookie(served: Served, browser: Browser) -> None:
    user = {"password": PASSWORD, "token_policies": ["admin"], "token_no_default_policy": True}
    await served.ask("PUT", "sys/policies/acl/none", {"policy": 'path "a" { capabilities = [] }'})
    user["token_policies"] = ["none"]
    await served.ask("POST", "auth/userpass/users/bob", user)

    got = await browser.sign_in("bob")

    assert (got.status, browser.cookie) == (403, "")
    assert b"cannot be opened as a session" in got.body


async def test_signing_in_again_ends_the_session_before(browser: Browser) -> None:
    await browser.sign_in()
    held = browser.cookie
    await browser.sign_in()

    browser.cookie = held

    assert named(await browser.get("/"), "location") == "/sign-in?next=/"


async def test_a_password_waits_for_the_second_factor(served: Served, browser: Browser) -> None:
    await browser.sign_in()
    secret = await enrol_app(browser)
    await demand(served, "totp")
    browser.cookie = ""

    asked = await browser.sign_in()
    wrong = await answered(browser, asked, "000000")
    right = await answered(browser, wrong, code(served, secret))

    assert b"Your second factor" in asked.body
    assert wrong.status == 403
    assert b"Your second factor" in wrong.body
    assert (right.status, named(right, "location")) == (303, "/")
    again = await answered(browser, asked, code(served, secret))
    assert again.status == 400  # what waited is over


async def test_a_security_key_is_a_second_factor(served: Served, browser: Browser) -> None:
    await browser.sign_in()
    key = Authenticator()
    begun = await browser.post("/factors/new/key", name="blue")
    options = json.loads(unescape(field_in(begun, "data-options")))
    answer = json.dumps(key.create(options))
    done = await browser.post("/factors/new/key/answer", id=field_of(begun, "id"), answer=answer)
    assert b"security key is enrolled" in done.body
    await demand(served, "webauthn")
    browser.cookie = ""

    asked = await browser.sign_in()
    challenge = json.loads(unescape(field_in(asked, "data-options")))
    entered = await answered(browser, asked, json.dumps(key.get(challenge)))
    replayed = await answered(Browser(served), asked, json.dumps(key.get(challenge)))

    assert (entered.status, named(entered, "location")) == (303, "/")
    assert replayed.status == 400
    assert b"webauthn" in (await browser.get("/sessions")).body


def field_in(page: HttpResponse, name: str) -> str:
    """Return an attribute of a page."""
    found = re.search(rf'{name}="([^"]*)"', page.body.decode())
    assert found is not None, page.body.decode()
    return found[1]


@pytest.mark.parametrize("waiting", ["", "x", "é", "A" * 400])
async def test_a_waiting_login_that_is_none_is_refused(browser: Browser, waiting: str) -> None:
    form = {"waiting": waiting, "way": "a", "answer": "1"}

    got = await browser.send("POST", "/sign-in/factor", form)

    assert (got.status, browser.cookie) == (400, "")
    assert b"begun in another browser" in got.body


async def test_nobody_goes_on_with_the_login_of_another_browser(
    served: Served, browser: Browser
) -> None:
    await browser.sign_in()
    secret = await enrol_app(browser)
    await demand(served, "totp")
    browser.cookie = ""
    asked = await browser.sign_in()
    thief = Browser(served, agent="another")

    got = await answered(thief, asked, code(served, secret))

    assert (got.status, thief.cookie) == (400, "")


async def test_who_must_enrol_sees_nothing_else(served: Served, browser: Browser) -> None:
    await demand(served, "totp")

    entered = await browser.sign_in()

    assert named(entered, "location") == "/factors"
    for path in ("/", "/people", "/sessions", "/step-up", "/registrations"):
        assert named(await browser.get(path), "location") == "/factors"
    assert b"You need a second factor." in (await browser.get("/factors")).body
    secret = await enrol_app(browser)
    assert b"Sign in again" in (await browser.get("/factors")).body
    await browser.post("/sign-out")
    done = await answered(browser, await browser.sign_in(), code(served, secret))
    assert named(done, "location") == "/"


async def test_what_wants_a_fresh_factor_goes_on_after_it(served: Served, browser: Browser) -> None:
    await browser.sign_in()
    secret = await enrol_app(browser)
    await browser.sign_in()  # with it there: one that was enrolled since would not count
    for name in ("policies", "factors"):  # what is built in takes a key
        await served.ask("POST", f"strongroom/step-up/rules/{name}", {"enabled": False})
    rule = {"paths": ["identity/group"], "operations": ["create", "update"]}
    made = await served.ask("POST", "strongroom/step-up/rules/groups", rule)
    assert made.status == 204, made.raw
    form = {"name": "<team>", "type": "internal", "policies": "", "entities": "", "groups": ""}

    asked = await browser.post("/groups/new", **form)
    carried = field_of(asked, "carried")
    wrong = await browser.post("/step-up", carried=carried, next="/groups/new", code="000000")
    shown = await browser.post(
        "/step-up", carried=carried, next="/groups/new", code=code(served, secret)
    )
    sent = await browser.post("/groups/new", **form)

    assert (asked.status, b"Show a factor again" in asked.body) == (403, True)
    assert wrong.status == 403
    assert b"Go on with what you asked for?" in shown.body
    assert b'value="&lt;team&gt;"' in shown.body
    assert sent.status == 303, sent.body.decode()


async def test_a_carried_form_is_of_the_session_that_sent_it(
    served: Served, browser: Browser
) -> None:
    await browser.sign_in()
    secret = await enrol_app(browser)
    rule = {"paths": ["identity/group"], "operations": ["create", "update"]}
    await served.ask("POST", "strongroom/step-up/rules/groups", rule)
    asked = await browser.post("/groups/new", name="team", type="internal")
    carried = field_of(asked, "carried")
    await browser.sign_in()

    shown = await browser.post("/step-up", carried=carried, next="/", code=code(served, secret))

    assert (shown.status, named(shown, "location")) == (303, "/")


@pytest.mark.parametrize("wanted", ["//evil.test", "https://evil.test", "/a?b", "/\\e"])
async def test_a_fresh_factor_leads_to_no_other_site(
    served: Served, browser: Browser, wanted: str
) -> None:
    await browser.sign_in()
    secret = await enrol_app(browser)
    early = await browser.post("/step-up", next=wanted, code=code(served, secret))
    assert (early.status, b"log in again" in early.body) == (403, True)
    await browser.sign_in()

    got = await browser.post("/step-up", next=wanted, code=code(served, secret))

    assert (got.status, named(got, "location")) == (303, "/")


async def test_recovery_codes_are_shown_once(served: Served, browser: Browser) -> None:
    await browser.sign_in()
    secret = await enrol_app(browser)

    page = await browser.post("/factors/recovery", code=code(served, secret))

    codes = re.findall(r"<li>([A-Za-z0-9-]{8,})</li>", page.body.decode())
    assert len(codes) == 10
    assert named(page, "cache-control") == "no-store"
    later = (await browser.get("/factors")).body.decode()
    assert not any(each in later for each in codes)


@pytest.mark.parametrize("path", ["/factors/new/app", "/factors/new/key", "/factors/recovery"])
async def test_a_second_factor_is_added_only_by_who_shows_the_first(
    browser: Browser, path: str
) -> None:
    await browser.sign_in()
    await enrol_app(browser)

    for shown in ({}, {"code": "000000"}):
        got = await browser.post(path, name="thief", **shown)
        assert got.status in (400, 403)
        assert b"otpauth:" not in got.body
    got = await browser.post(path, answer="{", request="x")
    assert got.status == 400


async def test_a_factor_is_deleted_by_showing_one(served: Served, browser: Browser) -> None:
    await browser.sign_in()
    secret = await enrol_app(browser)
    listed = (await browser.get("/factors")).body.decode()
    found = re.search(r'"(/factors/[^"]+/delete)"', listed)
    assert found is not None

    refused = await browser.post(found[1], code="000000")
    done = await browser.post(found[1], code=code(served, secret))

    assert refused.status == 403
    assert b"The factor is deleted." in done.body
    assert (await browser.get(found[1])).status == 404
