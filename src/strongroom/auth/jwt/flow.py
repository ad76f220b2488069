"""A person's login at an OIDC provider: sent there, and come back with a code.

Specs   OpenID Connect Core 1.0 (authorization code), RFC 7636 (PKCE, S256), RFC 9207 (issuer).
Units   A login that was begun must be ended within five minutes.
Order   `auth_url` stores the login under its state. The callback exchanges the code, judges the
        token, and deletes what was stored: a state is good once. A callback that is served again,
        since somebody else wrote meanwhile, does not ask the provider again: what became of the
        code is remembered for as long as the state stands, a failure too.
Limits  A thousand logins may be under way at a mount, a fifth of them begun from one address; who
        begins more has to wait.
Trust   The state is bound to role, redirect URI, provider and client; the nonce binds the token to
        it, the verifier the code. A callback that names another issuer is refused before the code
        is sent anywhere, and so is one that names none where the provider says that it does;
        except that a client on the user's own machine may not pass it on. What `userinfo` adds
        never overrides what was signed.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from base64 import b64encode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from strongroom.auth.jwt.bindings import ClaimsError
from strongroom.auth.jwt.provider import LARGEST, PATIENCE, Known
from strongroom.auth.jwt.roles import Role, allows_redirect, find_role, is_here
from strongroom.auth.jwt.settings import Config, find_config
from strongroom.auth.jwt.token import JsonError, parse_object, seconds
from strongroom.base.errors import DeniedError, InputError, LimitError, UpstreamError
from strongroom.base.secret import Secret
from strongroom.sdk.engine import Call, Help, Reply
from strongroom.sdk.web import Question, Response, Web

PENDING: Final = timedelta(minutes=5)
MOST_PENDING: Final = 1_000
MOST_FROM_ONE: Final = MOST_PENDING // 5  # so that nobody alone keeps all others out
SWEPT: Final = 16  # ended ones that a new one takes away
MOST_REMEMBERED: Final = 1_024
REFUSED: Final = "OIDC login failed"
_PREFIX: Final = "state/"
_FORM: Final = re.compile(r"[0-9]{11}[0-9a-f]{8}")  # its end, and whose address (a keyed digest)
_OK: Final = 200
_CLIENT_ERRORS: Final = range(400, 500)
_SIGNED_ONLY: Final = frozenset(
    {"iss", "aud", "exp", "nbf", "iat", "sub", "nonce", "azp", "acr", "amr", "auth_time"}
)


@dataclass(frozen=True, kw_only=True)
class Start:
    """A login that is to begin."""

    role: Annotated[str, Help("Role; left out, the default one.", most=512)] = ""
    redirect_uri: Annotated[str, Help("Where to come back to.", most=2048)] = ""
    client_nonce: Annotated[str, Help("To be sent at the callback again.", most=512)] = ""


@dataclass(frozen=True, kw_only=True)
class Callback:
    """What a browser brings back."""

    state: Annotated[str, Help("State of the login.", most=512)] = ""
    code: Annotated[str, Help("Authorization code.", most=8192)] = ""
    client_nonce: Annotated[str, Help("As at the start.", most=512)] = ""
    iss: Annotated[str, Help("Who says so (RFC 9207).", most=2048)] = ""
    error: Annotated[str, Help("Why there is no code.", most=512)] = ""
    error_description: Annotated[str, Help("The same in words; not used.")] = ""
    error_uri: Annotated[str, Help("The same at length; not used.")] = ""
    id_token: Annotated[Secret | None, Help("Not used; a code is.")] = None
    confirmation: Annotated[str, Help("Not used.")] = ""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A login that was begun, as stored under its state."""

    role: str
    redirect_uri: str
    client_nonce: Secret
    nonce: Secret
    verifier: Secret
    config: str
    ends_at: datetime


