"""The curves: measured at the sizes that they are called after. No server is started here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import curves, driver, workloads
from bench.client import Client, RefusedError
from bench.compare import Plan
from bench.curves import ENTRIES, POLICIES, SECRETS, Grown
from bench.load import Bounds, Measured, Request


@dataclass
class Pretended:
    """A server that counts what it is asked; `fastest` is what it answers in a second."""

    entries: int = 1_003
    fastest: float = 4_000.0
    failing: bool = False
    policies: list[int] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)
    seconds: float = 0.0
    spans: list[tuple[int, int]] = field(default_factory=list)  # the log's size around each load

    def drive(self, _address: str, requests: Sequence[Request], bounds: Bounds) -> Measured:
        count = min(bounds.requests, int(bounds.seconds * self.fastest))
        if requests[0].method == "POST":
            self.stored |= {request.path for request in requests[:count]}
        self.spans.append((self.entries, self.entries + count))
        self.entries += count
        self.seconds += count / self.fastest
        failed = count if self.failing else 0
        return Measured(requests=count, seconds=1, failed=failed, p50=1, p99=1)

    def ask(self, _method: str, path: str, body: Any = None) -> Any:
        self.entries += 1
        if path == "auth/token/create":
            self.policies.append(len(body["policies"]))
            return {"auth": {"client_token": "t"}}
        return {"data": {"size": self.entries}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    made = Pretended()
    monkeypatch.setattr(driver, "drive", made.drive)
    monkeypatch.setattr(Client, "ask", lambda _, *asked: made.ask(*asked))
    return made


@pytest.fixture
def grown(server: Pretended) -> Grown:
    plan = Plan(bounds=Bounds(seconds=4), rounds=5, tell=lambda _: None)
    root = Client(address="127.0.0.1:1")
    return Grown(root=root, token="t", drive=server.drive, plan=plan)


def test_it_covers_what_is_asked_of_it() -> None:
    assert (min(SECRETS), max(SECRETS)) == (10, 100_000)
    assert (min(POLICIES), max(POLICIES)) == (1, 50)
    assert ENTRIES == (1_000, 10_000, 100_000, 1_000_000)


def test_a_log_is_measured_while_it_is_as_long_as_is_said(grown: Grown, server: Pretended) -> None:
    points = grown.by_entries(ENTRIES)

    assert [point.size for point in points] == [
        pytest.approx(size, rel=0.02, abs=20) for size in ENTRIES
    ]
    for point, size in zip(points, ENTRIES, strict=True):
        seen = [end for start, end in server.spans if start >= point.size and end < 5 * size]
        assert seen, f"nothing was read at {size}"
    assert server.seconds < 15 * 60


def test_a_log_that_did_not_grow_so_far_is_not_called_so(grown: Grown, server: Pretended) -> None:
    server.fastest = 10

    *_, last = grown.by_entries([1_000, 1_000_000])

    assert last.size == pytest.approx(1_000 + 900 * 10, rel=0.2)


def test_secrets_and_policies_are_as_many_as_is_said(grown: Grown, server: Pretended) -> None:
    server.fastest = 2_000
    policies = grown.by_policies(POLICIES)
    secrets = grown.by_secrets(SECRETS)

    assert [point.size for point in policies] == server.policies[: len(POLICIES)] == [*POLICIES]
    assert [point.size for point in secrets] == [*SECRETS]
    assert len(server.stored) == max(SECRETS)


def test_secrets_that_are_not_stored_in_time_end_it(grown: Grown, server: Pretended) -> None:
    server.fastest = 100

    with pytest.raises(RefusedError, match="secrets were stored"):
        grown.by_secrets(SECRETS)


def test_reads_that_failed_are_no_point(grown: Grown, server: Pretended) -> None:
    server.failing = True

    with pytest.raises(RefusedError, match="reads failed at 7 policies"):
        grown.point("policies", 7, [Request(method="GET", path="/v1/x")])


def test_the_log_is_short_when_its_curve_begins_and_whole_at_the_start(
    server: Pretended, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready = workloads.Prepared(token="t", workloads={})
    monkeypatch.setattr(workloads, "prepare", lambda _: ready)
    for step in ("await_answer", "initialise", "unseal", "patiently"):
        monkeypatch.setattr(Client, step, lambda *_: None)
    running = SimpleNamespace(address="127.0.0.1:1")
    plan = Plan(bounds=Bounds(seconds=4), rounds=5, tell=lambda _: None)

    done = curves.curves(tmp_path, lambda _: nullcontext(running), server.drive, plan, 1_000_000)  # type: ignore[arg-type, return-value]

    assert done.points["entries"][0].size < 1_100
    assert done.log_size > 1_000_000
    assert {what: len(points) for what, points in done.points.items()} == {
        "entries": 4,
        "policies": 3,
        "secrets": 3,
    }
