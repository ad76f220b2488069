"""Trust policies: what an auditor was given to verify with."""

from __future__ import annotations

from strongroom.crypto.errors import NoteError
from strongroom.crypto.log_policy import LogPolicy

LOG = b"log audit.example.com/log+e3a410b2+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4\n"
WITNESS = (
    b"witness w witness.example.com/w1+8122a5ab+BOpKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs\n"
)
SEEDS = (
    LOG + b"quorum none\n",
    LOG + WITNESS + b"quorum w\n",
    LOG + WITNESS + b"group g any w\ngroup \xff all g\nquorum \xff\n",
    b"# nothing\n\t\nquorum w\n",
)


def target(data: bytes) -> None:
    """All of its witnesses together are always enough, and none of them only with no quorum."""
    try:
        policy = LogPolicy.parse(data)
    except NoteError:
        return
    assert policy.satisfied(set(policy.witnesses))
    assert policy.satisfied(set()) is (policy.quorum == "none")
