"""People sent to an OIDC provider and back, and what somebody in between may try."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from strongroom.auth.jwt import OidcAuth
from strongroom.auth.jwt.flow import MOST_FROM_ONE, MOST_PENDING, PENDING
from strongroom.base.errors import DeniedError, InputError, LimitError, UpstreamError
from strongroom.sdk.auth import Proof
from strongroom.sdk.web import Question, Response
from strongroom.testing.mount import Mount
from tests.auth.jwt_issuer import AT, URL, Issuer, claims, client_of, encoded, form, said, signed

BACK = "https://console.example/ui/callback"
CLI = "http://localhost:8250/oidc/callback"
CONFIG = {
    "oidc_discovery_url": URL,
    "oidc_client_id": "us",
    "oidc_client_secret": "s3cr:et/",
    "jwt_supported_algs": "ES256",
    "default_role": "dev",
}


class Provider(Issuer):
    """An issuer whose token endpoint gives `claims` for the code `good`, once."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[str, Any] = {}
        self.signing = "one"
        self.spent: list[str] = []
        self.token = self.give

    def give(self, question: Question) -> Response:
        code = form(question)["code"]
        if code != "good" or code in self.spent:
            return said({"error": "invalid_grant"}, 400)
        self.spent.append(code)
        usual = claims(aud="us", azp="us", sub="ada") | self.claims
        found = {k: v for k, v in usual.items() if v is not None}
        given = {"id_token": signed(found, "ES256", self.signing, kid="one"), "access_token": "at"}
        return said(given)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def mount(provider: Provider) -> Mount:
    made = Mount(OidcAuth(provider))
    await made.write("config", **CONFIG)
    await made.write("role/dev", user_claim="sub", allowed_redirect_uris=[BACK, CLI])
    return made


async def sent(mount: Mount, redirect: str = BACK, **more: object) -> dict[str, str]:
    """Begin a login; return what the browser is to bring to the provider."""
    reply = await mount.write("oidc/auth_url", redirect_uri=redirect, **more)
    return {k: v for k, [v] in parse_qs(urlsplit(reply["auth_url"]).query).items()}


async def back(mount: Mount, asked: dict[str, str], provider: Provider, **more: object) -> Proof:
    """Come back from the provider by reading."""
    provider.claims.setdefault("nonce", asked["nonce"])
    return await mount.login_at(
        "oidc/callback", query={"state": asked["state"], "code": "good", **more}
    )


async def refused(mount: Mount, asked: dict[str, str], provider: Provider, **more: object) -> str:
    with pytest.raises(DeniedError) as caught:
        await back(mount, asked, provider, **more)
    return str(caught.value)


