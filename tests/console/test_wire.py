"""The console's wire: what every page carries, who gets in, and what no form can do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from strongroom.console.cookies import NAME
from strongroom.console.wire import POLICY
from tests.api.serving import Served
from tests.console.visiting import AGENT, PASSWORD, Browser, named


async def test_a_person_signs_in_sees_a_page_and_signs_out(browser: Browser) -> None:
    assert named(await browser.get("/"), "location") == "/sign-in?next=/"

    entered = await browser.sign_in()

    assert (entered.status, named(entered, "location")) == (303, "/")
    assert b"What needs you?" in (await browser.get("/")).body
    held = browser.cookie
    left = await browser.send("POST", "/sign-out", {"form": await browser.mark()})
    assert (left.status, named(left, "location")) == (303, "/sign-in")
    browser.cookie = held
    over = await browser.get("/")  # the token is revoked, not only forgotten
    assert (over.status, named(over, "location")) == (303, "/sign-in?next=/")
    assert "Max-Age=0" in named(over, "set-cookie")


async def test_every_page_is_strict_and_never_cached(browser: Browser) -> None:
    pages = [await browser.get("/"), await browser.get("/sign-in"), await browser.get("/entries/x")]
    await browser.sign_in()
    pages += [
        await browser.get("/"),
        await browser.get("/entries/x"),
        await browser.get("/entries/0"),
    ]

    for page in pages:
        assert named(page, "content-security-policy") == POLICY
        assert named(page, "cache-control") == "no-store"
        assert named(page, "x-frame-options") == "DENY"
        assert named(page, "x-content-type-options") == "nosniff"
        assert b"style=" not in page.body
        assert not re.search(rb"<script(?! type=\"module\" src=\"/assets/)", page.body)
        assert not re.search(rb"\son[a-z]+=", page.body)
        assert b"://" not in re.sub(rb"xmlns=\"[^\"]+\"", b"", page.body)


async def test_the_page_for_a_terminals_key_is_as_strict_and_sends_to_loopback_alone(
    browser: Browser,
) -> None:
    page, others = await browser.get("/key"), await browser.get("/sign-in")
    sent = await browser.send("POST", "/key", {"state": "s", "answer": "a"})
    await browser.sign_in()
    signed_in = await browser.get("/key?who=ada")

    policy = named(page, "content-security-policy")
    assert policy == POLICY.replace("form-action 'self'", "form-action http://127.0.0.1:*")
    assert named(page, "referrer-policy") == "origin"
    own = {b"content-security-policy", b"referrer-policy"}
    assert {(n, v) for n, v in page.headers if n not in own} == {
        (n, v) for n, v in others.headers if n not in own
    }
    assert sent.status == 405
    assert signed_in.body == page.body  # it is nobody's, and holds nothing of a session
    assert b"ada" not in page.body


async def test_what_is_loaded_is_named_by_its_hash_and_kept_for_ever(browser: Browser) -> None:
    page = (await browser.get("/sign-in")).body.decode()
    assets = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)

    assert len(assets) == 3
    for asset in assets:
        got = await browser.get(asset)
        assert (got.status, "immutable" in named(got, "cache-control")) == (200, True)
        assert named(got, "x-content-type-options") == "nosniff"
        stale = re.sub(r"\.[0-9a-f]{16}\.", f".{'0' * 16}.", asset)
        assert (await browser.get(stale)).status == 404


async def test_the_cookie_holds_nothing_to_read_and_is_a_hosts_own(
    served: Served, browser: Browser
) -> None:
    entered = await browser.sign_in()

    cookie = named(entered, "set-cookie")
    attributes = {each.strip() for each in cookie.split(";")[1:]}
    assert attributes == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
    assert cookie.startswith("__Host-")
    assert "hvs" not in cookie
    got = await served.ask("GET", "auth/token/lookup-self", token=browser.cookie)
    assert got.status == 403


@pytest.mark.parametrize(
    ("address", "agent"), [("192.0.2.9", AGENT), ("127.0.0.1", "another"), ("127.0.0.1", "")]
)
async def test_a_stolen_cookie_lets_no_other_client_in(
    served: Served, browser: Browser, address: str, agent: str
) -> None:
    await browser.sign_in()
    thief = Browser(served, address=address, agent=agent)
    thief.cookie = browser.cookie

    assert named(await thief.get("/"), "location") == "/sign-in?next=/"
    assert (await browser.get("/")).status == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c[:-4] + "AAAA",
        lambda c: "",
        lambda c: "x" * 5000,
        lambda c: c[4:],
        lambda c: "é",
        lambda c: f"{c}; {NAME}={c}",
    ],
)
async def test_a_changed_or_doubled_cookie_is_none(browser: Browser, change: object) -> None:
    await browser.sign_in()
    browser.cookie = change(browser.cookie)  # type: ignore[operator]

    assert named(await browser.get("/"), "location") == "/sign-in?next=/"


async def test_every_sign_in_has_a_cookie_of_its_own(browser: Browser) -> None:
    seen = set()
    for _ in range(3):
        await browser.sign_in()
        seen.add(browser.cookie)

    assert len(seen) == 3  # what somebody planted before is never what counts afterwards


# -- forms


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "", "origin": "https://evil.test"},
        {"sec-fetch-site": "", "origin": "null"},
        {"sec-fetch-site": ""},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_a_form_of_another_site_does_nothing(
    browser: Browser, path: str, headers: dict[str, str]
) -> None:
    await browser.sign_in()
    form = {"form": await browser.mark(), "mount": "userpass/", "name": "ada", "password": PASSWORD}

    got = await browser.send("POST", path, form, headers=headers)

    assert (got.status, named(got, "set-cookie")) == (403, "")
    assert (await browser.get("/")).status == 200


@pytest.mark.parametrize("mark", ["", "x", None])
async def test_a_form_without_the_sessions_mark_does_nothing(
    browser: Browser, mark: str | None
) -> None:
    await browser.sign_in()

    got = await browser.send("POST", "/sign-out", {} if mark is None else {"form": mark})

    assert got.status == 403
    assert (await browser.get("/")).status == 200


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (b"a=%ff", {}, "form: not UTF-8"),
        (b"a=1&a=2", {}, "a: given twice"),
        (b"x" * 70_000, {}, "form: longer than"),
        (b"&".join(b"a%d=1" % n for n in range(300)), {}, "form: not UTF-8, or too many"),
        (b"{}", {"content-type": "application/json"}, "content-type: must be"),
        (b"mount=../sys/&name=a&password=b", {}, "path: holds a &#39;.&#39; or"),
        (b"mount=userpass/&name=..&password=b", {}, "path: holds a &#39;.&#39; or"),
        (b"mount=userpass/&name=a%00&password=b", {}, "path: holds a control"),
        (b"mount=sys/seal&name=a&password=b", {}, "mount: not the path"),
    ],
)
async def test_a_form_that_no_page_sends_is_refused_by_name(
    browser: Browser, body: bytes, headers: dict[str, str], said: str
) -> None:
    got = await browser.send("POST", "/sign-in", body, headers=headers)

    assert (got.status, said in got.body.decode()) == (400, True)


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.test",
        "https://evil.test",
        "/\\evil.test",
        "/a//b",
        "javascript:1",
        "/a?b",
        "/%2f/evil",
        "/a\r\nb",
        "",
    ],
)
async def test_signing_in_leads_to_no_other_site(browser: Browser, wanted: str) -> None:
    form = {"mount": "userpass/", "name": "ada", "password": PASSWORD, "next": wanted}

    got = await browser.send("POST", "/sign-in", form)

    assert (got.status, named(got, "location")) == (303, "/")


# -- refusals


async def test_a_refused_sign_in_says_the_same_of_every_name_and_keeps_no_password(
    browser: Browser,
) -> None:
    known = await browser.sign_in("ada", "hunter2hunter2")
    unknown = await browser.sign_in("adb", "hunter2hunter2")

    assert (known.status, unknown.status) == (400, 400)
    assert known.body.replace(b"ada", b"adb") == unknown.body
    assert b"hunter2" not in known.body
    assert browser.cookie == ""


async def test_what_was_typed_is_shown_as_text(browser: Browser) -> None:
    got = await browser.sign_in('"><script>alert(1)</script>', "x")

    assert b"<script>alert" not in got.body
    assert b"&lt;script&gt;alert" in got.body


async def test_what_a_visitor_may_not_see_is_a_page_that_says_so(
    served: Served, browser: Browser
) -> None:
    user = {"password": PASSWORD, "token_policies": ["default"]}
    await served.ask("POST", "auth/userpass/users/bob", user)
    await browser.sign_in("bob")

    got = await browser.get("/entries/0")

    assert (got.status, b"You may not see this." in got.body) == (403, True)


async def test_a_sealed_server_shows_what_to_do(served: Served, browser: Browser) -> None:
    await browser.sign_in()
    await served.ask("PUT", "sys/seal")

    got = await browser.get("/sign-in")

    assert (got.status, b"The server is sealed." in got.body) == (200, True)


async def test_a_page_asks_as_its_visitor_and_each_question_is_an_entry(
    served: Served, browser: Browser
) -> None:
    await browser.sign_in()
    before = served.server.log.size

    page = await browser.get("/entries/3")

    assert b"What does entry 3 say?" in page.body
    [found] = await served.server.log.entries(before, before + 1)
    assert b'"event_code":"log.proof"' in found.leaf
    assert b"auth/userpass/login/ada" in found.leaf


@pytest.mark.parametrize("path", ["/entries/x", "/entries/-1", "/entries/99999999999999999999"])
async def test_an_index_that_is_none_is_refused(browser: Browser, path: str) -> None:
    await browser.sign_in()

    assert (await browser.get(path)).status in (400, 404)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "LIST"])
async def test_pages_are_got_and_forms_are_posted(browser: Browser, method: str) -> None:
    assert (await browser.send(method, "/sign-in")).status == 405


def test_no_template_takes_text_for_markup() -> None:
    for file in Path("src/strongroom/console/templates").iterdir():
        text = file.read_text()

        assert not re.search(r"\|\s*safe|Markup|autoescape", text), file
        assert "style=" not in text, file
        assert not re.search(r"\son\w+=", text), file
