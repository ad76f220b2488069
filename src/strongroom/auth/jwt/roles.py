"""Roles: which tokens get in, who they are then, and how their tokens of ours are made.

Vault   The fields of `role/{name}`. Role names are case-insensitive, kept in lower case. A write
        changes what it names and keeps the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit, urlunsplit

from strongroom.auth.jwt.bindings import values
from strongroom.auth.jwt.issuers import bindings_of, unbound
from strongroom.auth.jwt.settings import Config, find_config
from strongroom.auth.jwt.token import Leeways
from strongroom.base.errors import InputError, NotFoundError
from strongroom.sdk.auth import TokenRules
from strongroom.sdk.engine import Call, Help, Opens, Sent
from strongroom.sdk.rules import NAME, settled, shown_rules, valid_name
from strongroom.sdk.workloads import warn_of_long_life

MOST_BOUND: Final = 64
MOST_LEEWAY: Final = 3600  # seconds
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SECONDS: Final = ("expiration_leeway", "not_before_leeway", "clock_skew_leeway", "max_age")
_OLDER: Final = {
    "policies": "token_policies",
    "ttl": "token_ttl",
    "max_ttl": "token_max_ttl",
    "period": "token_period",
    "num_uses": "token_num_uses",
    "bound_cidrs": "token_bound_cidrs",
}
ZERO: Final = timedelta(0)


def _leeway(words: str) -> Help:
    return Help(f"{words} 0: the usual; -1: none.", least=-1, most=MOST_LEEWAY)


@dataclass(frozen=True, kw_only=True)
class Role(TokenRules):
    """A role, as stored."""

    role_type: Annotated[
        str, Help("`jwt` for tokens as they come, `oidc` for logins.", choices=("jwt", "oidc"))
    ] = "oidc"
    bound_audiences: Annotated[tuple[str, ...], Help("`aud` must hold one of these.")] = ()
    bound_subject: Annotated[str, Help("What `sub` must be.", most=512)] = ""
    bound_claims_type: Annotated[
        str, Help("How bound claims are compared.", choices=("string", "glob"))
    ] = "string"
    bound_claims: Annotated[
        Mapping[str, Any] | None, Help("Claims, and the value or values each must have.")
    ] = None
    claim_mappings: Annotated[
        Mapping[str, str] | None, Help("Claims to keep, and the names to keep them by.")
    ] = None
    user_claim: Annotated[str, Help("Claim that says who it is.", most=256)] = ""
    user_claim_json_pointer: Annotated[bool, Help("It is a JSON pointer.")] = False
    groups_claim: Annotated[str, Help("Claim that lists groups.", most=256)] = ""
    expiration_leeway: Annotated[timedelta, _leeway("How long after `nbf` or `iat`.")] = ZERO
    not_before_leeway: Annotated[timedelta, _leeway("How long before `exp`.")] = ZERO
    clock_skew_leeway: Annotated[timedelta, _leeway("How far clocks differ.")] = ZERO
    allowed_redirect_uris: Annotated[
        tuple[str, ...], Help("Where a login may come back to; of this machine, on any port.")
    ] = ()
    oidc_scopes: Annotated[tuple[str, ...], Help("Scopes to ask for beside `openid`.")] = ()
    max_age: Annotated[timedelta, Help("How old the login there may be.")] = ZERO
    callback_mode: Annotated[
        str, Help("`client`; nothing else is served.", choices=("client", "direct", "device"))
    ] = "client"
    poll_interval: Annotated[int, Help("Kept for clients; means nothing.", least=0)] = 0
    mfa_acr_values: Annotated[
        tuple[str, ...], Help("Values of `acr` that count as a further factor.")
    ] = ()
    mfa_amr_values: Annotated[
        tuple[str, ...], Help("Values of `amr` that count as a further factor.")
    ] = ()
    people: Annotated[bool, Help("Tokens are of people, though they come as they are.")] = False

    @property
    def globs(self) -> bool:
        """Whether `*` in bound claims stands for any text."""
        return self.bound_claims_type == "glob"

    @property
    def workload(self) -> bool:
        """Whether those who come in by it are no people."""
        return self.role_type == "jwt" and not self.people

    def leeways(self) -> Leeways:
        """Return how far off a token's times may be."""
        return Leeways(
            expiration=self.expiration_leeway,
            not_before=self.not_before_leeway,
            skew=self.clock_skew_leeway,
        )

    def bindings(self) -> dict[str, Any]:
        """Return all that it binds but the audience."""
        return bindings_of(self.bound_claims or {}, self.bound_subject)


@dataclass(frozen=True, kw_only=True)
class OfRole:
    """For paths that end in a role's name."""

    name: Annotated[str, Help("Role name; case does not matter.", least=1, most=512)]


def _name_of(given: OfRole) -> str:
    return given.name.lower()


ROLE: Final = Opens(name=_name_of)


@dataclass(frozen=True, kw_only=True)
class RoleGiven(Role, OfRole):
    """A role as written."""

    verbose_oidc_logging: Annotated[bool, Help("Not served: a log holds no tokens.")] = False
    oauth2_metadata: Annotated[tuple[str, ...], Help("Not served.")] = ()
    oidc_disable_confirmation: Annotated[bool, Help("Not served.")] = False
    token_policies_template_claims: Annotated[bool, Help("Not served.")] = False
    sent: Annotated[frozenset[str], Sent()] = frozenset()


async def find_role(call: Call, name: str) -> Role | None:
    """Return the role, None where there is none; a name that none can have is not asked for."""
    lowered = name.lower()
    held = await call.store.find(_key(lowered), Role) if NAME.fullmatch(lowered) else None
    return held.value if held else None


