"""Tokens that must not get in, each by its name; and that none does which a role does not bind."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwk

from strongroom import app
from strongroom.auth.jwt import JwtAuth
from strongroom.auth.jwt.method import REFUSED
from strongroom.auth.jwt.token import LONGEST, TokenError, parsed
from strongroom.base.errors import DeniedError, UpstreamError
from strongroom.base.globs import matches
from strongroom.base.secret import Secret
from strongroom.core.web import HttpWeb
from strongroom.sdk.web import Question, Response
from strongroom.testing.mount import Mount
from tests.auth.jwt_issuer import (
    AT,
    URL,
    Issuer,
    claims,
    encoded,
    jwks,
    key,
    pem,
    signed,
    signed_raw,
)
from tests.core.system.room import Room, room
from tests.core.test_web import listening

ROLE = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "strongroom"}
EC_HEAD = b'{"alg":"ES256","kid":"one"}'


def body(**more: Any) -> bytes:
    return json.dumps(claims(**more)).encode()


def hmac_keyed_with(text: str) -> Any:
    return jwk.OctKey(text.encode(), text.encode(), {"kid": "one"})


def confused(algorithm: str, text: str) -> str:
    """Sign by HMAC with what everybody knows of the key."""
    head = json.dumps({"alg": algorithm, "kid": "one"}).encode()
    return signed_raw(head, body(), algorithm, hmac_keyed_with(text))


def unsigned(algorithm: str = "none", signature: str = "") -> str:
    head = json.dumps({"alg": algorithm, "kid": "one"}).encode()
    return f"{encoded(head)}.{encoded(body())}.{signature}"


def raw(head: bytes, payload: bytes) -> str:
    return signed_raw(head, payload, "ES256", key("ES256"))


def named(kid: object) -> str:
    return raw(json.dumps({"alg": "ES256", "kid": kid}).encode(), body())


def tampered() -> str:
    head, _, signature = signed(claims()).split(".")
    return f"{head}.{encoded(body(sub='admin'))}.{signature}"


def stretched() -> str:
    """Return a genuine token that is far longer than any is."""
    return signed(claims(more="x" * LONGEST))


BAD: dict[str, Callable[[], str]] = {
    "no token": lambda: "x",
    "two parts": lambda: ".".join(signed(claims()).split(".")[:2]),
    "four parts": lambda: signed(claims()) + ".x",
    "encrypted": lambda: "a.b.c.d.e",
    "white space in it": lambda: signed(claims()).replace(".", ".\n"),
    "padding": lambda: signed(claims()) + "==",
    "other alphabet": lambda: signed(claims()).replace("_", "/") + "+",
    "another issuer": lambda: signed(claims(iss="https://evil.example")),
    "no issuer": lambda: signed(claims(iss=None)),
    "an issuer that begins so": lambda: signed(claims(iss=URL + ".evil.example")),
    "issuers in a list": lambda: signed(claims(iss=[URL])),
    "another audience": lambda: signed(claims(aud="other")),
    "no audience": lambda: signed(claims(aud=None)),
    "audience as an object": lambda: signed(claims(aud={"strongroom": 1})),
    "audience in a list in a list": lambda: signed(claims(aud=[["strongroom"]])),
    "no audiences in a list": lambda: signed(claims(aud=[])),
    "algorithm none": unsigned,
    "algorithm None": lambda: unsigned("None", "AA"),
    "algorithm none with a signature": lambda: unsigned("none", "AA"),
    "algorithm none and a real signature": lambda: unsigned("none", signed(claims()).split(".")[2]),
    "empty signature": lambda: signed(claims()).rpartition(".")[0] + ".",
    "HMAC with the public key in PEM": lambda: confused("HS256", pem("ES256")),
    "HMAC with the public key, stripped": lambda: confused("HS256", pem("ES256").strip()),
    "HMAC with the key set": lambda: confused("HS512", json.dumps(jwks(key("ES256")))),
    "an algorithm of another kind of key": lambda: raw(b'{"alg":"RS256","kid":"one"}', body()),
    "an algorithm of another curve": lambda: raw(b'{"alg":"ES384","kid":"one"}', body()),
    "an algorithm that is none": lambda: raw(b'{"alg":"ES256K","kid":"one"}', body()),
    "an algorithm that is no text": lambda: raw(b'{"alg":["ES256"],"kid":"one"}', body()),
    "no algorithm": lambda: raw(b'{"kid":"one"}', body()),
    "an encryption algorithm": lambda: raw(b'{"alg":"RSA-OAEP","enc":"A128GCM"}', body()),
    "somebody else's key": lambda: signed(claims(), "ES256", "evil", kid="one"),
    "somebody else's key by its own name": lambda: signed(claims(), "ES256", "evil"),
    "tampered claims": tampered,
    "ended": lambda: signed(claims(exp=AT - 61)),
    "ended just now": lambda: signed(claims(exp=AT - 60)),
    "not good yet": lambda: signed(claims(nbf=AT + 61)),
    "from the future": lambda: signed(claims(iat=AT + 61)),
    "no time at all": lambda: signed(claims(exp=None, iat=None)),
    "old, without an end": lambda: signed(claims(exp=None, iat=AT - 211)),
    "an end that is text": lambda: signed(claims(exp=str(AT + 300))),
    "an end that is true": lambda: signed(claims(exp=True)),
    "an end that is a list": lambda: signed(claims(exp=[AT + 300])),
    "an end before 1970": lambda: signed(claims(exp=-1)),
    "an end after the year 9999": lambda: signed(claims(exp=10**15)),
    "an end beyond all numbers": lambda: raw(
        EC_HEAD, body().replace(f'"exp": {AT + 300}'.encode(), b'"exp": 1e999')
    ),
    "an end that is infinite": lambda: raw(
        EC_HEAD, body().replace(f'"exp": {AT + 300}'.encode(), b'"exp": Infinity')
    ),
    "an end that is no number": lambda: raw(
        EC_HEAD, body().replace(f'"exp": {AT + 300}'.encode(), b'"exp": NaN')
    ),
    "an end of ten thousand digits": lambda: raw(
        EC_HEAD, body().replace(f'"exp": {AT + 300}'.encode(), b'"exp": ' + b"9" * 10_000)
    ),
    "two subjects": lambda: raw(EC_HEAD, body()[:-1] + b',"sub":"admin"}'),
    "two audiences by one name": lambda: raw(EC_HEAD, body()[:-1] + b',"aud":"strongroom"}'),
    "two names deep inside": lambda: raw(EC_HEAD, body()[:-1] + b',"x":{"y":1,"y":2}}'),
    "two algorithms": lambda: raw(b'{"alg":"none","alg":"ES256","kid":"one"}', body()),
    "two key ids": lambda: raw(b'{"alg":"ES256","kid":"one","kid":"two"}', body()),
    "an extension that is critical": lambda: raw(
        b'{"alg":"ES256","kid":"one","crit":["exp"],"exp":1}', body()
    ),
    "an empty list of extensions": lambda: raw(b'{"alg":"ES256","kid":"one","crit":[]}', body()),
    "a payload that is not encoded": lambda: raw(
        b'{"alg":"ES256","kid":"one","b64":false,"crit":["b64"]}', body()
    ),
    "its own key": lambda: signed(
        claims(), "ES256", "evil", kid="one", jwk=key("ES256", "evil").as_dict(private=False)
    ),
    "where its key lies": lambda: signed(
        claims(), "ES256", "evil", jku="https://evil.example/keys"
    ),
    "where its certificate lies": lambda: signed(
        claims(), "ES256", "evil", x5u="https://evil.example/cert"
    ),
    "a certificate of its own": lambda: signed(claims(), "ES256", "evil", x5c=["AAAA"]),
    "a key id that is a path": lambda: named("../../../../dev/null"),
    "a key id that is a device": lambda: named("/dev/null"),
    "a key id that is SQL": lambda: named("x' UNION SELECT 'key';--"),
    "a key id that is a command": lambda: named("one|sleep 5"),
    "a key id that is a URL": lambda: named("https://evil.example/keys"),
    "a key id that is huge": lambda: named("k" * 10_000),
    "a key id that is empty": lambda: named(""),
    "a key id that is a number": lambda: named(1),
    "a key id that is an object": lambda: named({"one": 1}),
    "a key id with NUL": lambda: named("one\0"),
    "no JSON": lambda: raw(EC_HEAD, b"sub=app"),
    "a list": lambda: raw(EC_HEAD, b"[" + body() + b"]"),
    "no UTF-8": lambda: raw(EC_HEAD, body(sub="X").replace(b"X", b"\xff")),
    "half a character": lambda: raw(EC_HEAD, body(sub="X").replace(b"X", b"\\ud800")),
    "JSON without end": lambda: raw(EC_HEAD, b"[" * 20_000),
    "JSON nested deep": lambda: raw(EC_HEAD, b'{"a":' * 2_000 + b"1" + b"}" * 2_000),
    "two objects": lambda: raw(EC_HEAD, body() + body()),
    "a token in a token": lambda: raw(EC_HEAD, signed(claims()).encode()),
    "too long": stretched,
    "no subject": lambda: signed(claims(sub=None)),
    "a subject that is a list": lambda: signed(claims(sub=["app"])),
    "a subject that is empty": lambda: signed(claims(sub="")),
    "a subject that is huge": lambda: signed(claims(sub="a" * 600)),
    "a subject with NUL": lambda: signed(claims(sub="app\0")),
    "a subject with a line break": lambda: signed(claims(sub="app\nadmin")),
    "a subject with space about it": lambda: signed(claims(sub=" app")),
    "a subject that reads backwards": lambda: signed(claims(sub="app\u202e")),
}


@pytest.fixture
def issuer() -> Issuer:
    made = Issuer()
    made.keys = jwks(key("ES256"), key("RS256", "rsa"))
    return made


@pytest.fixture
async def mount(issuer: Issuer) -> Mount:
    made = Mount(JwtAuth(issuer))
    await made.write("config", oidc_discovery_url=URL)
    await made.write("role/app", **ROLE)
    return made


async def test_a_good_token_gets_in(mount: Mount) -> None:
    assert (await mount.login(role="app", jwt=Secret(signed(claims())))).alias == "app"


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
async def test_a_bad_token_does_not(mount: Mount, issuer: Issuer, make: Callable[[], str]) -> None:
    with pytest.raises(DeniedError) as caught:
        await mount.login(role="app", jwt=Secret(make()))

    assert "evil" not in str(caught.value)
    assert {each.url.removeprefix(URL) for each in issuer.asked} <= {
        "/.well-known/openid-configuration",
        "/keys",
    }


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
async def test_nor_with_static_keys(issuer: Issuer, make: Callable[[], str]) -> None:
    mount = Mount(JwtAuth(issuer))
    await mount.write("config", jwt_validation_pubkeys=[pem("ES256")], bound_issuer=URL)
    await mount.write("role/app", **ROLE)

    token = make()
    if ".".join(token.split(".")[1:2]) == signed(claims()).split(".")[1]:
        return  # of a static key the name does not matter
    with pytest.raises(DeniedError):
        await mount.login(role="app", jwt=Secret(token))


async def test_an_algorithm_that_is_not_configured_is_refused(mount: Mount) -> None:
    await mount.write("config", oidc_discovery_url=URL, jwt_supported_algs="RS256")

    with pytest.raises(DeniedError, match="the token's algorithm is not taken"):
        await mount.login(role="app", jwt=Secret(signed(claims())))


async def test_an_unknown_role_and_a_bad_token_are_one(mount: Mount) -> None:
    await mount.write("role/people", user_claim="sub", allowed_redirect_uris="https://a.example/x")

    for role in ("app", "none", "people", "../app", "a" * 512):
        with pytest.raises(DeniedError, match="no key of the issuer signed the token"):
            await mount.login(role=role, jwt=Secret(signed(claims(), "ES256", "evil")))
    for role in ("none", "people", "../app"):
        with pytest.raises(DeniedError, match="there is no such role"):
            await mount.login(role=role, jwt=Secret(signed(claims())))


class TestTimes:
    @pytest.mark.parametrize(
        ("leeways", "more", "held"),
        [
            ({}, {"exp": AT - 59}, True),
            ({}, {"exp": AT - 60}, False),
            ({"clock_skew_leeway": -1}, {"exp": AT}, False),
            ({"clock_skew_leeway": -1}, {"exp": AT + 1}, True),
            ({"clock_skew_leeway": 10}, {"exp": AT - 9}, True),
            ({"clock_skew_leeway": 10}, {"exp": AT - 10}, False),
            ({}, {"exp": None, "iat": AT - 209}, True),
            ({}, {"exp": None, "iat": AT - 210}, False),
            ({"expiration_leeway": 10}, {"exp": None, "iat": AT - 70}, False),
            ({"expiration_leeway": -1}, {"exp": None, "iat": AT - 60}, False),
            ({}, {"iat": None, "exp": AT + 209}, True),
            ({}, {"iat": None, "exp": AT + 211}, False),
            ({"not_before_leeway": 600}, {"iat": None, "exp": AT + 660}, True),
            ({}, {"nbf": AT + 60}, True),
            ({}, {"nbf": AT + 61}, False),
            ({}, {"iat": AT + 60}, True),
            ({}, {"exp": AT + 0.5}, True),
        ],
    )
    async def test_times_hold_with_their_leeway(
        self, mount: Mount, leeways: dict[str, int], more: dict[str, Any], held: bool
    ) -> None:
        await mount.write("role/app", **leeways)

        token = Secret(signed(claims(**more)))
        if held:
            assert (await mount.login(role="app", jwt=token)).alias == "app"
        else:
            with pytest.raises(DeniedError):
                await mount.login(role="app", jwt=token)


# -- whatever the claims are -----------------------------------------------------------------------

VALUE = st.recursive(
    st.one_of(
        st.sampled_from(["acme/app", "acme/", "acme/app/x", "*", "", "production", "staging"]),
        st.booleans(),
        st.integers(-2, 2),
        st.none(),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
NAMES = st.sampled_from(["repository", "environment", "sub", "aud", "iss", "n", "k", "exp", "nbf"])
BOUND = {"repository": ["acme/app", "acme/lib*"], "environment": "production", "n": "1"}


def satisfies(found: dict[str, Any]) -> bool:
    """Say by other means whether claims are what the role of the property test binds."""

    def texts(name: str) -> list[str]:
        value = found.get(name)
        return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]

    fits = [v == "acme/app" or v.startswith("acme/lib") for v in texts("repository")]
    return any(fits) and "production" in texts("environment") and "1" in texts("n")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(extra=st.dictionaries(NAMES, VALUE, max_size=6), near=st.booleans())
async def test_no_claims_get_in_that_the_role_does_not_bind(
    extra: dict[str, Any], near: bool
) -> None:
    mount = Mount(JwtAuth(Issuer()))
    await mount.write("config", oidc_discovery_url=URL)
    await mount.write("role/app", **ROLE, bound_claims_type="glob", bound_claims=BOUND)
    good = {"repository": "acme/app", "environment": "production", "n": "1"} if near else {}
    found = claims() | good | extra
    try:
        proof = await mount.login(role="app", jwt=Secret(signed(found)))
    except DeniedError:
        if extra.keys().isdisjoint({"sub", "aud", "iss", "exp", "nbf"}):
            assert not satisfies(found)
        return
    assert satisfies(found)
    assert found["iss"] == URL
    assert proof.alias == found["sub"]
    assert "strongroom" in found["aud"]


@given(pattern=st.text("ab*", max_size=8), text=st.text("ab*", max_size=8))
def test_globs_are_what_they_say(pattern: str, text: str) -> None:
    def slowly(p: str, t: str) -> bool:
        if not p:
            return not t
        if p[0] == "*":
            return slowly(p[1:], t) or (bool(t) and slowly(p, t[1:]))
        return bool(t) and p[0] == t[0] and slowly(p[1:], t[1:])

    assert matches(pattern, text) == slowly(pattern, text)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda b: f"{encoded(b)}.e30.AA"))
def test_any_text_is_a_token_or_a_token_error(text: str) -> None:
    with suppress(TokenError):
        assert parsed(text).algorithm


# -- providers that hang or grow, over the real network --------------------------------------------


class Slow:
    """Answers as an issuer does, after a while; says how many ask at once."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer, self.now, self.most = issuer, 0, 0

    async def ask(self, question: Question) -> Response:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.05)
        self.now -= 1
        return await self.issuer.ask(question)


