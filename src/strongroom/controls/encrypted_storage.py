"""T02: everything that is stored is encrypted, with authenticated encryption only.

Population  Every stored value of a sealed column, every wrapped key, and every row in clear that
            authorization goes by, as of the run.
Holds when  The header names a known algorithm for authenticated encryption, the term's key is
            held, and the value opens at its place: so it is what the barrier wrote there. The MAC
            of a row in clear is that of this row. What the row of a control run says in clear is
            what its sealed result says.
Not judged  Nothing: what does not open is an exception.
Trust       The walk is made by the server under test, over the rows that its database gives it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.period import Period
from strongroom.sdk.facts.storage import Blob

RUNS = "control_run"
ALGORITHMS = ("AES-256-GCM", "XAES-256-GCM", "XChaCha20-Poly1305")


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each column and term, and each table; one for each that is bad or odd."""
    good: Counter[tuple[str, str, int]] = Counter()
    async for blob in evidence.storage.blobs():
        if problem := _problem(blob):
            yield Item(f"{blob.place} {blob.key}", False, problem)
        else:
            good[blob.place, blob.algorithm, blob.term] += 1
    for (place, algorithm, term), count in sorted(good.items()):
        because = f"{algorithm}, key term {term}: all open at their places"
        yield Item(f"{place}: {count} values", True, because, members=count)
    rows: Counter[str] = Counter()
    async for row in evidence.storage.guarded():
        if row.problem:
            yield Item(f"{row.table} {row.key}", False, row.problem)
        else:
            rows[row.table] += 1
    for table, count in sorted(rows.items()):
        because = "the MAC of each is that of the row"
        if table == RUNS:
            because = "each says in clear what its sealed result says"
        yield Item(f"{table}: {count} rows", True, because, members=count)
    for column in await evidence.storage.unexplained():
        yield Item(column, False, "holds bytes, and is neither sealed nor known to need no seal")


def _problem(blob: Blob) -> str:
    if blob.algorithm not in ALGORITHMS:
        return "unknown header: no algorithm of the list"
    if not blob.term_held:
        return f"under term {blob.term}, of which the server holds no key"
    return blob.problem


CONTROL = ControlTest(
    id="T02",
    title="Everything stored is encrypted, with authenticated encryption only",
    kind=Kind.POP,
    population=(
        "Every stored value of a sealed column, every wrapped key, and every row in clear that "
        "authorization goes by, as of the run"
    ),
    procedure=(
        "Walked every table. Of each sealed value read the header, and opened it with the key of "
        "its term and its own place as associated data; unwrapped each stored key with the root "
        "key. Recomputed the MAC of each token, entity, alias, policy, environment and mount, and "
        "looked for environments that are known and gone. Compared each row of a control run with "
        "its own sealed result. Compared the columns of bytes in the "
        "schema with those known to be sealed or clear."
    ),
    holds_when=(
        "Each value names an algorithm of the list and opens at its place; each row has its MAC, "
        "or says what is sealed in it."
    ),
    limits=(
        "It shows the state at the run, not each day before. Except for environments, a row that "
        "is gone, or is an older one of its key, is not noticed. Names, paths and times are stored "
        "in clear by design. What lies outside the database is T03's."
    ),
    parameters={"algorithms": list(ALGORITHMS)},
    evaluate=evaluate,
)
