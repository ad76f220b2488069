"""JWT roles and configuration beside OpenBao: the same statuses and data, but where we say so."""

from __future__ import annotations

import time
from typing import Any

import pytest

from strongroom.auth.jwt import JwtAuth
from strongroom.testing.mount import Mount
from tests.auth.jwt_issuer import Issuer, claims, pem, signed
from tests.auth.side_by_side import Answer, Ours, Step, Theirs, compared
from tests.oracles.openbao import OpenBao

pytestmark = pytest.mark.slow

OWN = {"mfa_acr_values", "mfa_amr_values", "people"}
KEYS = {"jwt_validation_pubkeys": [pem("ES256")], "jwt_supported_algs": "ES256"}
ROLE = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "us", "token_policies": "p"}
NO_500 = "wrong input is 400"
UNSERVED = "not served, and refused with a reason"
NOW = int(time.time())


def login(**more: Any) -> dict[str, object]:
    usual = {"aud": "us", "iat": NOW, "exp": NOW + 3600}
    return {"role": "app", "jwt": signed(claims(**usual | more))}


CONFIG = (
    Step("GET", "config"),
    Step("POST", "config"),
    Step("POST", "config", {"jwt_validation_pubkeys": "nonsense"}),
    Step("POST", "config", {**KEYS, "jwks_url": "http://127.0.0.1:1/"}),
    Step("POST", "config", {"jwks_url": "http://127.0.0.1:1/"}),
    Step("POST", "config", {"oidc_discovery_url": "http://127.0.0.1:1/"}),
    Step("POST", "config", {**KEYS, "oidc_client_id": "us"}),
    Step("POST", "config", {**KEYS, "oidc_client_id": "us", "oidc_client_secret": "s"}),
    Step("POST", "config", {**KEYS, "jwt_supported_algs": "HS256"}),
    Step("POST", "config", {**KEYS, "jwt_supported_algs": "none"}),
    Step("POST", "config", {**KEYS, "oidc_response_types": "token"}),
    Step("POST", "config", {**KEYS, "oidc_response_mode": "fragment"}),
    Step("POST", "config", {**KEYS, "oidc_response_mode": "form_post"}, ours=400, because=UNSERVED),
    Step("POST", "config", {**KEYS, "provider_config": {"provider": "nobody"}}),
    Step("POST", "config", KEYS),
    Step("GET", "config"),
    Step("POST", "config", {**KEYS, "default_role": "APP", "bound_issuer": "https://x"}),
    Step("GET", "config"),
    Step("DELETE", "config"),
)

ROLES = (
    Step("LIST", "role"),
    Step("GET", "role/app"),
    Step("POST", "role/app", {"role_type": "jwt"}),
    Step("POST", "role/app", {"role_type": "jwt", "user_claim": "sub"}),
    Step("POST", "role/app", {"user_claim": "sub"}),
    Step("POST", "role/app", {**ROLE, "role_type": "saml"}),
    Step("POST", "role/app", {**ROLE, "bound_claims_type": "regex"}),
    Step("POST", "role/app", {**ROLE, "callback_mode": "other"}),
    Step("POST", "role/app", {**ROLE, "callback_mode": "device"}, ours=400, because=UNSERVED),
    Step("POST", "role/app", {**ROLE, "oauth2_metadata": "id_token"}, ours=400, because=UNSERVED),
    Step("POST", "role/app", {**ROLE, "oauth2_metadata": "other"}),
    Step("POST", "role/app", {**ROLE, "bound_claims": {"a": 1}, "bound_claims_type": "glob"}),
    Step("POST", "role/app", {**ROLE, "claim_mappings": {"a": "role"}}),
    Step("POST", "role/app", {**ROLE, "claim_mappings": {"a": "x", "b": "x"}}),
    Step("POST", "role/app", {**ROLE, "token_ttl": "2h", "token_max_ttl": "1h"}),
    Step(
        "POST",
        "role/app",
        {"role_type": "jwt", "user_claim": "sub", "token_bound_cidrs": "127.0.0.0/8"},
        ours=400,
        because="networks alone bind no token",
    ),
    Step("DELETE", "role/app"),
    Step("LIST", "role"),
    Step("POST", "role/App", ROLE),
    Step("GET", "role/app"),
    Step("LIST", "role"),
    Step(
        "POST",
        "role/app",
        {
            **ROLE,
            "bound_subject": "app",
            "bound_claims": {"a": ["b", "c"], "n": 1, "t": True},
            "claim_mappings": {"/a/b": "c"},
            "groups_claim": "groups",
            "clock_skew_leeway": 30,
            "expiration_leeway": "1m",
            "not_before_leeway": -1,
            "max_age": "1h",
            "oidc_scopes": "a,b",
            "allowed_redirect_uris": ["https://a.example/x"],
            "token_ttl": "5m",
            "policies": "ignored",
        },
    ),
    Step("GET", "role/app"),
    Step("POST", "role/people", {"user_claim": "sub", "allowed_redirect_uris": "https://a/x"}),
    Step("GET", "role/people"),
    Step("DELETE", "role/app"),
    Step("GET", "role/app"),
    Step("DELETE", "role/none"),
)

