"""How a mount checks tokens: whose keys, which algorithms, and who it is to an OIDC provider.

Vault   The paths and fields of `config`. A write replaces all of it; the client's secret is not
        shown. The keys are tried when they are configured, unless `skip_jwks_validation` is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final

from strongroom.auth.jwt.keys import ALGORITHMS, PublicKey, key_of_pem
from strongroom.auth.jwt.provider import WELL_KNOWN, Known, Providers, Source
from strongroom.base.errors import InputError, NotFoundError, UpstreamError
from strongroom.base.secret import Secret
from strongroom.sdk.engine import Call, Help, Json, Nothing, Reply

KEY: Final = "config"
MOST_STATIC_KEYS: Final = 16
LONGEST_PEM: Final = 64 * 1024
Algorithm = Annotated[tuple[str, ...], Help("Algorithms that are taken, asymmetric ones only.")]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A mount's configuration, as stored."""

    oidc_discovery_url: Annotated[
        str, Help("The issuer; its keys are found by OIDC discovery.", most=2048)
    ] = ""
    oidc_discovery_ca_pem: Annotated[
        str, Help("Authorities for it, in PEM; left out, the system's.", most=LONGEST_PEM)
    ] = ""
    oidc_client_id: Annotated[str, Help("This mount's client id there.", most=512)] = ""
    oidc_client_secret: Annotated[Secret | None, Help("The client's secret.", most=4096)] = None
    oidc_response_mode: Annotated[str, Help("`query`; nothing else is served.")] = ""
    oidc_response_types: Annotated[tuple[str, ...], Help("`code`; nothing else is served.")] = ()
    jwks_url: Annotated[str, Help("Where a key set is, instead of discovery.", most=2048)] = ""
    jwks_ca_pem: Annotated[
        str, Help("Authorities for it, in PEM; left out, the system's.", most=LONGEST_PEM)
    ] = ""
    jwt_validation_pubkeys: Annotated[
        tuple[str, ...], Help("Public keys in PEM, instead of a provider.")
    ] = ()
    jwt_supported_algs: Algorithm = ()
    bound_issuer: Annotated[str, Help("What `iss` must be.", most=2048)] = ""
    default_role: Annotated[str, Help("Role of logins that name none.", most=512)] = ""
    namespace_in_state: Annotated[bool, Help("Kept for clients; means nothing.")] = True

    @property
    def serves_oidc(self) -> bool:
        """Whether people can be sent to the provider."""
        return bool(self.oidc_discovery_url and self.oidc_client_id)

    def client_secret(self) -> str:
        """Return the client's secret, empty where there is none."""
        return self.oidc_client_secret.text() if self.oidc_client_secret is not None else ""

    def source(self, call: Call) -> Source:
        """Return where keys come from."""
        return Source(
            mount=call.mount.accessor,
            discovery_url=self.oidc_discovery_url,
            jwks_url=self.jwks_url,
            authorities=self.jwks_ca_pem if self.jwks_url else self.oidc_discovery_ca_pem,
        )

    def static_keys(self) -> tuple[PublicKey, ...]:
        """Return the configured keys."""
        return tuple(key_of_pem(e, "jwt_validation_pubkeys") for e in self.jwt_validation_pubkeys)

    def digest(self) -> str:
        """Return what changes with what a login that is under way depends on."""
        parts = (self.oidc_discovery_url, self.oidc_client_id, self.oidc_discovery_ca_pem)
        return sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ConfigGiven(Config):
    """A configuration as written."""

    provider_config: Annotated[Json | None, Help("Not served.")] = None
    override_allowed_server_names: Annotated[tuple[str, ...], Help("Not served.")] = ()
    skip_jwks_validation: Annotated[bool, Help("Take it though the provider is away.")] = False


async def find_config(call: Call) -> Config | None:
    """Return the mount's configuration, None where there is none yet."""
    held = await call.store.find(KEY, Config)
    return held.value if held else None


class Settings:
    """Serves `config`."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def show(self, call: Call, _given: Nothing) -> Reply:
        """Show the configuration, and whether its keys can be had."""
        config = await find_config(call)
        if config is None:
            raise NotFoundError
        status, warnings = "valid", tuple[str, ...]()
        try:
            await self._known(call, config)
        except UpstreamError:
            status, warnings = "invalid", ("the keys cannot be had from where they are",)
        return Reply(_shown(config) | {"status": status}, warnings=warnings)

    async def write(self, call: Call, given: ConfigGiven) -> None:
        """Replace the configuration; the provider is asked for its keys first."""
        _refuse(given)
        url = given.oidc_discovery_url.partition(WELL_KNOWN)[0]
        if url != given.oidc_discovery_url:
            call.warnings.append(f'modifying provided `OIDCDiscoveryURL` to "{url}"')
        config = Config(
            **{
                name: getattr(given, name)
                for name in Config.__dataclass_fields__
                if name not in {"oidc_discovery_url", "default_role"}
            },
            oidc_discovery_url=url,
            default_role=given.default_role.lower(),
        )
        _check(config)
        try:
            if config.jwt_validation_pubkeys:
                config.static_keys()
            else:
                await self._providers.check(config.source(call), call.now)
        except (UpstreamError, InputError) as error:
            if isinstance(error, InputError) and error.field:
                raise
            said = f"error checking {'jwks URL' if config.jwks_url else 'oidc discovery URL'}"
            if not given.skip_jwks_validation:
                raise InputError("", said, logged=f"{said}: {error}") from None
            call.warnings.append(said)
        await call.store.put(KEY, config)

    async def _known(self, call: Call, config: Config) -> Known | None:
        if config.jwt_validation_pubkeys:
            return None
        return await self._providers.known(config.source(call), call.now)


def _refuse(given: ConfigGiven) -> None:
    """Refuse what is not served, each with its reason."""
    if given.provider_config is not None and given.provider_config.raw not in {b"{}", b"null"}:
        raise InputError("provider_config", "no provider is treated in a way of its own here")
    if given.override_allowed_server_names:
        raise InputError(
            "override_allowed_server_names", "a certificate must be of the host that is asked"
        )
    if given.oidc_response_mode not in {"", "query"}:
        raise InputError("oidc_response_mode", "only `query` is served")
    if not set(given.oidc_response_types) <= {"code"}:
        raise InputError("oidc_response_types", "only `code` is served, with PKCE")


def _check(config: Config) -> None:
    sources = (config.oidc_discovery_url, config.jwks_url, config.jwt_validation_pubkeys)
    if sum(map(bool, sources)) != 1:
        said = "'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set"
        raise InputError("", f"exactly one of {said}")
    if bool(config.oidc_client_id) != bool(config.client_secret()):
        raise InputError("", "both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC")
    if config.oidc_client_id and not config.oidc_discovery_url:
        raise InputError("", "'oidc_discovery_url' must be set for OIDC")
    if len(config.jwt_validation_pubkeys) > MOST_STATIC_KEYS:
        raise InputError("jwt_validation_pubkeys", f"at most {MOST_STATIC_KEYS} keys")
    if unknown := set(config.jwt_supported_algs) - set(ALGORITHMS):
        words = f"expected some of {', '.join(ALGORITHMS)}"
        raise InputError("jwt_supported_algs", words, logged=f"{len(unknown)} not supported")


def _shown(config: Config) -> dict[str, Any]:
    shown = {
        name: getattr(config, name)
        for name in Config.__dataclass_fields__
        if name != "oidc_client_secret"
    }
    lists = {name: list(value) for name, value in shown.items() if isinstance(value, tuple)}
    return shown | lists | {"provider_config": {}, "override_allowed_server_names": []}
