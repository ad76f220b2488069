"""What a read costs as things grow: secrets stored, policies on the token, entries in the log.

Each point is a fresh set of reads from one server of ours; nothing is made up, so a million
entries are a million requests that were answered. `start` then times that server's next start.

Order  entries → policies → secrets → start. Each read is an entry, so the log is measured while it
       is short, with no more reads at a size than let it grow to about twice that.
Bounds The log grows for 15 minutes a size at most, and 100,000 secrets are stored in 5; a point is
       called after the size that was reached.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench import driver, workloads
from bench.client import Client, RefusedError
from bench.compare import Drive, Plan, Start, warm
from bench.load import Bounds, Request, as_json

SECRETS = (10, 1_000, 100_000)
POLICIES = (1, 10, 50)
ENTRIES = (1_000, 10_000, 100_000, 1_000_000)
FEWEST = 500  # reads that make a point, however short the log is


@dataclass(frozen=True, kw_only=True)
class Point:
    """Reads at one size."""

    size: int
    throughput: float
    p50: float


@dataclass(frozen=True, kw_only=True)
class Curves:
    """How reads did as each thing grew, and how long the grown server took to start."""

    points: Mapping[str, Sequence[Point]]
    log_size: int
    first_answer_seconds: float
    first_read_seconds: float


def curves(folder: Path, start: Start, drive: Drive, plan: Plan, entries: int) -> Curves:
    """Grow a server in `folder` and measure it on the way; `entries` is where its log ends."""
    with start(folder) as running:
        root = Client(address=running.address)
        root.await_answer()
        share = root.initialise()
        token = workloads.prepare(root).token
        grown = Grown(root=root, token=token, drive=drive, plan=plan)
        points = {
            "entries": grown.by_entries([n for n in ENTRIES if n < entries] + [entries]),
            "policies": grown.by_policies(POLICIES),
            "secrets": grown.by_secrets(SECRETS),
        }
        log_size = grown.log_size()
    plan.tell(f"starting again with {log_size:,} entries in the log")
    before = time.perf_counter()
    with start(folder) as running:
        client = Client(address=running.address, token=token)
        client.await_answer()
        first_answer = time.perf_counter() - before
        client.unseal(share)
        client.patiently("GET", workloads.name(0))
        first_read = time.perf_counter() - before
    return Curves(
        points=points,
        log_size=log_size,
        first_answer_seconds=first_answer,
        first_read_seconds=first_read,
    )


@dataclass(frozen=True, kw_only=True)
class Grown:
    """A server that grows under load."""

    root: Client
    token: str
    drive: Drive
    plan: Plan

    def by_policies(self, sizes: Sequence[int]) -> list[Point]:
        """Read with tokens that hold more and more policies, of which one grants."""
        names = ["bench"]
        for number in range(max(sizes) - 1):
            names.append(f"other-{number}")
            rules = workloads.POLICY.replace("secret/data/bench/", f"secret/data/other-{number}/")
            self.root.ask("POST", f"sys/policies/acl/{names[-1]}", {"policy": rules})
        points = []
        for size in sizes:
            token = workloads.new_token(self.root, names[:size])
            points.append(self.point("policies", size, workloads.reads(token, range(1_000))))
        return points

    def by_secrets(self, sizes: Sequence[int]) -> list[Point]:
        """Read from a mount of its own that holds more and more secrets."""
        self.root.ask("POST", "sys/mounts/grown", {"type": "kv", "options": {"version": "2"}})
        rule = 'path "grown/data/*" { capabilities = ["create", "update", "read"] }'
        self.root.ask("POST", "sys/policies/acl/grown", {"policy": rule})
        token = workloads.new_token(self.root, ["grown"])
        stored, points = 0, []
        for size in sizes:
            writes = [stored_in_grown(token, n) for n in range(stored, size)]
            self.plan.tell(f"storing {size:,} secrets")
            workloads.store(self.root.address, writes)
            stored = size
            jumping = [n * 7_919 % size for n in range(min(size, 20_000))]
            points.append(self.point("secrets", size, [read_of_grown(token, n) for n in jumping]))
        return points

    def by_entries(self, sizes: Sequence[int]) -> list[Point]:
        """Read while the log grows; what is there already counts.

        By our own driver, whichever measures the rest: wrk does not stop at a number of requests.
        """
        requests, points = workloads.reads(self.token, range(1_000)), []
        for size in sizes:
            missing = size - self.log_size()
            if missing > 0:
                self.plan.tell(f"growing the log to {size:,} entries")
                bounds = Bounds(seconds=900, requests=missing)
                driver.drive(self.root.address, requests, bounds)
            few = max(FEWEST, size // (self.plan.rounds + 1))
            bounds = replace(self.plan.bounds, requests=few)
            measured = replace(self, drive=driver.drive, plan=replace(self.plan, bounds=bounds))
            points.append(measured.point("entries", self.log_size(), requests))
        return points

    def point(self, what: str, size: int, requests: Sequence[Request]) -> Point:
        """Measure reads at one size; raises RefusedError if one was not answered with success."""
        self.plan.tell(f"reading at {size:,} {what}")
        address, bounds = self.root.address, self.plan.bounds
        self.drive(address, requests, warm(bounds))
        seen = [self.drive(address, requests, bounds) for _ in range(self.plan.rounds)]
        if failed := sum(m.failed for m in seen):
            raise RefusedError(f"{failed} reads failed at {size:,} {what}")
        return Point(
            size=size,
            throughput=median(m.throughput for m in seen),
            p50=median(m.p50 for m in seen),
        )

    def log_size(self) -> int:
        """Return how many entries are committed."""
        return int(self.root.ask("GET", "strongroom/log/status")["data"]["size"])


def stored_in_grown(token: str, number: int) -> Request:
    """Return the write of a secret of the growing mount."""
    return Request(
        method="POST",
        path=f"/v1/grown/data/team-{number % 100}/app-{number}",
        headers={"X-Vault-Token": token},
        body=as_json({"data": workloads.value(number)}),
    )


def read_of_grown(token: str, number: int) -> Request:
    """Return the read of a secret of the growing mount."""
    return Request(
        method="GET",
        path=f"/v1/grown/data/team-{number % 100}/app-{number}",
        headers={"X-Vault-Token": token},
    )
