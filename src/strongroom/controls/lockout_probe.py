"""T50: failed logins lock a name out.

Population  A throw-away user at a throw-away mount, tried; and every mount where people log in by
            a password.
Holds when  After so many wrong passwords the right one is refused, and the entry says that it was
            locked out; the entry of the last failure is an alert; and each mount locks after as few
            failures, for as long, and forgets them no sooner than the limits say.
Not judged  A throw-away user that could not be made, or a server in trouble; a mount whose row is
            not as it was written.
Trust       The user never logs in, its password is random and nobody else's, and all of it is
            removed. How long a lock lasts, and when a failure is forgotten, is read, not tried.
Limits      Ten tries and half an hour are PCI DSS 4.0's (8.3.4). A mount that forgets failures in
            seconds locks nobody out who waits that long between guesses: a quarter of an hour is
            the floor of the CIS benchmarks for "reset account lockout counter after".
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.identities import WayIn
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.probes import Prober

MOST = 10
LEAST = timedelta(minutes=30)
LEAST_KEPT = timedelta(minutes=15)
PASSWORDS = ("ldap", "userpass")
KIND = "auth/userpass"
LOCKED_OUT = "locked out"  # what the entry of such a login says
ALERT = "login_locked_out"  # of the failure that began it


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for the probe, and one for each mount of passwords."""
    async with evidence.probe.mounts("T50") as mounts:
        if mount := mounts.get(KIND):
            policy = f'path "{mount}users/*" {{ capabilities = ["create", "update"] }}'
            async with evidence.probe.identity("T50", policy=policy) as prober:
                yield await _try(evidence, prober, mount)
    for way in await evidence.identities.ways_in():
        if way.problem:
            yield Item(f"mount {way.path}", None, f"not as it was written: {way.problem}")
        elif way.method in PASSWORDS:
            yield _configured(way)


async def _try(evidence: Evidence, prober: Prober, mount: str) -> Item:
    subject = "a throw-away user"
    name = f"control-t50-{evidence.probe.random_name()}"
    right = _body(evidence.probe.random_name() + evidence.probe.random_name())
    made = await prober.request("write", f"{mount}users/{name}", right)
    at = f"{mount}login/{name}"
    if made.status >= HTTPStatus.MULTIPLE_CHOICES:
        return Item(subject, None, f"could not be made: status {made.status}", (made.index,))
    counted, alerts = 0, []
    for _ in range(MOST):
        wrong = _body(evidence.probe.random_name())
        answered = await prober.request("write", at, wrong, token="")
        if answered.status < HTTPStatus.MULTIPLE_CHOICES:
            return Item(subject, False, "a wrong password was taken", (answered.index,))
        entry = await evidence.log.entry(answered.index)
        counted += entry is not None and entry.reason != LOCKED_OUT
        if entry is not None and entry.own.get("alert") == ALERT:
            alerts.append(answered.index)
    last = await prober.request("write", at, right, token="")
    if last.status < HTTPStatus.MULTIPLE_CHOICES:
        because = f"not locked out after {MOST} wrong passwords"
        return Item(subject, False, because, (last.index,))
    entry = await evidence.log.entry(last.index)
    if entry is None or entry.ok is not False:
        because = f"refused, and entry {last.index} does not say so"
        return Item(subject, False, because, (last.index,))
    if entry.reason != LOCKED_OUT:
        held = False if last.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN) else None
        because = f"the right password was refused, and not for being locked out: {entry.reason}"
        return Item(subject, held, because, (last.index,))
    because = f"locked out after {counted} wrong passwords; then the right one was refused"
    if not alerts:
        return Item(subject, False, f"{because}, and no entry is an alert", (last.index,))
    return Item(subject, True, because, (*alerts, last.index))


def _configured(way: WayIn) -> Item:
    subject, proof = f"mount {way.path}", () if way.entry is None else (way.entry,)
    if not way.locks:
        return Item(subject, False, "nobody is locked out there", proof)
    minutes = int(way.lasts.total_seconds() // 60)
    kept = way.forgets / timedelta(minutes=1)
    because = f"{way.failures} failures within {kept:g} minutes each lock for {minutes} minutes"
    strict = way.failures <= MOST and way.lasts >= LEAST and way.forgets >= LEAST_KEPT
    return Item(subject, strict, because, proof)


def _body(password: str) -> bytes:
    return json.dumps({"password": password}).encode()


CONTROL = ControlTest(
    id="T50",
    title="Failed logins lock a name out",
    kind=Kind.PROBE,
    population="A throw-away user, tried; every mount where people log in by a password",
    procedure=(
        "Made a user at a throw-away mount, showed wrong passwords, then the right one, "
        "and looked for the reason in the entry of the refusal, and for an alert in that of the "
        "failure which began the lock. Read of each mount of passwords "
        "after how many failures it locks, for how long, and after how long it forgets one."
    ),
    holds_when=(
        "The right password was refused after the wrong ones, for being locked out, and that was "
        "an alert; each mount "
        "locks after as few failures and for as long as the limits say, and forgets a failure no "
        "sooner than they say."
    ),
    limits=(
        "It shows the moment of the run. That a lock lasts as long as it is set for was not "
        "waited for, nor that somebody reads the alerts: they stand in the log and at "
        "`strongroom/alerts`, and are sent to nobody."
    ),
    parameters={
        "most_failures": MOST,
        "least_minutes": int(LEAST.total_seconds() // 60),
        "least_minutes_kept": int(LEAST_KEPT.total_seconds() // 60),
    },
    evaluate=evaluate,
)
