"""For which controls a change that would break them is refused, or only warned of.

Trust   Guarded: a row that was changed in the database refuses, whatever it says; who can write to
        the database can delete one, which switches its control's check off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

OFF, WARN, REFUSE = "off", "warn", "refuse"
MODES: Final = (OFF, WARN, REFUSE)


@dataclass(frozen=True, slots=True)
class Admission:
    """What becomes of a change that would break a control; without a row, it is let through."""

    control: str
    mode: str
    updated_at: datetime
    entry: int | None = None


ADMISSIONS = Register("admission", Admission, key=("control",), guarded=True, kept=True)


async def modes(tx: Transaction) -> dict[str, str]:
    """Return the mode of each control that has one; a changed row refuses."""
    rows, broken = await tx.examine(ADMISSIONS)
    return {row.control: row.mode for row in rows} | {each.name: REFUSE for each in broken}
