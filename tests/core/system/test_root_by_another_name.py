"""No spelling of `root` but its own is the name of a policy: not made, not given, not listed.

Space around the items of a list is gone when anybody looks at them, as in Vault. What is left is
`root` plainly asked for, and gets what that gets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.core.system.room import Answer, Room, room

SPACED = {
    "a space before": " root",
    "a space after": "root ",
    "a tab": "\troot",
    "a line break": "root\n",
    "a no-break space": "\u00a0root",
    "an ideographic space": "root\u3000",
}
SPELLINGS = {
    "a capital": "Root",
    "capitals": "ROOT",
    "capitals and spaces": "  RooT ",
    "a zero-width space": "ro\u200bot",
    "a soft hyphen": "ro\u00adot",
    "a byte order mark": "\ufeffroot",
    "wide letters": "\uff52\uff4f\uff4f\uff54",
    "mathematical letters": "\U0001d42b\U0001d428\U0001d428\U0001d42d",
}
MAKES = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Room]:
    async with room(tmp_path) as made:
        await made.ask("POST", "sys/auth/userpass", {"type": "userpass"})
        await made.ask("POST", "sys/auth/approle", {"type": "approle"})
        await made.policy("makes", MAKES)
        yield made


@pytest.fixture(params=SPELLINGS.values(), ids=SPELLINGS.keys())
def spelling(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SPACED.values(), ids=SPACED.keys())
def spaced(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refused(answer: Answer) -> bool:
    return answer.status == 400 and any("root" in error for error in answer.errors)


GIVES = [
    *(("auth/token/roles/r", f"{kind}_policies") for kind in ("allowed", "disallowed")),
    *(("auth/token/roles/r", f"{kind}_policies_glob") for kind in ("allowed", "disallowed")),
    *(("auth/userpass/users/al", field) for field in ("token_policies", "policies")),
    *(("auth/userpass/users/bo/policies", field) for field in ("token_policies", "policies")),
    *(("auth/approle/role/ci", field) for field in ("token_policies", "policies")),
    ("auth/approle/role/cd/policies", "token_policies"),
    *(("identity/entity", "policies"), ("identity/entity/name/al", "policies")),
]


async def test_no_token_is_made_with_it(ours: Room, spelling: str) -> None:
    await ours.ask("POST", "auth/token/roles/any", {"allowed_policies_glob": "*"})
    await ours.ask("POST", "auth/token/roles/none", {})

    for by in (ours.root, await ours.token("makes")):
        for path in ("create", "create-orphan", "create/any", "create/none"):
            for policies in ([spelling], ["default", spelling], spelling, f"default,{spelling}"):
                asked = {"policies": policies}
                answer = await ours.ask("POST", f"auth/token/{path}", asked, token=by)

                assert refused(answer), (path, policies, answer)


async def test_nothing_that_gives_policies_takes_it(ours: Room, spelling: str) -> None:
    await ours.ask("POST", "auth/userpass/users/bo", {"password": "x", "policies": "a"})
    await ours.ask("POST", "auth/approle/role/cd", {"policies": "a"})

    for path, field in GIVES:
        for policies in ([spelling], ["default", spelling]):
            answer = await ours.ask("POST", path, {"password": "x", field: policies})

            assert refused(answer), (path, field, answer)


async def test_root_with_space_around_it_is_judged_as_root(ours: Room, spaced: str) -> None:
    makes = await ours.token("makes")
    everything = {"allowed_policies_glob": "*", "allowed_policies": [spaced]}
    await ours.ask("POST", "auth/token/roles/any", everything)

    for path in ("create", "create-orphan", "create/any"):
        answer = await ours.ask("POST", f"auth/token/{path}", {"policies": [spaced]}, token=makes)
        assert refused(answer), answer
    for path in ("userpass/users/al", "approle/role/ci"):
        for field in ("token_policies", "policies"):
            given = {"password": "x", field: ["a", spaced]}
            assert refused(await ours.ask("POST", f"auth/{path}", given))
    assert refused(await ours.ask("POST", "identity/entity", {"policies": [spaced]}))
    by_root = await ours.ask("POST", "auth/token/create", {"policies": ["makes", spaced]})
    assert by_root.auth["policies"] == ["root"]


async def test_a_role_that_forbids_it_forbids_root(ours: Room, spaced: str) -> None:
    await ours.ask("POST", "auth/token/roles/no", {"disallowed_policies": [spaced]})

    answer = await ours.ask("POST", "auth/token/create/no", {"policies": ["root"]})

    assert answer.errors == ['token policy "root" is disallowed by this role']


@pytest.mark.parametrize("name", [*SPELLINGS.values(), *SPACED.values()])
async def test_no_policy_is_called_so(ours: Room, name: str) -> None:
    raw = b"/v1/sys/policies/acl/" + quote(name).encode()
    text = {"policy": 'path "x" { capabilities = ["read"] }'}

    for method in ("PUT", "POST"):
        answer = await ours.ask(method, "", text, raw=raw)

        assert answer.status == 400, answer
    assert (await ours.ask("LIST", "sys/policies/acl")).data["keys"] == [
        *("default", "makes", "root")
    ]


@pytest.mark.parametrize("name", [" a", "a ", "a\u2003"])
async def test_a_policy_that_no_token_could_have_is_not_made(ours: Room, name: str) -> None:
    raw = b"/v1/sys/policies/acl/" + quote(name).encode()

    assert (await ours.ask("PUT", "", {"policy": MAKES}, raw=raw)).status == 400


async def test_other_names_are_trimmed_and_lower_cased_as_ever(ours: Room) -> None:
    made = await ours.ask("POST", "auth/token/create", {"policies": [" Makes ", "rooted", "root-"]})

    assert made.auth["policies"] == ["default", "makes", "root-", "rooted"]
