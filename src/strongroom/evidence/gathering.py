"""Puts the evidence of one run together, over a server that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.audit.log import Published
from strongroom.core.server import Server
from strongroom.evidence.access_facts import Facts
from strongroom.evidence.compliance_facts import ComplianceFacts
from strongroom.evidence.governance_facts import GovernanceFacts
from strongroom.evidence.identity_facts import IdentityFacts
from strongroom.evidence.kept_runs import KeptRuns
from strongroom.evidence.log_reading import LogReading
from strongroom.evidence.places import SearchedPlaces
from strongroom.evidence.probing import Probing
from strongroom.evidence.review_facts import ReviewFacts
from strongroom.evidence.storage_walk import StorageWalk
from strongroom.evidence.surroundings import Surroundings
from strongroom.sdk.control import Evidence
from strongroom.sdk.facts.probes import ListenerFact


@dataclass(frozen=True, slots=True)
class Asked:
    """See `sdk.facts.probes.Listeners`."""

    surroundings: Surroundings

    async def probe(self) -> Sequence[ListenerFact]:
        return await asyncio.to_thread(self.surroundings.listeners)


async def reading(server: Server, published: Published, surroundings: Surroundings) -> LogReading:
    """Return the log up to a checkpoint."""
    return await LogReading(
        database=server.database,
        log=server.log,
        published=published,
        verifier_key=server.log.verifier_key,
        witnesses=tuple(surroundings.witnesses()),
    ).open()


def gather(server: Server, log: LogReading, surroundings: Surroundings, kept: KeptRuns) -> Evidence:
    """Return what a test is given at the checkpoint of a log."""
    facts = Facts(server)
    return Evidence(
        log=log,
        storage=StorageWalk(server, kept),
        tokens=facts,
        access=facts,
        identities=IdentityFacts(server),
        compliance=ComplianceFacts(server),
        governance=GovernanceFacts(server),
        reviews=ReviewFacts(server),
        probe=Probing(server),
        places=SearchedPlaces(server, surroundings),
        listeners=Asked(surroundings),
    )
