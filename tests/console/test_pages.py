"""People, workloads, groups and registrations as pages: what they show, do, and refuse to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from strongroom.core.attempt import Attempt
from strongroom.core.governance.duties import told_of
from strongroom.core.governance.telling import tell
from strongroom.identity.governance.break_glass import CASES, Case, ending
from tests.api.serving import Served
from tests.console.visiting import PASSWORD, Browser, named

HOUR = timedelta(hours=1)
NASTY = '<script>alert("1")</script>'


@dataclass(frozen=True, kw_only=True)
class Known:
    """Ids of what is there."""

    ada: str
    bob: str
    job: str


@pytest.fixture
async def known(served: Served) -> Known:
    """Ada and Bob, two administrators, and a workload of Ada's."""

    async def did(method: str, path: str, body: object) -> dict[str, Any]:
        got = await served.ask(method, path, body)
        assert got.status in (200, 204), (path, got.raw)
        return dict((got.body or {}).get("data") or {})

    accessor = (await served.ask("GET", "sys/auth")).body["data"]["userpass/"]["accessor"]
    ids = {}
    for name in ("ada", "bob"):
        user = {"password": PASSWORD, "token_policies": ["admin"]}
        await did("POST", f"auth/userpass/users/{name}", user)
        made = (await did("POST", "identity/entity", {"name": name}))["id"]
        alias = {"name": name, "canonical_id": made, "mount_accessor": accessor}
        await did("POST", "identity/entity-alias", alias)
        person = {"name": f"{name} {NASTY}", "email": f"{name}@example.test"}
        await did("POST", f"strongroom/people/{made}", person)
        ids[name] = made
    loose = {"policies": ["admin"], "kinds": ["none"]}  # pages are tested here, and not factors
    await did("POST", "strongroom/factors/rules/loose", loose)
    for rule in ("policies", "factors"):
        await did("POST", f"strongroom/step-up/rules/{rule}", {"enabled": False})
    await did("POST", "strongroom/environments/production", {"paths": ["secret/prod/*"]})
    job = (await did("POST", "identity/entity", {"name": "job"}))["id"]
    given = {"owner": ids["ada"], "justification": NASTY, "environment": "production"}
    await did("POST", f"strongroom/workloads/{job}", given)
    return Known(ada=ids["ada"], bob=ids["bob"], job=job)


@pytest.fixture
async def ada(browser: Browser, known: Known) -> Browser:
    await browser.sign_in()
    return browser


async def body(browser: Browser, path: str) -> str:
    """Open a page that is there."""
    got = await browser.get(path)
    assert got.status == 200, (path, got.status, got.body.decode())
    return got.body.decode()


async def test_every_page_escapes_what_it_shows_and_marks_its_proof(
    ada: Browser, known: Known
) -> None:
    for path in (
        "/people",
        f"/people/{known.ada}",
        f"/people/{known.ada}/edit",
        f"/people/{known.ada}/leave",
        "/workloads",
        f"/workloads/{known.job}",
        f"/workloads/{known.job}/edit",
        f"/workloads/{known.job}/decommission",
    ):
        page = await body(ada, path)
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;" in page, path
        assert "edit" in path or 'class="proof" href="/entries/' in page, path


async def test_the_proof_of_a_person_is_the_entry_that_wrote_them(
    served: Served, ada: Browser, known: Known
) -> None:
    got = await served.ask("POST", f"strongroom/people/{known.bob}", {"external_id": "17"})

    page = await body(ada, f"/people/{known.bob}")

    assert f'href="/entries/{got.receipt[0]}"' in page


async def test_people_are_found_by_facet_and_by_word(ada: Browser, known: Known) -> None:
    assert "1 person" in await body(ada, "/people?q=BOB@")
    assert "2 people" in await body(ada, "/people?state=active&worker=employee")
    assert "Nothing matches." in await body(ada, "/people?state=left")
    assert (await ada.get("/people?state=nonsense")).status == 400
    assert (await ada.get("/people?state=active&state=left")).status == 400
    assert (await ada.get(f"/people?q={'x' * 300}")).status == 400


async def test_long_lists_are_paged_by_cursor(served: Served, ada: Browser) -> None:
    for number in range(60):
        await served.ask("POST", "identity/group", {"name": f"g{number:02d}"})

    first = await body(ada, "/groups")
    start = first.index('href="/groups?after=') + len('href="')
    second = await body(ada, first[start : first.index('"', start)])

    assert "50 groups of more" in first
    assert "10 groups" in second
    shown = {f"g{n:02d}" for n in range(60) if f">g{n:02d}<" in first + second}
    assert len(shown) == 60


