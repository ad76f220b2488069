"""What is set on a mount: as it comes in, as it is kept, and as Vault shows it.

Vault   `config` when a mount is enabled, the same names on `…/tune`. A TTL of "" leaves what was
        there, "system" (or zero) goes back to the server's.
Differs Kept and shown, without effect: `passthrough_request_headers` and
        `allowed_response_headers` (no engine sees a header), `audit_non_hmac_*` (the log holds no
        value, hashed or not), `force_no_cache`, `seal_wrap`, `local`. A lock-out that would stop
        nobody is refused with 400: failures forgotten, or a lock ended, within a minute, or more
        than 100 tries (the most that NIST SP 800-63B allows in a row). `lockout_disable` is how to
        have none, and control T50 asks for more than these floors.
Units   TTLs in replies are whole seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Annotated, Any

from strongroom.base.duration import parse_duration
from strongroom.base.errors import InputError
from strongroom.base.version import VERSION
from strongroom.core.records import Mount
from strongroom.core.server import Settings
from strongroom.sdk.engine import Help, Sent

AUTH = "auth/"
ZERO = timedelta(0)
MICROSECOND = timedelta(microseconds=1)
SHORTEST_LOCKOUT = timedelta(minutes=1)
MOST_FAILURES = 100
VISIBILITIES = ("", "hidden", "unauth")
TOKEN_TYPES = ("", "default-service", "default-batch", "service", "batch")
LISTS = (
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "passthrough_request_headers",
    "allowed_response_headers",
)
LOCKOUT = (
    "user_lockout_counter_reset_duration",
    "user_lockout_disable",
    "user_lockout_duration",
    "user_lockout_threshold",
)
LONGEST_PATH = 512
ABOUT = {
    "sys/": "system endpoints used for control, policy and debugging",
    "identity/": "identity store",
    "strongroom/": "the log, access questions and environments",
    "strongroom/evidence/": "control runs and evidence packs",
    "auth/token/": "token based credentials",
}


@dataclass(frozen=True, kw_only=True)
class LockoutConfig:
    """When failed logins lock a subject out."""

    lockout_threshold: Annotated[int | None, Help("Failures until then.", least=0)] = None
    lockout_duration: Annotated[timedelta | None, Help("For how long.")] = None
    lockout_counter_reset_duration: Annotated[
        timedelta | None, Help("After how long failures are forgotten.")
    ] = None
    lockout_disable: Annotated[bool | None, Help("Never lock anybody out.")] = None


@dataclass(frozen=True, kw_only=True)
class MountConfig:
    """What `config` and `tune` share."""

    default_lease_ttl: Annotated[str | None, Help("Life of leases and tokens.")] = None
    max_lease_ttl: Annotated[str | None, Help("Life of leases and tokens at most.")] = None
    listing_visibility: Annotated[
        str | None, Help("`unauth` shows the mount to callers without a token; or `hidden`.")
    ] = None
    token_type: Annotated[str | None, Help("Type of the tokens of an auth method.")] = None
    passthrough_request_headers: Annotated[tuple[str, ...] | None, Help("Kept, not used.")] = None
    allowed_response_headers: Annotated[tuple[str, ...] | None, Help("Kept, not used.")] = None
    audit_non_hmac_request_keys: Annotated[tuple[str, ...] | None, Help("Kept, not used.")] = None
    audit_non_hmac_response_keys: Annotated[tuple[str, ...] | None, Help("Kept, not used.")] = None
    user_lockout_config: Annotated[LockoutConfig | None, Help("Lock-out of logins.")] = None
    plugin_version: Annotated[str, Help("Not used: engines are built in.")] = ""


@dataclass(frozen=True, kw_only=True)
class EnableConfig(MountConfig):
    """What `config` alone takes."""

    force_no_cache: Annotated[bool | None, Help("Kept, not used.")] = None


@dataclass(frozen=True, kw_only=True)
class AtMount:
    """Where."""

    path: Annotated[str, Help("Path of the mount.", least=1, most=LONGEST_PATH)]


@dataclass(frozen=True, kw_only=True)
class Enable(AtMount):
    """A mount that is to be."""

    type: Annotated[str, Help("Type of engine or auth method: `kv-v2`, `userpass`, …")] = ""
    description: Annotated[str, Help("For people.", most=4096)] = ""
    config: Annotated[EnableConfig | None, Help("Its settings.")] = None
    options: Annotated[
        Mapping[str, str | None] | None,
        Help("Options of the engine; `environment` binds the identities of an auth method."),
    ] = None
    local: Annotated[bool, Help("Kept, not used: there is no replication.")] = False
    seal_wrap: Annotated[bool, Help("Kept, not used: everything is encrypted alike.")] = False
    external_entropy_access: Annotated[bool, Help("Kept, not used.")] = False
    plugin_name: Annotated[str, Help("Older way to name the type.")] = ""
    plugin_version: Annotated[str, Help("Not used: engines are built in.")] = ""


@dataclass(frozen=True, kw_only=True)
class Tune(MountConfig, AtMount):
    """What is to change of a mount."""

    description: Annotated[str | None, Help("For people.", most=4096)] = None
    options: Annotated[Mapping[str, str | None] | None, Help("Options of the engine.")] = None
    sent: Annotated[frozenset[str], Sent()] = frozenset()


def mount_path(text: str, name: str = "path") -> str:
    """Return a mount's path with one slash at its end. Raises InputError for what is no path.

    Paths in a body have not been through the wire's cleaning, so the same rules stand here.
    """
    path = text.strip("/")
    segments = path.split("/")
    if not path or len(path) > LONGEST_PATH:
        raise InputError(name, f"a path has 1 to {LONGEST_PATH} characters")
    if not path.isprintable() or not {"", ".", ".."}.isdisjoint(segments):
        raise InputError(name, "holds an empty, '.' or '..' segment, or a control character")
    return path + "/"


def shown_path(path: str) -> str:
    """Return a path as errors of `sys/auth` name it."""
    return path.removeprefix(AUTH)


# -- taking in ---------------------------------------------------------------------------------


def configured(row: Mount, given: MountConfig, limits: Settings) -> Mount:
    """Return the row with these settings. Raises InputError for one that cannot be."""
    if given.listing_visibility is not None and given.listing_visibility not in VISIBILITIES:
        raise InputError("", f"invalid listing_visibility {given.listing_visibility}")
    _check_token_type(row, given.token_type)
    config = dict(row.config)
    for name in (*LISTS, "listing_visibility", "token_type", "force_no_cache"):
        value = getattr(given, name, None)
        if value is not None:
            config[name] = list(value) if isinstance(value, tuple) else value
    if given.user_lockout_config is not None:
        config |= _lockout(given.user_lockout_config)
    changed = replace(
        row,
        config=config,
        default_ttl=_ttl(given.default_lease_ttl, row.default_ttl, "default"),
        max_ttl=_ttl(given.max_lease_ttl, row.max_ttl, "max"),
    )
    _check_ttls(changed, limits)
    return changed


def _check_token_type(row: Mount, wanted: str | None) -> None:
    if wanted is None:
        return
    if not row.path.startswith(AUTH):
        if wanted:
            raise InputError("", "'token_type' can only be modified on auth mounts")
    elif wanted not in TOKEN_TYPES:
        raise InputError("", "invalid value for 'token_type'")


def _lockout(given: LockoutConfig) -> dict[str, object]:
    """Return what was sent of a lock-out's rules, under the names that Vault shows."""
    if (given.lockout_threshold or 0) > MOST_FAILURES:
        raise InputError("lockout_threshold", f"at most {MOST_FAILURES}; 0 for the server's own")
    for name in ("lockout_duration", "lockout_counter_reset_duration"):
        wanted = getattr(given, name)
        if wanted is not None and ZERO < wanted < SHORTEST_LOCKOUT:
            raise InputError(name, "at least a minute; 0 for the server's own")
    found = {f"user_{f.name}": getattr(given, f.name) for f in fields(given)}
    return {
        name: int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in found.items()
        if value is not None
    }


