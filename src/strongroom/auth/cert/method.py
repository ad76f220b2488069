"""Cert auth method: a client's TLS certificate for a token, for workloads.

Specs   RFC 5280 and SPIFFE X509-SVID; see the modules beside this one.
Vault   The paths of Vault's `cert` mount. Names of roles and revocation lists are case-insensitive,
        kept in lower case. A write changes what it names and keeps the rest. A login tries the
        role that it names, or all of them in order of their names.
Differs An expired CRL is not ignored: chains under its issuer are refused until it is replaced,
        or `accept_expired_crls` is set. A CRL counts for its issuer's certificates only. The
        `extendedKeyUsage` must be there and be for clients; only a certificate that a role names
        itself may have none. A certificate with a SPIFFE id is known by it, not by its common name,
        and its role must name the trust domain in `allowed_uri_sans`. Below an authority with name
        constraints a common name counts only if it is a DNS or e-mail name too. A token ends
        before the certificate that it was made for, renewals included. OCSP (`ocsp_*`) and the
        `url` of a CRL are refused by name. Every refused login says the same. Renewal without the
        certificate (`disable_binding`) still asks for its expiry and revocation.
Order   A login writes at most that its alias has been here; judging writes nothing.
Trust   TLS has shown that the client holds its certificate's key, and nothing else is believed.
        Whoever may write `certs/*` can log in as anybody of this mount; `crls/*` and `config`
        decide who is kept out. Behind a proxy that ends TLS there is no certificate.
Limits  A mount has at most `MOST_ROLES` roles.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from strongroom.auth.cert import revocation
from strongroom.auth.cert.certificates import (
    LONGEST_PEM,
    Leaf,
    authorities,
    is_authority,
    leaf_of,
    shown,
)
from strongroom.auth.cert.chains import Chain, ChainError, check_pinned, verified
from strongroom.auth.cert.constraints import (
    UnfitError,
    check_leaf,
    check_settings,
    identity_of,
    metadata_of,
)
from strongroom.auth.cert.records import (
    CONFIG,
    ROLES,
    Binding,
    Config,
    Role,
    Settings,
    config_of,
)
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.network import admits
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import Call, Endpoint, Help, Nothing, Opens, Page, Reply, Route, Sent
from strongroom.sdk.rules import NAME, changed, rules_of, settled, shown_rules, valid_name
from strongroom.sdk.workloads import (
    ending,
    known_aliases,
    remember,
    short_lived,
    warn_of_long_life,
)

REFUSED: Final = "invalid certificate or no client certificate supplied"
MOST_ROLES: Final = 1_000
_OLDER: Final = {
    "policies": "token_policies",
    "ttl": "token_ttl",
    "max_ttl": "token_max_ttl",
    "period": "token_period",
    "bound_cidrs": "token_bound_cidrs",
}
_OCSP: Final[dict[str, object]] = {
    "ocsp_ca_certificates": "",
    "ocsp_enabled": False,
    "ocsp_fail_open": False,
    "ocsp_query_all_servers": False,
    "ocsp_servers_override": (),
}
_OCSP_CACHE: Final = 100  # Vault's default, for clients that send and read it


@dataclass(frozen=True, kw_only=True)
class OfName:
    """For paths that end in the name of a role, or of a revocation list."""

    name: Annotated[str, Help("Name; case does not matter.", least=1, most=512)]

    @property
    def key(self) -> str:
        """The name in its one form."""
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class RoleGiven(OfName, Settings):
    """A role as written."""

    ocsp_enabled: Annotated[bool, Help("Not supported.")] = False
    ocsp_ca_certificates: Annotated[str, Help("Not supported.")] = ""
    ocsp_servers_override: Annotated[tuple[str, ...], Help("Not supported.")] = ()
    ocsp_fail_open: Annotated[bool, Help("Not supported.")] = False
    ocsp_query_all_servers: Annotated[bool, Help("Not supported.")] = False
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ListGiven(OfName):
    """A revocation list as uploaded."""

    crl: Annotated[str, Help("The list: PEM, or DER in base64.")] = ""
    url: Annotated[str, Help("Not supported; upload the list.")] = ""


@dataclass(frozen=True, kw_only=True)
class ConfigGiven(Config):
    """The mount's settings as written."""

    ocsp_cache_size: Annotated[int, Help("Not supported.")] = _OCSP_CACHE
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A login as tried; the certificate is TLS's."""

    name: Annotated[str, Help("The role; left out, all are tried.")] = ""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a client showed, read."""

    leaf: Leaf
    others: Chain

    @property
    def issuers(self) -> frozenset[bytes]:
        """The names that the certificates say they are from."""
        every = (self.leaf.certificate, *self.others)
        return frozenset(each.issuer.public_bytes() for each in every)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A certificate that a role takes, and as whom."""

    role: Role
    leaf: Leaf
    chain: Chain
    identity: str

    @property
    def binding(self) -> Binding:
        """What a token made now is bound to."""
        return Binding.of(self.role.name, self.leaf, self.chain)


