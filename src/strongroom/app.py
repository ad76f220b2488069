"""The composition root: reads the configuration, builds every part, wires and runs them.

Order of start  database → log → seal → pipeline → `server.start` entry → listeners
Order of stop   listeners → background tasks → `server.stop` entry → last checkpoint → database
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import gethostname
from urllib.parse import urlsplit

import msgspec

from strongroom.api.certificates import CertificateFiles, generated_certificate
from strongroom.api.limits import EdgeLimits, TokenBuckets
from strongroom.api.listener_facts import Asked, listener_fact
from strongroom.api.log import PREFIX as LOG_PREFIX
from strongroom.api.log import LogWire
from strongroom.api.openapi import Described, document, parameter_for
from strongroom.api.path_help import help_on, help_on_mount
from strongroom.api.scim import PREFIX as SCIM_PREFIX
from strongroom.api.scim import ScimWire
from strongroom.api.server import Listener, run_in_loop
from strongroom.api.server import Server as HttpServer
from strongroom.api.tls import ListenerTls
from strongroom.api.vault import PREFIX as VAULT_PREFIX
from strongroom.api.vault import VaultWire, response
from strongroom.api.wire import HttpRequest, HttpResponse, Respond
from strongroom.audit.entry import SYSTEM
from strongroom.audit.follower import Follower
from strongroom.audit.log import Log, LogDamagedError
from strongroom.audit.witnessing import Witness
from strongroom.auth.approle.method import AppRole
from strongroom.auth.aws.method import Aws
from strongroom.auth.cert.method import Cert
from strongroom.auth.jwt.method import JwtAuth, OidcAuth
from strongroom.auth.kubernetes.method import Kubernetes
from strongroom.auth.ldap.method import Ldap
from strongroom.auth.userpass.method import Userpass
from strongroom.auth.userpass.strength import BreachedFile
from strongroom.base.clock import Clock, MovableClock, SystemClock
from strongroom.base.configuration import (
    Configuration,
    ListenerConfiguration,
    parse_configuration,
)
from strongroom.base.errors import InputError, StrongroomError
from strongroom.base.secret import Secret
from strongroom.base.sqlite_urls import sqlite_url
from strongroom.base.version import VERSION
from strongroom.console.pages import console_pages
from strongroom.console.wire import Console
from strongroom.controls import CONTROLS
from strongroom.core.governance.admission import admit
from strongroom.core.leases import Leases
from strongroom.core.login import Logins, uuid_of
from strongroom.core.pipeline import Pipeline
from strongroom.core.records import Mount
from strongroom.core.request import Incoming
from strongroom.core.router import Operation, Routes, routes_of
from strongroom.core.runtime import Runtime
from strongroom.core.seal import Seal
from strongroom.core.second_factor import SecondFactors
from strongroom.core.server import Server, Settings
from strongroom.core.system.assembly import live, system_mounts
from strongroom.core.views import Live, Views, mounted_of
from strongroom.core.web import HttpWeb
from strongroom.core.wrapping import Wrapping
from strongroom.crypto.hashing import Hashing
from strongroom.crypto.note import VerifierKey
from strongroom.engines.cubbyhole.engine import Cubbyhole
from strongroom.engines.kv.plain import PlainKv
from strongroom.engines.kv.versioned import VersionedKv
from strongroom.evidence.routes import evidence_routes
from strongroom.evidence.run import ControlRuns
from strongroom.evidence.surroundings import Surroundings
from strongroom.identity.factors.authenticators import RelyingParty
from strongroom.identity.tokens import CUBBYHOLE, Tokens
from strongroom.sdk.auth import AuthMethod
from strongroom.sdk.engine import Engine, Route
from strongroom.sdk.facts.probes import ListenerFact
from strongroom.sinks.file.sink import FileSink
from strongroom.storage.barrier import Barrier
from strongroom.storage.database import Database, InUseError, UnsafeDatabaseError
from strongroom.storage.opening import open_database
from strongroom.storage.transaction import Transaction

COLLECT_AFTER = (10_000, 20, 50)  # objects, passes over the young, passes over the middle-aged
EVIDENCE = "strongroom/evidence/"
ENGINES: Mapping[str, Engine] = {
    "kv": PlainKv(),
    "kv-v2": VersionedKv(),
    "cubbyhole": Cubbyhole(),
}
WEB = HttpWeb()
HASHING = Hashing()
METHODS: Mapping[str, AuthMethod] = {
    "userpass": Userpass(hashing=HASHING),
    "approle": AppRole(),
    "aws": Aws(WEB),
    "cert": Cert(),
    "jwt": JwtAuth(WEB),
    "kubernetes": Kubernetes(WEB),
    "oidc": OidcAuth(WEB),
    "ldap": Ldap(),
}
LONGEST_PASSPHRASE = 1024
_logger = logging.getLogger("strongroom")


def engine_of(row: Mount) -> Engine:
    """Return the engine behind a mount: its type, and for `kv` its version."""
    if row.kind == "kv" and row.options.get("version") == "2":
        return ENGINES["kv-v2"]
    return ENGINES[row.kind]


def methods_of(settings: Settings) -> Mapping[str, AuthMethod]:
    """Return the auth methods by type, as this server is configured."""
    if settings.breached_passwords is None:
        return METHODS
    breached = BreachedFile(settings.breached_passwords)
    return {**METHODS, "userpass": Userpass(breached, HASHING)}


def live_mount(row: Mount, settings: Settings, methods: Mapping[str, AuthMethod] = METHODS) -> Live:
    """Build what serves a mount."""
    mounted = mounted_of(row, settings.default_ttl, settings.max_ttl)
    if row.path.startswith("auth/"):
        method = methods[row.kind]
        return Live(row, routes_of(method), method, mounted)
    engine = engine_of(row)
    return Live(row, Routes(engine.routes(), engine.kind), engine, mounted)


def openapi_of(mounts: Sequence[Live], generic: bool) -> Mapping[str, object]:
    """Return the OpenAPI document of these mounts."""
    return document([described(live) for live in mounts], version=VERSION, generic=generic)


def described(live: Live) -> Described:
    """Return a mount as the document takes it; the core's own have no other place."""
    fixed = live.system or live.row.uuid == CUBBYHOLE  # cannot be elsewhere
    parameter = "" if fixed else parameter_for(live.row.path)
    routes = live.routes.routes
    return Described(path=live.row.path, kind=live.row.kind, routes=routes, parameter=parameter)


