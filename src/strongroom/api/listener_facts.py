"""What this server's own listeners answer, as facts for the control test of TLS.

Trust   Each listener is asked over loopback or at its own address, from this very process: what
        stands in front of it is not seen. Blocks; the caller gives it a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from strongroom.api.tls_probe import handshake_matrix, probe_certificate
from strongroom.base.errors import UpstreamError
from strongroom.sdk.facts.probes import Handshake, ListenerFact

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A listener to ask. `ca_file` None: the machine's own list of authorities."""

    host: str
    port: int
    tls: bool
    server_name: str
    ca_file: str | None


def listener_fact(asked: Asked, now: datetime, entropy: Callable[[int], bytes]) -> ListenerFact:
    """Ask one listener for everything; one that does not answer is a fact too."""
    shown = f"{asked.host}:{asked.port}"
    if not asked.tls:
        return ListenerFact(address=shown, tls=False)
    address = (EVERYWHERE.get(asked.host, asked.host), asked.port)
    try:
        probes = handshake_matrix(address, entropy=entropy, server_name=asked.server_name)
        certificate = probe_certificate(
            address, ca_file=asked.ca_file, server_name=asked.server_name
        )
    except UpstreamError as error:
        return ListenerFact(address=shown, tls=True, problem=str(error))
    left = None if certificate.expires is None else certificate.expires - now
    return ListenerFact(
        address=shown,
        tls=True,
        handshakes=tuple(
            Handshake(
                version=probe.version,
                suites=probe.suites,
                ended=probe.ended,
                conclusive=probe.conclusive,
            )
            for probe in probes
        ),
        certificate_problem="" if certificate.valid else certificate.problem or "refused",
        days_left=None if left is None else left.total_seconds() / DAY,
    )
