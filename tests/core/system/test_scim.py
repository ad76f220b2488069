"""SCIM: a directory's people come, change and leave; what is hostile changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import Status, check_server

from strongroom.api.wire import HttpRequest, HttpResponse
from strongroom.app import Application
from strongroom.base.errors import InputError
from strongroom.core.scim.filters import parse_filter
from strongroom.core.scim.patching import apply_patch
from strongroom.core.scim.schemas import GROUP, PATCH, USER, USER_KNOWN
from strongroom.identity.records import ENTITIES, GROUP_MEMBERS, PEOPLE
from strongroom.storage.transaction import Transaction
from tests.core.system.people import person
from tests.core.system.room import Room, room
from tests.core.system.test_groups import acting_as, entity

MEDIA = "application/scim+json"
SCIM = (
    'path "strongroom/scim/v2/*" { capabilities = ["create", "read", "update", "patch", "delete"] }'
)


class Directory:
    """A directory with a token that may do just SCIM."""

    def __init__(self, ours: Room, token: str) -> None:
        self.room = ours
        self.token = token
        self._application = Application(ours.server)

    async def send(
        self, method: str, path: str, body: object = None, query: str = "", content: str = MEDIA
    ) -> HttpResponse:
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        headers = [(b"authorization", f"Bearer {self.token}".encode())]
        if raw:
            headers.append((b"content-type", content.encode()))
        request = HttpRequest(
            method,
            b"/scim/v2" + path.encode(),
            query.encode(),
            headers,
            raw,
            ("127.0.0.1", 1),
            None,
        )
        return await self._application(request)

    async def must(self, status: int, method: str, path: str, *more: Any, **named: Any) -> Any:
        answer = await self.send(method, path, *more, **named)
        assert answer.status == status, answer.body
        assert dict(answer.headers).get(b"audit-receipt")
        return json.loads(answer.body) if answer.body else None

    async def user(self, name: str, **more: object) -> dict[str, Any]:
        given = {"schemas": [USER], "userName": name, **more}
        made: dict[str, Any] = await self.must(201, "POST", "/Users", given)
        return made


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    async with room(tmp_path) as ours:
        await ours.policy("scim", SCIM)
        yield Directory(ours, await ours.token("scim"))


async def test_scim2_tester_finds_nothing_wrong(directory: Directory) -> None:
    loop = asyncio.get_running_loop()

    def bridge(
        environ: Mapping[str, Any], start: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"].removeprefix("/scim/v2")
        body = environ["wsgi.input"].read()
        sent = directory.send(
            environ["REQUEST_METHOD"],
            path,
            body or None,
            environ["QUERY_STRING"],
            environ.get("CONTENT_TYPE") or MEDIA,
        )
        answer = asyncio.run_coroutine_threadsafe(sent, loop).result(30)
        start(str(answer.status), [(k.decode(), v.decode()) for k, v in answer.headers])
        return [answer.body]

    base = directory.room.server.settings.console_url + "/scim/v2"
    client = WSGISCIMClient(bridge, base_url=base)  # type: ignore[arg-type]
    results = await asyncio.to_thread(check_server, client)
    wrong = [
        (each.title, each.status.name, each.reason)
        for each in results
        if each.status not in {Status.SUCCESS, Status.SKIPPED, Status.COMPLIANT}
    ]
    assert wrong == []
    assert sum(each.status is Status.SUCCESS for each in results) > 40


async def test_who_is_made_inactive_has_left(directory: Directory) -> None:
    ours = directory.room
    ada = await person(ours, "ada")
    accessor = (await ours.ask("GET", "sys/auth")).data["up/"]["accessor"]
    await ours.ask("POST", "strongroom/scim/config", {"mount_accessor": accessor})
    made = await directory.user("ada", displayName="Ada", externalId="hr-1")
    await ada.must_log_in()
    assert ada.entity == made["id"]
    assert (await ada.ask("GET", "auth/token/lookup-self")).status == 200
    off = {
        "schemas": [PATCH],
        "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
    }
    told = await directory.must(200, "PATCH", f"/Users/{ada.entity}", off)
    assert told["active"] is False
    assert (await ada.ask("GET", "auth/token/lookup-self")).status == 403
    assert (await ada.log_in()).status == 400
    entries = [e for e in await ours.entries() if e["metadata"]["event_code"] == "scim.user.patch"]
    assert entries[-1]["unmapped"]["ended"]["tokens"]["count"] == 1
    shown = (await ours.ask("GET", f"strongroom/people/{ada.entity}")).data
    assert (shown["state"], shown["external_id"]) == ("left", "hr-1")
    put = {"schemas": [USER], "userName": "ada", "active": True}
    assert (await directory.must(200, "PUT", f"/Users/{ada.entity}", put))["active"]
    assert (await ada.log_in()).status == 400  # the password is gone with the leaving


async def test_who_is_deleted_has_left_and_comes_back_as_who_they_were(
    directory: Directory,
) -> None:
    made = await directory.user("ada")
    await directory.must(204, "DELETE", f"/Users/{made['id']}")
    await directory.must(404, "GET", f"/Users/{made['id']}")
    await directory.must(404, "DELETE", f"/Users/{made['id']}")
    found = (await directory.must(200, "GET", "/Users"))["totalResults"]
    assert found == 0
    tx = Transaction(directory.room.server.database, directory.room.server.barrier)
    row = await tx.get(PEOPLE, made["id"])
    assert row is not None
    assert row.state == "left"
    again = await directory.user("ADA")
    assert again["id"] == made["id"]
    assert again["active"]


async def test_a_directory_sees_and_changes_only_its_own_groups(directory: Directory) -> None:
    ours = directory.room
    theirs = await ours.ask("POST", "identity/group", {"name": "admins", "policies": ["p"]})
    given = {"name": "team", "policies": ["p"], "metadata": {"directory": "scim"}}
    shared = await ours.ask("POST", "identity/group", given)
    made = await directory.user("ada")
    added = {
        "schemas": [PATCH],
        "Operations": [{"op": "add", "path": "members", "value": [{"value": made["id"]}]}],
    }
    await directory.must(404, "PATCH", f"/Groups/{theirs.data['id']}", added)
    await directory.must(404, "DELETE", f"/Groups/{theirs.data['id']}")
    told = await directory.must(200, "PATCH", f"/Groups/{shared.data['id']}", added)
    assert [each["value"] for each in told["members"]] == [made["id"]]
    listed = await directory.must(200, "GET", "/Groups")
    assert [each["displayName"] for each in listed["Resources"]] == ["team"]
    taken = {"schemas": [GROUP], "displayName": "admins"}
    told = await directory.must(409, "POST", "/Groups", taken)
    assert told["scimType"] == "uniqueness"
    kept = (await ours.ask("GET", f"identity/group/id/{shared.data['id']}")).data
    assert kept["policies"] == ["p"]
    gone = {
        "schemas": [PATCH],
        "Operations": [{"op": "remove", "path": f'members[value eq "{made["id"]}"]'}],
    }
    told = await directory.must(200, "PATCH", f"/Groups/{shared.data['id']}", gone)
    assert "members" not in told


async def test_filters_sorting_and_pages(directory: Directory) -> None:
    for name in ("ada", "bob", "Cleo", "dan"):
        await directory.user(name, emails=[{"value": f"{name}@example.com", "type": "work"}])

    async def names(query: str) -> list[str]:
        told = await directory.must(200, "GET", "/Users", query=query)
        return [each["userName"] for each in told["Resources"]]

    asked = {
        'userName eq "ADA"': ["ada"],
        'userName sw "c" or userName ew "n"': ["Cleo", "dan"],
        'not (userName co "a")': ["bob", "Cleo"],
        'emails.value eq "bob@example.com"': ["bob"],
        'emails[type eq "work" and value co "dan"]': ["dan"],
        'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "dan"': ["dan"],
        "active eq true and externalId pr": [],
        'userName gt "b" and userName lt "d"': ["bob", "Cleo"],
    }
    for text, expected in asked.items():
        assert await names(f"sortBy=userName&filter={_quoted(text)}") == expected, text
    assert await names("sortBy=userName&sortOrder=descending&startIndex=2&count=2") == [
        "Cleo",
        "bob",
    ]
    assert await names("count=0") == []


def _quoted(text: str) -> str:
    return quote(text)


HOSTILE_FILTERS = (
    "x" * 5000,
    "(" * 500 + 'userName eq "a"' + ")" * 500,
    'userName eq "a" or 1=1',
    "userName eq 'a'; DROP TABLE person",
    'userName eq "a" --',
    "userName",
    "userName eq",
    "eq eq eq",
    'userName eq "a',
    'userName xx "a"',
    'emails[type eq "work"',
    "not userName pr",
    'userName eq "\\ud800"',
    '__class__ eq "x"',
    'userName eq "a" userName eq "a"',
)


@pytest.mark.parametrize("text", HOSTILE_FILTERS)
async def test_a_hostile_filter_finds_nobody(directory: Directory, text: str) -> None:
    await directory.user("ada")
    answer = await directory.send("GET", "/Users", query=f"filter={_quoted(text)}")
    told = json.loads(answer.body)
    if answer.status == 200:
        assert told["totalResults"] == 0
    else:
        assert (answer.status, told["status"]) == (400, "400")


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("POST", b"{"),
        ("POST", b"[]"),
        ("POST", b"null"),
        ("POST", {"userName": "x"}),
        ("POST", {"schemas": [USER]}),
        ("POST", {"schemas": [USER], "userName": ["x"]}),
        ("POST", {"schemas": [USER], "userName": "x\u0000y"}),
        ("POST", {"schemas": [USER], "userName": "x" * 600}),
        ("POST", {"schemas": [USER], "userName": "x", "active": "maybe"}),
        ("POST", {"schemas": [USER], "userName": "x", "emails": [{"value": 1}]}),
        ("POST", {"schemas": [USER], "userName": "x", "emails": [{"value": "no address"}]}),
        ("POST", {"schemas": [USER], "userName": "x", "emails": [{}] * 100}),
        ("POST", {"schemas": [USER], "userName": "x", "name": "y"}),
        ("POST", {"schemas": USER, "userName": "x"}),
        ("POST", b'{"schemas":' + b"[" * 5000),
        ("PATCH", {"schemas": [PATCH]}),
        ("PATCH", {"schemas": [PATCH], "Operations": []}),
        ("PATCH", {"schemas": [PATCH], "Operations": [{"op": "grant"}]}),
        ("PATCH", {"schemas": [PATCH], "Operations": [{"op": "remove"}]}),
        ("PATCH", {"schemas": [PATCH], "Operations": ["x"]}),
        (
            "PATCH",
            {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "id", "value": "x"}]},
        ),
        (
            "PATCH",
            {"schemas": [PATCH], "Operations": [{"op": "add", "path": "policies", "value": ["a"]}]},
        ),
        (
            "PATCH",
            {"schemas": [PATCH], "Operations": [{"op": "add", "path": "emails[", "value": {}}]},
        ),
        ("PATCH", {"schemas": [PATCH], "Operations": [{"op": "remove", "path": "userName"}]}),
        (
            "PATCH",
            {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": 1}]},
        ),
    ],
)
async def test_a_hostile_body_changes_nothing(
    directory: Directory, method: str, body: object
) -> None:
    made = await directory.user("ada", emails=[{"value": "a@example.com"}])
    path = "/Users" if method == "POST" else f"/Users/{made['id']}"
    answer = await directory.send(method, path, body)
    assert answer.status == 400, answer.body
    told = json.loads(answer.body)
    assert told["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    listed = await directory.must(200, "GET", "/Users")
    assert [each["userName"] for each in listed["Resources"]] == ["ada"]
    assert await directory.must(200, "GET", f"/Users/{made['id']}") == made


async def test_without_a_right_nobody_learns_or_changes_anything(directory: Directory) -> None:
    made = await directory.user("ada")
    stranger = Directory(directory.room, "")
    other = Directory(directory.room, await directory.room.token("default"))
    for each in (stranger, other):
        for method, path in (
            ("GET", "/Users"),
            ("GET", f"/Users/{made['id']}"),
            ("DELETE", f"/Users/{made['id']}"),
            ("POST", "/Groups"),
            ("GET", "/ServiceProviderConfig"),
        ):
            answer = await each.send(method, path)
            assert answer.status == 403
            assert made["id"].encode() not in answer.body
            assert json.loads(answer.body)["status"] == "403"
    assert (await directory.must(200, "GET", f"/Users/{made['id']}"))["active"]


async def test_a_bound_directory_is_refused_and_a_login_in_use_is_not_taken(
    directory: Directory,
) -> None:
    ours = directory.room
    eve = await person(ours, "eve")
    await eve.must_log_in()
    accessor = (await ours.ask("GET", "sys/auth")).data["up/"]["accessor"]
    assert (
        await ours.ask("POST", "strongroom/scim/config", {"mount_accessor": "no"})
    ).status == 400
    await ours.ask("POST", "strongroom/scim/config", {"mount_accessor": accessor})
    taken = {"schemas": [USER], "userName": "eve"}
    await directory.must(409, "POST", "/Users", taken)
    tx = Transaction(ours.server.database, ours.server.barrier)
    assert await tx.all(PEOPLE) == []
    assert len(await tx.all(ENTITIES)) == 1
    assert await tx.all(GROUP_MEMBERS) == []


async def test_the_entry_says_that_the_directory_made_somebody_another_or_brought_them_back(
    directory: Directory,
) -> None:
    made = await directory.user("ada", displayName="Ada")
    told = []
    for name, active in (("Ada", True), ("Eve", True), ("Eve", False), ("Eve", True)):
        given = {"schemas": [USER], "userName": "ada", "displayName": name, "active": active}
        await directory.must(200, "PUT", f"/Users/{made['id']}", given)
        entries = await directory.room.entries()
        [*_, entry] = [e for e in entries if e["metadata"]["event_code"] == "scim.user.write"]
        told.append((entry["unmapped"].get("rewritten"), entry["unmapped"].get("returning")))

    assert told == [(None, None), (["name"], None), (None, None), (None, True)]
    shown = (await directory.room.ask("GET", f"strongroom/people/{made['id']}")).data
    assert shown["state"] == "left"  # until another person approves it


async def test_a_workload_provisions_for_all_environments_once_it_is_named_as_the_directory(
    directory: Directory,
) -> None:
    ours = directory.room
    owner = await entity(ours, "owner")
    joined = {"name": "Olive Owner"}
    assert (await ours.ask("POST", f"strongroom/people/{owner}", joined)).status == 204
    made = await entity(ours, "directory")
    whole = {"owner": owner, "justification": "provisions people", "environment": "company"}
    given = {"paths": ["secret/company/*"], "protected": True}
    assert (await ours.ask("POST", "strongroom/environments/company", given)).status == 204
    assert (await ours.ask("POST", f"strongroom/workloads/{made}", whole)).status == 204
    bound = Directory(ours, await acting_as(ours, made, "scim"))
    wanted = {"schemas": [USER], "userName": "ada"}

    await bound.must(403, "POST", "/Users", wanted)
    unknown = await ours.ask("POST", "strongroom/scim/config", {"directory": owner})
    named = await ours.ask("POST", "strongroom/scim/config", {"directory": made})
    entry = await ours.last()
    user = await bound.must(201, "POST", "/Users", wanted)
    ended = await ours.ask(
        "POST", f"strongroom/workloads/{made}/decommission", {"reason": "no more"}
    )
    await bound.must(403, "GET", f"/Users/{user['id']}")

    assert (unknown.status, named.status, ended.status) == (400, 204, 200)
    assert unknown.errors == ["directory: there is no such workload"]
    assert entry["unmapped"]["directory"] == made


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_is_refused_as_none(text: str) -> None:
    try:
        test = parse_filter(text)
    except InputError:
        return
    assert test({"userName": "ada", "emails": [{"value": "x"}]}) in {True, False}


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
PATHS = st.sampled_from(["userName", "emails", 'emails[type eq "w"].value', "name.givenName", "id"])


@given(
    st.lists(
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "replace", "remove", "Add"])},
            optional={"path": PATHS | st.text(max_size=9), "value": JSONS},
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_patch_is_applied_or_is_refused(operations: list[dict[str, object]]) -> None:
    resource = {"id": "i", "userName": "ada", "emails": [{"type": "w", "value": "x"}]}
    before = json.dumps(resource)
    try:
        after = apply_patch(resource, operations, USER_KNOWN)
    except InputError:
        return
    finally:
        assert json.dumps(resource) == before
    assert after["id"] == "i"