class TestThere:
    async def test_the_browser_is_sent_with_state_nonce_and_challenge(self, mount: Mount) -> None:
        await mount.write("role/dev", oidc_scopes="groups,openid", max_age="1h")
        reply = await mount.write("oidc/auth_url", redirect_uri=BACK)
        asked = await sent(mount)

        assert reply["auth_url"].startswith(f"{URL}/authorize?")
        assert asked["redirect_uri"] == BACK
        assert (asked["client_id"], asked["response_type"]) == ("us", "code")
        assert asked["scope"] == "openid groups"
        assert (asked["code_challenge_method"], asked["max_age"]) == ("S256", "3600")
        assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43

    async def test_no_two_logins_share_anything(self, mount: Mount) -> None:
        found = [await sent(mount) for _ in range(5)]

        for name in ("state", "nonce", "code_challenge"):
            assert len({asked[name] for asked in found}) == 5

    async def test_nothing_that_is_stored_is_the_state(self, mount: Mount) -> None:
        asked = await sent(mount)

        assert asked["state"] not in str(mount.store.records)
        assert asked["nonce"] not in str(mount.store.records)

    @pytest.mark.parametrize(
        "uri",
        [
            "https://evil.example/ui/callback",
            "https://console.example/ui/callback/../evil",
            "https://console.example/ui/callback?x=1",
            "https://console.example/ui/callback/",
            "https://console.example:444/ui/callback",
            "https://console.example@evil.example/ui/callback",
            "https://console.example.evil.example/ui/callback",
            "HTTPS://console.example/ui/callback",
            "http://console.example/ui/callback",
            "https://console.example/ui/callback#@evil.example",
            "http://localhost.evil.example:8250/oidc/callback",
            "http://localhost:8250@evil.example/oidc/callback",
            "http://localhost:8250/oidc/callback/../x",
            "http://127.0.0.1:8250/oidc/callback",
            "http://localhost:99999/oidc/callback",
            "http://localhost:8250\\@evil.example/oidc/callback",
            "//console.example/ui/callback",
            "javascript:alert(1)",
        ],
    )
    async def test_a_redirect_that_is_not_listed_goes_nowhere(self, mount: Mount, uri: str) -> None:
        assert await mount.write("oidc/auth_url", redirect_uri=uri) == {"auth_url": ""}

    async def test_a_client_of_this_machine_may_listen_at_any_port(self, mount: Mount) -> None:
        asked = await sent(mount, "http://localhost:51234/oidc/callback")

        assert asked["redirect_uri"] == "http://localhost:51234/oidc/callback"

    async def test_an_unknown_role_goes_nowhere_either(self, mount: Mount) -> None:
        await mount.write("role/ci", role_type="jwt", user_claim="sub", bound_audiences="a")

        for role in ("none", "ci", "../dev"):
            reply = await mount.write("oidc/auth_url", role=role, redirect_uri=BACK)
            assert reply == {"auth_url": ""}

    async def test_what_is_missing_is_said(self, provider: Provider, mount: Mount) -> None:
        with pytest.raises(InputError, match="missing redirect_uri"):
            await mount.write("oidc/auth_url")
        await mount.write("config", **CONFIG | {"default_role": ""})
        with pytest.raises(InputError, match="missing role"):
            await mount.write("oidc/auth_url", redirect_uri=BACK)
        await mount.write("config", oidc_discovery_url=URL)
        with pytest.raises(InputError, match="OIDC login is not configured for this mount"):
            await mount.write("oidc/auth_url", redirect_uri=BACK)

    async def test_logins_that_nobody_ends_are_bounded(self, mount: Mount) -> None:
        for number in range(MOST_PENDING):
            mount.address = f"192.0.2.{number % 10}"
            await sent(mount)
        mount.address = "192.0.2.77"
        with pytest.raises(LimitError):
            await sent(mount)
        mount.at += PENDING.total_seconds() + 1

        await sent(mount)
        assert len([name for name in mount.store.records if name.startswith("state/")]) < 1000

    async def test_one_address_that_ends_none_keeps_no_other_out(self, mount: Mount) -> None:
        mount.address = "192.0.2.1"
        for _ in range(MOST_FROM_ONE):
            await sent(mount)
        with pytest.raises(LimitError):
            await sent(mount)
        mount.address = "192.0.2.2"

        assert (await sent(mount))["state"]