def help_of(live: Live, route: Route | None, path: str) -> Mapping[str, object]:
    """Return what `?help=1` says of a path, or of a whole mount."""
    kind = live.row.kind
    if route is not None:
        return help_on(route, path=path, kind=kind, version=VERSION)
    about = live.row.description or kind
    return help_on_mount(live.routes.routes, kind=kind, about=about, version=VERSION)


def relying_party(settings: Settings) -> RelyingParty:
    """Return whom security keys are bound to, and from where a browser may ask them."""
    origin = settings.console_url
    return RelyingParty(
        id=urlsplit(origin).hostname or "localhost",
        name=settings.cluster_name,
        origins=(origin, *settings.console_origins),
    )


async def build_server(
    database: Database,
    settings: Settings,
    clock: Clock,
    entropy: Callable[[int], bytes],
    surroundings: Surroundings | None = None,
) -> Server:
    """Put the parts together over an open database. Nothing runs yet."""
    barrier = Barrier(entropy)
    tokens = Tokens(barrier, entropy)
    seal, log = Seal(barrier, entropy), Log(database, settings.origin, barrier)
    fixed: dict[str, Live] = {}
    methods = methods_of(settings)
    views = Views(
        tokens, lambda row: live_mount(row, settings, methods), lambda: fixed, entropy(32)
    )
    factors = SecondFactors(views, entropy, relying_party(settings))
    logins = Logins(tokens, entropy, views.graph, factors)
    leases, wrapping = Leases(), Wrapping(tokens)
    pipeline = Pipeline(
        database=database,
        barrier=barrier,
        views=views,
        tokens=tokens,
        seal=seal,
        leases=leases,
        logins=logins,
        wrapping=wrapping,
        clock=clock,
        entropy=entropy,
        simulated=settings.simulated,
    )
    server = Server(
        settings=settings,
        clock=clock,
        entropy=entropy,
        database=database,
        barrier=barrier,
        seal=seal,
        tokens=tokens,
        leases=leases,
        logins=logins,
        factors=factors,
        wrapping=wrapping,
        log=log,
        views=views,
        pipeline=pipeline,
        engines=ENGINES,
        methods=methods,
        hashing=HASHING,
        started_at=clock.now(),
        openapi=openapi_of,
    )
    pipeline.describe = help_of
    pipeline.admit = partial(admit, server)
    database.follow(views.committed)
    fixed.update(system_mounts(server))
    runs = ControlRuns(
        server=server, controls=CONTROLS, surroundings=surroundings or Surroundings()
    )
    fixed[EVIDENCE] = live(server, EVIDENCE, "evidence", evidence_routes(runs))
    await log.open()
    await seal.load(Transaction(database, barrier))
    [[views.generation]] = await database.rows("SELECT generation FROM head WHERE id = 1", ())
    return server