async def test_a_person_is_changed_leaves_and_returns(ada: Browser, known: Known) -> None:
    path = f"/people/{known.bob}"
    typed = {"name": "Bob", "email": "b@example.test", "worker": "employee"}
    more = {"contract": "", "external_id": "", "ends_at": "2100-01-31"}

    changed = await ada.post(f"{path}/edit", **typed, **more)
    wrong = await ada.post(f"{path}/edit", **{**typed, "email": NASTY}, **more)
    cleared = await ada.post(f"{path}/edit", **typed, **{**more, "ends_at": ""})

    assert named(changed, "location") == path
    assert (wrong.status, b"email" in wrong.body) == (400, True)
    assert b"&lt;script&gt;" in wrong.body
    assert b"<script>alert" not in wrong.body
    assert named(cleared, "location") == path
    assert "no end" in await body(ada, path)
    assert "What will change" in await body(ada, f"{path}/leave")
    assert named(await ada.post(f"{path}/leave"), "location") == path
    assert "None of their tokens works." in await body(ada, path)
    request = named(await ada.post(f"{path}/return"), "location")
    assert request.startswith("/registrations/")
    shown = await body(ada, request)
    assert "come back?" in shown
    assert "Bring back" in shown
    assert "None of their tokens works." in await body(ada, path)  # until another approves it


async def test_a_workload_is_changed_and_decommissioned(ada: Browser, known: Known) -> None:
    path = f"/workloads/{known.job}"
    typed = {"owner": known.bob, "justification": "Builds", "environment": "production"}

    changed = await ada.post(f"{path}/edit", **typed, vendor="", ends_at="")
    wrong = await ada.post(f"{path}/edit", **{**typed, "owner": "nobody"}, vendor="", ends_at="")
    over = await ada.post(f"{path}/decommission")

    assert named(changed, "location") == path
    assert (wrong.status, b'value="nobody"' in wrong.body) == (400, True)
    assert named(over, "location") == path
    assert "decommissioned" in await body(ada, path)


async def test_a_group_is_made_changed_and_deleted(ada: Browser, known: Known) -> None:
    typed = {"name": "team", "type": "internal", "policies": "a, b", "groups": ""}
    made = await ada.post("/groups/new", **typed, entities=f"{known.ada}\n{known.bob}")
    path = named(made, "location")

    page = await body(ada, path)
    assert known.ada in page
    assert known.bob in page
    assert (await ada.post("/groups/new", **typed, entities="")).status == 400  # it is there
    await ada.post(f"{path}/edit", **{**typed, "name": "crew"}, entities=known.ada)
    page = await body(ada, path)
    assert "crew" in page
    assert known.bob not in page
    assert (await ada.post(f"{path}/edit", **typed, entities="nobody")).status == 400
    assert "What will change" in await body(ada, f"{path}/delete")
    assert named(await ada.post(f"{path}/delete"), "location") == "/groups"
    assert (await ada.get(path)).status == 404


async def test_a_registration_is_asked_for_and_not_decided_by_who_asks(
    ada: Browser, known: Known
) -> None:
    typed = {
        "entity_name": "carol",
        "reason": NASTY,
        "name": "Carol",
        "worker": "contractor",
        "policies": "admin",
    }
    wrong = await ada.post("/registrations/new/person", **typed)
    asked = await ada.post(
        "/registrations/new/person", **typed, contract="C-1", ends_at="2100-01-31"
    )
    path = named(asked, "location")

    assert (wrong.status, b'value="carol"' in wrong.body) == (400, True)
    page = await body(ada, path)
    assert "Shall carol be registered?" in page
    assert "&lt;script&gt;" in page
    assert "1 request to register somebody" in await body(ada, "/")
    approved = await ada.post(f"{path}/approve", revision="1", because="")
    assert (approved.status, b"Show a factor again" in approved.body) == (403, True)
    denied = await ada.post(f"{path}/deny", revision="1", because="Not now")
    assert denied.status == 403
    assert b"who asked for it does not decide on it" in denied.body or b"denied" in denied.body
    bob = Browser(ada.served)
    await bob.sign_in("bob")
    for revision in ("", "x", "-1", "9" * 30):
        assert (await bob.post(f"{path}/deny", revision=revision)).status == 400
    assert (await bob.post(f"{path}/deny", revision="7")).status == 400
    assert (await bob.post(f"{path}/burn", revision="1")).status == 400
    assert (
        named(await bob.post(f"{path}/deny", revision="1", because="Not now"), "location") == path
    )
    assert "denied" in await body(ada, path)


