"""Changes in the console: what waits, what each would change, and deciding on it."""

from __future__ import annotations

from tests.api.serving import Served
from tests.console.test_pages import NASTY, PASSWORD, Known, ada, body, known
from tests.console.visiting import Browser, named

__all__ = ["ada", "known"]
PATH = "sys/policies/acl/billing"
TEXT = f'# {NASTY}\npath "secret/billing/*" {{\n  capabilities = ["read"]\n}}\n'


async def proposed(served: Served, **more: object) -> str:
    """Propose a change as Ada, over the API."""
    got = await served.ask("POST", "auth/userpass/login/ada", {"password": PASSWORD}, token="")
    token = got.body["auth"]["client_token"]
    body = {
        "reason": f"reads need a list {NASTY}",
        "writes": [
            {"path": PATH, "body": {"policy": TEXT}},
            {
                "path": "auth/userpass/users/cid",
                "body": {"password": "gY7-not-to-be-seen", "token_policies": "default"},
            },
        ],
        **more,
    }
    made = await served.ask("POST", "strongroom/changes", body, token=token)
    assert made.status == 200, made.raw
    return str(made.body["data"]["id"])


async def test_a_change_is_shown_as_a_difference_and_decided_by_another(
    served: Served, ada: Browser, known: Known
) -> None:
    path = f"/changes/{await proposed(served)}"

    page = await body(ada, path)
    assert "0 of 1" in page
    assert "<ins>+path &#34;secret/billing/*&#34; {</ins>" in page
    assert "not shown" in page
    for each in (page, await body(ada, "/changes")):
        assert "<script>alert" not in each
        assert "gY7-not-to-be-seen" not in each
    bob = Browser(ada.served)
    await bob.sign_in("bob")
    assert "1 request to change how the server is set up" in await body(bob, "/")
    assert path in await body(bob, "/changes")
    await served.ask("POST", "strongroom/step-up/rules/approvals", {"enabled": False})
    own = await ada.post(f"{path}/approve", revision="1", because="")
    assert (own.status, b"may not decide" in own.body) == (403, True)
    for revision in ("", "x", "9" * 30, "7"):
        assert (await bob.post(f"{path}/approve", revision=revision)).status == 400
    assert (await bob.post(f"{path}/burn", revision="1")).status == 400
    assert (await bob.post(f"{path}/apply")).status == 400
    done = await bob.post(f"{path}/approve", revision="1", because="Yes")
    assert named(done, "location") == path
    for rule in ("policies", "factors"):
        await served.ask("POST", f"strongroom/step-up/rules/{rule}", {"enabled": False})
    for _ in range(2):
        applied = await bob.post(f"{path}/apply")
        assert named(applied, "location") == path, applied.body
    page = await body(bob, path)
    assert "Apply the next write" not in page
    assert page.count("not applied") == 0
    assert (await served.ask("GET", PATH)).body["data"]["policy"] == TEXT


async def test_one_that_is_denied_or_is_not_there(
    served: Served, ada: Browser, known: Known
) -> None:
    path = f"/changes/{await proposed(served)}"
    bob = Browser(ada.served)
    await bob.sign_in("bob")

    denied = await bob.post(f"{path}/deny", revision="1", because="Not now")

    assert named(denied, "location") == path
    assert "denied" in await body(bob, path)
    assert (await ada.get("/changes/none")).status == 404