class Application:
    """Everything under one address: `/v1/…`, `/log/…`, `/scim/…`, and the console's pages."""

    def __init__(self, server: Server, strangers: TokenBuckets | None = None) -> None:
        self._vault = VaultWire(server.pipeline, server.entropy, strangers)
        self._console = Console(server, console_pages(server), strangers)
        self._log = LogWire(server.log, self._may_read)
        self._scim = ScimWire(self._vault, server.pipeline)
        self._server = server

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        path = request.raw_path
        if path.startswith(VAULT_PREFIX):
            return await self._vault(request)
        if path.startswith(LOG_PREFIX):
            return await self._log(request)
        if path.startswith(SCIM_PREFIX):
            return await self._scim(request)
        if self._console.serves(path):
            return await self._console(request)
        return response(await self._server.pipeline.handle(self._vault.elsewhere(request)))

    def start(self, request: HttpRequest, respond: Respond) -> bool:
        """Answer without a task where that is possible."""
        if request.raw_path.startswith(VAULT_PREFIX):
            return self._vault.start(request, respond)
        return False

    def refused(self, request: HttpRequest, response: HttpResponse, respond: Respond) -> None:
        """Put on record what the edge refused."""
        self._vault.refused(request, response, respond)

    async def _may_read(self, request: HttpRequest) -> HttpResponse:
        """Ask policy for a bundle as for that path below `strongroom/log/`; this is on record."""
        incoming = self._vault.incoming(request, LOG_PREFIX, under="strongroom/log/")
        return response(await self._server.pipeline.handle(incoming))


# -- running


