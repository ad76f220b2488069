"""The server's configuration: TOML in, frozen dataclasses out.

Specs  TOML 1.0. Each key stands in one of the dataclasses below under the name it has in the
       file; `[[listener]]` and `[[sink]]` may be repeated. Environment variables of
       `OVERRIDES` go above the file.
Units  Durations as strings (`768h`, `90s`) or seconds; sizes as bytes or `32MiB`.
Trust  Whoever writes this file decides where secrets are kept and who may listen in. It holds no
       secret itself, but that a database URL may: it is never printed.

An error names the file, the line where it can be told, and the key; a key that nobody knows is
an error, with the nearest known one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from strongroom.base.errors import InputError
from strongroom.base.sqlite_urls import SCHEME, sqlite_path, sqlite_url
from strongroom.base.toml_tables import ConfigurationError, Table, Where, lines_of, read_toml

__all__ = [
    "OVERRIDES",
    "CertificateConfiguration",
    "ClockConfiguration",
    "Configuration",
    "ConfigurationError",
    "ConsoleConfiguration",
    "LimitsConfiguration",
    "ListenerConfiguration",
    "LogConfiguration",
    "PasswordsConfiguration",
    "SealConfiguration",
    "SinkConfiguration",
    "StorageConfiguration",
    "WitnessConfiguration",
    "load_configuration",
    "parse_configuration",
]

OVERRIDES = {
    "STRONGROOM_CLUSTER_NAME": ("cluster_name",),
    "STRONGROOM_DATA_DIR": ("data_dir",),
    "STRONGROOM_STORAGE_URL": ("storage", "url"),
    "STRONGROOM_SEAL_TYPE": ("seal", "type"),
    "STRONGROOM_SEAL_PASSPHRASE_FILE": ("seal", "passphrase_file"),
    "STRONGROOM_LOG_ORIGIN": ("log", "origin"),
}

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class StorageConfiguration:
    """`sqlite://` and an absolute path, or the URL of a PostgreSQL database."""

    url: str = field(repr=False)

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None for PostgreSQL."""
        return sqlite_path(self.url, "storage.url") if self.url.startswith(SCHEME) else None


@dataclass(frozen=True, kw_only=True)
class CertificateConfiguration:
    """The operator's own certificate, PEM with its chain, and its key."""

    file: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class ListenerConfiguration:
    """One address. Without `certificate` one is generated, for `names` and what is always there."""

    host: str = "127.0.0.1"
    port: int = 8200
    tls: bool = True
    insecure: bool = False  # says that plain HTTP beyond loopback is meant
    certificate: CertificateConfiguration | None = None
    names: tuple[str, ...] = ()
    min_version: Literal["1.2", "1.3"] = "1.2"
    request_client_certificate: bool = False
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SealConfiguration:
    """What keeps the root key."""

    type: Literal["shamir", "passphrase"] = "shamir"
    passphrase_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class WitnessConfiguration:
    """A witness: its verifier key, and where it answers."""

    key: str
    url: str


@dataclass(frozen=True, kw_only=True)
class LogConfiguration:
    """The transparency log. `origin` is its name for life."""

    origin: str
    checkpoint_interval: timedelta = timedelta(seconds=1)
    witnesses: tuple[WitnessConfiguration, ...] = ()
    witness_interval: timedelta = timedelta(seconds=15)


@dataclass(frozen=True, kw_only=True)
class SinkConfiguration:
    """Where entries are delivered besides the log."""

    type: Literal["file"]
    path: Path


@dataclass(frozen=True, kw_only=True)
class LimitsConfiguration:
    """`rate` and `burst` are requests of one address without a valid token; 0 is no limit."""

    body: int = 32 * 1024 * 1024
    rate: float = 5000.0
    burst: float = 10_000.0


@dataclass(frozen=True, kw_only=True)
class ClockConfiguration:
    """A simulated clock is for demonstrations; the log says that it was one."""

    simulated: bool = False
    start: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ConsoleConfiguration:
    """Where people's browsers find this server. Security keys are bound to the host for life."""

    url: str
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PasswordsConfiguration:
    """What people may not take: a sorted file of SHA-1 digests of passwords that were breached."""

    breached: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All of it."""

    cluster_name: str
    data_dir: Path
    default_lease_ttl: timedelta
    max_lease_ttl: timedelta
    storage: StorageConfiguration
    listeners: tuple[ListenerConfiguration, ...]
    seal: SealConfiguration
    log: LogConfiguration
    sinks: tuple[SinkConfiguration, ...]
    limits: LimitsConfiguration
    clock: ClockConfiguration
    console: ConsoleConfiguration
    passwords: PasswordsConfiguration


def load_configuration(path: Path, environ: Mapping[str, str]) -> Configuration:
    """Read a file. Raises ConfigurationError when it cannot be read, or used."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(str(path), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(str(path), "", "is not UTF-8") from None
    return parse_configuration(text, source=path.name, environ=environ)


