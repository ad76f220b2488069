"""The `jwt` and `oidc` auth methods: tokens that somebody else has signed, for one of ours.

Workloads bring a token that their platform signed for them, and store no secret. People are sent
to an OIDC provider and come back with a code.

Specs   RFC 7519, RFC 8725 (what of a token is refused), OpenID Connect Core 1.0 and Discovery 1.0,
        RFC 7636 (PKCE), RFC 9207. `joserfc` checks signatures.
Vault   The paths of Vault's `jwt` mount, which is also its `oidc` mount. A role is of the type
        `oidc` unless it says `jwt`.
Differs Every refused login says the same; OpenBao says what was wrong. With discovery, `iss` must
        be the provider's even where `bound_issuer` is not set. A role of type `jwt` must bind an
        audience, a subject or a claim: networks alone, which are enough for OpenBao, are not; nor
        is a glob of nothing but `*`. Of issuers that sign for strangers (GitHub Actions, GitLab,
        CircleCI) it must bind whose job it is, when it is written and at each login. Leeways are an
        hour at most. An `exp` that is over refuses at that second; OpenBao's does one later. A
        write to a role keeps what it does not name, the type included. A redirect URI is absolute
        and https, or of the user's own machine, and is compared to the letter. `auth_url` is empty
        for an unknown role too. Where several may be meant, an ID token must be for the
        configured client, whatever audiences the role binds besides.
        Not served, and refused with a reason: CEL roles, `provider_config`, the callback modes
        `direct` and `device` (a login ends with whoever began it), `form_post` and `id_token`
        (a code with PKCE instead), `oauth2_metadata`, `verbose_oidc_logging`, claims in templates
        of policies, `override_allowed_server_names`. URLs in clear are of this machine only.
        Ours are `mfa_acr_values`, `mfa_amr_values`, `people` and `recipes/`.
        Tokens of workloads live 15 minutes unless role or mount says otherwise, a day at most.
Limits  A token that is good may be used again until it ends: there is no list of those seen. Nobody
        is locked out, as nothing can be guessed here; whoever floods is counted by address.
Trust   Whoever holds a key of the issuer gets in as anybody that roles let in. Whoever may write
        `config` or `role/*` can become anybody who comes in by this mount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from strongroom.auth.jwt import flow
from strongroom.auth.jwt.bindings import (
    ClaimsError,
    check_audience,
    check_bound,
    factors_of,
    groups_of,
    metadata_of,
    name_of,
)
from strongroom.auth.jwt.issuers import unbound
from strongroom.auth.jwt.keys import ALGORITHMS, PublicKey, is_signed
from strongroom.auth.jwt.provider import Providers
from strongroom.auth.jwt.recipes import recipe_routes
from strongroom.auth.jwt.roles import (
    ROLE,
    OfRole,
    Role,
    RoleGiven,
    drop_role,
    fetch_role,
    find_role,
    refuse_unserved,
    shown_role,
    store_role,
)
from strongroom.auth.jwt.settings import Config, ConfigGiven, Settings, find_config
from strongroom.auth.jwt.token import Token, TokenError, check_times, parsed
from strongroom.base.errors import DeniedError, InputError
from strongroom.base.network import admits
from strongroom.base.secret import Secret
from strongroom.sdk.auth import Login, Proof, Subject, TokenRules
from strongroom.sdk.engine import (
    CONFIGURATION,
    Call,
    Endpoint,
    Help,
    Nothing,
    Page,
    Reply,
    Route,
)
from strongroom.sdk.rules import changed, rules_of
from strongroom.sdk.web import Web
from strongroom.sdk.workloads import known_aliases, remember, short_lived

REFUSED: Final = "invalid role or token"
USUAL_FOR_LOGINS: Final = ("RS256",)  # what an OIDC provider signs with, unless it is configured


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A login as tried, with a token."""

    role: Annotated[str, Help("Role; left out, the default one.", most=512)] = ""
    jwt: Annotated[Secret | None, Help("The signed token.")] = None


