"""What each kind of bad token leaves in the log; and that every endpoint's event is a known one."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.app import ENGINES, METHODS
from strongroom.audit.entry import CLASSES, Actor, Event, class_of, encode
from strongroom.core.router import ENDPOINTS, Routes
from strongroom.core.system.assembly import system_mounts
from tests.api.serving import Served, serving
from tests.audit import ocsf

READ_APP = 'path "secret/data/app" { capabilities = ["read"] }'
CODE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(f"sqlite://{tmp_path / 'strongroom.db'}") as running:
        await running.ask("POST", "secret/data/app", {"data": {"a": "b"}})
        yield running


# -- tokens


async def expired(served: Served) -> str:
    token = await served.reader(READ_APP, ttl="1h")
    served.clock.advance(timedelta(hours=2))
    return token


async def revoked(served: Served) -> str:
    token = await served.reader(READ_APP)
    await served.ask("POST", "auth/token/revoke", {"token": token})
    return token


async def exhausted(served: Served) -> str:
    token = await served.reader(READ_APP, num_uses=1)
    await served.ask("GET", "secret/data/app", token=token)
    return token


async def from_elsewhere(served: Served) -> str:
    await served.reader(READ_APP)
    role = {"allowed_policies": ["reader"], "token_bound_cidrs": ["192.0.2.0/24"]}
    await served.ask("POST", "auth/token/roles/bound", role)
    made = await served.ask("POST", "auth/token/create/bound", {"policies": ["reader"]})
    return str(made.body["auth"]["client_token"])


async def malformed(served: Served) -> str:
    return "hvs.\x80\xff"


async def huge(served: Served) -> str:
    return "h" * 60_000


async def tampered(served: Served) -> str:
    token = await served.reader(READ_APP, type="batch", ttl="1h")
    return token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")


async def missing(served: Served) -> str:
    return ""


async def without_policy(served: Served) -> str:
    return await served.reader('path "other" { capabilities = ["read"] }')


@pytest.mark.parametrize(
    ("bad", "known"),
    [
        *((expired, False), (revoked, False), (exhausted, False), (malformed, False)),
        *((huge, False), (tampered, False), (missing, False)),
        *((from_elsewhere, True), (without_policy, True)),
    ],
)
async def test_a_token_that_does_not_work_is_403_with_an_entry(
    served: Served, bad: object, known: bool
) -> None:
    token = await bad(served)  # type: ignore[operator]

    got = await served.ask("GET", "secret/data/app", token=token)

    assert (got.status, got.errors) == (403, ["permission denied"])
    entry = await served.entry(got)
    ocsf.check(entry)
    assert entry["metadata"]["event_code"] == "secret.read"
    assert (entry["status_id"], entry["status_code"]) == (2, "403")
    assert entry["http_request"]["url"]["path"] == "/v1/secret/data/app"
    assert (entry["actor"]["user"]["uid"] != "anonymous") == known
    assert len(token) < 8 or token not in json.dumps(entry)


# -- events


def bound_events(routes: Routes) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the operation and the event of everything that can be asked."""
    for route in routes.routes:
        for operation, pick in ENDPOINTS.items():
            if pick(route) is None:
                continue
            path = re.sub(r"{\w+(\.\.\.)?}", "x", route.path)
            bound = routes.match(path, operation).bound
            yield route.path, operation.value, "auth.login" if bound.login else bound.event


async def test_every_endpoint_has_an_event_that_is_ocsf(served: Served) -> None:
    tables = {f"engine {kind}": Routes(each.routes(), each.kind) for kind, each in ENGINES.items()}
    for kind, method in METHODS.items():
        tables[f"auth {kind}"] = Routes(method.routes(), method.kind, method.login())
    for path, live in system_mounts(served.server).items():
        tables[path] = live.routes
    found = [(name, *event) for name, routes in tables.items() for event in bound_events(routes)]

    assert len(found) > 150
    for name, path, operation, code in found:
        assert CODE.fullmatch(code), (name, path, operation, code)
        assert class_of(code) in CLASSES.values()
        leaf = encode(
            Event(
                code=code,
                operation=operation.replace("write", "update"),
                path=f"{name}/{path}",
                time=datetime(2026, 9, 21, tzinfo=UTC),
                id="6f6b8f0e-9f0a-4a52-8a53-5f3c0e1a2b3c",
                actor=Actor(id="root"),
                ok=True,
                method="POST",
                status=200,
                address="127.0.0.1",
            )
        )
        ocsf.check(json.loads(leaf))


async def test_ceremonies_are_events_of_the_applications_life(served: Served) -> None:
    for code in ("seal.init", "seal.unseal", "seal.seal", "server.start", "log.heartbeat"):
        assert class_of(code) == (6002, 6)
    for code in ("policy.write", "mount.enable", "environment.write", "entity.write"):
        assert class_of(code) == (3004, 3)
    assert class_of("auth.login") == (3002, 3)
