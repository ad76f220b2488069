"""AWS auth method: a signed request to STS for a token, for workloads with an IAM principal.

Specs   AWS Signature Version 4 and STS `GetCallerIdentity`; see the modules beside this one.
Vault   The `iam` part of Vault's `aws` mount, by its public documentation: OpenBao 2.7 has none.
        A login without a role takes that of the principal's own name. Names of roles are
        case-insensitive, kept in lower case; a write changes what it names and keeps the rest.
Differs Only `auth_type=iam`: fields of EC2, and an inferred entity, are refused by name. Nothing is
        asked of AWS but what the client signed, so keys of our own, `resolve_aws_unique_ids` and
        `full_arn` are refused too. A principal is known by its unique id unless `iam_alias` is
        `canonical_arn`; Vault's default, the role's id, is one identity for all, and is refused.
        A pattern names its account. Every refused login says the same, after the same question
        to STS, an unknown role's included; a request that must not be sent is not sent. A header
        that is not known is refused, not left out. STS that does not answer is 502.
Order   STS is asked while the login is served, with nothing locked; it may be asked again where
        another request wrote the same row meanwhile.
Trust   STS decides who somebody is, and the mount which STS: never the URL that came. Whoever may
        write `config/client` or roles can log in as any principal of the mount.
Limits  A user or role that is deleted and made anew under its name is let in again; its unique id,
        and so its entity, is another. That it is gone is noticed at the next login.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

from strongroom.auth.aws import signed
from strongroom.auth.aws.principals import PrincipalError, admitted, bound
from strongroom.auth.aws.records import (
    CLIENT,
    DEFAULT_METADATA,
    IDENTITY,
    METADATA,
    ROLES,
    Bound,
    Client,
    Identity,
    Role,
    Settings,
)
from strongroom.auth.aws.sts import caller
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.network import admits
from strongroom.base.secret import Secret
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import (
    CONFIGURATION,
    Call,
    Endpoint,
    Help,
    Json,
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
MOST_BOUND: Final = 256
MOST_HEADERS: Final = 16
_OLDER: Final = {
    "policies": "token_policies",
    "ttl": "token_ttl",
    "max_ttl": "token_max_ttl",
    "period": "token_period",
    "bound_cidrs": "token_bound_cidrs",
}
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]{2,9}){1,3}-\d", re.ASCII)
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ONLY_IAM: Final = "only auth_type `iam` is supported"
_NO_KEYS: Final = "not supported: nothing is asked of AWS but what the client signed"
_OF_EC2: Final = (
    "bound_account_id",
    "bound_ami_id",
    "bound_ec2_instance_id",
    "bound_iam_instance_profile_arn",
    "bound_iam_role_arn",
    "bound_region",
    "bound_subnet_id",
    "bound_vpc_id",
    "role_tag",
)
_Unsupported = Annotated[tuple[str, ...], Help("Not supported.", shown=False)]
_Flag = Annotated[bool, Help("Not supported.", shown=False)]
_Text = Annotated[str, Help("Not supported.", shown=False)]


@dataclass(frozen=True, kw_only=True)
class OfRole:
    """For paths that end in a role's name."""

    role: Annotated[str, Help("Role name; case does not matter.", least=1, most=512)]

    @property
    def key(self) -> str:
        """The name in its one form."""
        return self.role.lower()


