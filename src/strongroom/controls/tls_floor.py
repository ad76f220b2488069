"""T05: listeners speak TLS 1.2 or newer, with listed suites and a valid certificate.

Population  Every listener with each version from SSL 3.0 to TLS 1.3, and its certificate.
Holds when  Older versions are refused, newer ones accept listed suites only, a strict client
            accepts the certificate, and it has more than 30 days left.
Not judged  A listener that does not answer one way or the other.
Trust       The listeners are asked from the machine that they run on: what stands in front of
            them (a proxy, a load balancer) is not seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.probes import Handshake, ListenerFact

ALLOWED = ("TLS 1.2", "TLS 1.3")
SUITES = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)
DAYS = 30


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each version at each listener, and one for each certificate."""
    for listener in await evidence.listeners.probe():
        if listener.problem:
            yield Item(listener.address, None, listener.problem)
        elif not listener.tls:
            yield Item(listener.address, False, "speaks HTTP without TLS")
        else:
            for item in _of(listener):
                yield item


def _of(listener: ListenerFact) -> Iterator[Item]:
    accepted = [h.version for h in listener.handshakes if h.suites]
    for shake in listener.handshakes:
        yield _version(listener.address, shake)
    if not accepted:
        yield Item(f"{listener.address} any version", None, "no version was accepted at all")
    yield _certificate(listener)


def _version(address: str, shake: Handshake) -> Item:
    subject = f"{address} {shake.version}"
    weak = [suite for suite in shake.suites if suite not in SUITES]
    if shake.suites and shake.version not in ALLOWED:
        return Item(subject, False, f"accepted with {len(shake.suites)} suites")
    if weak:
        return Item(subject, False, f"accepts suites that are not listed: {', '.join(weak)}")
    if not shake.conclusive:
        return Item(subject, None, f"cannot be told: {shake.ended}")
    if not shake.suites:
        return Item(subject, True, f"refused: {shake.ended}")
    return Item(subject, True, f"accepted with listed suites only: {', '.join(shake.suites)}")


def _certificate(listener: ListenerFact) -> Item:
    subject = f"{listener.address} certificate"
    if listener.certificate_problem:
        return Item(subject, False, f"a strict client refuses it: {listener.certificate_problem}")
    if listener.days_left is None:
        return Item(subject, None, "its end could not be read")
    because = f"accepted by a strict client; {int(listener.days_left)} days left"
    return Item(subject, listener.days_left > DAYS, because)


CONTROL = ControlTest(
    id="T05",
    title="Connections are encrypted with current TLS",
    kind=Kind.PROBE,
    population="Every listener with each version from SSL 3.0 to TLS 1.3, and its certificate",
    procedure=(
        "Offered each version with every suite that ever belonged to it, and struck off what was "
        "accepted until nothing more was. Connected as a client that checks the certificate."
    ),
    holds_when="Older versions are refused, suites are listed ones, the certificate is valid.",
    limits="It shows the state at the run, seen from the server's own machine.",
    parameters={"allowed": list(ALLOWED), "suites": list(SUITES), "days_left_above": DAYS},
    evaluate=evaluate,
)
