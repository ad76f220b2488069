"""Whoever shows a factor again gets another cookie; the one before is none from then on."""

from __future__ import annotations

from tests.api.serving import Served
from tests.console.test_entering import answered, code, enrol_app
from tests.console.visiting import AGENT, Browser, named


async def test_a_step_up_changes_the_cookie_and_ends_the_one_before(
    served: Served, browser: Browser
) -> None:
    await browser.sign_in()
    secret = await enrol_app(browser)
    await served.ask("POST", "sys/auth/userpass/tune", {"options": {"people": "true"}})
    await answered(browser, await browser.sign_in(), code(served, secret))
    thief = Browser(served, agent=AGENT)
    thief.cookie = before = browser.cookie
    assert (await thief.get("/sessions")).status == 200

    done = await browser.post("/step-up", next="/", code=code(served, secret))

    assert done.status == 303, done.body.decode()
    assert browser.cookie not in ("", before)
    assert (await browser.get("/sessions")).status == 200
    gone = await thief.get("/sessions")
    assert named(gone, "location") == "/sign-in?next=/sessions"
    assert (await browser.get("/sessions")).status == 200


async def test_a_refused_step_up_leaves_the_cookie_as_it_is(
    served: Served, browser: Browser
) -> None:
    await browser.sign_in()
    await enrol_app(browser)
    before = browser.cookie

    refused = await browser.post("/step-up", next="/", code="000000")

    assert refused.status == 403
    assert browser.cookie == before
    assert (await browser.get("/sessions")).status == 200
