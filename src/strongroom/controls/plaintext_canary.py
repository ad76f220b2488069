"""T03: no plaintext of a secret value is found where it must not be.

Population  The ways to write that were tried with a canary value, and the places searched.
Holds when  No canary is found in any form in any place, nor in the answer to a refused request;
            and what was planted in clear on purpose (the name of the throw-away mount) is found,
            which shows that the search works.
Not judged  A place that cannot be read.
Trust       Canaries are accepted on throw-away mounts alone. Every other way to write is tried
            by an identity without that right, so nothing of anybody's is changed.
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.probes import Prober, WriteRoute

SUBJECT = "control-t03"
UNKNOWN = "field_that_nothing_has"


@dataclass
class Planted:
    """The canary values so far, and the answers that held one though they refused."""

    mark: bytes  # what every canary of this run begins with
    accepted: int = 0
    refused: int = 0
    echoes: list[str] = field(default_factory=list)


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Plant, search, and give an item for each place and for the answers."""
    planted = Planted(f"canary-{evidence.probe.random_name()}".encode())
    async with evidence.probe.mounts("T03") as mounts:
        marker = next(iter(mounts.values()), "")
        policy = "\n".join(
            f'path "{path}*" {{ capabilities = {_ALL} }}' for path in mounts.values()
        )
        async with evidence.probe.identity("T03", policy=policy) as prober:
            await _accepted(evidence, prober, mounts, planted)
            await _refused(evidence, prober, planted)
        needles = list(forms(planted.mark))
        searched = [s async for s in evidence.places.search([*needles, marker.encode()])]
    places = 0
    shown = False
    for place in searched:
        places += 1
        hits = [hit for hit in place.hits if hit < len(needles)]
        shown |= len(needles) in place.hits
        if place.problem:
            yield Item(place.place, None, f"could not be searched: {place.problem}")
        elif hits:
            yield Item(place.place, False, f"{len(hits)} forms of planted values were found")
        else:
            yield Item(place.place, True, f"{place.size} bytes searched; none was found")
    yield _answers(planted)
    if planted.accepted == 0:
        yield Item("accepted writes", None, "no canary was taken: nothing could have been stored")
    if places and not shown:
        yield Item("the search itself", None, "did not find what was planted in clear on purpose")


def forms(canary: bytes) -> tuple[bytes, ...]:
    """Return the forms in which a value may lie about: raw, hexadecimal, base64 at any offset."""
    found = [canary, canary.hex().encode(), canary.hex().upper().encode()]
    for encode in (b64encode, urlsafe_b64encode):
        for offset in range(3):
            whole = encode(bytes(offset) + canary)
            found.append(whole[(offset * 4 + 2) // 3 : -4])
    return tuple(dict.fromkeys(found))


def _answers(planted: Planted) -> Item:
    tried = planted.accepted + planted.refused
    if planted.echoes:
        because = "a refusal repeated the value: " + ", ".join(planted.echoes[:10])
        return Item("answers", False, because, members=tried)
    because = f"{planted.accepted} writes taken, {planted.refused} refused; no refusal repeats one"
    return Item("answers", True, because, members=tried)


async def _accepted(
    evidence: Evidence, prober: Prober, mounts: Mapping[str, str], planted: Planted
) -> None:
    """Write canaries where they are taken, and badly formed ones beside."""
    for kind, path in mounts.items():
        target = f"{path}data/one" if kind == "kv-v2" else f"{path}one"
        for body in _bodies(_canary(evidence, planted), versioned=kind == "kv-v2"):
            await _try(prober, "write", target, body, planted)


async def _refused(evidence: Evidence, prober: Prober, planted: Planted) -> None:
    """Try every other way to write, where the identity has no right to."""
    for route in await evidence.probe.writes():
        canary = _canary(evidence, planted)
        await _try(prober, route.operation, route.path, _filled(route, canary), planted)
        if route.login:
            await _try(prober, route.operation, route.path, b"{" + canary, planted)
    canary = _canary(evidence, planted)
    answered = await prober.request("read", "sys/mounts", token=canary.decode())
    _note(planted, "a token that is none", answered.status, answered.body)


def _filled(route: WriteRoute, canary: bytes) -> bytes:
    """Return a body with the canary in every field for a secret, and one that is not known."""
    named = dict.fromkeys(route.names, SUBJECT)
    return json.dumps(named | dict.fromkeys((*route.fields, UNKNOWN), canary.decode())).encode()


def _bodies(canary: bytes, *, versioned: bool) -> list[bytes]:
    text = canary.decode()
    good = {"data": {"value": text}} if versioned else {"value": text}
    return [
        json.dumps(good).encode(),
        b'{"data": {"value": "' + canary,
        json.dumps([text]).encode(),
        json.dumps({"data": text, "options": text}).encode() if versioned else canary,
        b'{"data": "\xff' + canary + b'"}',
    ]


async def _try(prober: Prober, operation: str, path: str, body: bytes, planted: Planted) -> None:
    answered = await prober.request(operation, path, body)
    _note(planted, path, answered.status, answered.body)


def _note(planted: Planted, what: str, status: int, body: bytes) -> None:
    if status < 400:
        planted.accepted += 1
    else:
        planted.refused += 1
        if any(form in body for form in forms(planted.mark)):
            planted.echoes.append(what)


def _canary(evidence: Evidence, planted: Planted) -> bytes:
    return planted.mark + b"-" + evidence.probe.random_name().encode()


_ALL = '["create", "read", "update", "patch", "delete", "list"]'

CONTROL = ControlTest(
    id="T03",
    title="No plaintext of a secret is left anywhere",
    kind=Kind.PROBE,
    population="The places searched: database, its journal, files of sinks and logs, answers",
    procedure=(
        "Wrote canary values through every way to write that the server has: accepted on "
        "throw-away mounts, refused elsewhere, badly formed ones among both. Searched every place "
        "for each value as it is, in hexadecimal, and in base64 at each offset."
    ),
    holds_when="No form of any canary is found, and what was planted in clear is.",
    limits=(
        "It searches what this server can read of its own host: not memory, swap, or copies that "
        "others have taken. A value that is compressed or encrypted otherwise would not be found."
    ),
    parameters={"forms": ["raw", "hex", "base64", "base64url"]},
    evaluate=evaluate,
)