def parse_configuration(text: str, *, source: str, environ: Mapping[str, str]) -> Configuration:
    """Read TOML; `source` is how errors name it. Raises ConfigurationError."""
    raw = read_toml(text, source)
    where = Where(source, lines_of(text), _override(raw, environ))
    return _configuration(Table(raw, "", where))


def _configuration(top: Table) -> Configuration:
    name = top.word("cluster_name", "strongroom")
    data = top.path("data_dir", Path("/var/lib/strongroom"))
    default = top.duration("default_lease_ttl", timedelta(hours=768), positive=True)
    longest = top.duration("max_lease_ttl", timedelta(hours=768), positive=True)
    if default > longest:
        top.refuse("default_lease_ttl", "is longer than max_lease_ttl")
    listeners = tuple(_listener(each) for each in top.tables("listener"))
    configuration = Configuration(
        cluster_name=name,
        data_dir=data,
        default_lease_ttl=default,
        max_lease_ttl=longest,
        storage=_storage(top.table("storage"), data),
        listeners=listeners or (ListenerConfiguration(),),
        seal=_seal(top.table("seal")),
        log=_log(top.table("log"), name),
        sinks=tuple(_sink(each) for each in top.tables("sink")),
        limits=_limits(top.table("limits")),
        clock=_clock(top.table("clock")),
        console=_console(top.table("console"), (listeners or (ListenerConfiguration(),))[0]),
        passwords=_passwords(top.table("passwords")),
    )
    top.done()
    return configuration


def _storage(table: Table, data: Path) -> StorageConfiguration:
    url = table.text("url", sqlite_url(data / "strongroom.db"))
    table.done()
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in {"sqlite", "postgresql"}:
        table.refuse("url", 'must begin with "sqlite:///" or "postgresql://"')
    if scheme == "sqlite":
        try:
            sqlite_path(url, "url")
        except InputError as error:
            table.refuse("url", error.problem)
    return StorageConfiguration(url=url)


def _listener(table: Table) -> ListenerConfiguration:
    host, port = _address(table)
    tls, insecure = table.flag("tls", default=True), table.flag("insecure", default=False)
    minimum = table.choice("min_version", ("1.2", "1.3"), "1.2")
    if not tls:
        for key in ("certificate", "names", "min_version", "request_client_certificate"):
            if table.has(key):
                table.refuse(key, "needs tls = true")
        if not insecure and not _is_loopback(host):
            problem = "plain HTTP beyond loopback shows every secret to the network"
            table.refuse("tls", f"{problem}; say insecure = true if that is meant")
    elif insecure:
        table.refuse("insecure", "has no meaning with tls = true")
    listener = ListenerConfiguration(
        host=host,
        port=port,
        tls=tls,
        insecure=insecure,
        certificate=_certificate(table),
        names=table.texts("names"),
        min_version=cast("Literal['1.2', '1.3']", minimum),
        request_client_certificate=table.flag("request_client_certificate", default=False),
        trusted_proxies=table.each(
            "trusted_proxies", ip_network, "is no network such as 10.0.0.0/8"
        ),
    )
    table.done()
    return listener


def _address(table: Table) -> tuple[str, int]:
    text = table.text("address", "127.0.0.1:8200")
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})", text, re.ASCII)
    if match is None or int(match[3]) > 65535 or not _is_ipv6(match[1] or "::"):
        table.refuse("address", 'must be "host:port" or "[IPv6 address]:port"')
    return match[1] or match[2], int(match[3])


def _is_ipv6(text: str) -> bool:
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _certificate(table: Table) -> CertificateConfiguration | None:
    if not table.has("certificate"):
        return None
    if table.has("names"):
        table.refuse("names", "are those of a generated certificate, but one is given")
    inner = table.table("certificate")
    found = CertificateConfiguration(file=inner.path("file"), key=inner.path("key"))
    inner.done()
    return found


