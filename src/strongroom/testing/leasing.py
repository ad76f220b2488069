"""An engine that gives leases, over an outside system that is a set in memory.

    outside = Outside()
    engine = Leasing(outside)   # at `creds/{name}` it makes an account, and a lease for it

The outside system can be told to refuse, so that a test sees what becomes of a lease then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar

from strongroom.base.errors import UpstreamError
from strongroom.sdk.engine import Call, Endpoint, Help, Lease, Named, Reply, Route


@dataclass
class Outside:
    """The accounts that exist, and how often somebody asked for a change."""

    accounts: set[str] = field(default_factory=set)
    asked: int = 0
    broken: bool = False
    defect: Exception | None = None

    def change(self) -> None:
        """Count an attempt. Raises UpstreamError while broken, or the defect that was put in."""
        self.asked += 1
        if self.defect is not None:
            raise self.defect
        if self.broken:
            raise UpstreamError("the outside system does not answer")


@dataclass(frozen=True, kw_only=True)
class Wanted(Named):
    """What account, and for how long."""

    ttl: Annotated[timedelta, Help("How long it lives.")] = timedelta(hours=1)
    max_ttl: Annotated[timedelta, Help("How long it lives at most.")] = timedelta(hours=4)
    renewable: Annotated[bool, Help("Whether it may live on.")] = True


class Leasing:
    """Makes accounts outside, and takes them back."""

    kind: ClassVar[str] = "leasing"

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def routes(self) -> Sequence[Route]:
        """Return the one path."""
        give = Endpoint(Wanted, self.give, "leasing.give")
        return (Route(path="creds/{name}", summary="A new account.", read=give),)

    async def give(self, call: Call, given: Wanted) -> Reply:
        """Make an account."""
        account = f"{given.name}-{call.entropy(4).hex()}"
        self._outside.accounts.add(account)
        lease = Lease(
            ttl=given.ttl,
            max_ttl=given.max_ttl,
            renewable=given.renewable,
            data={"account": account},
        )
        return Reply({"account": account}, lease=lease)

    async def revoke(self, _: Call, data: Mapping[str, object]) -> None:
        """Take an account back."""
        self._outside.change()
        self._outside.accounts.discard(str(data["account"]))

    async def renew(self, _: Call, __: Mapping[str, object], ___: timedelta) -> None:
        """Let an account live on: the outside system knows no end."""
        self._outside.change()
