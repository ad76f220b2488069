"""T50, each case how the server answers: `strongroom.controls.lockout_probe`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from strongroom.controls.lockout_probe import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.identities import WayIn
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.facts.probes import Answered, Prober
from tests.controls.histories import FakeIdentities, FakeLog, FakeProbe, found, items

STRICT = WayIn(
    path="auth/up/",
    method="userpass",
    locks=True,
    failures=5,
    lasts=timedelta(minutes=30),
    forgets=timedelta(minutes=15),
    entry=3,
)


@dataclass
class Door(FakeProbe):
    """A mount of users that locks after so many failures, if it does."""

    locks_after: int = 5
    says: str = "locked out"
    alerts: bool = True
    makes: int = 204
    takes_anything: bool = False
    failures: int = 0
    refuses_with: int = 400
    right: str = ""
    names: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def mounts(self, control: str) -> AsyncIterator[Mapping[str, str]]:
        yield {"auth/userpass": "auth/control-t50-userpass/"}

    def random_name(self) -> str:
        self.names.append(f"{len(self.names):016x}")
        return self.names[-1]

    async def request(
        self, operation: str, path: str, body: bytes | None = None, *, token: str | None = None
    ) -> Answered:
        self.asked.append((operation, path, body))
        index, password = len(self.asked), json.loads(body or b"{}")["password"]
        if "/users/" in path:
            self.right = password
            return Answered(self.makes, b"", index)
        locked = self.failures >= self.locks_after
        if (password == self.right or self.takes_anything) and not locked:
            self.failures = 0
            self._write(index, ok=True)
            return Answered(200, b"", index)
        self.failures += not locked
        begins = not locked and self.failures == self.locks_after
        own = {"alert": "login_locked_out"} if begins and self.alerts else {}
        self._write(index, ok=False, reason=self.says if locked else "", own=own)
        return Answered(self.refuses_with, b"", index)

    def _write(
        self, index: int, *, ok: bool, reason: str = "", own: Mapping[str, object] | None = None
    ) -> None:
        if self.logged:
            self.log.written[index] = LogEntry(index=index, ok=ok, reason=reason, own=own or {})


def parts(*ways: WayIn, **changed: object) -> dict[str, object]:
    log = FakeLog()
    probe: Prober = Door(log, **changed)  # type: ignore[arg-type]
    return {"log": log, "probe": probe, "identities": FakeIdentities(ways=ways)}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, Verdict.EFFECTIVE, id="locks after five"),
        pytest.param({"locks_after": 10}, Verdict.EFFECTIVE, id="after ten"),
        pytest.param({"locks_after": 11}, Verdict.EXCEPTIONS, id="after eleven"),
        pytest.param({"takes_anything": True}, Verdict.EXCEPTIONS, id="takes any password"),
        pytest.param({"logged": False}, Verdict.EXCEPTIONS, id="no entry says so"),
        pytest.param({"alerts": False}, Verdict.EXCEPTIONS, id="nobody is alerted"),
        pytest.param({"says": "a flood"}, Verdict.EXCEPTIONS, id="refused for something else"),
        pytest.param(
            {"says": "busy", "refuses_with": 503}, Verdict.INCONCLUSIVE, id="the server is busy"
        ),
        pytest.param({"makes": 503}, Verdict.INCONCLUSIVE, id="no user could be made"),
    ],
)
async def test_the_probe(changed: dict[str, object], expected: Verdict) -> None:
    assert await found(CONTROL, **parts(**changed)) is expected


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        pytest.param(STRICT, Verdict.EFFECTIVE, id="strict"),
        pytest.param({"locks": False}, Verdict.EXCEPTIONS, id="off"),
        pytest.param({"failures": 11}, Verdict.EXCEPTIONS, id="eleven"),
        pytest.param({"lasts": timedelta(minutes=15)}, Verdict.EXCEPTIONS, id="a quarter"),
        pytest.param({"forgets": timedelta(seconds=1)}, Verdict.EXCEPTIONS, id="forgets at once"),
        pytest.param({"forgets": timedelta(minutes=14)}, Verdict.EXCEPTIONS, id="forgets too soon"),
        pytest.param({"problem": "changed"}, Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param({"method": "approle", "locks": False}, Verdict.EFFECTIVE, id="no passwords"),
    ],
)
async def test_a_mount(way: WayIn | dict[str, object], expected: Verdict) -> None:
    if isinstance(way, dict):
        plain = {name: getattr(STRICT, name) for name in STRICT.__slots__}
        way = WayIn(**(plain | way))

    assert await found(CONTROL, **parts(way)) is expected


async def test_without_a_mount_of_users_nothing_is_tried() -> None:
    assert await found(CONTROL) is Verdict.NOT_EXERCISED


async def test_it_says_after_how_many_and_touches_only_its_own_mount() -> None:
    given = parts()
    [item] = await items(CONTROL, **given)

    assert "after 5 wrong passwords" in item.because
    asked = given["probe"].asked  # type: ignore[attr-defined]
    assert {path.split("/")[1] for _, path, _ in asked} == {"control-t50-userpass"}
