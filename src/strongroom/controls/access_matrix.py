"""T34: the access matrix that people review is what the engine enforces.

Population  Every subject, with every capability on every path that a policy or mount names.
Holds when  What the stored policies and grants say, less what the stored environments refuse, and
            what the running engine answers is the same in every cell. The hash of the rendered
            matrix is in the last item.
Not judged  Nothing.
Trust       One side is compiled anew from the stored rows, the other is what requests are judged
            by. Both use the same compiler: that it means what Vault's does is shown by the tests.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import sha256

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import MatrixRow
from strongroom.sdk.facts.period import Period


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each subject, one for each cell that differs, and the hash of it all."""
    whole, cells, subjects = sha256(), 0, 0
    async for row in evidence.access.matrix():
        subjects += 1
        cells += len(row.cells)
        whole.update(rendered(row))
        differing = [cell for cell in row.cells if cell.stored != cell.engine]
        for cell in differing:
            stored, engine = ", ".join(cell.stored), ", ".join(cell.engine)
            because = f"stored policies say {stored}; the engine says {engine}"
            yield Item(f"{row.subject} on {cell.path}", False, because)
        equal = len(row.cells) - len(differing)
        if equal:
            digest = sha256(rendered(row)).hexdigest()[:16]
            yield Item(f"{row.subject}: {equal} cells", True, f"equal; row {digest}", members=equal)
    if subjects:
        because = f"{subjects} subjects, {cells} cells; sha256 {whole.hexdigest()}"
        yield Item("the matrix as rendered", True, because)


def rendered(row: MatrixRow) -> bytes:
    """Return a row in its one written form."""
    cells = {cell.path: list(cell.stored) for cell in row.cells}
    return json.dumps([row.subject, cells], separators=(",", ":"), sort_keys=True).encode() + b"\n"


CONTROL = ControlTest(
    id="T34",
    title="The access matrix equals the policy in force",
    kind=Kind.PROBE,
    population="Every subject with its capabilities on every path that a policy or mount names",
    procedure=(
        "Compiled the stored policies and active grants anew, took off what environments refuse, "
        "and rendered the matrix from them. Asked the engine that judges requests for each cell, "
        "and compared. Hashed the rendering."
    ),
    holds_when="No cell differs.",
    limits=(
        "Subjects are live tokens and entities with policies of their own, as of the run. "
        "Wildcards are judged at one path each that they match."
    ),
    evaluate=evaluate,
)
