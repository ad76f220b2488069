"""A whole log, verified against what the verifier trusts: its keys, its witnesses, what was kept.

Specs  C2SP tlog-policy. A log cannot wait for its witnesses, so the checkpoint that the quorum has
       cosigned is most often an earlier one. It is published beside the newest: as `witnessed` on
       a server, as `checkpoint.witnessed` in an export.
Trust  What the quorum cosigned is the history that everybody is shown. What follows it is the log's
       own word, in a tree that begins with what was cosigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strongroom.audit.examination import Fault, FaultKind, Progress
from strongroom.audit.log_source import LogSource
from strongroom.audit.reader import LogReport, examine_log
from strongroom.cli.log_files import EXPORTED_WITNESSED, SERVED_WITNESSED
from strongroom.crypto.checkpoint import SignedCheckpoint
from strongroom.crypto.errors import NoteError
from strongroom.crypto.log_policy import Known, LogPolicy
from strongroom.crypto.note import VerifierKey
from strongroom.crypto.tiles import CHECKPOINT_PATH

_BESIDE: Final = (SERVED_WITNESSED, EXPORTED_WITNESSED)
_NO_QUORUM: Final = "none"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was found, and the checkpoint that the quorum cosigned, None where none counts."""

    report: LogReport
    cosigned: SignedCheckpoint | None


def verify_log(
    source: LogSource,
    keys: Sequence[VerifierKey],
    policy: LogPolicy | None,
    kept: Sequence[bytes],
    on_progress: Progress,
) -> Verified:
    """Examine a log up to its newest checkpoint, and compare it with what the quorum cosigned.

    Raises what `strongroom.audit.reader.examine_log` does.
    """
    if policy is None or policy.quorum == _NO_QUORUM:
        report = examine_log(source, keys, policy, kept=kept, on_progress=on_progress)
        return Verified(report=report, cosigned=None)
    if keys:
        policy = replace(policy, logs=tuple(Known(key=key) for key in keys))
    cosigned, faults = _cosigned(source, policy)
    if cosigned is None:
        report = examine_log(source, keys, policy, kept=kept, on_progress=on_progress)
        return Verified(report=replace(report, faults=report.faults + faults), cosigned=None)
    report = examine_log(
        source,
        keys,
        replace(policy, quorum=_NO_QUORUM),
        kept=[*kept, cosigned.note.encode()],
        on_progress=on_progress,
    )
    return Verified(report=report, cosigned=cosigned)


def _cosigned(
    source: LogSource, policy: LogPolicy
) -> tuple[SignedCheckpoint | None, tuple[Fault, ...]]:
    """Look in the newest checkpoint, then beside it; say why what is beside it is not the one."""
    faults = []
    for path in (CHECKPOINT_PATH, *_BESIDE):
        note = source.read(path)
        if note is None:
            continue
        try:
            return policy.open(note), ()
        except NoteError as problem:
            if path != CHECKPOINT_PATH:  # of that one, the examination says so itself
                faults.append(Fault(kind=FaultKind.CHECKPOINT, path=path, problem=str(problem)))
    return None, tuple(faults)
