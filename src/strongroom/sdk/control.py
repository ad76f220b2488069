"""The contract of a control test.

A control test is a function from a period and the evidence to items: one for each member of its
population, or for a group of members that are all alike. It never says "pass": the verdict
follows from the items, so that no data, unreadable data and good data cannot be mistaken for one
another.

Trust   Evidence is read from the server that is tested. What was written down at the time is
        proven by the log; what is true now is what this server says of itself, by its own code.
        A probe acts under a throw-away identity named `control:<id>`, which the log shows.
Units   Moments are aware `datetime`, UTC; durations are `timedelta`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from strongroom.sdk.facts.access import Access, Tokens
from strongroom.sdk.facts.compliance import Compliance
from strongroom.sdk.facts.governance import Governance
from strongroom.sdk.facts.identities import Identities
from strongroom.sdk.facts.log import Log
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.probes import Listeners, Places, Probe
from strongroom.sdk.facts.reviews import Reviews
from strongroom.sdk.facts.storage import Storage

# Requests that are committed together may stand in another order than their times; a clock that
# is corrected goes back by less. What goes back further than this is said.
CLOCK_TOLERANCE = timedelta(seconds=2)
# -- what a test says --------------------------------------------------------------------------


class Verdict(StrEnum):
    """What the items of a period add up to."""

    EFFECTIVE = "effective"  # every item held
    EXCEPTED = "excepted"  # what broke is covered by exceptions in force, each named
    EXCEPTIONS = "exceptions"  # some item broke
    INCONCLUSIVE = "inconclusive"  # none broke, but some could not be judged
    NOT_EXERCISED = "not exercised"  # the population is empty


class Kind(StrEnum):
    """How a test comes to its items."""

    CFG = "configuration"  # inspects a setting
    POP = "population"  # judges every member, without sampling
    PROBE = "probe"  # performs the control again, on the live system
    DRILL = "drill"  # exercises a rare procedure


@dataclass(frozen=True, slots=True)
class Item:
    """One member of the population, or `members` of them that are all alike.

    `held` is None where it could not be judged. `proof` holds the indices of log entries that
    show it; an evidence pack carries those entries with their inclusion proofs. `exception` is the
    id of the exception in force that covers one which broke (`sdk.exceptions`); no test sets it.
    """

    subject: str
    held: bool | None
    because: str
    proof: tuple[int, ...] = ()
    members: int = 1
    exception: str = ""


def verdict(items: Sequence[Item]) -> Verdict:
    """Add items up. The worst one decides, and none at all is never a pass."""
    if not items:
        return Verdict.NOT_EXERCISED
    if any(item.held is False and not item.exception for item in items):
        return Verdict.EXCEPTIONS
    if any(item.held is None for item in items):
        return Verdict.INCONCLUSIVE
    if any(item.held is False for item in items):
        return Verdict.EXCEPTED
    return Verdict.EFFECTIVE


# -- the test ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a test is given. It uses the parts that it names, and no other."""

    log: Log
    storage: Storage
    tokens: Tokens
    access: Access
    identities: Identities
    compliance: Compliance
    governance: Governance
    reviews: Reviews
    probe: Probe
    places: Places
    listeners: Listeners


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTest:
    """What an auditor reads, and the function that answers it.

    `id` never changes: `strongroom/evidence/frameworks/*.toml` map criteria to it, not it to
    them. `limits` says what an effective verdict does not show.
    """

    id: str
    title: str
    kind: Kind
    population: str
    procedure: str
    holds_when: str
    limits: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    evaluate: Callable[[Period, Evidence], AsyncIterator[Item]]