def _ttl(text: str | None, before: timedelta, which: str) -> timedelta:
    if text is None or not text.strip():
        return before
    if text.strip() == "system":
        return ZERO
    return parse_duration(text, f"{which}_lease_ttl")


def _check_ttls(row: Mount, limits: Settings) -> None:
    if row.max_ttl and row.default_ttl > row.max_ttl:
        raise InputError("", "given default lease TTL greater than given max lease TTL")
    if row.default_ttl > (row.max_ttl or limits.max_ttl):
        most = seconds(limits.max_ttl)
        raise InputError("", f"given default lease TTL greater than system max lease TTL of {most}")


# -- showing -----------------------------------------------------------------------------------


def seconds(duration: timedelta) -> int:
    """Return whole seconds."""
    return int(duration.total_seconds())


def shown_mount(row: Mount, *, fixed: bool) -> dict[str, Any]:
    """Return a mount as `sys/mounts` shows it."""
    is_auth = row.path.startswith(AUTH)
    config: dict[str, object] = {
        "default_lease_ttl": seconds(row.default_ttl),
        "max_lease_ttl": seconds(row.max_ttl),
        "force_no_cache": bool(row.config.get("force_no_cache")),
        **_set(row, "listing_visibility", *LISTS),
        **({"token_type": row.config.get("token_type") or "default-service"} if is_auth else {}),
    }
    if lockout := _set(row, *LOCKOUT):
        config["user_lockout_config"] = lockout
    return {
        "type": row.kind,
        "description": row.description or ABOUT.get(row.path, ""),
        "accessor": row.accessor,
        "uuid": row.uuid,
        "config": config,
        "options": None if fixed else row.options,
        "local": bool(row.config.get("local")),
        "seal_wrap": bool(row.config.get("seal_wrap")),
        "external_entropy_access": bool(row.config.get("external_entropy_access")),
        "plugin_version": "",
        "running_plugin_version": f"v{VERSION}+builtin.strongroom",
        "running_sha256": "",
        **({} if fixed else {"deprecation_status": "supported"}),
    }


def shown_tuning(row: Mount, limits: Settings) -> dict[str, Any]:
    """Return a mount's settings as `…/tune` shows them, the server's where it has none."""
    is_auth = row.path.startswith(AUTH)
    return {
        "description": row.description or ABOUT.get(row.path, ""),
        "default_lease_ttl": seconds(row.default_ttl or limits.default_ttl),
        "max_lease_ttl": seconds(row.max_ttl or limits.max_ttl),
        "force_no_cache": bool(row.config.get("force_no_cache")),
        **_set(row, "listing_visibility", *LISTS, *LOCKOUT),
        **({"token_type": row.config.get("token_type") or "default-service"} if is_auth else {}),
        **({"options": row.options} if row.options else {}),
    }


def _set(row: Mount, *names: str) -> dict[str, object]:
    return {name: row.config[name] for name in names if row.config.get(name)}
