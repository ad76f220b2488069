"""T45: who sets policies does not keep the log, and nobody can delete it.

Population  Everybody who can act now: what they may by policies, groups and tokens. And, tried,
            each way to change or delete the log that a policy can name.
Holds when  Nobody may both change policies and see to audit devices; and somebody who is granted
            everything on the log's paths still deletes and changes nothing of it.
Trust       A rule that others hide in part counts. Root tokens are everybody's duties: T12 says how
            few there are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.duties import AREAS, THE_LOG
from strongroom.sdk.facts.period import Period

ALL: Final = '["create", "read", "update", "patch", "delete", "list", "sudo"]'
POLICY: Final = "\n".join(f'path "{path}" {{ capabilities = {ALL} }}' for path in THE_LOG)
TRIED: Final = (
    ("delete", "strongroom/log/entries"),
    ("write", "strongroom/log/entries"),
    ("delete", "strongroom/log/status"),
    ("delete", "strongroom/log/tile/entries/000"),
    ("delete", "sys/audit/log"),
    ("write", "sys/audit/log"),
)


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each identity, and one for each way to change the log."""
    async for each in evidence.access.duties():
        if len(each.duties) > 1:
            held = "; ".join(f"{name} by {', '.join(by)}" for name, by in each.duties.items())
            yield Item(each.subject, False, f"has both duties: {held}")
        else:
            one = next(iter(each.duties), "neither duty")
            yield Item(each.subject, True, f"has {one}")
    async with evidence.probe.identity("T45", policy=POLICY) as prober:
        for operation, path in TRIED:
            answered = await prober.request(
                operation, path, b"{}" if operation == "write" else None
            )
            subject = f"{operation} {path}, granted"
            proof = (answered.index,) if answered.index >= 0 else ()
            if answered.status >= 500:
                yield Item(subject, None, f"answered with status {answered.status}", proof)
                continue
            because = f"answered with status {answered.status}"
            yield Item(subject, answered.status >= 400, because, proof)


CONTROL = ControlTest(
    id="T45",
    title="Setting policies and keeping the log are apart",
    kind=Kind.POP,
    population=(
        "Every entity that can act, and every live token, with what they may; and each way to "
        "change or delete the log"
    ),
    procedure=(
        "Took the rules that everybody holds, and looked who may both change policies and change "
        "audit devices. Tried to delete and to change the log as a throw-away identity whose "
        "policy grants everything there."
    ),
    holds_when="Nobody has both duties, and nothing of the log could be changed or deleted.",
    limits=(
        "Who has the database, or the machine, is not asked about: T62 and witnesses tell of what "
        "is done there."
    ),
    parameters={name: list(paths) for name, paths in AREAS.items()},
    evaluate=evaluate,
)
