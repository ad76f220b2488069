"""AppRole beside OpenBao: the same statuses and the same data, but where we say otherwise."""

from __future__ import annotations

import pytest

from strongroom.auth.approle import AppRole
from strongroom.testing.mount import Mount
from tests.auth.side_by_side import Ours, Step, Theirs, compared
from tests.oracles.openbao import OpenBao

pytestmark = pytest.mark.slow

CI = "role/CI"
NO_500 = "wrong input is 400, what is missing is 404"
LOGIN = {"role_id": "ci-id", "secret_id": "{secret_id}"}

ROLES = (
    Step("LIST", "role"),
    Step("GET", CI),
    Step("POST", CI, {"policies": "p"}),
    Step("GET", CI),
    Step("GET", f"{CI}/role-id"),
    Step("LIST", "role"),
    Step(
        "POST",
        CI,
        {
            "policies": "a,B, a",
            "token_ttl": "10m",
            "period": "5m",
            "secret_id_ttl": "1h",
            "secret_id_num_uses": 3,
            "secret_id_bound_cidrs": "127.0.0.0/8",
            "token_bound_cidrs": ["127.0.0.1/32"],
        },
    ),
    Step("GET", CI),
    Step("POST", CI, {"token_type": "batch"}),
    Step("POST", CI, {"token_num_uses": 3}),
    Step("POST", CI, {"token_ttl": "2h", "token_max_ttl": "1h"}),
    Step("POST", CI, {"secret_id_num_uses": -1}),
    Step("POST", CI, {"token_bound_cidrs": "nonsense"}),
    Step("POST", CI, {"secret_id_bound_cidrs": "junk"}, ours=400, because=NO_500),
    Step("POST", CI, {"role_id": ""}),
    Step("GET", CI),
    Step("POST", CI, {"bind_secret_id": False}),
    Step("GET", CI),
    Step("POST", CI, {"bind_secret_id": True, "secret_id_bound_cidrs": ""}),
    Step("POST", "role/open", {"bind_secret_id": False}, ours=400, because=NO_500),
    Step("POST", "role/near", {"local_secret_ids": True, "role_id": "near-id"}),
    Step("POST", "role/near", {"local_secret_ids": False}),
    Step("GET", "role/near/local-secret-ids"),
    Step("POST", "role/other", {"role_id": "near-id"}, ours=400, because=NO_500),
    Step("POST", f"{CI}/role-id", {"role_id": "near-id"}, ours=400, because=NO_500),
    Step("POST", f"{CI}/role-id", {}),
    Step("POST", f"{CI}/role-id", {"role_id": "ci-id"}),
    Step("GET", f"{CI}/role-id"),
    Step("POST", "role/none/role-id", {"role_id": "q"}),
)

SETTINGS = (
    Step("POST", CI, {"role_id": "ci-id"}),
    *(
        step
        for path, sent in (
            ("policies", {"policies": "P1,p2"}),
            ("policies", {"token_policies": ["p3"]}),
            ("period", {"period": "77"}),
            ("secret-id-num-uses", {"secret_id_num_uses": 4}),
            ("secret-id-ttl", {"secret_id_ttl": "4m"}),
            ("secret-id-bound-cidrs", {"secret_id_bound_cidrs": "10.0.0.0/8"}),
            ("token-bound-cidrs", {"token_bound_cidrs": "127.0.0.1/32,10.0.0.1"}),
            ("token-max-ttl", {"token_max_ttl": "1h"}),
            ("token-num-uses", {"token_num_uses": 2}),
            ("token-ttl", {"token_ttl": "3m"}),
        )
        for step in (
            Step("GET", f"{CI}/{path}"),
            Step("POST", f"{CI}/{path}", sent),
            Step("GET", f"{CI}/{path}"),
            Step("GET", CI),
            Step("DELETE", f"{CI}/{path}"),
            Step("GET", f"{CI}/{path}"),
            Step("DELETE", f"role/none/{path}"),
            Step("GET", f"role/none/{path}"),
            Step("POST", f"role/none/{path}", sent),
        )
    ),
    *(
        Step("POST", f"{CI}/{path}")
        for path in ("policies", "period", "secret-id-num-uses", "token-ttl", "token-max-ttl")
    ),
    Step("POST", f"{CI}/token-ttl", {"token_ttl": "3m"}),
    Step("POST", f"{CI}/token-max-ttl", {"token_max_ttl": "1m"}),
    Step("POST", f"{CI}/secret-id-num-uses", {"secret_id_num_uses": -4}),
    Step("POST", f"{CI}/token-bound-cidrs", {"token_bound_cidrs": "junk"}),
    Step("POST", f"{CI}/secret-id-bound-cidrs", {"secret_id_bound_cidrs": "junk"}),
    Step("POST", f"{CI}/bound-cidr-list", {"bound_cidr_list": "junk"}),
    Step(
        "GET",
        f"{CI}/bind-secret-id",
        ours=200,
        because="OpenBao 2.7.2 documents this path and does not serve it",
    ),
    Step("POST", f"{CI}/token-num-uses", {"token_num_uses": -3}, ours=400, because="must not be"),
)