@dataclass(frozen=True, kw_only=True)
class RoleGiven(OfRole, Settings):
    """A role as written."""

    auth_type: Annotated[str, Help("`iam`, and no other.")] = "iam"
    resolve_aws_unique_ids: Annotated[bool, Help("Not supported.")] = False
    inferred_entity_type: Annotated[str, Help("Not supported.")] = ""
    inferred_aws_region: Annotated[str, Help("Not supported.")] = ""
    bound_account_id: _Unsupported = ()
    bound_ami_id: _Unsupported = ()
    bound_ec2_instance_id: _Unsupported = ()
    bound_iam_instance_profile_arn: _Unsupported = ()
    bound_iam_role_arn: _Unsupported = ()
    bound_region: _Unsupported = ()
    bound_subnet_id: _Unsupported = ()
    bound_vpc_id: _Unsupported = ()
    role_tag: _Text = ""
    allow_instance_migration: _Flag = False
    disallow_reauthentication: _Flag = False
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ClientGiven(Client):
    """How STS is asked, as written."""

    access_key: _Text = ""
    secret_key: Annotated[Secret | None, Help("Not supported.", shown=False)] = None
    endpoint: _Text = ""
    iam_endpoint: _Text = ""
    role_arn: _Text = ""
    identity_token_audience: _Text = ""
    max_retries: Annotated[int, Help("Not supported.", shown=False)] = -1
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class IdentityGiven:
    """What principals are known by, as written."""

    iam_alias: Annotated[str, Help("What a principal is known by.")] = ""
    iam_metadata: Annotated[tuple[str, ...], Help("What the alias gets.")] = ()
    ec2_alias: _Text = ""
    ec2_metadata: _Unsupported = ()
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A login as tried: a request to STS that was signed and not sent."""

    role: Annotated[str, Help("The role; left out, that of the principal's name.")] = ""
    iam_http_request_method: Annotated[str, Help("POST.")] = ""
    iam_request_url: Annotated[str, Help("URL of STS, in base64.")] = ""
    iam_request_body: Annotated[str, Help("Body, in base64.")] = ""
    iam_request_headers: Annotated[
        Json | None, Help("Headers: a JSON object of texts, or that in base64.")
    ] = None
    pkcs7: _Text = ""
    identity: _Text = ""
    signature: _Text = ""
    nonce: _Text = ""


class Aws:
    """Knows workloads by their IAM principal, on the word of STS."""

    kind: ClassVar[str] = "aws"

    def __init__(self, web: Web) -> None:
        """Ask STS through `web`."""
        self._web = web

    def routes(self) -> tuple[Route, ...]:
        """Return the paths of configuration and roles."""
        names = Endpoint(Page, self.list_roles, "aws.role.list")
        return (
            Route(
                path="config/client",
                summary="How STS is asked.",
                read=Endpoint(Nothing, self.show_client, "aws.config.read"),
                write=Endpoint(ClientGiven, self.write_client, "aws.config.write"),
                delete=Endpoint(Nothing, self.drop_client, "aws.config.delete"),
                subjects=known_aliases,
                opens=CONFIGURATION,
            ),
            Route(
                path="config/identity",
                summary="What principals are known by.",
                read=Endpoint(Nothing, self.show_identity, "aws.identity.read"),
                write=Endpoint(IdentityGiven, self.write_identity, "aws.identity.write"),
                subjects=known_aliases,
            ),
            Route(path="role", summary="The names of all roles.", list=names),
            Route(path="roles", summary="The names of all roles.", list=names),
            Route(
                path="role/{role}",
                summary="One role: the principals that it is for.",
                read=Endpoint(OfRole, self.show_role, "aws.role.read"),
                write=Endpoint(RoleGiven, self.write_role, "aws.role.write"),
                delete=Endpoint(OfRole, self.drop_role, "aws.role.delete"),
                exists=self.has_role,
                subjects=known_aliases,
                opens=Opens(name=lambda given: given.key),
            ),
        )

    # -- logging in ----------------------------------------------------------------------------

    def login(self) -> Login[Attempt]:
        """Return the way in. Nothing can be guessed at it, so nobody is locked out of it."""
        summary = "Log in by a signed request to STS."
        return Login("login", Attempt, self.prove, lambda _: "", summary, REFUSED)

    async def prove(self, call: Call, given: Attempt) -> Proof:
        """Say which principal signed the request; one refusal for all reasons."""
        for field in ("pkcs7", "identity", "signature", "nonce"):
            if getattr(given, field):
                raise InputError(field, _ONLY_IAM)
        headers = given.iam_request_headers
        named = ("iam_http_request_method", "iam_request_url", "iam_request_body")
        missing = [field for field in named if not getattr(given, field)]
        if missing or headers is None:
            raise InputError("", f"missing {next(iter(missing), 'iam_request_headers')}")
        sent = signed.Sent(
            method=given.iam_http_request_method,
            url=given.iam_request_url,
            body=given.iam_request_body,
            headers=headers.raw,
        )
        client = await _client(call)
        try:
            request = signed.checked(sent, client.rules(), call.now)
            principal = await caller(self._web, client.url(request.host), request)
        except (signed.UnsignedError, PrincipalError) as error:
            raise DeniedError(str(error)) from None
        role = await _find(call, given.role.lower() or principal.name.lower())
        if role is None:
            raise DeniedError("no such role")
        if not admitted(role.bound_iam_principal_arn, principal):
            raise DeniedError(f"{role.name}: not for this principal")
        if not admits(role.token_bound_cidrs, call.address):
            raise DeniedError(f"{role.name}: not from there")
        identity = await _identity(call)
        alias = identity.alias_of(principal)
        await remember(call, alias)
        metadata = {
            "account_id": principal.account,
            "auth_type": "iam",
            "canonical_arn": principal.canonical,
            "client_arn": principal.arn[:512],
            "client_user_id": principal.unique_id,
        }
        return Proof(
            alias=alias,
            shown_by="aws-signature",
            rules=short_lived(rules_of(role), call.mount),
            display=principal.name,
            role=Bound(role=role.name, principal=principal).written(),
            entrance=role.name,
            metadata=metadata,
            alias_metadata={name: metadata[name] for name in identity.iam_metadata},
            workload=True,
        )

    async def still_holds(self, call: Call, role: str, alias: str) -> TokenRules:
        """Return the role's rules; refused when it is gone, or no longer for the principal."""
        of = Bound.read(role)
        found = await _find(call, of.role) if of else None
        if of is None or found is None:
            raise DeniedError
        if not admitted(found.bound_iam_principal_arn, of.principal):
            raise DeniedError
        if alias not in {of.principal.unique_id, of.principal.canonical}:
            raise DeniedError
        return short_lived(rules_of(found), call.mount)

    # -- configuration -------------------------------------------------------------------------

    async def show_client(self, call: Call, _given: Nothing) -> Reply:
        """Show how STS is asked."""
        held = await call.store.find(CLIENT, Client)
        if held is None:
            raise NotFoundError
        client = held.value
        return Reply(
            {
                "sts_endpoint": client.sts_endpoint,
                "sts_region": client.sts_region,
                "use_sts_region_from_client": client.use_sts_region_from_client,
                "iam_server_id_header_value": client.iam_server_id_header_value,
                "allowed_sts_header_values": list(client.allowed_sts_header_values),
                "access_key": "",
                "endpoint": "",
                "iam_endpoint": "",
                "max_retries": -1,
            }
        )

    async def write_client(self, call: Call, given: ClientGiven) -> None:
        """Change what was sent of how STS is asked."""
        secret = given.secret_key is not None and bool(given.secret_key.reveal())
        for field in ("access_key", "endpoint", "iam_endpoint", "role_arn"):
            if getattr(given, field):
                raise InputError(field, _NO_KEYS)
        if secret or given.identity_token_audience:
            raise InputError("secret_key" if secret else "identity_token_audience", _NO_KEYS)
        if given.max_retries != -1:
            raise InputError("max_retries", "not supported: STS is asked once")
        client = changed(await _client(call), given, given.sent)
        _check_client(client)
        await call.store.put(CLIENT, client)

    async def drop_client(self, call: Call, _given: Nothing) -> None:
        """Forget it; then the global STS is asked, and no server id is wanted."""
        await call.store.delete(CLIENT)

    async def show_identity(self, call: Call, _given: Nothing) -> Reply:
        """Show what principals are known by."""
        identity = await _identity(call)
        return Reply({"iam_alias": identity.iam_alias, "iam_metadata": list(identity.iam_metadata)})

    async def write_identity(self, call: Call, given: IdentityGiven) -> None:
        """Change what was sent of what principals are known by."""
        if given.ec2_alias or given.ec2_metadata:
            raise InputError("ec2_alias" if given.ec2_alias else "ec2_metadata", _ONLY_IAM)
        identity = await _identity(call)
        if given.iam_alias:
            if given.iam_alias not in {"unique_id", "canonical_arn"}:
                raise InputError("iam_alias", "either unique_id or canonical_arn")
            identity = replace(identity, iam_alias=given.iam_alias)
        if "iam_metadata" in given.sent:
            named = [each for each in given.iam_metadata if each != "default"]
            if not set(named) <= set(METADATA):
                raise InputError("iam_metadata", f"of: default, {', '.join(METADATA)}")
            usual = DEFAULT_METADATA if "default" in given.iam_metadata else ()
            chosen = tuple(dict.fromkeys((*usual, *named)))
            identity = replace(identity, iam_metadata=chosen)
        await call.store.put(IDENTITY, identity)

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
        own = {
            "auth_type": "iam",
            "bound_iam_principal_arn": list(role.bound_iam_principal_arn),
            "resolve_aws_unique_ids": False,
            "inferred_entity_type": "",
            "inferred_aws_region": "",
        }
        return Reply(shown_rules(role, older=_OLDER) | own)

    async def write_role(self, call: Call, given: RoleGiven) -> None:
        """Make a role, or change what was sent of one."""
        name = valid_name(given.key, "role")
        if given.auth_type != "iam":
            raise InputError("auth_type", _ONLY_IAM)
        if given.resolve_aws_unique_ids:
            raise InputError("resolve_aws_unique_ids", _NO_KEYS)
        for field in ("inferred_entity_type", "inferred_aws_region"):
            if getattr(given, field):
                raise InputError(field, "inferred entities are not supported")
        for field in (*_OF_EC2, "allow_instance_migration", "disallow_reauthentication"):
            if getattr(given, field):
                raise InputError(field, _ONLY_IAM)
        role = await _find(call, name) or Role(name=name)
        role = settled(changed(role, given, given.sent - {"role"}), call.warnings)
        if not 0 < len(role.bound_iam_principal_arn) <= MOST_BOUND:
            raise InputError("bound_iam_principal_arn", f"1 to {MOST_BOUND} of them")
        arns = tuple(dict.fromkeys(bound(each) for each in role.bound_iam_principal_arn))
        warn_of_long_life(role, call.mount, call.warnings)
        await call.store.put(ROLES + name, replace(role, bound_iam_principal_arn=arns))

    async def drop_role(self, call: Call, given: OfRole) -> None:
        """Delete a role. Tokens live on until their renewal, which is refused."""
        await call.store.delete(ROLES + given.key)


