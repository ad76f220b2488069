"""Notices: what people are told, where they read it, and how it is sent out.

A notice is made in the transaction of what it tells of. The console shows it to each whom it is
for; what is sent by e-mail or to a channel is a delivery for each, made behind the commit.

Trust   A notice says who asks what and where to decide; no value, no token and no link that lets
        anybody in. The password of a mail server and the address of a channel are sealed. Guarded:
        who can write to the database can delete such a row, or bring back an older one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.base.secret import Secret
from strongroom.storage.register import Register

ACCESS, DECISION, BREAK_GLASS, REVIEW, ALERT = (
    "access_request",
    "decision",
    "break_glass",
    "review",
    "alert",
)
TOPICS: Final = (ACCESS, DECISION, BREAK_GLASS, REVIEW, ALERT)
WAITING, SENT, FAILED = "waiting", "sent", "failed"
STATES: Final = (WAITING, SENT, FAILED)
SMTP, WEBHOOK = "smtp", "webhook"
KINDS: Final = (SMTP, WEBHOOK)
SECURE: Final = ("starttls", "tls")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that is told. `about` is the id of what it is of; `place` a path of the console."""

    id: str
    topic: str
    about: str
    title: str
    text: str
    place: str
    recipients: tuple[str, ...]
    at: datetime
    spread: bool  # whether its deliveries were made
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A notice in somebody's inbox."""

    entity: str
    notice: str
    at: datetime
    read_at: datetime | None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Notifier:
    """A way out. `secret` is the password of a mail server, or the whole address of a channel."""

    name: str
    kind: str
    topics: tuple[str, ...]  # empty: all
    enabled: bool
    host: str
    port: int
    security: str
    username: str
    sender: str
    recipients: tuple[str, ...]  # of what is for nobody by name
    ca: str  # PEM; empty: those of the system
    networks: tuple[str, ...]  # private ones that it may reach
    secret: Secret | None
    description: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way to one address by one notifier. `problem` never holds what is sealed."""

    notice: str
    notifier: str
    recipient: str  # an entity, an address, or nothing for a channel
    state: str
    attempts: int
    next_at: datetime
    problem: str
    done_at: datetime | None
    entry: int | None = None


NOTICES = Register("notice", Notice, key=("id",), indexes=(("spread",), ("about",)), guarded=True)
INBOX = Register(
    "notice_inbox", Received, key=("entity", "notice"), indexes=(("entity",),), guarded=True
)
NOTIFIERS = Register("notifier", Notifier, key=("name",), sealed=("secret",), guarded=True)
DELIVERIES = Register(
    "delivery",
    Delivery,
    key=("notice", "notifier", "recipient"),
    indexes=(("state",), ("notifier",)),
    guarded=True,
)
