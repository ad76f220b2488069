"""Kubernetes auth method: a service account's token for a token, by the cluster's own review.

Specs   Kubernetes TokenReview (`authentication.k8s.io/v1`).
Vault   The paths of Vault's `kubernetes` mount. Names of roles are case-insensitive, kept in lower
        case. A write to a role changes what it names and keeps the rest; one to `config` replaces
        it. Without `token_reviewer_jwt` the review is asked for by the token of the pod that this
        runs in, or by the very token that logs in.
Differs `bound_service_account_namespace_selector` is refused by name. Nothing is read of a token
        before the cluster has vouched for it. Every refused login says the same, after the same
        question to the cluster, an unknown role's included; a cluster that does not answer is 502.
        The API is asked over https, but on this machine. A renewal asks whether the role still is
        for the account. `issuer` and `disable_iss_validation` are gone, as nothing is taken from
        the token itself. What OpenBao answers with 500 for wrong input is 400.
Order   The cluster is asked while the login is served, with nothing locked; it may be asked again
        where another request wrote the same row meanwhile.
Trust   The cluster at `kubernetes_host` decides who everybody is: whoever may write `config` or
        roles can log in as any account of the mount. The token that logs in goes there and nowhere
        else. An account that is made anew has another uid, and is another; by name it is the same.
Limits  That a pod or an account is gone is noticed at its next login, not at a renewal.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

from strongroom.auth.kubernetes.records import (
    CONFIG,
    ROLES,
    Bound,
    Config,
    Role,
    Settings,
    check_settings,
)
from strongroom.auth.kubernetes.review import (
    LONGEST_TOKEN,
    TOKEN,
    Account,
    Cluster,
    ReviewError,
)
from strongroom.auth.kubernetes.signatures import keys_of, signed_by_one
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.network import admits
from strongroom.base.secret import Secret
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import (
    CONFIGURATION,
    Call,
    Endpoint,
    Help,
    Nothing,
    Opens,
    Page,
    Reply,
    Route,
    Sent,
)
from strongroom.sdk.rules import NAME, changed, rules_of, settled, shown_rules, valid_name
from strongroom.sdk.web import Web
from strongroom.sdk.workloads import known_aliases, remember, short_lived, warn_of_long_life

REFUSED: Final = "permission denied"
POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LONGEST_PEM: Final = 256 * 1024
_OLDER: Final = {
    "policies": "token_policies",
    "ttl": "token_ttl",
    "max_ttl": "token_max_ttl",
    "period": "token_period",
    "bound_cidrs": "token_bound_cidrs",
}
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True)
class OfRole:
    """For paths that end in a role's name."""

    name: Annotated[str, Help("Role name; case does not matter.", least=1, most=512)]

    @property
    def key(self) -> str:
        """The name in its one form."""
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class RoleGiven(OfRole, Settings):
    """A role as written."""

    bound_service_account_namespace_selector: Annotated[str, Help("Not supported.")] = ""
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A login as tried."""

    role: Annotated[str, Help("The role.")] = ""
    jwt: Annotated[Secret | None, Help("The service account's token.")] = None


class Kubernetes:
    """Knows workloads by the service account that their cluster gives them."""

    kind: ClassVar[str] = "kubernetes"

    def __init__(self, web: Web, pod: Path = POD) -> None:
        """Ask clusters through `web`; `pod` is where a cluster puts what a pod needs for that."""
        self._web, self._pod = web, pod

    def routes(self) -> tuple[Route, ...]:
        """Return the paths of the cluster and of roles."""
        return (
            Route(
                path="config",
                summary="The cluster whose service accounts log in.",
                read=Endpoint(Nothing, self.show_config, "kubernetes.config.read"),
                write=Endpoint(Config, self.write_config, "kubernetes.config.write"),
                subjects=known_aliases,
                opens=CONFIGURATION,
            ),
            Route(
                path="role",
                summary="The names of all roles.",
                list=Endpoint(Page, self.list_roles, "kubernetes.role.list"),
            ),
            Route(
                path="role/{name}",
                summary="One role: the service accounts that it is for.",
                read=Endpoint(OfRole, self.show_role, "kubernetes.role.read"),
                write=Endpoint(RoleGiven, self.write_role, "kubernetes.role.write"),
                delete=Endpoint(OfRole, self.drop_role, "kubernetes.role.delete"),
                exists=self.has_role,
                subjects=known_aliases,
                opens=Opens(name=lambda given: given.key),
            ),
        )

    # -- logging in ----------------------------------------------------------------------------

    def login(self) -> Login[Attempt]:
        """Return the way in. Nothing can be guessed at it, so nobody is locked out of it."""
        summary = "Log in by a service account's token."
        return Login("login", Attempt, self.prove, lambda _: "", summary, REFUSED)

    async def prove(self, call: Call, given: Attempt) -> Proof:
        """Say which service account this is; one refusal for all reasons."""
        if not given.role:
            raise InputError("", "missing role")
        if given.jwt is None or not given.jwt.reveal():
            raise InputError("", "missing jwt")
        role = await _find(call, given.role.lower())
        account = await self._account(call, given.jwt, role.audience if role else "")
        if role is None:
            raise DeniedError("no such role")
        if not role.admits(account):
            raise DeniedError(f"{role.name}: not for this service account")
        if not admits(role.token_bound_cidrs, call.address):
            raise DeniedError(f"{role.name}: not from there")
        alias = role.alias_of(account)
        await remember(call, alias)
        metadata = {
            "service_account_uid": account.uid,
            "service_account_name": account.name,
            "service_account_namespace": account.namespace,
        }
        return Proof(
            alias=alias,
            shown_by="service-account",
            rules=short_lived(rules_of(role), call.mount),
            display=f"{account.namespace}-{account.name}",
            role=Bound(role=role.name, account=account).written(),
            entrance=role.name,
            metadata={**metadata, "role": role.name},
            alias_metadata=metadata,
            workload=True,
        )

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        """Return the role's rules; refused when it is gone, or no longer for the account."""
        bound = Bound.read(role)
        found = await _find(call, bound.role) if bound else None
        if bound is None or found is None or not found.admits(bound.account):
            raise DeniedError
        if found.alias_of(bound.account) != alias:
            raise DeniedError
        return short_lived(rules_of(found), call.mount)

    async def _account(self, call: Call, token: Secret, audience: str) -> Account:
        """Return whose token this is, as the cluster says; DeniedError with the reason if none."""
        config = await _config(call)
        if config is None:
            raise DeniedError("the mount is not configured")
        try:
            text = token.text()
        except UnicodeDecodeError:
            raise DeniedError("not a token") from None
        if len(text) > LONGEST_TOKEN or not TOKEN.fullmatch(text):
            raise DeniedError("not a token")
        if config.pem_keys and not signed_by_one(text, keys_of(config.pem_keys)):
            raise DeniedError("the token is not signed by one of the keys")
        reviewer, authorities = config.token_reviewer_jwt, config.kubernetes_ca_cert
        if not config.disable_local_ca_jwt:
            reviewer = reviewer or await self._of_pod("token")
            authorities = authorities or await self._authorities_of_pod()
        url = _url(config.kubernetes_host)
        cluster = Cluster(web=self._web, url=url, authorities=authorities)
        try:
            return await cluster.review(token, reviewer=reviewer or token, audience=audience)
        except ReviewError as error:
            raise DeniedError(str(error)) from None

    async def _authorities_of_pod(self) -> str:
        found = await self._of_pod("ca.crt")
        return found.text() if found else ""

    async def _of_pod(self, name: str) -> Secret | None:
        """Return what the pod that this runs in was given, or None outside of one."""
        return await asyncio.to_thread(_read, self._pod / name)

    # -- configuration -------------------------------------------------------------------------

    async def show_config(self, call: Call, _given: Nothing) -> Reply:
        """Show the cluster; the reviewer's token stays inside."""
        config = await _config(call)
        if config is None:
            raise NotFoundError
        return Reply(
            {
                "kubernetes_host": config.kubernetes_host,
                "kubernetes_ca_cert": config.kubernetes_ca_cert,
                "pem_keys": list(config.pem_keys),
                "disable_local_ca_jwt": config.disable_local_ca_jwt,
                "token_reviewer_jwt_set": config.token_reviewer_jwt is not None,
            }
        )

    async def write_config(self, call: Call, given: Config) -> None:
        """Set the cluster, in place of what was set before."""
        _url(given.kubernetes_host)
        if given.disable_local_ca_jwt and not given.kubernetes_ca_cert:
            said = "kubernetes_ca_cert must be given when disable_local_ca_jwt is true"
            raise InputError("", said)
        if len(given.kubernetes_ca_cert) > LONGEST_PEM:
            raise InputError("kubernetes_ca_cert", f"longer than {LONGEST_PEM:,} characters")
        if given.kubernetes_ca_cert and "BEGIN CERTIFICATE" not in given.kubernetes_ca_cert:
            raise InputError("kubernetes_ca_cert", "certificates in PEM")
        keys_of(given.pem_keys)
        reviewer = given.token_reviewer_jwt
        if reviewer is not None and not reviewer.reveal():
            reviewer = None
        if reviewer is not None and not _is_bearer(reviewer):
            raise InputError("token_reviewer_jwt", "not a token")
        await call.store.put(CONFIG, replace(given, token_reviewer_jwt=reviewer))

    async def list_roles(self, call: Call, page: Page) -> Reply:
        """List role names."""
        return Reply({"keys": await call.store.names(ROLES, after=page.after, limit=page.limit)})

    async def has_role(self, call: Call, given: OfRole) -> bool:
        """Tell a create from an update."""
        return await _find(call, given.key) is not None

    async def show_role(self, call: Call, given: OfRole) -> Reply:
        """Show a role."""
        role = await _find(call, given.key)
        if role is None:
            raise NotFoundError
        own: dict[str, object] = {
            "bound_service_account_names": list(role.bound_service_account_names),
            "bound_service_account_namespaces": list(role.bound_service_account_namespaces),
            "bound_service_account_namespace_selector": "",
            "alias_name_source": role.alias_name_source,
        }
        if role.audience:
            own["audience"] = role.audience
        return Reply(shown_rules(role, older=_OLDER) | own)

    async def write_role(self, call: Call, given: RoleGiven) -> None:
        """Make a role, or change what was sent of one."""
        name = valid_name(given.key, "name")
        if given.bound_service_account_namespace_selector:
            field = "bound_service_account_namespace_selector"
            raise InputError(field, "not supported; name the namespaces, or patterns of them")
        role = await _find(call, name) or Role(name=name)
        role = settled(changed(role, given, given.sent - {"name"}), call.warnings)
        check_settings(role)
        warn_of_long_life(role, call.mount, call.warnings)
        if not role.audience:
            call.warnings.append(
                "without an audience, a token that is meant for the cluster itself gets in"
            )
        await call.store.put(ROLES + name, role)

    async def drop_role(self, call: Call, given: OfRole) -> None:
        """Delete a role. Tokens live on until their renewal, which is refused."""
        await call.store.delete(ROLES + given.key)


