"""Receipts as the `Audit-Receipt` header of an answer gives them: `<index>.<leaf hash>`.

Trust  A receipt whose hash is not that of the entry at its index is evidence against whoever runs
       the log: the entry that was promised is not there. An index alone promises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hmac import compare_digest

from strongroom.cli.errors import CommandError
from strongroom.crypto.errors import ProofError
from strongroom.crypto.merkle import leaf_hash

_FORM = re.compile(r"([0-9]{1,18})(?:\.([0-9a-fA-F]{64}))?")


@dataclass(frozen=True)
class Receipt:
    """An entry that was promised; `digest` is None where only its index is known."""

    index: int
    digest: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Read an index or a receipt; `CommandError` for anything else."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise CommandError("not an index, nor a receipt of the form INDEX.HASH")
        return cls(int(found[1]), bytes.fromhex(found[2]) if found[2] else None)

    def check(self, entry: bytes) -> None:
        """Raise ProofError if another entry stands at the index."""
        if self.digest is not None and not compare_digest(self.digest, leaf_hash(entry)):
            raise ProofError(
                f"entry {self.index} is not the one that this receipt promises;"
                " keep the receipt and a checkpoint"
            )