async def fetch_role(call: Call, name: str) -> Role:
    """Return the role; NotFoundError where there is none."""
    role = await find_role(call, name)
    if role is None:
        raise NotFoundError
    return role


async def store_role(call: Call, name: str, role: Role) -> None:
    """Check a role and store it; InputError for one that would let in whoever comes."""
    lowered = valid_name(name.lower(), "name")
    _check(role)
    config = await find_config(call)
    if config is not None:
        check_issuer(role, config)
    done = settled(role, call.warnings)
    if role.workload:
        warn_of_long_life(done, call.mount, call.warnings)
    await call.store.put(_key(lowered), done)


async def drop_role(call: Call, name: str) -> None:
    """Delete a role, if there is one."""
    if NAME.fullmatch(name.lower()):
        await call.store.delete(_key(name.lower()))


def _key(name: str) -> str:
    return f"role/{name}"


def shown_role(role: Role) -> dict[str, Any]:
    """Return a role as a reply shows it."""
    own = {
        name: getattr(role, name)
        for name in Role.__dataclass_fields__
        if name not in TokenRules.__dataclass_fields__ and name != "poll_interval"
    }
    lists = {name: list(value) for name, value in own.items() if isinstance(value, tuple)}
    spans = {name: int(own[name].total_seconds()) for name in _SECONDS}
    polled = {"poll_interval": role.poll_interval} if role.poll_interval else {}
    never = {
        "verbose_oidc_logging": False,
        "oauth2_metadata": [],
        "oidc_disable_confirmation": False,
        "token_policies_template_claims": False,
    }
    return own | lists | spans | polled | never | shown_rules(role, older=_OLDER)


# -- what a role must be ---------------------------------------------------------------------------


def refuse_unserved(given: RoleGiven) -> None:
    """Refuse what other servers have and this one has not, each with its reason."""
    if given.verbose_oidc_logging:
        raise InputError("verbose_oidc_logging", "tokens and claims are not written to a log here")
    if given.oauth2_metadata:
        raise InputError("oauth2_metadata", "a provider's tokens are not kept here")
    if given.token_policies_template_claims:
        raise InputError("token_policies_template_claims", "use identity templates in a policy")
    if given.callback_mode != "client" or given.oidc_disable_confirmation:
        raise InputError(
            "callback_mode", "only `client` is served: a login ends with whoever began it"
        )


def _check(role: Role) -> None:
    if not role.user_claim:
        raise InputError("", "a user claim must be defined on the role")
    if role.max_age < ZERO:
        raise InputError("max_age", "cannot be negative")
    _check_mappings(role.claim_mappings or {})
    _check_bound_claims(role)
    if role.role_type == "oidc":
        if not role.allowed_redirect_uris:
            said = "must be set if 'role_type' is 'oidc' or unspecified."
            raise InputError("", f"'allowed_redirect_uris' {said}")
        for uri in role.allowed_redirect_uris:
            if not is_redirect(uri):
                words = "absolute, https or of this machine, without user and fragment"
                raise InputError("allowed_redirect_uris", f"each must be {words}")
    elif not (role.bound_audiences or role.bound_subject or role.bound_claims):
        raise InputError(
            "", "must have at least one bound constraint when creating/updating a role"
        )


def _check_mappings(mappings: Mapping[str, str]) -> None:
    if len(mappings) > MOST_BOUND:
        raise InputError("claim_mappings", f"at most {MOST_BOUND} claims")
    if "role" in mappings.values():
        raise InputError("", 'metadata key "role" is reserved and may not be a mapping destination')
    if len(set(mappings.values())) < len(mappings):
        raise InputError("", "multiple keys are mapped to one metadata key")


def _check_bound_claims(role: Role) -> None:
    bound = role.bound_claims or {}
    if len(bound) > MOST_BOUND:
        raise InputError("bound_claims", f"at most {MOST_BOUND} claims")
    for wanted in bound.values():
        found = values(wanted)
        if not found or len(found) != (len(wanted) if isinstance(wanted, list) else 1):
            raise InputError("bound_claims", "a value is text, a number, true or false, or a list")
        if role.globs and not all(isinstance(each, str) for each in found):
            raise InputError("bound_claims", "claim is not a string")
        if role.globs and any(not str(each).strip("*") for each in found):
            raise InputError("bound_claims", "a value of nothing but '*' binds nothing")


def check_issuer(role: Role, config: Config) -> None:
    """Refuse a role that would let strangers in from an issuer that signs for everybody."""
    if role.role_type != "jwt":
        return
    issuer = config.bound_issuer or config.oidc_discovery_url.rstrip("/")
    if reason := unbound(issuer, role.bindings(), globs=role.globs):
        raise InputError("", reason)


# -- where a browser may be sent back to -----------------------------------------------------------


def is_redirect(uri: str) -> bool:
    """Say whether a login may come back to such a URI at all."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not uri.isascii() or not uri.isprintable() or " " in uri or "\\" in uri or "#" in uri:
        return False
    if parts.username is not None or parts.password is not None or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _HERE)


def allows_redirect(role: Role, uri: str) -> bool:
    """Say whether a login may come back to this URI: one that is listed, to the letter.

    Of this machine any port will do (RFC 8252 section 7.3): a client listens where it can.
    """
    if not is_redirect(uri):
        return False
    if urlsplit(uri).hostname not in _HERE:
        return uri in role.allowed_redirect_uris
    return _portless(uri) in {_portless(each) for each in role.allowed_redirect_uris}


def is_here(uri: str) -> bool:
    """Say whether a redirect URI is of the machine that asked."""
    return urlsplit(uri).hostname in _HERE


def _portless(uri: str) -> str:
    parts = urlsplit(uri)
    try:
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        return uri
    return urlunsplit(parts._replace(netloc=parts.hostname or ""))