SECRET_IDS = (  # with an end, which OpenBao's have only where it is said
    Step("POST", CI, {"role_id": "ci-id", "token_policies": "p", "secret_id_ttl": "100h"}),
    Step("LIST", f"{CI}/secret-id"),
    Step("POST", f"{CI}/secret-id", kept=("secret_id", "secret_id_accessor")),
    Step("LIST", f"{CI}/secret-id"),
    Step("POST", "login", LOGIN, login=True),
    Step("POST", f"{CI}/secret-id/lookup", {"secret_id": "{secret_id}"}),
    Step(
        "POST",
        f"{CI}/secret-id-accessor/lookup",
        {"secret_id_accessor": "{secret_id_accessor}"},
    ),
    Step("POST", f"{CI}/secret-id/destroy", {"secret_id": "{secret_id}"}),
    Step("POST", "login", LOGIN, login=True),
    Step(
        "POST",
        f"{CI}/secret-id",
        {"num_uses": 2, "ttl": "60", "metadata": '{"a":"b"}', "cidr_list": "127.0.0.0/8"},
        kept=("secret_id", "secret_id_accessor"),
    ),
    Step("POST", f"{CI}/secret-id/lookup", {"secret_id": "{secret_id}"}),
    Step("POST", "login", LOGIN, login=True),
    Step("POST", f"{CI}/secret-id/lookup", {"secret_id": "{secret_id}"}),
    Step("POST", "login", LOGIN, login=True),
    Step("POST", f"{CI}/secret-id/lookup", {"secret_id": "{secret_id}"}),
    Step("POST", "login", LOGIN, login=True),
    *(
        Step("POST", f"{CI}/secret-id", {"metadata": text})
        for text in ("junk", '{"a":1}', "[1]", "", "a=b,c=d", "eyJhIjoiYiJ9")
    ),
    Step("POST", f"{CI}/secret-id", {"num_uses": -1}),
    Step("POST", f"{CI}/secret-id", {"ttl": "-1s"}),
    Step("POST", f"{CI}/secret-id", {"ttl": "2000h"}),
    Step("POST", "role/free"),
    Step("POST", "role/free/secret-id", {"ttl": "2000h"}),
    Step("POST", f"{CI}/secret-id", {"cidr_list": "junk"}, ours=400, because=NO_500),
    Step("POST", f"{CI}/secret-id", {"cidr_list": "127.0.0.1"}, ours=400, because=NO_500),
    Step("POST", "role/none/secret-id"),
    Step("LIST", "role/none/secret-id", ours=404, because=NO_500),
    Step("POST", f"{CI}/custom-secret-id", {"secret_id": "mine"}),
    Step("POST", f"{CI}/custom-secret-id", {"secret_id": "mine"}, ours=400, because=NO_500),
    Step("POST", f"{CI}/custom-secret-id", {"secret_id": ""}),
    Step("POST", f"{CI}/custom-secret-id"),
    Step("POST", f"{CI}/custom-secret-id", {"secret_id": "a" * 4097}, ours=400, because=NO_500),
    Step("POST", "login", {"role_id": "ci-id", "secret_id": "mine"}, login=True),
    Step("POST", f"{CI}/secret-id/lookup", {"secret_id": "none"}),
    Step("POST", f"{CI}/secret-id/lookup"),
    Step("POST", f"{CI}/secret-id/destroy", {"secret_id": "none"}),
    Step("POST", f"{CI}/secret-id/destroy"),
    Step("POST", f"{CI}/secret-id-accessor/lookup", {"secret_id_accessor": "none"}),
    Step("POST", f"{CI}/secret-id-accessor/lookup"),
    Step("POST", f"{CI}/secret-id-accessor/destroy"),
    Step(
        "POST",
        f"{CI}/secret-id-accessor/destroy",
        {"secret_id_accessor": "none"},
        ours=404,
        because=NO_500,
    ),
    Step("POST", "role/none/secret-id/lookup", {"secret_id": "x"}, ours=404, because=NO_500),
    Step("POST", "login", {"role_id": "ci-id", "secret_id": "bad"}, login=True),
    Step("POST", "login", {"role_id": "bad", "secret_id": "bad"}, login=True),
    Step("POST", "login", {"role_id": "ci-id"}, login=True),
    Step("POST", "login", {"secret_id": "x"}, login=True, ours=400, because=NO_500),
    Step("POST", f"{CI}/custom-secret-id", {"secret_id": "far", "cidr_list": "10.0.0.0/8"}),
    Step("POST", "login", {"role_id": "ci-id", "secret_id": "far"}, login=True),
    Step("POST", CI, {"secret_id_ttl": "1m", "secret_id_num_uses": 5}),
    Step("POST", f"{CI}/secret-id"),
    Step("POST", f"{CI}/secret-id", {"ttl": "1h", "num_uses": 1}),
    Step("POST", f"{CI}/secret-id", {"ttl": "10s", "num_uses": 0}),
    Step("POST", f"{CI}/secret-id", {"ttl": "10s", "num_uses": 9}),
    Step("POST", f"{CI}/secret-id", {"ttl": "10s", "num_uses": 2}),
    Step("POST", f"{CI}/secret-id", {"ttl": "0", "num_uses": 2}),
    Step("POST", CI, {"secret_id_bound_cidrs": "10.0.0.0/8"}),
    Step("POST", "login", {"role_id": "ci-id", "secret_id": "mine"}, login=True),
    Step("POST", f"{CI}/secret-id", {"cidr_list": "11.0.0.0/8"}, ours=400, because=NO_500),
    Step("POST", f"{CI}/secret-id", {"cidr_list": "10.1.0.0/16"}),
    Step("POST", "role/nb", {"bind_secret_id": False, "token_bound_cidrs": "127.0.0.0/8"}),
    Step("POST", "role/nb/role-id", {"role_id": "nb-id"}),
    Step("POST", "role/nb/secret-id"),
    Step("POST", "login", {"role_id": "nb-id"}, login=True),
    Step("POST", "tidy/secret-id"),
    Step("DELETE", CI),
    Step("POST", CI, {"role_id": "ci-id"}),
    Step("POST", "login", {"role_id": "ci-id", "secret_id": "mine"}, login=True),
)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(ROLES, id="roles"),
        pytest.param(SETTINGS, id="settings"),
        pytest.param(SECRET_IDS, id="secret-ids"),
    ],
)
async def test_approle_answers_as_openbao_does(
    openbao: OpenBao, script: tuple[Step, ...], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    theirs = Theirs(openbao, "approle", f"side-by-side-approle-{name}")

    await compared(theirs, Ours(Mount(AppRole(), address="127.0.0.1")), script)
