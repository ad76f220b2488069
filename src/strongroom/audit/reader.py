"""Verifies a whole log from its files alone: every entry, every tile, the root, the signatures.

Specs  C2SP tlog-tiles, tlog-checkpoint and tlog-policy.
Trust  The keys and the policy are arguments. They reach the verifier by a way of their own; one
       that the audited server hands out proves nothing, and nothing here ever asks for one.
       A sound log is one that was not changed since it was signed. Without witnesses or kept
       checkpoints that says nothing on what its operator signed for somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from strongroom.audit.examination import Examination, Fault, FaultKind, Progress
from strongroom.audit.log_source import DirectorySource, HttpSource, LogSource, open_source
from strongroom.base.errors import InputError
from strongroom.crypto.checkpoint import SignedCheckpoint, open_checkpoint
from strongroom.crypto.errors import NoteError, ProofError
from strongroom.crypto.log_policy import Known, LogPolicy
from strongroom.crypto.note import VerifierKey
from strongroom.crypto.tiles import CHECKPOINT_PATH

__all__ = [
    "BrokenLogError",
    "DirectorySource",
    "Fault",
    "FaultKind",
    "HttpSource",
    "LogReport",
    "LogSource",
    "examine_log",
    "open_source",
    "verify_log",
]


@dataclass(frozen=True, kw_only=True)
class LogReport:
    """What was found. `entries` counts those that were read and hashed.

    `checkpoint` is None where none could be believed; `cut_short` says that reading stopped
    before the end because what came before made the rest unreadable, or was bad enough. Both
    come with a fault that says why.
    """

    checkpoint: SignedCheckpoint | None
    entries: int
    faults: tuple[Fault, ...]
    cut_short: bool = False

    def require_sound(self) -> None:
        """Raise `BrokenLogError` if anything is wrong."""
        if self.faults:
            raise BrokenLogError(self)


class BrokenLogError(ProofError):
    """The log is not what was signed; `report` says what is wrong."""

    def __init__(self, report: LogReport) -> None:
        more = f" (and {len(report.faults) - 1} more)" if len(report.faults) > 1 else ""
        super().__init__(f"{report.faults[0]}{more}")
        self.report = report


def verify_log(
    source: LogSource,
    keys: Sequence[VerifierKey],
    policy: LogPolicy | None = None,
    *,
    kept: Sequence[bytes] = (),
    on_progress: Progress | None = None,
) -> LogReport:
    """Return the report on a log in which everything holds, or raise `BrokenLogError` with it.

    `examine_log` says what the arguments are and what else is raised.
    """
    report = examine_log(source, keys, policy, kept=kept, on_progress=on_progress)
    report.require_sound()
    return report


def examine_log(
    source: LogSource,
    keys: Sequence[VerifierKey],
    policy: LogPolicy | None = None,
    *,
    kept: Sequence[bytes] = (),
    on_progress: Progress | None = None,
) -> LogReport:
    """Read the whole log and report what is wrong with it; at most 100 faults are listed.

    `keys` are the log's; where none are given, the policy's. `policy` adds the witnesses whose
    quorum must have cosigned. `kept` are signed checkpoints of this log from earlier, each of
    which it must still contain. `on_progress` is told entries read and the size, tile by tile.

    Raises `InputError` without any key or with a kept checkpoint of another log, `NoteError`
    for one that no given key signed, `UpstreamError` where the source cannot tell what it has.
    """
    trust = _trust(keys, policy)
    earlier = [open_checkpoint(note, [known.key for known in trust.logs]) for note in kept]
    note = source.read(CHECKPOINT_PATH)
    if note is None:
        return _unopened(FaultKind.MISSING, "there is no checkpoint")
    try:
        opened = trust.open(note)
    except NoteError as problem:
        return _unopened(FaultKind.CHECKPOINT, str(problem))
    if any(one.checkpoint.origin != opened.checkpoint.origin for one in earlier):
        raise InputError("kept", "a checkpoint of another log was given")
    examination = Examination(source, opened, earlier, on_progress or _silent)
    examination.run()
    return LogReport(
        checkpoint=opened,
        entries=examination.entries,
        faults=tuple(examination.faults),
        cut_short=examination.cut_short,
    )


def _trust(keys: Sequence[VerifierKey], policy: LogPolicy | None) -> LogPolicy:
    """Return whom to believe; without a policy, the log alone."""
    policy = policy or LogPolicy(logs=(), witnesses={}, groups={}, quorum="none")
    if keys:
        policy = replace(policy, logs=tuple(Known(key=key) for key in keys))
    if not policy.logs:
        raise InputError(
            "vkey",
            "a key of the log is needed that was received from elsewhere: one that the audited"
            " server hands out proves nothing",
        )
    return policy


def _unopened(kind: FaultKind, problem: str) -> LogReport:
    fault = Fault(kind=kind, path=CHECKPOINT_PATH, problem=problem)
    return LogReport(checkpoint=None, entries=0, faults=(fault,))


def _silent(done: int, size: int) -> None:
    """Tell nobody how far it is."""
