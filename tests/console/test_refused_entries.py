"""Whatever the console refuses is an entry: what it was, and whose session it brought."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from strongroom.console.wire import ELSEWHERE, UNMARKED, UNREADABLE
from strongroom.core.noise import ALLOWED
from tests.api.serving import Served
from tests.console.visiting import AGENT, Browser

CROSS_SITE = {"sec-fetch-site": "cross-site"}


async def refusals(served: Served) -> list[dict[str, Any]]:
    log = served.server.log
    leaves = [json.loads(each.leaf) for each in await log.entries(0, log.size)]
    return [each for each in leaves if each["metadata"]["event_code"] == "console.refused"]


async def owner(served: Served, browser: Browser) -> dict[str, str]:
    """Return what names the session of a browser in entries: of its token, once it has asked."""
    await browser.get("/factors")
    log = served.server.log
    leaves = [json.loads(each.leaf) for each in await log.entries(0, log.size)]
    actor = next(each["actor"] for each in reversed(leaves) if each["actor"].get("session"))
    return {
        "session_accessor": actor["session"]["uid"],
        "session_of": actor["user"]["uid"],
    }


def thief_of(served: Served, browser: Browser, address: str, agent: str) -> Browser:
    thief = Browser(served, address=address, agent=agent)
    thief.cookie = browser.cookie
    return thief


@pytest.mark.parametrize(("address", "agent"), [("192.0.2.9", AGENT), ("127.0.0.1", "another")])
async def test_a_cookie_of_another_client(
    served: Served, browser: Browser, address: str, agent: str
) -> None:
    await browser.sign_in()
    whose = await owner(served, browser)
    thief = thief_of(served, browser, address, agent)

    await thief.get("/people")
    await thief.send("POST", "/sign-out", {"form": "x"})

    read, posted = await refusals(served)
    said = "a session's cookie that was given to another client"
    assert read["status_detail"] == posted["status_detail"] == said
    assert whose.items() <= read["unmapped"].items()
    assert (read["src_endpoint"]["ip"], read["severity_id"]) == (address, 2)
    assert read["actor"]["user"]["uid"] == "anonymous"  # nobody was let in
    assert [each["api"]["operation"] for each in (read, posted)] == ["refused"] * 2
    assert [each["http_request"]["url"]["path"] for each in (read, posted)] == [
        "/people",
        "/sign-out",
    ]


Refuse = Callable[[Browser], Awaitable[Any]]
FORMS: dict[str, tuple[str, Refuse]] = {
    "of another site": (
        ELSEWHERE,
        lambda b: b.send("POST", "/sign-out", {"form": "x"}, headers=CROSS_SITE),
    ),
    "with a wrong mark": (UNMARKED, lambda b: b.send("POST", "/sign-out", {"form": "x" * 32})),
    "of another site, as text": (
        UNREADABLE,
        lambda b: b.send("POST", "/sign-out", b"{}", headers={"content-type": "text/plain"}),
    ),
    "without a mark": (UNMARKED, lambda b: b.send("POST", "/sign-out", {})),
}


@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_a_form(served: Served, browser: Browser, form: str) -> None:
    await browser.sign_in()
    whose, (because, send) = await owner(served, browser), FORMS[form]

    got = await send(browser)

    [entry] = await refusals(served)
    assert got.status == (400 if because == UNREADABLE else 403)
    assert entry["status_detail"] == because
    assert whose.items() <= entry["unmapped"].items()


async def test_a_session_that_is_over(served: Served, browser: Browser) -> None:
    await browser.sign_in()
    served.clock.advance(timedelta(hours=13))

    await browser.get("/people")

    [entry] = await refusals(served)
    assert entry["status_detail"] == "a session that is over"


@pytest.mark.parametrize("cookie", ["x", "%00", "A" * 400, "A" * 9000, "a; __Host-strongroom=b"])
async def test_a_cookie_that_is_none(served: Served, browser: Browser, cookie: str) -> None:
    browser.cookie = cookie

    await browser.get("/people")

    [entry] = await refusals(served)
    assert entry["status_detail"] == "a session's cookie that is none, or came twice"
    assert "session_of" not in entry["unmapped"]


async def test_a_login_that_another_client_began(served: Served, browser: Browser) -> None:
    await browser.send("POST", "/sign-in/factor", {"waiting": "x", "way": "y", "answer": "z"})
    await browser.get("/sign-in/callback/oidc?state=x&code=y")

    assert [each["status_detail"] for each in await refusals(served)] == [
        "a login that is none, or was begun by another client",
        "nobody who was sent to this provider from here",
    ]


async def test_who_is_only_not_signed_in_is_refused_nothing(
    served: Served, browser: Browser
) -> None:
    await browser.get("/people")
    await browser.sign_in()
    await browser.get("/people")

    assert await refusals(served) == []


async def test_a_flood_of_one_is_counted_and_hides_no_other(
    served: Served, browser: Browser
) -> None:
    await browser.sign_in()
    other = Browser(served)
    await other.sign_in()
    thieves = [thief_of(served, each, "127.0.0.1", "another") for each in (browser, other)]

    for _ in range(ALLOWED + 5):
        await thieves[0].get("/people")
    await thieves[0].get("/groups")
    await thieves[1].get("/people")

    assert len(await refusals(served)) == ALLOWED + 2
    noise = served.server.pipeline.noise.over(served.clock.now(), all_of_them=True)
    [counted] = [each for each in noise if each.code == "console.refused"]
    assert (counted.count, "GET /people" in counted.reason) == (5, True)


async def test_no_entry_holds_a_cookie_a_mark_or_a_token(served: Served, browser: Browser) -> None:
    await browser.sign_in()
    mark = await browser.mark()
    thief = thief_of(served, browser, "127.0.0.1", "another")

    await thief.send("POST", "/sign-out", {"form": mark})
    await browser.send("POST", "/sign-out", {"form": mark}, headers=CROSS_SITE)
    await browser.send("POST", "/sign-out", {"form": f"{mark}x"})

    found = await refusals(served)
    whole = json.dumps(found)
    assert len(found) == 3
    assert not any(each in whole for each in (mark, browser.cookie, browser.cookie[:40], "hvs."))
