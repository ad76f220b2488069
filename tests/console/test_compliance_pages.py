"""Documents and exceptions as pages: what they show, take, and refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.api.serving import Served
from tests.console.visiting import PASSWORD, Browser, named

NASTY = '<script>alert("1")</script>'


@dataclass(frozen=True, kw_only=True)
class Known:
    """Ids of what is there, and Bob's token."""

    ada: str
    bob: str
    token: str


@pytest.fixture
async def known(served: Served) -> Known:
    """Ada and Bob, two administrators who need no second factor here."""

    async def did(method: str, path: str, body: object, token: str | None = None) -> dict[str, Any]:
        got = await served.ask(method, path, body, token=token)
        assert got.status in (200, 204), (path, got.raw)
        return dict(got.body or {})

    accessor = (await served.ask("GET", "sys/auth")).body["data"]["userpass/"]["accessor"]
    loose = {"policies": ["admin"], "kinds": ["none"]}
    await did("POST", "strongroom/factors/rules/loose", loose)
    for rule in ("policies", "factors", "approvals"):
        await did("POST", f"strongroom/step-up/rules/{rule}", {"enabled": False})
    ids = {}
    for name in ("ada", "bob"):
        await did(
            "POST",
            f"auth/userpass/users/{name}",
            {"password": PASSWORD, "token_policies": ["admin"]},
        )
        made = (await did("POST", "identity/entity", {"name": name}))["data"]["id"]
        alias = {"name": name, "canonical_id": made, "mount_accessor": accessor}
        await did("POST", "identity/entity-alias", alias)
        await did("POST", f"strongroom/people/{made}", {"name": name})
        ids[name] = made
    login = await did("POST", "auth/userpass/login/bob", {"password": PASSWORD}, token="")
    given = {"title": f"Secrets {NASTY}", "owner": ids["ada"]}
    await did("POST", "strongroom/documents/secrets", given)
    return Known(ada=ids["ada"], bob=ids["bob"], token=login["auth"]["client_token"])


@pytest.fixture
async def ada(browser: Browser, known: Known) -> Browser:
    await browser.sign_in()
    return browser


async def body(browser: Browser, path: str) -> str:
    """Open a page that is there."""
    got = await browser.get(path)
    assert got.status == 200, (path, got.status, got.body.decode())
    return got.body.decode()


async def approved(served: Served, known: Known, area: str, id_: str) -> None:
    path = f"strongroom/{area}/proposals/{id_}/approve"
    got = await served.ask("POST", path, {"revision": 1}, token=known.token)
    assert got.status == 200, got.raw


async def test_a_document_is_proposed_shown_with_its_changes_and_acknowledged(
    served: Served, ada: Browser, known: Known
) -> None:
    assert "none" in await body(ada, "/documents")
    path = "/documents/secrets/propose"
    empty = await ada.post(path, reason="", text="Be careful.")
    sent = await ada.post(path, reason=NASTY, text=f"Be careful.\r\n{NASTY}")
    here = named(sent, "location")
    page = await body(ada, here)
    own = await ada.post(f"{here}/approve", revision="1", because="")
    await approved(served, known, "documents", here.rpartition("/")[2])

    shown = await body(ada, "/documents/secrets")
    done = await ada.post("/documents/secrets/acknowledge", version="1")

    assert (empty.status, b"Be careful." in empty.body) == (400, True)
    assert "+Be careful." in page
    for each in (page, shown, await body(ada, "/documents")):
        assert "<script>alert" not in each
    assert own.status == 403
    assert "I have read version 1" in shown
    assert named(done, "location") == "/documents/secrets"
    assert "1 have, 1 have yet to" in await body(ada, "/documents/secrets")
    assert 'class="proof"' in shown


async def test_what_bob_proposed_waits_for_ada_and_is_decided_on_its_page(
    served: Served, ada: Browser, known: Known
) -> None:
    given = {"text": "Be careful.", "reason": "it was missing"}
    path = "strongroom/documents/secrets/propose"
    asked = await served.ask("POST", path, given, token=known.token)
    here = f"/documents/proposals/{asked.body['data']['id']}"

    assert here in await body(ada, "/documents")
    wrong = await ada.post(f"{here}/approve", revision="x", because="")
    odd = await ada.post(f"{here}/bless", revision="1", because="")
    stale = await ada.post(f"{here}/approve", revision="2", because="kept")
    done = await ada.post(f"{here}/approve", revision="1", because="read it")

    assert (wrong.status, odd.status, stale.status) == (400, 400, 400)
    assert b'value="kept"' in stale.body
    assert named(done, "location") == here
    assert "What became of" in await body(ada, here)
    assert "version 1" in await body(ada, "/documents")


async def test_an_exception_is_asked_for_shown_and_ended(
    served: Served, ada: Browser, known: Known
) -> None:
    assert "No exception was ever approved." in await body(ada, "/exceptions")
    form = await body(ada, "/exceptions/new?control=T36&subject=wide%3A+secret%2F*")
    typed = {
        "control": "T36",
        "subject": "wide: secret/*",
        "type": "legacy-system",
        "reason": f"the old billing {NASTY}",
        "compensating": "it is watched\nand logged",
        "owner": known.ada,
        "target_at": "",
    }
    late = await ada.post("/exceptions/new", **typed, expires_at="2001-01-01")
    day = f"{served.clock.now() + timedelta(days=30):%Y-%m-%d}"
    soon = await ada.post("/exceptions/new", **typed, expires_at=day)
    here = named(soon, "location")
    page = await body(ada, here)
    await approved(served, known, "exceptions", here.rpartition("/")[2])

    listed = await body(ada, "/exceptions?state=in+force")
    [path] = re.findall(r'href="(/exceptions/[0-9a-f-]{36})"', listed)
    shown = await body(ada, path)
    ended = await ada.post(f"{path}/end", reason="it was moved")

    assert 'value="wide: secret/*"' in form
    assert (late.status, b"and logged" in late.body) == (400, True)
    for each in (page, listed, shown):
        assert "<script>alert" not in each
    assert "it is watched<br>" in shown
    assert named(ended, "location") == path
    assert "it was moved" in await body(ada, path)
    assert "Nothing matches." in await body(ada, "/exceptions?state=in+force")