class JwtAuth:
    """Knows whoever comes with a token of an issuer that is trusted, as far as a role lets them."""

    kind: ClassVar[str] = "jwt"

    def __init__(self, web: Web) -> None:
        self._providers = Providers(web)
        self._settings = Settings(self._providers)
        self._flow = flow.Flow(web)

    def routes(self) -> tuple[Route, ...]:
        """Return the paths of configuration, roles and recipes, and where OIDC logins begin."""
        event = "jwt.role"
        return (
            Route(
                path="config",
                summary="Whose tokens are taken.",
                read=Endpoint(Nothing, self._settings.show, "jwt.config.read"),
                write=Endpoint(ConfigGiven, self._settings.write, "jwt.config.write"),
                subjects=known_aliases,
                opens=CONFIGURATION,
            ),
            Route(
                path="role",
                summary="The names of all roles.",
                list=Endpoint(Page, self.list_roles, f"{event}.list"),
            ),
            Route(
                path="role/{name}",
                summary="One role: which tokens get in, and as whom.",
                read=Endpoint(OfRole, self.show_role, f"{event}.read"),
                write=Endpoint(RoleGiven, self.write_role, f"{event}.write"),
                delete=Endpoint(OfRole, self.drop_role, f"{event}.delete"),
                exists=self.has_role,
                subjects=known_aliases,
                opens=ROLE,
            ),
            *recipe_routes(),
            Route(
                path="oidc/auth_url",
                summary="Where to send a browser to log in.",
                write=Endpoint(flow.Start, self.begin, "jwt.oidc.begin"),
                open=True,
            ),
        )

    # -- logging in with a token ---------------------------------------------------------------

    def login(self) -> Login[Attempt]:
        """Return the way in with a token. It counts nobody: there is nothing to guess."""
        return Login(
            "login", Attempt, self.prove, lambda _: "", "Log in with a signed token.", REFUSED
        )

    def other_logins(self) -> tuple[Login[flow.Callback], ...]:
        """Return the way in with a code."""
        return (
            Login(
                "oidc/callback",
                flow.Callback,
                self.prove_code,
                lambda _: "",
                "End an OIDC login.",
                flow.REFUSED,
                by_reading=True,
            ),
        )

    async def prove(self, call: Call, given: Attempt) -> Proof:
        """Say who has this token; one refusal for all reasons. The signature is judged first."""
        config = await _config(call)
        name = (given.role or config.default_role).lower()
        if not name:
            raise InputError("", "missing role")
        if given.jwt is None or not given.jwt.reveal():
            raise InputError("", "missing token")
        role = await find_role(call, name)
        try:
            token, issuer = await self._genuine(call, config, given.jwt.text().strip(), ALGORITHMS)
            if role is None or role.role_type != "jwt":
                raise DeniedError("there is no such role for tokens")
            check_times(token.claims, call.now, role.leeways())
            _check_issuer(token.claims, issuer)
            check_audience(role.bound_audiences, token.claims)
            return await self._proof(call, name, role, token.claims)
        except (TokenError, ClaimsError) as error:
            raise DeniedError(str(error)) from None

    async def _genuine(
        self, call: Call, config: Config, text: str, usual: tuple[str, ...]
    ) -> tuple[Token, str]:
        """Return the token and who must have issued it; TokenError if none of their keys did."""
        token = parsed(text)
        allowed = config.jwt_supported_algs or usual
        if token.algorithm not in allowed:
            raise TokenError("the token's algorithm is not taken")
        if config.jwt_validation_pubkeys:
            _check_signed(token, config.static_keys(), allowed)
            return token, config.bound_issuer
        source = config.source(call)
        known = await self._providers.known(source, call.now)
        if not is_signed(token, known.keys, allowed):
            newer = await self._providers.newer(source, known, call.now)
            _check_signed(token, newer.keys if newer else (), allowed)
            known = newer or known
        return token, config.bound_issuer or known.text("issuer")

    # -- logging in with a code ----------------------------------------------------------------

    async def begin(self, call: Call, given: flow.Start) -> Reply:
        """Return where to send a browser."""
        config = await _config(call)
        if not config.serves_oidc:
            raise InputError("", "OIDC login is not configured for this mount")
        if not (given.role or config.default_role):
            raise InputError("", "missing role")
        if not given.redirect_uri:
            raise InputError("", "missing redirect_uri")
        known = await self._providers.known(config.source(call), call.now)
        return await self._flow.begin(call, given, config, known)

    async def prove_code(self, call: Call, given: flow.Callback) -> Proof:
        """Say who came back with this code. The state is used up, whatever comes of it."""
        key, pending, role, config = await self._flow.pending(call, given)
        if given.error:
            raise DeniedError("the provider refused")
        known = await self._providers.known(config.source(call), call.now)
        tokens = await self._flow.exchange(call, given, pending, config, known)
        try:
            claims = await self._claims(call, role, config, tokens["id_token"])
            _check_issuer(claims, known.text("issuer"))
            flow.check_login(claims, pending, role, config, call.now)
            if role.bound_audiences:
                check_audience(role.bound_audiences, claims)
            every = await self._flow.with_userinfo(claims, tokens, config, known)
            every.pop("nonce", None)
            proof = await self._proof(call, pending.role, role, every)
        except (TokenError, ClaimsError) as error:
            raise DeniedError(str(error)) from None
        await call.store.delete(key)
        return proof

    async def _claims(self, call: Call, role: Role, config: Config, text: str) -> Mapping[str, Any]:
        token, issuer = await self._genuine(call, config, text, USUAL_FOR_LOGINS)
        check_times(token.claims, call.now, role.leeways())
        _check_issuer(token.claims, issuer)
        return token.claims

    # -- who it is -----------------------------------------------------------------------------

    async def _proof(self, call: Call, name: str, role: Role, claims: Mapping[str, Any]) -> Proof:
        """Return who the claims are of, if they are what the role asks for."""
        if not admits(role.token_bound_cidrs, call.address):
            raise DeniedError("the login is from another network")
        if role.bound_subject and claims.get("sub") != role.bound_subject:
            raise ClaimsError("the token is of another subject")
        check_bound(role.bound_claims or {}, claims, globs=role.globs)
        if role.role_type == "jwt" and (
            reason := unbound(str(claims.get("iss", "")), role.bindings(), globs=role.globs)
        ):
            raise ClaimsError(reason)
        alias = name_of(claims, role.user_claim, pointer=role.user_claim_json_pointer)
        metadata = {**metadata_of(claims, role.claim_mappings or {}), "role": name}
        proof = Proof(
            alias=alias,
            shown_by="jwt" if role.role_type == "jwt" else "oidc",
            rules=_rules(call, role),
            display=alias,
            role=name,
            metadata=metadata,
            alias_metadata=metadata,
            groups=groups_of(claims, role.groups_claim),
            factors=factors_of(claims, role.mfa_acr_values, role.mfa_amr_values),
            workload=role.workload,
        )
        await remember(call, alias)
        return proof

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        """Return the role's rules; refused when the role is gone, or binds another subject."""
        found = await find_role(call, role)
        if found is None or not alias:
            raise DeniedError
        if found.user_claim == "sub" and found.bound_subject not in {"", alias}:
            raise DeniedError
        return _rules(call, found)

    async def mark(self, call: Call, role: str, alias: str) -> str:
        """Return a digest of the role's terms, and of whom the mount trusts."""
        found = await find_role(call, role)
        if found is None or not alias:
            raise DeniedError
        terms = repr((found, await call.store.find("config", Config)))
        return call.fingerprint(terms.encode()).hex()

    async def subjects(self, call: Call, after: str, limit: int) -> list[Subject]:
        """Return roles by name: what comes in by one is known beforehand, if not who."""
        names = await call.store.names("role/", after=after, limit=limit)
        roles = [(name, await fetch_role(call, name)) for name in names]
        return [Subject(name=n, alias=r.bound_subject, rules=rules_of(r)) for n, r in roles]

    # -- roles ---------------------------------------------------------------------------------

    async def list_roles(self, call: Call, page: Page) -> Reply:
        """List role names."""
        return Reply({"keys": await call.store.names("role/", after=page.after, limit=page.limit)})

    async def has_role(self, call: Call, given: OfRole) -> bool:
        """Tell a create from an update."""
        return await find_role(call, given.name) is not None

    async def show_role(self, call: Call, given: OfRole) -> Reply:
        """Show a role."""
        return Reply(shown_role(await fetch_role(call, given.name)))

    async def write_role(self, call: Call, given: RoleGiven) -> None:
        """Make a role, or change what was sent of one."""
        refuse_unserved(given)
        role = await find_role(call, given.name) or Role()
        await store_role(call, given.name, changed(role, given, given.sent))

    async def drop_role(self, call: Call, given: OfRole) -> None:
        """Delete a role. Tokens live on until their renewal, which is refused."""
        await drop_role(call, given.name)


class OidcAuth(JwtAuth):
    """The same under its other name; people's clients look for it there."""

    kind: ClassVar[str] = "oidc"


async def _config(call: Call) -> Config:
    config = await find_config(call)
    if config is None:
        raise InputError("", "could not load configuration")
    return config


def _check_signed(token: Token, keys: tuple[PublicKey, ...], allowed: tuple[str, ...]) -> None:
    if not is_signed(token, keys, allowed):
        raise TokenError("no key of the issuer signed the token")


def _check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    if issuer and claims.get("iss") != issuer:
        raise TokenError("the token is of another issuer")


def _rules(call: Call, role: Role) -> TokenRules:
    """Return how tokens are made now; a workload's are short."""
    rules = rules_of(role)
    return short_lived(rules, call.mount) if role.workload else rules