class Cert:
    """Knows workloads by their TLS certificates."""

    kind: ClassVar[str] = "cert"

    def routes(self) -> tuple[Route, ...]:
        """Return the paths of roles, revocation lists and settings."""
        return (
            Route(
                path="certs",
                summary="The names of all roles.",
                list=Endpoint(Page, self.list_roles, "cert.role.list"),
            ),
            Route(
                path="certs/{name}",
                summary="One role: what it trusts, and asks of a certificate.",
                read=Endpoint(OfName, self.show_role, "cert.role.read"),
                write=Endpoint(RoleGiven, self.write_role, "cert.role.write"),
                delete=Endpoint(OfName, self.drop_role, "cert.role.delete"),
                subjects=known_aliases,
                opens=Opens(name=lambda given: given.key),
            ),
            Route(
                path="crls",
                summary="The names of all revocation lists.",
                list=Endpoint(Page, self.list_lists, "cert.crl.list"),
            ),
            Route(
                path="crls/{name}",
                summary="One revocation list.",
                read=Endpoint(OfName, self.show_list, "cert.crl.read"),
                write=Endpoint(ListGiven, self.write_list, "cert.crl.write"),
                delete=Endpoint(OfName, self.drop_list, "cert.crl.delete"),
                subjects=known_aliases,
            ),
            Route(
                path="config",
                summary="What holds for the whole mount.",
                read=Endpoint(Nothing, self.show_config, "cert.config.read"),
                write=Endpoint(ConfigGiven, self.write_config, "cert.config.write"),
                subjects=known_aliases,
            ),
        )

    # -- logging in ----------------------------------------------------------------------------

    def login(self) -> Login[Attempt]:
        """Return the way in. Nothing can be guessed at it, so nobody is locked out of it."""
        return Login(
            "login", Attempt, self.prove, lambda _: "", "Log in by TLS certificate.", REFUSED
        )

    async def prove(self, call: Call, given: Attempt) -> Proof:
        """Say whose certificate this is; one refusal for all reasons."""
        judged = await _judged(call, await _candidates(call, given.name.lower()))
        role, leaf, config = judged.role, judged.leaf, await config_of(call)
        await remember(call, judged.identity)
        metadata = metadata_of(leaf, role, role=role.name, identity=judged.identity)
        left = leaf.certificate.not_valid_after_utc - call.now
        return Proof(
            alias=judged.identity,
            shown_by="certificate",
            rules=ending(short_lived(rules_of(role), call.mount), left),
            display=role.display_name or role.name,
            role=judged.binding.written(),
            entrance=role.name,
            metadata=metadata,
            alias_metadata=metadata if config.enable_identity_alias_metadata else {},
            workload=True,
        )

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        """Return the role's rules, after judging the certificate once more.

        Refused without a certificate of the same identity, and of the same key or issuer; with
        `disable_binding`, once the certificate of the login has expired or was revoked.
        """
        before = Binding.read(role)
        found = await _find(call, before.role) if before else None
        if before is None or found is None:
            raise DeniedError("no such role")
        config = await config_of(call)
        if config.disable_binding:
            if call.now > before.ends:
                raise DeniedError("the certificate is not valid now")
            await _not_revoked(call, config, [before.issued])
        else:
            judged = await _judged(call, [found])
            if judged.identity != alias or not judged.binding.continues(before):
                raise DeniedError("another certificate than that of the login")
        return short_lived(rules_of(found), call.mount)

    # -- roles ---------------------------------------------------------------------------------

    async def list_roles(self, call: Call, page: Page) -> Reply:
        """List role names."""
        return Reply({"keys": await call.store.names(ROLES, after=page.after, limit=page.limit)})

    async def show_role(self, call: Call, given: OfName) -> Reply:
        """Show a role."""
        role = await _find(call, given.key)
        if role is None:
            raise NotFoundError
        own = {
            name: list(value) if isinstance(value, tuple) else value
            for name in Settings.__dataclass_fields__
            if name not in TokenRules.__dataclass_fields__
            for value in (getattr(role, name),)
        }
        unsupported = {n: list(v) if isinstance(v, tuple) else v for n, v in _OCSP.items()}
        return Reply(shown_rules(role, older=_OLDER) | own | unsupported)

    async def write_role(self, call: Call, given: RoleGiven) -> None:
        """Make a role, or change what was sent of one."""
        name = valid_name(given.key, "name")
        for field, plain in _OCSP.items():
            if getattr(given, field) != plain:
                raise InputError(field, "OCSP is not supported; upload a CRL")
        role = await _find(call, name)
        if role is None:
            if len(await call.store.names(ROLES, limit=MOST_ROLES)) >= MOST_ROLES:
                raise InputError("name", f"at most {MOST_ROLES:,} roles")
            role = Role(name=name, display_name=name)
        role = settled(changed(role, given, given.sent - {"name"}), call.warnings)
        _check_trusted(role.certificate)
        check_settings(role)
        warn_of_long_life(role, call.mount, call.warnings)
        await call.store.put(ROLES + name, role)

    async def drop_role(self, call: Call, given: OfName) -> None:
        """Delete a role. Tokens live on until their renewal, which is refused."""
        await call.store.delete(ROLES + given.key)

    # -- revocation lists and settings ---------------------------------------------------------

    async def list_lists(self, call: Call, page: Page) -> Reply:
        """List the names of revocation lists."""
        return Reply({"keys": await revocation.names(call, page.after, page.limit)})

    async def show_list(self, call: Call, given: OfName) -> Reply:
        """Show the serial numbers of a revocation list, and when it ends."""
        return Reply(await revocation.shown(call, given.key))

    async def write_list(self, call: Call, given: ListGiven) -> None:
        """Keep a revocation list."""
        if given.url:
            raise InputError("url", "lists are not fetched; upload it as `crl`")
        if not given.crl:
            raise InputError("crl", "required, and missing")
        await revocation.upload(call, valid_name(given.key, "name"), given.crl)

    async def drop_list(self, call: Call, given: OfName) -> None:
        """Forget a revocation list; what it revoked is good again."""
        await revocation.drop(call, given.key)

    async def show_config(self, call: Call, _given: Nothing) -> Reply:
        """Show the mount's settings."""
        config = await config_of(call)
        own = {name: getattr(config, name) for name in Config.__dataclass_fields__}
        return Reply({**own, "ocsp_cache_size": _OCSP_CACHE})

    async def write_config(self, call: Call, given: ConfigGiven) -> None:
        """Change what was sent of the mount's settings."""
        if given.ocsp_cache_size != _OCSP_CACHE:
            raise InputError("ocsp_cache_size", "OCSP is not supported")
        await call.store.put(CONFIG, changed(await config_of(call), given, given.sent))