class TestBack:
    async def test_a_person_comes_in(self, mount: Mount, provider: Provider) -> None:
        proof = await back(mount, await sent(mount), provider)

        assert (proof.alias, proof.shown_by, proof.role) == ("ada", "oidc", "dev")
        assert not proof.workload

    async def test_the_code_is_exchanged_with_verifier_and_secret(
        self, mount: Mount, provider: Provider
    ) -> None:
        asked = await sent(mount)
        await back(mount, asked, provider)

        [question] = [each for each in provider.asked if each.url.endswith("/token")]
        given = form(question)
        challenge = encoded(sha256(given["code_verifier"].encode()).digest())
        assert challenge == asked["code_challenge"]
        assert (given["redirect_uri"], given["grant_type"]) == (BACK, "authorization_code")
        assert client_of(question) == "us:s3cr%3Aet%2F"

    async def test_a_provider_may_want_the_secret_in_the_form(
        self, mount: Mount, provider: Provider
    ) -> None:
        provider.document["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        await mount.write("config", **CONFIG)
        await back(mount, await sent(mount), provider)

        [question] = [each for each in provider.asked if each.url.endswith("/token")]
        assert form(question)["client_secret"] == "s3cr:et/"
        assert "Authorization" not in question.headers

    async def test_writing_is_another_way_back(self, mount: Mount, provider: Provider) -> None:
        asked = await sent(mount)
        provider.claims["nonce"] = asked["nonce"]

        proof = await mount.login_at("oidc/callback", state=asked["state"], code="good")

        assert proof.alias == "ada"

    async def test_groups_and_factors_come_along(self, mount: Mount, provider: Provider) -> None:
        await mount.write("role/dev", groups_claim="groups", mfa_amr_values="hwk")
        provider.claims = {"groups": ["sre"], "amr": ["pwd", "hwk"]}

        proof = await back(mount, await sent(mount), provider)

        assert (proof.groups, proof.factors) == (("sre",), ("amr:hwk",))

    async def test_userinfo_adds_and_never_overrides(
        self, mount: Mount, provider: Provider
    ) -> None:
        provider.document["userinfo_endpoint"] = f"{URL}/userinfo"
        provider.userinfo = {"sub": "ada", "groups": ["sre"], "email": "x@y", "amr": ["hwk"]}
        await mount.write("config", **CONFIG)
        mappings = {"email": "email"}
        await mount.write(
            "role/dev", groups_claim="groups", claim_mappings=mappings, mfa_amr_values="hwk"
        )
        provider.claims = {"email": "signed@y"}

        proof = await back(mount, await sent(mount), provider)

        assert (proof.groups, proof.metadata["email"]) == (("sre",), "signed@y")
        assert proof.factors == ()
        [question] = [each for each in provider.asked if each.url.endswith("/userinfo")]
        assert question.headers["Authorization"] == "Bearer at"

    async def test_userinfo_of_somebody_else_is_not_taken(
        self, mount: Mount, provider: Provider
    ) -> None:
        provider.document["userinfo_endpoint"] = f"{URL}/userinfo"
        provider.userinfo = {"sub": "eve", "groups": ["root"]}
        await mount.write("config", **CONFIG)
        await mount.write("role/dev", groups_claim="groups")

        said = await refused(mount, await sent(mount), provider)

        assert said == "the groups claim is no list of names"

    async def test_bindings_hold_here_too(self, mount: Mount, provider: Provider) -> None:
        await mount.write("role/dev", bound_claims={"hd": "acme.example"})

        assert "does not hold" in await refused(mount, await sent(mount), provider)


class TestStates:
    async def test_a_state_is_good_once(self, mount: Mount, provider: Provider) -> None:
        asked = await sent(mount)
        await back(mount, asked, provider)

        assert await refused(mount, asked, provider) == "no such login is under way"

    async def test_a_state_that_failed_is_used_up(self, mount: Mount, provider: Provider) -> None:
        asked = await sent(mount)
        first = await refused(mount, asked, provider, code="bad")
        second = await refused(mount, asked, provider, code="good")

        assert first == "the provider does not take the code"
        assert second == "the state came with another code before"
        assert provider.times("/token") == 1

    async def test_a_callback_that_is_served_again_asks_once(
        self, mount: Mount, provider: Provider
    ) -> None:
        """As when somebody else wrote meanwhile: what it did is dropped, and it is done anew."""
        asked = await sent(mount)
        provider.claims["nonce"] = asked["nonce"]
        before = dict(mount.store.rows)
        await back(mount, asked, provider)
        mount.store.rows = before

        proof = await back(mount, asked, provider)

        assert proof.alias == "ada"
        assert provider.times("/token") == 1

    async def test_a_state_ends(self, mount: Mount, provider: Provider) -> None:
        asked = await sent(mount)
        mount.at += PENDING.total_seconds()

        assert await refused(mount, asked, provider) == "no such login is under way"

    @pytest.mark.parametrize("state", ["", "x", "0" * 54, "../../config", "\u0661" * 11 + "x"])
    async def test_no_other_state_is_one(
        self, mount: Mount, provider: Provider, state: str
    ) -> None:
        asked = await sent(mount)

        assert (
            await refused(mount, asked | {"state": state}, provider) == "no such login is under way"
        )

    async def test_a_state_of_another_mount_is_none(self, mount: Mount, provider: Provider) -> None:
        other = Mount(OidcAuth(provider), path="other/")
        await other.write("config", **CONFIG)
        await other.write("role/dev", user_claim="sub", allowed_redirect_uris=[BACK])
        asked = await sent(other)

        assert await refused(mount, asked, provider) == "no such login is under way"

    async def test_the_client_that_began_must_end(self, mount: Mount, provider: Provider) -> None:
        asked = await sent(mount, client_nonce="mine")

        assert await refused(mount, asked, provider) == "another client began the login"
        assert await refused(mount, asked, provider, client_nonce="x") != ""
        assert (await back(mount, asked, provider, client_nonce="mine")).alias == "ada"

    async def test_a_role_that_changed_meanwhile_ends_it(
        self, mount: Mount, provider: Provider
    ) -> None:
        asked = await sent(mount)
        await mount.write("role/dev", allowed_redirect_uris=[CLI])

        assert "role has changed" in await refused(mount, asked, provider)

    async def test_a_configuration_that_changed_meanwhile_ends_it(
        self, mount: Mount, provider: Provider
    ) -> None:
        asked = await sent(mount)
        await mount.write("config", **CONFIG | {"oidc_client_id": "other"})

        assert "configuration has changed" in await refused(mount, asked, provider)

    async def test_a_refusal_at_the_provider_is_one_here(
        self, mount: Mount, provider: Provider
    ) -> None:
        asked = await sent(mount)

        said = await refused(mount, asked, provider, error="access_denied", error_description="<b>")

        assert said == "the provider refused"
        assert provider.times("/token") == 0

    async def test_no_code_is_none(self, mount: Mount, provider: Provider) -> None:
        asked = await sent(mount)

        assert await refused(mount, asked, provider, code="") == "the provider gave no code"
        with pytest.raises(DeniedError):
            await mount.login_at("oidc/callback", state=asked["state"], id_token=signed(claims()))


class TestMixUp:
    async def test_a_callback_of_another_issuer_sends_no_code(
        self, mount: Mount, provider: Provider
    ) -> None:
        asked = await sent(mount)

        said = await refused(mount, asked, provider, iss="https://evil.example")

        assert said == "the callback is of another provider"
        assert provider.times("/token") == 0

    @pytest.mark.parametrize(("redirect", "held"), [(BACK, False), (CLI, True)])
    async def test_a_provider_that_names_itself_must_be_named(
        self, mount: Mount, provider: Provider, redirect: str, held: bool
    ) -> None:
        provider.document["authorization_response_iss_parameter_supported"] = True
        await mount.write("config", **CONFIG)
        asked = await sent(mount, redirect)

        if held:
            assert (await back(mount, asked, provider)).alias == "ada"
        else:
            said = await refused(mount, asked, provider)
            assert said == "the callback does not name the provider"

    async def test_the_right_name_is_taken(self, mount: Mount, provider: Provider) -> None:
        assert (await back(mount, await sent(mount), provider, iss=URL)).alias == "ada"


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "other"},
    "no nonce": {"nonce": None},
    "a nonce that is a number": {"nonce": 7},
    "another client": {"aud": "them", "azp": "them"},
    "no client": {"aud": None},
    "several clients, asked for by nobody": {"aud": ["us", "them"], "azp": None},
    "asked for by another client": {"aud": ["us", "them"], "azp": "them"},
    "another issuer": {"iss": "https://evil.example"},
    "ended": {"exp": AT - 61},
    "without an end": {"exp": None},
    "without a beginning": {"iat": None},
    "from the future": {"iat": AT + 61},
    "an old login": {"auth_time": AT - 3600 - 61},
    "a login of no time": {"auth_time": None},
    "a login of a time that is none": {"auth_time": "now"},
    "nobody": {"sub": None},
}