async def _find(call: Call, name: str) -> Role | None:
    """Return the role, or None; a name that no role can have is not asked for."""
    held = await call.store.find(ROLES + name, Role) if NAME.fullmatch(name) else None
    return held.value if held else None


async def _config(call: Call) -> Config | None:
    held = await call.store.find(CONFIG, Config)
    return held.value if held else None


def _url(host: str) -> str:
    """Return the API's URL; InputError for what is none, and for one in clear to elsewhere."""
    if not host:
        raise InputError("", "no host provided")
    try:
        url = urlsplit(host if "://" in host else f"https://{host}")
        name, _ = url.hostname or "", url.port
    except ValueError:
        raise InputError("kubernetes_host", "not a host, nor an https URL") from None
    plain = url.netloc.rpartition("@")[0] or url.query or url.fragment
    bracketed = f"[{name}]" if ":" in name else name
    if url.scheme not in {"https", "http"} or plain or not _HOST.fullmatch(bracketed):
        raise InputError("kubernetes_host", "not a host, nor an https URL")
    if not host.isascii() or not host.isprintable() or len(host) > 512:
        raise InputError("kubernetes_host", "not a host, nor an https URL")
    if url.scheme == "http" and name not in _THIS_MACHINE:
        raise InputError("kubernetes_host", "is asked over https, but on this machine")
    return url.geturl()


def _is_bearer(token: Secret) -> bool:
    raw = token.reveal()
    return 0 < len(raw) <= LONGEST_TOKEN and all(0x21 <= each <= 0x7E for each in raw)


def _read(path: Path) -> Secret | None:
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_PEM).strip()
    except OSError:
        return None
    return Secret(text) if text and text.isascii() else None