async def test_access_is_asked_for_with_what_it_needs_in_sight_and_decided_by_another(
    ada: Browser, known: Known
) -> None:
    typed = {"paths": "secret/prod/db", "capabilities": "read", "ttl": "1h", "reason": NASTY}
    wrong = await ada.post("/requests/new", **{**typed, "paths": "sys/policies/acl/x"})
    preview = await ada.post("/requests/new", **typed, step="preview")
    path = named(await ada.post("/requests/new", **typed), "location")

    assert (wrong.status, b"no grant reaches" in wrong.body) == (400, True)
    assert (preview.status, b"1 person who may approve" in preview.body) == (200, True)
    assert "You have asked for nothing" not in await body(ada, "/requests")
    page = await body(ada, path)
    assert "0 of 1" in page
    assert "&lt;script&gt;" in page
    bob = Browser(ada.served)
    await bob.sign_in("bob")
    assert "1 request for access" in await body(bob, "/")
    assert path in await body(bob, "/requests")
    await ada.served.ask("POST", "strongroom/step-up/rules/approvals", {"enabled": False})
    own = await ada.post(f"{path}/approve", revision="1", because="")
    assert (own.status, b"may not decide" in own.body) == (403, True)
    for revision in ("", "x", "9" * 30, "7"):
        assert (await bob.post(f"{path}/approve", revision=revision)).status == 400
    assert (await bob.post(f"{path}/burn", revision="1")).status == 400
    done = await bob.post(f"{path}/approve", revision="1", because="Yes")
    assert named(done, "location") == path
    assert "1 of 1" in await body(bob, path)
    grants = await body(ada, "/grants")
    ends = grants.split('action="/grants/')[1].partition('"')[0]
    assert "minutes" in grants
    assert named(await ada.post(f"/grants/{ends}"), "location") == "/grants"
    assert "ended in the console" in await body(ada, "/grants")


@pytest.mark.parametrize(
    "path",
    [
        "/requests/none",
        "/people/none",
        "/workloads/none",
        "/groups/none",
        "/registrations/none",
        "/entities/x",
    ],
)
async def test_what_is_not_there_is_a_page_that_says_so(ada: Browser, path: str) -> None:
    got = await ada.get(path)

    assert (got.status, b"There is no such thing." in got.body) == (404, True)


FORMS = (
    "/people/{bob}/leave",
    "/people/{bob}/edit",
    "/workloads/{job}/decommission",
    "/groups/new",
    "/registrations/new/person",
    "/requests/new",
    "/grants/x/end",
    "/factors/new/app",
    "/factors/recovery",
    "/step-up",
    "/sessions/x/end",
)


@pytest.mark.parametrize("form", FORMS)
async def test_no_form_counts_that_another_site_sent_or_another_session(
    ada: Browser, known: Known, form: str
) -> None:
    path = form.format(bob=known.bob, job=known.job)
    before = (await ada.served.ask("GET", f"strongroom/people/{known.bob}")).body["data"]

    mark = await ada.mark()
    crossed = await ada.send("POST", path, {"form": mark}, headers={"sec-fetch-site": "cross-site"})
    unmarked = await ada.send("POST", path, {"name": "x"})
    stranger = await Browser(ada.served).send("POST", path, {"form": mark})

    assert (crossed.status, unmarked.status, stranger.status) == (403, 403, 303)
    assert named(stranger, "location").startswith("/sign-in?next=/")
    after = (await ada.served.ask("GET", f"strongroom/people/{known.bob}")).body["data"]
    assert before == after


async def test_what_a_visitor_may_not_see_is_not_taken_for_nothing(
    served: Served, known: Known
) -> None:
    read = 'path "strongroom/people/*" { capabilities = ["read"] }'
    read += '\npath "strongroom/people" { capabilities = ["list"] }'
    await served.ask("PUT", "sys/policies/acl/clerk", {"policy": read})
    user = {"password": PASSWORD, "token_policies": ["clerk"]}
    await served.ask("POST", "auth/userpass/users/eve", user)
    eve = Browser(served)
    await eve.sign_in("eve")

    page = await body(eve, f"/people/{known.bob}")

    assert page.count("You may not see") == 3
    assert "a password alone" not in page
    for path in ("/groups", "/workloads", "/registrations", f"/workloads/{known.job}"):
        got = await eve.get(path)
        assert (got.status, b"You may not see this." in got.body) == (403, True), path
    refused = await eve.post(f"/people/{known.bob}/leave")
    assert refused.status == 403


async def test_one_of_several_sessions_is_ended(served: Served, ada: Browser) -> None:
    other = Browser(served)
    await other.sign_in()
    page = await body(ada, "/sessions")
    ends = [part.partition('"')[0] for part in page.split('action="/sessions/')[1:]]
    assert len(ends) == 2

    await ada.post(f"/sessions/{ends[1]}")  # the one that looks comes first

    assert (await ada.get("/")).status == 200
    assert named(await other.get("/"), "location") == "/sign-in?next=/"
    own = (await body(ada, "/sessions")).split('action="/sessions/')[1].partition('"')[0]
    await ada.post(f"/sessions/{own}")
    assert named(await ada.get("/"), "location") == "/sign-in?next=/"