async def _find(call: Call, name: str) -> Role | None:
    """Return the role, or None; a name that no role can have is not asked for."""
    held = await call.store.find(ROLES + name, Role) if NAME.fullmatch(name) else None
    return held.value if held else None


async def _candidates(call: Call, name: str) -> list[Role]:
    if name:
        found = await _find(call, name)
        return [found] if found else []
    names = await call.store.names(ROLES, limit=MOST_ROLES)
    return [await call.store.fetch(ROLES + each, Role) for each in names]


async def _judged(call: Call, roles: Sequence[Role]) -> Judged:
    """Return the first of the roles that takes what the client showed, and as whom.

    Raises DeniedError with the reason of the last role that had a chance. Whatever was shown,
    one chain at least is searched for, so that it says little how long it took.
    """
    try:
        leaf, *others = shown(call.certificates)
        seen = Shown(leaf=leaf_of(leaf), others=tuple(others))
    except InputError as error:
        raise DeniedError(error.problem) from None
    config, reason = await config_of(call), ""
    for role in roles:
        try:
            chain = _chain(role, seen, call)
            if chain is None:
                continue
            check_leaf(seen.leaf, role)
            identity = identity_of(seen.leaf, chain, role)
            await _not_revoked(call, config, [revocation.issued_by(each) for each in chain])
        except (ChainError, UnfitError, DeniedError) as error:
            reason = f"{role.name}: {error}"
            continue
        if not admits(role.token_bound_cidrs, call.address):
            reason = f"{role.name}: not from there"
            continue
        return Judged(role=role, leaf=seen.leaf, chain=chain, identity=identity)
    if not reason:
        with suppress(ChainError):
            verified(leaf, others, (others or [leaf])[-1:], call.now)
    raise DeniedError(reason or "no role trusts an issuer of these certificates")


def _chain(role: Role, seen: Shown, call: Call) -> Chain | None:
    """Return the chain to what a role trusts; None where not even a name leads there.

    Raises ChainError where a name does, and nothing else.
    """
    known, leaf = authorities(role.certificate), seen.leaf.certificate
    alone = not is_authority(known[0])  # the role is one client's own
    pinned = known[:1] if alone else known
    if any(_same(each, leaf) for each in pinned):
        check_pinned(leaf, call.now)
        return (leaf,)
    trusted = [] if alone else [each for each in known if is_authority(each)]
    if not any(each.subject.public_bytes() in seen.issuers for each in trusted):
        return None
    return verified(leaf, seen.others, trusted, call.now)


async def _not_revoked(call: Call, config: Config, issued: Sequence[revocation.Issued]) -> None:
    try:
        await revocation.check(call, issued, ended_will_do=config.accept_expired_crls)
    except revocation.RevokedError as error:
        raise DeniedError(str(error)) from None


def _check_trusted(pem: str) -> None:
    """Raise InputError where a role would trust nothing, or a client that is none."""
    if not pem or len(pem) > LONGEST_PEM:
        raise InputError("certificate", "required: one certificate at least, as PEM")
    first = authorities(pem)[0]
    if not is_authority(first):
        try:
            check_pinned(first, first.not_valid_before_utc)
        except ChainError:
            raise InputError("certificate", "is not for clients, nor an authority's") from None


def _same(one: x509.Certificate, other: x509.Certificate) -> bool:
    return one.public_bytes(Encoding.DER) == other.public_bytes(Encoding.DER)