def _seal(table: Table) -> SealConfiguration:
    kind = table.choice("type", ("shamir", "passphrase"), "shamir")
    file = table.path("passphrase_file") if table.has("passphrase_file") else None
    table.done()
    if kind == "passphrase" and file is None:
        table.refuse("passphrase_file", 'is required with type = "passphrase"')
    if kind == "shamir" and file is not None:
        table.refuse("passphrase_file", 'needs type = "passphrase"')
    return SealConfiguration(
        type=cast("Literal['shamir', 'passphrase']", kind), passphrase_file=file
    )


def _log(table: Table, cluster_name: str) -> LogConfiguration:
    origin = table.text("origin", f"{cluster_name}/log")
    if not re.fullmatch(r"[!-*,-~]{1,200}", origin) or "://" in origin:
        table.refuse("origin", "must be a URL without its scheme, with neither spaces nor +")
    log = LogConfiguration(
        origin=origin,
        checkpoint_interval=table.duration(
            "checkpoint_interval", timedelta(seconds=1), positive=True
        ),
        witnesses=table.each("witnesses", _witness, 'must be "name+hash+key https://address"'),
        witness_interval=table.duration("witness_interval", timedelta(seconds=15), positive=True),
    )
    table.done()
    return log


def _witness(text: str) -> WitnessConfiguration:
    key, url = text.split()
    parts = urlsplit(url)
    local = parts.hostname is not None and _is_loopback(parts.hostname)
    if key.count("+") < 2 or not parts.hostname:
        raise ValueError(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError(text)
    return WitnessConfiguration(key=key, url=url)


def _sink(table: Table) -> SinkConfiguration:
    table.choice("type", ("file",))
    sink = SinkConfiguration(type="file", path=table.path("path"))
    table.done()
    return sink


def _limits(table: Table) -> LimitsConfiguration:
    rate = table.number("rate", 5000.0)
    limits = LimitsConfiguration(
        body=table.size("body", 32 * 1024 * 1024),
        rate=rate,
        burst=table.number("burst", max(1.0, 2 * rate)),
    )
    table.done()
    if limits.burst < 1:
        table.refuse("burst", "must be at least 1")
    return limits


def _clock(table: Table) -> ClockConfiguration:
    simulated = table.flag("simulated", default=False)
    start = table.moment("start") if table.has("start") else None
    table.done()
    if start is not None and not simulated:
        table.refuse("start", "needs simulated = true")
    return ClockConfiguration(simulated=simulated, start=start)


def _console(table: Table, listener: ListenerConfiguration) -> ConsoleConfiguration:
    scheme = "https" if listener.tls else "http"
    url = _as_browsers_write(table.text("url", f"{scheme}://localhost:{listener.port}"))
    host = _origin_host(url)
    if host is None:
        table.refuse("url", "must be https:// and a host name, with nothing behind it but a port")
    origins = tuple(map(_as_browsers_write, table.texts("origins")))
    for each in origins:
        other = _origin_host(each)
        if other is None or not f".{other}".endswith(f".{host}"):
            table.refuse("origins", f"must be origins such as https://{host}, or of hosts below it")
    table.done()
    return ConsoleConfiguration(url=url, origins=origins)


def _passwords(table: Table) -> PasswordsConfiguration:
    breached = table.path("breached") if table.has("breached") else None
    table.done()
    return PasswordsConfiguration(breached=breached)


def _as_browsers_write(origin: str) -> str:
    """Return an origin without the port that its scheme has anyway."""
    return origin.removesuffix(":443" if origin.startswith("https:") else ":80")


def _origin_host(text: str) -> str | None:
    """Return the host of an origin that a browser lets use security keys; None for any other."""
    match = re.fullmatch(r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?", text)
    if match is None or int(match[3] or 1) > 65535:
        return None
    if re.fullmatch(r"[0-9.]+", match[2]) or (match[1] == "http" and match[2] != "localhost"):
        return None
    return match[2]


def _override(raw: dict[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Put the environment's values into the tables; return which key came from where."""
    overridden = {}
    for variable, (*tables, key) in OVERRIDES.items():
        if variable not in environ:
            continue
        table: Any = raw
        for name in tables:
            table = table.setdefault(name, {})
        if isinstance(table, dict):
            table[key] = environ[variable]
            overridden[".".join((*tables, key))] = variable
    return overridden
