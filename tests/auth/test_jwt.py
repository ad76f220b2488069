"""The `jwt` auth method as operators configure it and workloads come in by it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from strongroom.auth.jwt import JwtAuth, OidcAuth
from strongroom.auth.jwt.method import REFUSED, Attempt
from strongroom.auth.jwt.provider import FRESH, PAUSE, STALE
from strongroom.base.errors import DeniedError, InputError, NotFoundError, UpstreamError
from strongroom.base.secret import Secret
from strongroom.sdk.auth import Proof
from strongroom.testing.mount import Mount, shown
from tests.auth.jwt_issuer import (
    AT,
    KINDS,
    URL,
    Issuer,
    claims,
    jwks,
    key,
    pem,
    signed,
)

ROLE = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "strongroom"}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def mount(issuer: Issuer) -> Mount:
    made = Mount(JwtAuth(issuer))
    await made.write("config", oidc_discovery_url=URL)
    await made.write("role/app", **ROLE, token_policies="reader")
    return made


async def enter(mount: Mount, role: str = "app", **more: Any) -> Proof:
    return await mount.login(role=role, jwt=Secret(signed(claims(**more))))


async def refusal(mount: Mount, token: str, role: str = "app") -> str:
    with pytest.raises(DeniedError) as caught:
        await mount.login(role=role, jwt=Secret(token))
    return str(caught.value)


class TestLogin:
    async def test_a_signed_token_gets_in_as_its_subject(self, mount: Mount) -> None:
        proof = await enter(mount)

        assert (proof.alias, proof.shown_by, proof.role) == ("app", "jwt", "app")
        assert proof.rules.token_policies == ("reader",)
        assert proof.metadata == {"role": "app"}
        assert proof.workload

    async def test_the_default_role_is_taken_where_none_is_named(self, mount: Mount) -> None:
        await mount.write("config", oidc_discovery_url=URL, default_role="APP")

        assert (await mount.login(jwt=Secret(signed(claims())))).role == "app"

    async def test_a_line_break_of_a_file_at_its_end_is_no_matter(self, mount: Mount) -> None:
        token = Secret(signed(claims()) + "\n")

        assert (await mount.login(role="app", jwt=token)).alias == "app"

    async def test_role_names_have_no_case(self, mount: Mount) -> None:
        assert (await enter(mount, "APP")).role == "app"

    @pytest.mark.parametrize("algorithm", [*KINDS, "RS256", "RS384", "PS256", "PS512"])
    async def test_every_asymmetric_algorithm_is_taken(
        self, mount: Mount, issuer: Issuer, algorithm: str
    ) -> None:
        algorithm = {"RS": "RS512", "PS": "PS384"}.get(algorithm, algorithm)
        issuer.keys = jwks(key(algorithm))
        await mount.write("config", oidc_discovery_url=URL)

        proof = await mount.login(role="app", jwt=Secret(signed(claims(), algorithm)))

        assert proof.alias == "app"

    @pytest.mark.parametrize("algorithm", ["RS256", "ES384", "EdDSA"])
    async def test_a_static_key_needs_nobody(self, issuer: Issuer, algorithm: str) -> None:
        mount = Mount(JwtAuth(issuer))
        await mount.write("config", jwt_validation_pubkeys=[pem(algorithm), pem("ES256", "two")])
        await mount.write("role/app", **ROLE)

        for token in (signed(claims(), algorithm), signed(claims(), "ES256", "two", kid=None)):
            assert (await mount.login(role="app", jwt=Secret(token))).alias == "app"
        assert issuer.asked == []

    async def test_one_of_several_audiences_is_enough(self, mount: Mount) -> None:
        assert (await enter(mount, aud=["other", "strongroom"])).alias == "app"

    async def test_a_user_claim_may_be_a_pointer(self, mount: Mount) -> None:
        user = {"user_claim": "/a~1b/1/name", "user_claim_json_pointer": True}
        await mount.write("role/app", **user)

        assert (await enter(mount, **{"a/b": [{}, {"name": "eve"}]})).alias == "eve"

    async def test_claims_are_kept_as_metadata(self, mount: Mount) -> None:
        mappings = {"/repo/name": "repository", "gone": "never"}
        await mount.write("role/app", claim_mappings=mappings)

        proof = await enter(mount, repo={"name": "acme/app"})

        assert proof.metadata == {"role": "app", "repository": "acme/app"}
        assert proof.alias_metadata == proof.metadata

    @pytest.mark.parametrize("groups", [["a", "b", "a", ""], "a"])
    async def test_groups_are_named(self, mount: Mount, groups: object) -> None:
        await mount.write("role/app", groups_claim="groups")

        assert (await enter(mount, groups=groups)).groups == (
            ("a", "b") if isinstance(groups, list) else ("a",)
        )

    async def test_only_listed_values_count_as_a_factor(self, mount: Mount) -> None:
        await mount.write("role/app", mfa_acr_values="strong,phr", mfa_amr_values="hwk,otp")

        assert (await enter(mount)).factors == ()
        assert (await enter(mount, acr="weak", amr=["pwd"])).factors == ()
        both = await enter(mount, acr="phr", amr=["pwd", "hwk"])
        assert both.factors == ("acr:phr", "amr:hwk")

    async def test_a_role_of_people_makes_no_workloads(self, mount: Mount) -> None:
        await mount.write("role/app", people=True)

        assert not (await enter(mount)).workload

    async def test_tokens_of_workloads_are_short(self, mount: Mount) -> None:
        usual = (await enter(mount)).rules
        await mount.write("role/app", token_ttl="1h", token_max_ttl="100h")
        told = (await enter(mount)).rules

        assert usual.token_ttl == timedelta(minutes=15)
        assert (told.token_ttl, told.token_max_ttl) == (timedelta(hours=1), timedelta(hours=24))
        assert "live at most 24h" in mount.warnings[0] if mount.warnings else True

    async def test_networks_of_the_role_hold_for_the_login(self, mount: Mount) -> None:
        await mount.write("role/app", token_bound_cidrs="198.51.100.0/24")

        assert await refusal(mount, signed(claims())) == "the login is from another network"

    async def test_nobody_is_counted_for_lock_out(self) -> None:
        assert JwtAuth(Issuer()).login().subject(Attempt(role="app")) == ""

    async def test_renewal_ends_with_the_role(self, mount: Mount) -> None:
        method = JwtAuth(Issuer())
        async with mount.call() as call:
            assert (await method.still_holds(call, "app", "app")).token_policies == ("reader",)
        await mount.write("role/app", bound_subject="other")
        async with mount.call() as call:
            with pytest.raises(DeniedError):
                await method.still_holds(call, "app", "app")
        await mount.delete("role/app")
        async with mount.call() as call:
            with pytest.raises(DeniedError):
                await method.still_holds(call, "app", "app")

    async def test_roles_are_what_access_reviews_are_told(self, mount: Mount) -> None:
        async with mount.call() as call:
            [subject] = await JwtAuth(Issuer()).subjects(call, "", 10)

        assert (subject.name, subject.rules.token_policies) == ("app", ("reader",))

    async def test_whoever_has_come_is_whom_a_change_touches(self, mount: Mount) -> None:
        await enter(mount)
        await enter(mount, sub="other")
        for path in ("role/app", "config", "recipes/spiffe/x"):
            route = mount.routes.find(path)
            assert route.subjects is not None
            async with mount.call() as call:
                assert await route.subjects(call, None) == ("app", "other")

    async def test_what_is_missing_is_said(self, mount: Mount) -> None:
        with pytest.raises(InputError, match="missing role"):
            await mount.login(jwt=Secret("x"))
        with pytest.raises(InputError, match="missing token"):
            await mount.login(role="app")
        with pytest.raises(InputError, match="could not load configuration"):
            await Mount(JwtAuth(Issuer())).login(role="app", jwt=Secret("x"))

    def test_the_words_of_a_refusal_are_one(self) -> None:
        assert JwtAuth(Issuer()).login().refused == REFUSED

    def test_both_kinds_are_one_method(self) -> None:
        assert (JwtAuth.kind, OidcAuth.kind) == ("jwt", "oidc")


class TestBoundClaims:
    @pytest.mark.parametrize(
        ("kind", "bound", "found", "held"),
        [
            ("string", {"repo": "a/b"}, {"repo": "a/b"}, True),
            ("string", {"repo": "a/*"}, {"repo": "a/b"}, False),
            ("glob", {"repo": "a/*"}, {"repo": "a/b"}, True),
            ("glob", {"repo": "a/*"}, {"repo": "ab/c"}, False),
            ("glob", {"repo": "*/b*c"}, {"repo": "a/bbc"}, True),
            ("string", {"repo": ["x", "a/b"]}, {"repo": "a/b"}, True),
            ("string", {"repo": "a/b"}, {"repo": ["x", "a/b"]}, True),
            ("string", {"repo": "a/b"}, {"repo": {"a/b": 1}}, False),
            ("string", {"repo": "a/b"}, {"repo": [["a/b"]]}, False),
            ("string", {"repo": "a/b"}, {}, False),
            ("string", {"repo": "a/b"}, {"repo": []}, False),
            ("string", {"n": 7}, {"n": 7}, True),
            ("string", {"n": 7}, {"n": 7.5}, False),
            ("string", {"n": 7}, {"n": "7"}, False),
            ("string", {"n": "7"}, {"n": 7}, False),
            ("string", {"n": 1}, {"n": True}, False),
            ("string", {"n": True}, {"n": 1}, False),
            ("string", {"n": True}, {"n": True}, True),
            ("string", {"n": False}, {"n": 0}, False),
            ("glob", {"n": "1*"}, {"n": 12}, False),
            ("string", {"a": "1", "b": "2"}, {"a": "1"}, False),
            ("string", {"a": "1", "b": "2"}, {"a": "1", "b": "2"}, True),
            ("string", {"/k/ns": "prod"}, {"k": {"ns": "prod"}}, True),
            ("string", {"/k/ns": "prod"}, {"/k/ns": "prod"}, False),
            ("string", {"aud": "strongroom"}, {}, True),
        ],
    )
    async def test_a_bound_claim_holds(
        self, mount: Mount, kind: str, bound: Any, found: dict[str, Any], held: bool
    ) -> None:
        await mount.write("role/app", bound_claims_type=kind, bound_claims=bound)

        if held:
            assert (await enter(mount, **found)).alias == "app"
        else:
            assert "does not hold" in await refusal(mount, signed(claims(**found)))

    async def test_a_bound_subject_holds(self, mount: Mount) -> None:
        await mount.write("role/app", bound_subject="app")

        assert (await enter(mount)).alias == "app"
        assert await refusal(mount, signed(claims(sub="b"))) == "the token is of another subject"


class TestConfig:
    async def test_it_is_shown_without_its_secret(self, issuer: Issuer) -> None:
        mount = Mount(JwtAuth(issuer))
        await mount.write(
            "config",
            oidc_discovery_url=f"{URL}/.well-known/openid-configuration",
            oidc_client_id="us",
            oidc_client_secret="s3cret",
            default_role="Dev",
        )
        told = mount.warnings
        data = shown(await mount.read("config"))

        assert told == (f'modifying provided `OIDCDiscoveryURL` to "{URL}/"',)
        assert data["oidc_discovery_url"] == f"{URL}/"
        assert (data["default_role"], data["status"]) == ("dev", "valid")
        assert "s3cret" not in str(data)
        assert "oidc_client_secret" not in data

    async def test_a_write_replaces_all_of_it(self, mount: Mount) -> None:
        await mount.write("config", oidc_discovery_url=URL, bound_issuer="x")
        await mount.write("config", oidc_discovery_url=URL)

        assert (await mount.read("config"))["bound_issuer"] == ""

    async def test_none_is_not_found(self, issuer: Issuer) -> None:
        with pytest.raises(NotFoundError):
            await Mount(JwtAuth(issuer)).read("config")

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"jwks_url": f"{URL}/keys", "oidc_discovery_url": URL},
            {"jwt_validation_pubkeys": [pem("ES256")], "jwks_url": f"{URL}/keys"},
            {"oidc_discovery_url": URL, "oidc_client_id": "us"},
            {"oidc_discovery_url": URL, "oidc_client_secret": "s"},
            {"jwks_url": f"{URL}/keys", "oidc_client_id": "us", "oidc_client_secret": "s"},
            {"oidc_discovery_url": URL, "jwt_supported_algs": "none"},
            {"oidc_discovery_url": URL, "jwt_supported_algs": "RS256,HS256"},
            {"oidc_discovery_url": URL, "oidc_response_mode": "form_post"},
            {"oidc_discovery_url": URL, "oidc_response_types": "id_token"},
            {"oidc_discovery_url": URL, "provider_config": {"provider": "azure"}},
            {"oidc_discovery_url": URL, "override_allowed_server_names": "x"},
            {"jwt_validation_pubkeys": "nonsense"},
            {"jwt_validation_pubkeys": [pem("ES256")] * 17},
            {"jwt_validation_pubkeys": key("ES256").as_pem(private=True).decode()},
            {"jwks_url": f"{URL}/nothing"},
            {"oidc_discovery_url": "https://other.example"},
        ],
    )
    async def test_what_cannot_be_is_refused(self, issuer: Issuer, given: dict[str, Any]) -> None:
        mount = Mount(JwtAuth(issuer))

        with pytest.raises(InputError):
            await mount.write("config", **given)
        with pytest.raises(NotFoundError):
            await mount.read("config")

    async def test_a_provider_that_is_away_can_be_configured_with_a_warning(
        self, issuer: Issuer
    ) -> None:
        mount = Mount(JwtAuth(issuer))
        issuer.down = True
        await mount.write("config", jwks_url=f"{URL}/keys", skip_jwks_validation=True)
        told = mount.warnings
        data = await mount.read("config")

        assert told == ("error checking jwks URL",)
        assert data["status"] == "invalid"

    @pytest.mark.parametrize(
        "document",
        [
            {"issuer": "https://evil.example"},
            {"issuer": 1},
            {"jwks_uri": None},
            {"jwks_uri": "http://127.0.0.1/keys"},
            {"token_endpoint": "http://127.0.0.1/token"},
        ],
    )
    async def test_a_document_that_leads_elsewhere_is_refused(
        self, issuer: Issuer, document: dict[str, Any]
    ) -> None:
        issuer.document |= document

        with pytest.raises(InputError, match="error checking oidc discovery URL"):
            await Mount(JwtAuth(issuer)).write("config", oidc_discovery_url=URL)

    @pytest.mark.parametrize(
        "keys",
        [
            b"",
            b"[]",
            b'{"keys":[]}',
            b'{"keys":1}',
            b'{"keys":[1,null,{}]}',
            b'{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}',
            b'{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}',
            b'{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}',
            b'{"keys":[{"kty":"OKP","crv":"X25519","x":"' + b"A" * 43 + b'"}]}',
            b'{"keys":[{"kty":"OKP","crv":"Ed1","x":"AA"}]}',
            b'{"keys":[{"kty":"EC","crv":"P-1","x":"AA","y":"AA"}]}',
            b'{"keys":[' + b"{}," * 101 + b"{}]}",
            b'{"keys":[],"keys":[]}',
            b'{"keys":' + b"[" * 5000 + b"]" * 5000 + b"}",
        ],
    )
    async def test_a_key_set_that_is_none_is_refused(self, issuer: Issuer, keys: bytes) -> None:
        issuer.keys = keys

        with pytest.raises(InputError, match="error checking jwks URL"):
            await Mount(JwtAuth(issuer)).write("config", jwks_url=f"{URL}/keys")


class TestKeys:
    async def test_one_fetch_serves_many_logins(self, mount: Mount, issuer: Issuer) -> None:
        for _ in range(20):
            await enter(mount)

        assert issuer.times("/keys") == 1

    async def test_keys_rotate_without_a_restart(self, mount: Mount, issuer: Issuer) -> None:
        await enter(mount)
        issuer.keys = jwks(key("ES256", "two"))
        mount.at += PAUSE.total_seconds() + 1

        proof = await mount.login(role="app", jwt=Secret(signed(claims(), "ES256", "two")))

        assert proof.alias == "app"
        assert issuer.times("/keys") == 2
        assert await refusal(mount, signed(claims())) == "no key of the issuer signed the token"

    async def test_however_many_bad_tokens_fetches_are_few(
        self, mount: Mount, issuer: Issuer
    ) -> None:
        mount.at += PAUSE.total_seconds() + 1
        for number in range(200):
            await refusal(mount, signed(claims(), "ES256", "two", kid=f"unknown-{number}"))

        assert issuer.times("/keys") == 2

    async def test_a_key_that_is_withdrawn_is_gone_soon(self, mount: Mount, issuer: Issuer) -> None:
        issuer.keys = jwks(key("ES256", "two"))
        mount.at += FRESH.total_seconds() + 1

        assert await refusal(mount, signed(claims(exp=AT + 3600))) != ""

    async def test_a_provider_that_is_away_for_a_while_keeps_nobody_out(
        self, mount: Mount, issuer: Issuer
    ) -> None:
        issuer.down = True
        mount.at += FRESH.total_seconds() + 1
        for _ in range(5):
            assert (await enter(mount, exp=AT + 7200)).alias == "app"
        asked = issuer.times("/.well-known/openid-configuration")
        mount.at += STALE.total_seconds()

        with pytest.raises(UpstreamError, match="does not answer"):
            await enter(mount, exp=AT + 7200)
        assert asked == 2

    async def test_a_provider_that_was_never_there_is_asked_now_and_then(
        self, issuer: Issuer
    ) -> None:
        mount = Mount(JwtAuth(issuer))
        issuer.down = True
        await mount.write("config", jwks_url=f"{URL}/keys", skip_jwks_validation=True)
        await mount.write("role/app", **ROLE)
        for _ in range(10):
            with pytest.raises(UpstreamError, match="does not answer"):
                await enter(mount)

        assert issuer.times("/keys") == 2

    async def test_private_halves_in_a_set_are_not_read(self, issuer: Issuer) -> None:
        issuer.keys = {"keys": [key("ES256").as_dict(private=True)]}
        mount = Mount(JwtAuth(issuer))
        await mount.write("config", jwks_url=f"{URL}/keys")
        await mount.write("role/app", **ROLE)

        assert (await enter(mount)).alias == "app"

    @pytest.mark.parametrize(
        "more", [{"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["sign"]}, {"alg": 1}]
    )
    async def test_a_key_for_something_else_signs_nothing(
        self, issuer: Issuer, more: dict[str, Any]
    ) -> None:
        other = jwks(key("RS256", "other"))["keys"]
        issuer.keys = {"keys": [jwks(key("ES256"))["keys"][0] | more, *other]}
        mount = Mount(JwtAuth(issuer))
        await mount.write("config", jwks_url=f"{URL}/keys")
        await mount.write("role/app", **ROLE)

        assert await refusal(mount, signed(claims())) == "no key of the issuer signed the token"


class TestRoles:
    async def test_a_write_keeps_what_it_does_not_name(self, mount: Mount) -> None:
        await mount.write("role/app", token_ttl="5m")
        data = shown(await mount.read("role/app"))

        assert (data["role_type"], data["bound_audiences"]) == ("jwt", ["strongroom"])
        assert (data["token_ttl"], data["callback_mode"]) == (300, "client")
        assert await mount.list("role") == {"keys": ["app"]}

    @pytest.mark.parametrize(
        "given",
        [
            {"role_type": "jwt", "user_claim": "sub"},
            {"role_type": "jwt", "user_claim": "sub", "token_bound_cidrs": "10.0.0.0/8"},
            {"role_type": "jwt", "bound_audiences": "a"},
            {"role_type": "saml"},
            {"user_claim": "sub"},
            ROLE | {"bound_claims": {"a": {}}},
            ROLE | {"bound_claims": {"a": []}},
            ROLE | {"bound_claims": {"a": None}},
            ROLE | {"bound_claims": {"a": ["x", {}]}},
            ROLE | {"bound_claims": {"a": "*"}, "bound_claims_type": "glob"},
            ROLE | {"bound_claims": {"a": 1}, "bound_claims_type": "glob"},
            ROLE | {"bound_claims_type": "regex"},
            ROLE | {"claim_mappings": {"a": "role"}},
            ROLE | {"claim_mappings": {"a": "x", "b": "x"}},
            ROLE | {"verbose_oidc_logging": True},
            ROLE | {"oauth2_metadata": "id_token"},
            ROLE | {"token_policies_template_claims": True},
            ROLE | {"callback_mode": "device"},
            ROLE | {"callback_mode": "direct"},
            ROLE | {"clock_skew_leeway": "2h"},
            ROLE | {"clock_skew_leeway": "-5"},
            ROLE | {"token_ttl": "2h", "token_max_ttl": "1h"},
            ROLE | {"token_policies": "root"},
        ],
    )
    async def test_a_role_that_cannot_be_is_refused(
        self, mount: Mount, given: dict[str, Any]
    ) -> None:
        with pytest.raises(InputError):
            await mount.write("role/new", **given)
        with pytest.raises(NotFoundError):
            await mount.read("role/new")

    @pytest.mark.parametrize(
        "uri",
        [
            "http://app.example/callback",
            "https://user@app.example/callback",
            "https://app.example/callback#x",
            "javascript:alert(1)",
            "//app.example/callback",
            "/callback",
            "https://app.example\\@evil.example/",
            "https:///callback",
        ],
    )
    async def test_a_redirect_that_could_lead_anywhere_is_refused(
        self, mount: Mount, uri: str
    ) -> None:
        with pytest.raises(InputError, match="allowed_redirect_uris"):
            await mount.write("role/new", user_claim="sub", allowed_redirect_uris=[uri])