async def test_an_approval_shows_the_code_once_and_enrolling_asks_for_it(
    ada: Browser, known: Known
) -> None:
    ask = ada.served.ask
    await ask("POST", "strongroom/step-up/rules/approvals", {"enabled": False})
    mount = (await ask("GET", "sys/auth")).body["data"]["userpass/"]["accessor"]
    await ask("POST", "auth/userpass/users/carol", {"password": PASSWORD})
    typed = {"entity_name": "carol", "reason": "joins billing", "name": "Carol"}
    typed |= {"mount_accessor": mount, "alias": "carol", "worker": "employee"}
    path = named(await ada.post("/registrations/new/person", **typed), "location")
    bob = Browser(ada.served)
    await bob.sign_in("bob")

    approved = await bob.post(f"{path}/approve", revision="1", because="")
    carol = Browser(ada.served)
    await carol.sign_in("carol")
    asked = await body(carol, "/factors/new/app")
    without = await carol.post("/factors/new/app", name="phone")
    wrong = await carol.post("/factors/new/app", name="phone", enrolment_code="0000-0000-0000-0000")
    found = re.search(r"<code>([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})</code>", approved.body.decode())
    code = found[1] if found else ""
    begun = await carol.post("/factors/new/app", name="phone", enrolment_code=code)

    assert known.bob
    assert (approved.status, len(code)) == (200, 19)
    assert code not in await body(bob, path)
    assert 'name="enrolment_code"' in asked
    assert (without.status, b"enrolment_code" in without.body) == (400, True)
    assert wrong.status == 403
    assert begun.status == 200
    assert b"<svg" in begun.body


async def test_a_case_of_break_glass_is_shown_to_everybody_until_it_is_over_and_reviewed(
    ada: Browser, known: Known
) -> None:
    served = ada.served
    rule = {"environments": ["production"], "drill_path": "secret/drill"}
    got = await served.ask("POST", "strongroom/break-glass-rules/on-call", rule)
    assert got.status == 204, got.raw
    asked = {"paths": "secret/prod/db", "capabilities": "read", "reason": NASTY}

    assert "Nobody has." in await body(ada, "/break-glass")
    assert "What is the emergency?" in await body(ada, "/break-glass/new")
    locked = await ada.post("/break-glass/new", **asked)
    assert (locked.status, b"Show a factor again" in locked.body) == (403, True)
    case = await opened_by(served, known)
    bob = Browser(served)
    await bob.sign_in("bob")
    home = await body(bob, "/")
    assert "Somebody has broken the glass" in home
    assert "(1 new)" in home
    assert "Break-glass by" in await body(bob, "/notices")
    page = await body(bob, f"/break-glass/{case}")
    assert "minutes, until" in page
    assert "&lt;script&gt;" in page
    assert "close by holder" in page
    assert (await bob.post(f"/break-glass/{case}/burn")).status == 400
    assert (await bob.post(f"/break-glass/{case}/close", done="")).status == 400
    closed = await bob.post(f"/break-glass/{case}/close", done="Restarted it")
    assert named(closed, "location") == f"/break-glass/{case}"
    assert named(await bob.post("/notices"), "location") == "/notices"
    assert "Somebody has broken the glass" not in await body(bob, "/")
    await served.ask("POST", "strongroom/step-up/rules/approvals", {"enabled": False})
    given = {"verdict": "justified", "words": "It was down", "findings": "Watch it"}
    own = await ada.post(f"/break-glass/{case}/review", **given)
    assert (own.status, b"may not decide" in own.body) == (403, True)
    done = await bob.post(f"/break-glass/{case}/review", **given)
    assert named(done, "location") == f"/break-glass/{case}"
    assert "Watch it" in await body(bob, f"/break-glass/{case}")


async def opened_by(served: Served, known: Known) -> str:
    """Open a case of Ada's as a key would: the browser here has none."""
    server = served.server
    case = Case(
        id="case-1",
        holder=known.ada,
        known_as=(),
        helpers=(),
        reason=NASTY,
        rule="on-call",
        in_all=HOUR,
        close_within=HOUR,
        paths=("secret/prod/db",),
        capabilities=("read",),
        groups=(),
        grant_id="grant-1",
        drill=False,
        target=HOUR,
        notified=(known.bob,),
        opened_at=server.clock.now(),
        ends_at=server.clock.now(),
        close_due_at=server.clock.now(),
        review_due_at=server.clock.now(),
        looked_from=0,
    )

    async def work(attempt: Attempt) -> bool:
        attempt.transaction.put(CASES, ending(case, attempt.now + HOUR))
        told = told_of(case, "Break-glass by Ada", "look at it")
        tell(attempt.transaction, told, (known.bob,), entropy=server.entropy, now=attempt.now)
        return True

    await server.pipeline.act("break_glass.open", "strongroom/break-glass", work)
    return case.id