async def test_all_who_wait_share_one_fetch(issuer: Issuer) -> None:
    slow = Slow(issuer)
    mount = Mount(JwtAuth(slow))
    await mount.write("config", jwks_url=f"{URL}/keys")
    await mount.write("role/app", **ROLE)
    mount.at += 400
    token = Secret(signed(claims(exp=AT + 3600)))

    proofs = await asyncio.gather(*(mount.login(role="app", jwt=token) for _ in range(50)))

    assert {proof.alias for proof in proofs} == {"app"}
    assert (slow.most, issuer.times("/keys")) == (1, 2)


@pytest.mark.parametrize("kind", ["hangs", "grows"])
async def test_a_key_set_that_hangs_or_grows_ends_in_time(kind: str) -> None:
    def serve(sock: Any, _head: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if kind == "grows":
                sock.sendall(b'{"keys":[' + b" " * 65536)
            else:
                time.sleep(0.1)
                sock.sendall(b" ")

    with listening(serve) as port:
        mount = Mount(JwtAuth(HttpWeb()))
        url = f"http://127.0.0.1:{port}/keys"
        started = time.monotonic()
        await mount.write("config", jwks_url=url, skip_jwks_validation=True)
        await mount.write("role/app", **ROLE)
        with pytest.raises(UpstreamError) as caught:
            await mount.login(role="app", jwt=Secret(signed(claims())))

    assert time.monotonic() - started < 12
    assert str(caught.value) == "the provider of the keys does not answer"


# -- what a stranger is told, and what is on record ------------------------------------------------


@pytest.fixture
async def ours(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Room]:
    monkeypatch.setattr(app, "METHODS", {**app.METHODS, "jwt": JwtAuth(issuer)})
    async with room(tmp_path) as made:
        await made.mount("auth/jwt/", "jwt")
        answer = await made.ask("POST", "auth/jwt/config", {"oidc_discovery_url": URL})
        assert answer.status == 204
        await made.ask("POST", "auth/jwt/role/app", ROLE)
        yield made


@pytest.mark.parametrize("make", [BAD["algorithm none"], BAD["ended"], BAD["two subjects"]])
async def test_a_stranger_who_is_refused_is_on_record(ours: Room, make: Callable[[], str]) -> None:
    given = {"role": "app", "jwt": make()}
    await ours.ask("POST", "auth/jwt/login", given, token="", address="192.0.2.7")
    entry = await ours.last()

    assert entry["metadata"]["event_code"] == "auth.login"
    assert entry["src_endpoint"]["ip"] == "192.0.2.7"


async def test_every_refusal_is_one_answer_and_an_entry_with_its_reason(ours: Room) -> None:
    """As somebody who is known: what strangers repeat is counted, not written down each time."""
    for name, make in BAD.items():
        token, before = make(), ours.server.log.size
        answer = await ours.ask("POST", "auth/jwt/login", {"role": "app", "jwt": token})
        entry = await ours.last()

        assert (answer.status, answer.errors) == (400, [REFUSED]), name
        assert ours.server.log.size == before + 1, name
        assert entry["metadata"]["event_code"] == "auth.login", name
        assert entry["status_id"] == 2, name
        assert entry["unmapped"]["because"], name
        assert len(token) < 20 or token not in json.dumps(entry), name


async def test_a_good_one_is_a_token_of_fifteen_minutes(ours: Room) -> None:
    given = {"role": "app", "jwt": signed(claims())}
    answer = await ours.ask("POST", "auth/jwt/login", given, token="")

    assert answer.status == 200
    assert answer.auth["lease_duration"] == 900
    assert answer.auth["metadata"] == {"role": "app"}


async def test_a_provider_that_is_away_is_told_as_such_and_no_more(
    ours: Room, issuer: Issuer
) -> None:
    issuer.down = True
    ours.clock.advance(timedelta(hours=2))
    given = {"role": "app", "jwt": signed(claims())}
    answer = await ours.ask("POST", "auth/jwt/login", given, token="")

    assert (answer.status, answer.errors) == (502, ["the provider of the keys does not answer"])
    assert (await ours.last())["status_id"] == 2
