"""Who can do what, as identities and paths grow together: ten paths for each identity.

The three questions on one server of ours: who can read a path, everything one identity can, and the
whole matrix, of which the first page is timed, since that works it out. The first `who` after a
change reads everybody anew; it is timed apart.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import workloads
from bench.client import Client
from bench.compare import Plan, Start
from bench.load import Request, as_json

IDENTITIES = (100, 1_000, 10_000)
PATHS = 10  # for each identity
TEAMS = 200
ASKED = 9
TEAM = """
path "secret/data/team-{0}/*" {{ capabilities = ["create", "update", "read"] }}
path "secret/metadata/team-{0}/*" {{ capabilities = ["read", "list"] }}
"""
OWN = 'path "secret/data/people/{{identity.entity.name}}/*" { capabilities = ["read", "update"] }'


@dataclass(frozen=True, kw_only=True)
class Point:
    """The questions at one size; times in milliseconds, of the matrix in seconds."""

    identities: int
    paths: int
    first_who: float
    who: float
    what: float
    matrix_seconds: float
    rows: int


def access(folder: Path, start: Start, plan: Plan) -> tuple[Point, ...]:
    """Grow a server in `folder`, and ask at each size."""
    with start(folder) as running:
        root = Client(address=running.address)
        root.await_answer()
        root.initialise()
        root.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        root.ask("POST", "sys/policies/acl/own", {"policy": OWN})
        for number in range(TEAMS):
            given = {"policy": TEAM.format(number)}
            root.ask("POST", f"sys/policies/acl/team-{number}", given)
        found, there = [], 0
        for size in IDENTITIES:
            plan.tell(f"making {size:,} identities, and {size * PATHS // 2:,} secrets")
            workloads.store(root.address, made(root.token, there, size))
            there = size
            plan.tell(f"asking who can do what at {size:,} identities")
            found.append(asked(root, size))
    return tuple(found)


def made(token: str, start: int, end: int) -> list[Request]:
    """Return the writes of some identities, and of secrets: each is a path of data and metadata."""
    headers = {"X-Vault-Token": token}
    found = []
    for number in range(start, end):
        person = as_json({"name": f"p{number}", "policies": [f"team-{number % TEAMS}", "own"]})
        path = "/v1/identity/entity"
        found.append(Request(method="POST", path=path, headers=headers, body=person))
    for number in range(start * PATHS // 2, end * PATHS // 2):
        whose = f"people/p{number // 5}" if number % 5 == 0 else f"team-{number % TEAMS}"
        path = f"/v1/secret/data/{whose}/app-{number}"
        secret = as_json({"data": workloads.value(number)})
        found.append(Request(method="POST", path=path, headers=headers, body=secret))
    return found


def asked(root: Client, size: int) -> Point:
    """Ask the three questions."""
    who = "strongroom/access/who?capability=read&path=secret/data/team-7/app-7"
    entity = root.ask("GET", f"identity/entity/name/p{size // 2}")["data"]["id"]
    first = milliseconds(root, [who])
    matrix = time.perf_counter()
    told = root.ask("GET", "strongroom/access/everybody")["data"]
    seconds = time.perf_counter() - matrix
    return Point(
        identities=size,
        paths=told["paths"],
        first_who=first,
        who=milliseconds(root, [who] * ASKED),
        what=milliseconds(root, [f"strongroom/access/what?entity={entity}"] * ASKED),
        matrix_seconds=seconds,
        rows=told["row_count"],
    )


def milliseconds(root: Client, paths: Sequence[str]) -> float:
    """Return the median time of some reads."""
    taken = []
    for path in paths:
        before = time.perf_counter()
        root.ask("GET", path)
        taken.append((time.perf_counter() - before) * 1_000)
    return median(taken)
