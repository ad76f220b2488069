"""Userpass beside OpenBao: the same statuses and the same data, but where we say otherwise."""

from __future__ import annotations

import pytest

from strongroom.auth.userpass import Userpass
from strongroom.testing.mount import Mount
from tests.auth.side_by_side import Ours, Step, Theirs, compared
from tests.oracles.openbao import OpenBao

pytestmark = pytest.mark.slow

ALICE = "users/Alice"
NO_500 = "wrong input is 400, what is missing is 404"

SCRIPT = (
    Step("LIST", "users"),
    Step("GET", "users/alice"),
    Step("POST", ALICE, {"token_policies": "a"}),
    Step("POST", ALICE, {"password": ""}),
    Step("POST", ALICE, {"password": "pw"}),
    Step("GET", "users/ALICE"),
    Step("LIST", "users"),
    Step("POST", ALICE, {"policies": "x,Y, x", "ttl": "1h", "max_ttl": "2h"}),
    Step("GET", ALICE),
    Step("POST", ALICE, {"token_policies": ["b", "a"], "token_num_uses": 3}),
    Step("GET", ALICE),
    Step("POST", ALICE, {"token_bound_cidrs": "127.0.0.1/32,10.0.0.0/8,::1/128"}),
    Step("GET", ALICE),
    Step("POST", ALICE, {"token_bound_cidrs": ""}),
    Step("GET", ALICE),
    Step("POST", ALICE, {"policies": "q", "token_policies": ["b"]}),
    Step("GET", ALICE),
    # OpenBao 2.7.2 writes `users/Alice/policies` to a row of its own, which nothing reads.
    Step("POST", "users/alice/policies", {"policies": "default,zz"}),
    Step("GET", ALICE),
    Step("POST", "users/alice/policies", {"token_policies": ""}),
    Step("GET", ALICE),
    Step("POST", "users/alice/policies", {"token_policies": "c,d"}),
    Step("POST", "users/nobody/policies", {"policies": "zz"}, ours=404, because=NO_500),
    Step("POST", "users/nobody/password", {"password": "zz"}, ours=404, because=NO_500),
    Step("POST", "users/alice/password", {"password": ""}),
    Step("POST", "users/alice/password", {"password": "new"}),
    Step("POST", "login/Alice", {"password": "new"}, login=True),
    Step("POST", "login/alice", {"password": "pw"}, login=True),
    Step("POST", "login/nobody", {"password": "pw"}, login=True),
    Step("POST", "login/alice", {"password": ""}, login=True, ours=400, because=NO_500),
    Step("POST", ALICE, {"token_ttl": "2h", "token_max_ttl": "1h"}),
    Step("POST", ALICE, {"token_type": "batch", "token_period": "1h"}),
    Step("POST", ALICE, {"token_type": "weird"}),
    Step("POST", ALICE, {"token_num_uses": -1}),
    Step("POST", ALICE, {"token_ttl": "-1s"}),
    Step("POST", ALICE, {"token_ttl": "abc"}),
    Step("POST", ALICE, {"token_bound_cidrs": "nonsense"}),
    Step("POST", ALICE, {"token_num_uses": 0, "token_type": "service"}),
    Step("GET", ALICE),
    Step("POST", ALICE, {"unknown": 1}),
    Step(
        "POST",
        ALICE,
        {"password_hash": "$2a$10$Oe0i0L0BV8kC3wnD8M4VIOxJkEkBqjhxjxZxG8gLZGkFUKeXNnCcW"},
        ours=400,
        because="hashes made elsewhere are not taken",
    ),
    Step("POST", ALICE, {"token_policies": "root"}, ours=400, because="refused early"),
    Step("POST", "users/bob", {"password": "pw"}),
    Step("LIST", "users?limit=1"),
    Step("LIST", "users?after=alice"),
    Step("POST", "users/-bad", {"password": "pw"}, ours=400, because="it says what is wrong"),
    Step("DELETE", ALICE),
    Step("DELETE", ALICE),
    Step("GET", ALICE),
    Step("GET", "users/bob/password"),
)


async def test_userpass_answers_as_openbao_does(openbao: OpenBao) -> None:
    theirs = Theirs(openbao, "userpass", "side-by-side-userpass")

    await compared(theirs, Ours(Mount(Userpass(), address="127.0.0.1")), SCRIPT)