class Flow:
    """Sends people to the provider, and takes the codes that they bring back."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._exchanged: OrderedDict[str, _Exchanged] = OrderedDict()

    # -- there

    async def begin(self, call: Call, given: Start, config: Config, known: Known) -> Reply:
        """Return where to send the browser; nothing where role or redirect URI are not for it."""
        name = (given.role or config.default_role).lower()
        role = await find_role(call, name)
        if role is None or role.role_type != "oidc":
            return Reply({"auth_url": ""})
        if not allows_redirect(role, given.redirect_uri):
            return Reply({"auth_url": ""})
        endpoint = known.text("authorization_endpoint")
        if not endpoint or not known.text("token_endpoint"):
            raise UpstreamError("the provider has no endpoints for logins")
        came_from = call.fingerprint(call.address.encode())[:4].hex()
        await _make_room(call, came_from)
        ends_at = call.now + PENDING
        secret = [_text(call.entropy(32)) for _ in range(3)]
        state = f"{int(ends_at.timestamp()):011d}{came_from}{secret[0]}"
        pending = Pending(
            role=name,
            redirect_uri=given.redirect_uri,
            client_nonce=Secret(given.client_nonce),
            nonce=Secret(secret[1]),
            verifier=Secret(secret[2]),
            config=config.digest(),
            ends_at=ends_at,
        )
        await call.store.put(_key(state), pending)
        asked = {
            "response_type": "code",
            "client_id": config.oidc_client_id,
            "redirect_uri": given.redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *role.oidc_scopes))),
            "state": state,
            "nonce": secret[1],
            "code_challenge": _text(sha256(secret[2].encode()).digest()),
            "code_challenge_method": "S256",
        }
        if role.max_age:
            asked["max_age"] = str(int(role.max_age.total_seconds()))
        joint = "&" if "?" in endpoint else "?"
        return Reply({"auth_url": f"{endpoint}{joint}{urlencode(asked)}"})

    # -- and back

    async def pending(self, call: Call, given: Callback) -> tuple[str, Pending, Role, Config]:
        """Return the login that a callback ends; DeniedError where there is none such."""
        key = _key(given.state)
        begun = _FORM.match(given.state)
        held = await call.store.find(key, Pending) if begun else None
        if held is None or held.value.ends_at <= call.now:
            raise DeniedError("no such login is under way")
        found = held.value
        if not hmac.compare_digest(
            found.client_nonce.reveal(), given.client_nonce.encode("utf-8", "surrogatepass")
        ):
            raise DeniedError("another client began the login")
        config, role = await find_config(call), await find_role(call, found.role)
        if config is None or not config.serves_oidc or config.digest() != found.config:
            raise DeniedError("the configuration has changed since the login began")
        if (
            role is None
            or role.role_type != "oidc"
            or not allows_redirect(role, found.redirect_uri)
        ):
            raise DeniedError("the role has changed since the login began")
        return key, found, role, config

    async def exchange(
        self, call: Call, given: Callback, pending: Pending, config: Config, known: Known
    ) -> Mapping[str, Any]:
        """Return what the provider gives for the code: once, however often this is asked."""
        _check_issuer(given, pending, known)
        if not given.code:
            raise DeniedError("the provider gave no code")
        question = _token_question(given.code, pending, config, known)
        return await self._once(call, given, question)

    async def _once(self, call: Call, given: Callback, question: Question) -> Mapping[str, Any]:
        state = sha256(given.state.encode()).hexdigest()
        code = sha256(given.code.encode("utf-8", "surrogatepass")).hexdigest()
        exchanged = self._exchanged.get(state)
        if exchanged is None:
            future = asyncio.get_running_loop().create_future()
            exchanged = _Exchanged(code, call.now + PENDING, future)
            self._exchanged[state] = exchanged
            self._forget(call.now)
            await self._ask(exchanged, question)
        if not hmac.compare_digest(exchanged.code, code):
            raise DeniedError("the state came with another code before")
        await asyncio.wait([exchanged.tokens])
        return exchanged.tokens.result()

    async def _ask(self, exchanged: _Exchanged, question: Question) -> None:
        try:
            tokens = _tokens(await self._web.ask(question))
        except (DeniedError, InputError, UpstreamError) as error:
            exchanged.tokens.set_exception(error)
            exchanged.tokens.exception()  # whoever asked is told below
        except BaseException:
            exchanged.tokens.cancel()
            raise
        else:
            exchanged.tokens.set_result(tokens)

    def _forget(self, now: datetime) -> None:
        while self._exchanged:
            oldest = next(iter(self._exchanged))
            ended = self._exchanged[oldest].ends_at <= now
            if not ended and len(self._exchanged) <= MOST_REMEMBERED:
                return
            del self._exchanged[oldest]

    async def with_userinfo(
        self, claims: Mapping[str, Any], tokens: Mapping[str, Any], config: Config, known: Known
    ) -> dict[str, Any]:
        """Return the claims, and what else the provider says of the user, where it does."""
        endpoint, access = known.text("userinfo_endpoint"), tokens.get("access_token")
        own = dict(claims)
        if not endpoint or not isinstance(access, str) or not access.isascii():
            return own
        question = Question(
            url=endpoint,
            headers={"Authorization": f"Bearer {access}", "Accept": "application/json"},
            authorities=config.oidc_discovery_ca_pem,
            within=PATIENCE,
            most=LARGEST,
        )
        try:
            answer = await self._web.ask(question)
            more = parse_object(answer.body) if answer.status == _OK else {}
        except (UpstreamError, InputError, JsonError):
            return own
        if more.get("sub") != own.get("sub"):
            return own
        return {k: v for k, v in more.items() if k not in _SIGNED_ONLY} | own


@dataclass(frozen=True, slots=True)
class _Exchanged:
    """What became of a code. `code` is a digest of it."""

    code: str
    ends_at: datetime
    tokens: asyncio.Future[Mapping[str, Any]]


def check_login(
    claims: Mapping[str, Any], came: Pending, role: Role, config: Config, now: datetime
) -> None:
    """Raise ClaimsError unless an ID token answers just this login (OIDC Core 3.1.3.7).

    Issuer and times are judged elsewhere, as of every token.
    """
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        came.nonce.reveal(), nonce.encode("utf-8", "surrogatepass")
    ):
        raise ClaimsError("the token is of another login")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or config.oidc_client_id not in audiences:
        raise ClaimsError("the token is for another client")
    presenter = claims.get("azp")
    if presenter is None and len(audiences) > 1:
        raise ClaimsError("the token is for several clients, and does not say who asked")
    if presenter is not None and presenter != config.oidc_client_id:
        raise ClaimsError("the token was asked for by another client")
    if claims.get("exp") is None or claims.get("iat") is None:
        raise ClaimsError("the token lacks a time that a login's must have")
    if role.max_age:
        at, skew = seconds(claims, "auth_time"), timedelta(seconds=60)
        if at is None or now.timestamp() - at > (role.max_age + skew).total_seconds():
            raise ClaimsError("the login at the provider is too old")


def _check_issuer(given: Callback, pending: Pending, known: Known) -> None:
    """Refuse a callback that is of another provider (RFC 9207)."""
    says = known.document.get("authorization_response_iss_parameter_supported") is True
    if given.iss and given.iss != known.text("issuer"):
        raise DeniedError("the callback is of another provider")
    if not given.iss and says and not is_here(pending.redirect_uri):
        raise DeniedError("the callback does not name the provider")


def _token_question(code: str, pending: Pending, config: Config, known: Known) -> Question:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": pending.redirect_uri,
        "code_verifier": pending.verifier.text(),
    }
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    ways = known.document.get("token_endpoint_auth_methods_supported")
    secret = config.client_secret()
    if isinstance(ways, list) and "client_secret_basic" not in ways:
        form |= {"client_id": config.oidc_client_id, "client_secret": secret}
    else:
        pair = f"{quote(config.oidc_client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return Question(
        url=known.text("token_endpoint"),
        method="POST",
        headers=headers,
        body=urlencode(form, errors="surrogatepass").encode(),
        authorities=config.oidc_discovery_ca_pem,
        within=PATIENCE,
        most=LARGEST,
    )


def _tokens(answer: Response) -> Mapping[str, Any]:
    if answer.status in _CLIENT_ERRORS:
        raise DeniedError("the provider does not take the code")
    try:
        found = parse_object(answer.body) if answer.status == _OK else {}
    except JsonError:
        found = {}
    if not isinstance(found.get("id_token"), str):
        raise UpstreamError("the provider gave no token for the code")
    return found


async def _make_room(call: Call, came_from: str) -> None:
    """Take away a few that have ended; LimitError where too many have not."""
    names = await call.store.names(_PREFIX, limit=MOST_PENDING)
    now = f"{int(call.now.timestamp()):011d}"
    ended = [name for name in names[:SWEPT] if name < now]
    for name in ended:
        await call.store.delete(_PREFIX + name)
    alike = sum(name >= now and name[11:19] == came_from for name in names)
    if len(names) - len(ended) >= MOST_PENDING or alike >= MOST_FROM_ONE:
        raise LimitError("too many logins are under way", int(PENDING.total_seconds()))


def _key(state: str) -> str:
    """Return where a login is stored: those that end first come first. The state is not there."""
    return f"{_PREFIX}{state[:19]}{sha256(state.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