def passphrase_of(configuration: Configuration) -> Secret | None:
    """Read the passphrase of the seal, the line's end left off.

    Raises InputError for a file that cannot be read, and for what could not be typed at an unseal:
    nothing, what is not UTF-8, or more than a passphrase is long.
    """
    file = configuration.seal.passphrase_file
    if file is None:
        return None
    try:
        passphrase = file.read_bytes().rstrip(b"\r\n")
        length = len(passphrase.decode())
    except OSError as error:
        raise InputError("seal.passphrase_file", error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise InputError("seal.passphrase_file", "is not UTF-8 text") from None
    if not 0 < length <= LONGEST_PASSPHRASE:
        raise InputError("seal.passphrase_file", f"must hold 1 to {LONGEST_PASSPHRASE} characters")
    return Secret(passphrase)


def settings_of(configuration: Configuration) -> Settings:
    """Return what of the configuration the core needs."""
    return Settings(
        cluster_name=configuration.cluster_name,
        origin=configuration.log.origin,
        seal_type=configuration.seal.type,
        passphrase=passphrase_of(configuration),
        default_ttl=configuration.default_lease_ttl,
        max_ttl=configuration.max_lease_ttl,
        storage_type=configuration.storage.url.partition(":")[0],
        simulated=configuration.clock.simulated,
        console_url=configuration.console.url,
        console_origins=configuration.console.origins,
        breached_passwords=configuration.passwords.breached,
    )


def clock_of(configuration: Configuration) -> Clock:
    """Return the system's clock, or a movable one where the configuration says so."""
    if not configuration.clock.simulated:
        return SystemClock()
    return MovableClock(configuration.clock.start or SystemClock().now())


def surroundings_of(configuration: Configuration) -> Surroundings:
    """Return what evidence is to know of the files and witnesses around the server."""
    packs = configuration.data_dir / "packs"
    return Surroundings(
        packs=packs,
        files=lambda: written_files(configuration, packs),
        witnesses=lambda: [str(witness.key) for witness in configuration.log.witnesses],
        host=gethostname(),
    )


def written_files(configuration: Configuration, packs: Path) -> list[Path]:
    """Return the files that this server writes: its database, its sinks and its packs."""
    database = configuration.storage.sqlite_path
    beside = [] if database is None else sorted(database.parent.glob(f"{database.name}*"))
    kept = sorted(packs.glob("*.zip")) if packs.is_dir() else []
    return [*beside, *(sink.path for sink in configuration.sinks), *kept]


def listener_facts(configuration: Configuration, edge: HttpServer) -> list[ListenerFact]:
    """Ask every listener what TLS it speaks. Blocking."""
    asked = [
        Asked(
            host=bound.host,
            port=bound.port,
            tls=bound.tls,
            server_name=next(iter(each.names), "localhost"),
            ca_file=str(configuration.data_dir / "tls" / "ca.pem")
            if each.certificate is None
            else None,
        )
        for bound, each in zip(edge.bound, configuration.listeners, strict=False)
    ]
    return [listener_fact(one, SystemClock().now(), os.urandom) for one in asked]


def strangers_of(configuration: Configuration) -> TokenBuckets | None:
    """Return the bound on requests without a token, for each address."""
    limits = configuration.limits
    return TokenBuckets(rate=limits.rate, burst=limits.burst) if limits.rate else None


def listeners_of(configuration: Configuration, clock: Clock) -> list[Listener]:
    """Build the listeners; their certificates go by the real clock."""
    return [_listener(each, configuration, clock) for each in configuration.listeners]


def _listener(each: ListenerConfiguration, configuration: Configuration, clock: Clock) -> Listener:
    tls = None
    if each.tls:
        own = each.certificate
        directory = configuration.data_dir / "tls"
        names = certificate_names(each)
        source = (
            (lambda: CertificateFiles(certificate=own.file, key=own.key))
            if own is not None
            else (lambda: generated_certificate(directory, names, clock.now(), os.urandom))
        )
        tls = ListenerTls(
            source,
            clock=clock,
            entropy=os.urandom,
            minimum=each.min_version,
            request_client_certificate=each.request_client_certificate,
        )
    return Listener(host=each.host, port=each.port, tls=tls, trusted_proxies=each.trusted_proxies)


def certificate_names(listener: ListenerConfiguration) -> tuple[str, ...]:
    """Return what a generated certificate names: loopback, this host, and what was given."""
    always = ("localhost", "127.0.0.1", "::1", gethostname())
    host = () if listener.host in ("0.0.0.0", "::") else (listener.host,)  # noqa: S104 - compared
    return tuple(dict.fromkeys((*listener.names, *host, *always)))


async def run(
    configuration: Configuration,
    *,
    dev: Dev | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> int:
    """Run a server until it is told to stop. Returns how many requests were left unanswered."""
    clock = clock_of(configuration)
    database = await open_database(configuration.storage.url)
    settings = settings_of(configuration)
    if dev is not None:
        settings.seal_type, settings.dev_root_token = "dev", dev.root_token
    surroundings = surroundings_of(configuration)
    server = await build_server(database, settings, clock, os.urandom, surroundings)
    sinks = [FileSink(sink.path) for sink in configuration.sinks]
    runtime = Runtime(
        server=server,
        followers=tuple(
            Follower(f"file:{sink.path}", made, server.log, database)
            for sink, made in zip(configuration.sinks, sinks, strict=True)
        ),
        witnesses=tuple(
            Witness(VerifierKey.parse(each.key), each.url) for each in configuration.log.witnesses
        ),
        witness_interval=configuration.log.witness_interval.total_seconds(),
    )
    await runtime.start(configuration.log.checkpoint_interval.total_seconds())
    try:
        await open_by_itself(server, dev)
        body = configuration.limits.body
        limits = EdgeLimits(body_bytes=body, buffered_bytes=3 * body)
        edge = HttpServer(
            Application(server, strangers_of(configuration)),
            listeners_of(configuration, SystemClock()),
            clock=SystemClock(),
            limits=limits,
        )
        surroundings.listeners = lambda: listener_facts(configuration, edge)
        spare_the_collector()
        return await edge.run(lambda: say(_ready(edge, dev)))
    finally:
        await runtime.stop()
        for sink in sinks:
            sink.close()


def spare_the_collector() -> None:
    """Leave what lives as long as the process out of the collector's passes.

    Each full pass over it stops every request for as long as some tens of commits take. What
    requests leave behind is freed by its counts; the collector looks for the rare cycle only.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


@dataclass(frozen=True, kw_only=True)
class Dev:
    """A server for trying things out: it initializes and unseals itself, keys in clear."""

    root_token: str = "root"  # noqa: S105 - known to everybody, as the banner says


async def open_by_itself(server: Server, dev: Dev | None) -> None:
    """Unseal where the seal needs nobody: a passphrase file, or dev mode.

    A server that its passphrase does not open runs, sealed, and says why in its log: whoever knows
    the right one can give it.
    """
    if dev is not None and not server.seal.initialized:
        await _own(server, "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        await _own(server, "sys/unseal", {"key": "dev"})
        mount = {
            "type": "kv",
            "options": {"version": "2"},
            "description": "key/value secret storage",
        }
        await _own(server, "sys/mounts/secret", mount)
    elif dev is not None:
        await _own(server, "sys/unseal", {"key": "dev"})
    elif server.seal.initialized and server.settings.passphrase is not None:
        try:
            await _own(server, "sys/unseal", {"key": server.settings.passphrase.text()})
        except InputError as error:
            _logger.error("stays sealed, seal.passphrase_file was tried: %s", error.problem)  # noqa: TRY400


async def _own(server: Server, path: str, body: Mapping[str, object]) -> None:
    """Do something as the server itself, on record like any request."""
    answer = await server.pipeline.handle(
        Incoming(
            id=uuid_of(server.entropy(16)),
            operation=Operation.WRITE,
            path=path,
            actor=SYSTEM,
            body=msgspec.json.encode(body),
        )
    )
    if answer.status >= 400:
        raise InputError(path, "; ".join(msgspec.json.decode(answer.body or b"")["errors"]))


def _ready(edge: HttpServer, dev: Dev | None) -> str:
    lines = [f"strongroom {VERSION} listens on " + ", ".join(b.url for b in edge.bound)]
    if dev is not None:
        lines += [
            f"dev mode: keys lie in clear; root token: {dev.root_token}",
            "in another terminal:",
            f"  export STRONGROOM_ADDR={edge.bound[0].url}",
            "  strongroom login",
        ]
    return "\n".join(lines)


def serve(configuration: Configuration, *, dev: Dev | None = None) -> int:
    """Run a server in this process; returns the exit status.

    A database that another server has open, an unsafe driver or an unusable configuration end it
    with one line on standard error and status 1.
    """
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        run_in_loop(lambda: run(configuration, dev=dev, say=_say))
    except (InUseError, UnsafeDatabaseError, LogDamagedError, StrongroomError) as error:
        sys.stderr.write(f"strongroom: {error}\n")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def dev_configuration(address: str, data: Path) -> Configuration:
    """Return the configuration of a dev server: plain HTTP on loopback, everything in `data`."""
    text = f"""
cluster_name = "dev"
data_dir = "{data}"
[storage]
url = "{sqlite_url(data / "strongroom.db")}"
[[listener]]
address = "{address}"
tls = false
"""
    return parse_configuration(text, source="dev", environ={})