async def _find(call: Call, name: str) -> Role | None:
    """Return the role, or None; a name that no role can have is not asked for."""
    held = await call.store.find(ROLES + name, Role) if NAME.fullmatch(name) else None
    return held.value if held else None


async def _client(call: Call) -> Client:
    held = await call.store.find(CLIENT, Client)
    return held.value if held else Client()


async def _identity(call: Call) -> Identity:
    held = await call.store.find(IDENTITY, Identity)
    return held.value if held else Identity()


def _check_client(client: Client) -> None:
    """Raise InputError for an STS that cannot be asked, or would be asked in clear."""
    names = client.allowed_sts_header_values
    if len(names) > MOST_HEADERS or not all(_HEADER.fullmatch(name) for name in names):
        raise InputError("allowed_sts_header_values", f"at most {MOST_HEADERS} names of headers")
    if client.sts_region and not _REGION.fullmatch(client.sts_region):
        raise InputError("sts_region", "not a region, such as eu-central-1")
    wanted = client.iam_server_id_header_value
    if not wanted.isascii() or not wanted.isprintable() or wanted != wanted.strip():
        raise InputError("iam_server_id_header_value", "text that a header can hold")
    if not client.sts_endpoint:
        return
    text = client.sts_endpoint
    try:
        url = urlsplit(text)
        name, _ = url.hostname or "", url.port
    except ValueError:
        raise InputError("sts_endpoint", "not a URL") from None
    clean = text.isascii() and text.isprintable() and " " not in text and "@" not in url.netloc
    if url.scheme not in {"https", "http"} or not name or not clean or len(text) > 512:
        raise InputError("sts_endpoint", "not an https URL")
    if url.path not in {"", "/"} or url.query or url.fragment:
        raise InputError("sts_endpoint", "a URL without a path")
    if url.scheme == "http" and name not in _THIS_MACHINE:
        raise InputError("sts_endpoint", "is asked over https, but on this machine")