@pytest.mark.parametrize("more", BAD_CLAIMS.values(), ids=BAD_CLAIMS.keys())
async def test_an_id_token_that_is_not_for_this_login_is_refused(
    mount: Mount, provider: Provider, more: dict[str, Any]
) -> None:
    await mount.write("role/dev", max_age="1h")
    asked = await sent(mount)
    provider.claims = {"auth_time": AT - 10, "nonce": asked["nonce"]} | more

    with pytest.raises(DeniedError):
        await back(mount, asked, provider)


async def test_an_id_token_that_somebody_else_signed_is_refused(
    mount: Mount, provider: Provider
) -> None:
    provider.signing = "evil"

    said = await refused(mount, await sent(mount), provider)

    assert said == "no key of the issuer signed the token"


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"id_token":1}', b"<html>"])
async def test_a_token_endpoint_that_gives_no_token_is_a_failure_of_the_provider(
    mount: Mount, provider: Provider, answer: bytes
) -> None:
    provider.token = lambda _question: said(answer)

    with pytest.raises(UpstreamError, match="gave no token"):
        await back(mount, await sent(mount), provider)


async def test_an_id_token_is_no_token_for_a_workload(mount: Mount, provider: Provider) -> None:
    with pytest.raises(DeniedError, match="there is no such role for tokens"):
        await mount.login(role="dev", jwt=signed(claims(aud="us")))


async def test_nothing_printed_holds_a_secret(mount: Mount) -> None:
    await sent(mount, client_nonce="n0nce")

    printed = f"{mount.store.records!r}"
    assert "s3cr" not in printed
    assert "n0nce" not in printed
    assert json.dumps(await mount.read("config")).count("s3cr") == 0