LOGINS = (
    Step("POST", "login", login(), login=True),
    Step("POST", "config", KEYS),
    Step("POST", "login", {}, login=True),
    Step("POST", "login", login(), login=True),
    Step("POST", "role/app", ROLE),
    Step("POST", "login", {"role": "app"}, login=True),
    Step("POST", "login", login(), login=True),
    Step("POST", "login", login(aud=["x", "us"]), login=True),
    Step("POST", "login", login(aud="other"), login=True),
    Step("POST", "login", login(aud=None), login=True),
    Step("POST", "login", login(exp=NOW - 3600), login=True),
    Step("POST", "login", login(nbf=NOW + 3600), login=True),
    Step("POST", "login", login(iat=NOW + 3600), login=True),
    Step("POST", "login", login(iat=None, exp=None), login=True),
    Step("POST", "login", login(exp=None), login=True),
    Step("POST", "login", login(sub=None), login=True),
    Step("POST", "login", login(sub=["app"]), login=True),
    Step("POST", "login", {"role": "app", "jwt": "x"}, login=True),
    Step("POST", "login", {"role": "app", "jwt": signed(claims(), "RS256")}, login=True),
    Step("POST", "login", {"role": "app", "jwt": signed(claims(), "ES256", "evil")}, login=True),
    Step("POST", "role/app", {**ROLE, "bound_claims": {"repo": ["a/b", "a/c"]}}),
    Step("POST", "login", login(repo="a/c"), login=True),
    Step("POST", "login", login(repo=["x", "a/c"]), login=True),
    Step("POST", "login", login(repo="a/d"), login=True),
    Step("POST", "login", login(), login=True),
    Step(
        "POST",
        "role/app",
        {**ROLE, "bound_claims": {"repo": "a/*"}, "bound_claims_type": "glob"},
    ),
    Step("POST", "login", login(repo="a/d"), login=True),
    Step("POST", "login", login(repo="b/d"), login=True),
    Step("POST", "role/app", {**ROLE, "bound_claims": {}, "claim_mappings": {"/k/ns": "ns"}}),
    Step("POST", "login", login(k={"ns": "prod"}), login=True),
    Step("POST", "login", login(k={"ns": 1}), login=True),
    Step("POST", "login", login(), login=True),
    Step("POST", "role/app", {**ROLE, "groups_claim": "groups"}),
    Step("POST", "login", login(groups=["a"]), login=True),
    Step("POST", "login", login(), login=True),
    Step("POST", "login", login(groups={"a": 1}), login=True),
    Step("POST", "config", {**KEYS, "bound_issuer": "https://issuer.example"}),
    Step("POST", "login", login(groups=["a"]), login=True),
    Step("POST", "login", login(groups=["a"], iss="https://x"), login=True),
    Step("POST", "role/oidc", {"user_claim": "sub", "allowed_redirect_uris": "https://a/x"}),
    Step("POST", "login", {**login(), "role": "oidc"}, login=True),
    Step("POST", "oidc/auth_url", {"role": "oidc", "redirect_uri": "https://a/x"}),
)


class OurJwt(Ours):
    """Ours, without the fields that are ours alone."""

    async def do(self, step: Step) -> Answer:
        answer = await super().do(step)
        if not isinstance(answer.data, dict):
            return answer
        kept = {name: value for name, value in answer.data.items() if name not in OWN}
        return Answer(status=answer.status, data=kept)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(CONFIG, id="config"),
        pytest.param(ROLES, id="roles"),
        pytest.param(LOGINS, id="logins"),
    ],
)
async def test_jwt_answers_as_openbao_does(
    openbao: OpenBao, script: tuple[Step, ...], request: pytest.FixtureRequest
) -> None:
    theirs = Theirs(openbao, "jwt", f"side-by-side-jwt-{request.node.callspec.id}")
    ours = OurJwt(Mount(JwtAuth(Issuer()), at=NOW, address="127.0.0.1"))

    await compared(theirs, ours, script)
