"""Telling people: a notice in the inbox of each, in the transaction of what it tells of.

What goes out by e-mail or to a channel is sent behind the commit (`core.governance.delivering`).

Trust   A notice says who asks what, and where to decide. It holds no value of a secret and no
        token; what people wrote of themselves and of their reasons is text, and stays text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.base.ids import uuid_of
from strongroom.core.request import SystemCall
from strongroom.identity.governance.notices import INBOX, NOTICES, Notice, Received
from strongroom.storage.transaction import Transaction

MOST_TOLD: Final = 200
LONGEST_TITLE, LONGEST_TEXT = 200, 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told: of which topic, about what, and where one goes for it in the console."""

    topic: str
    about: str
    title: str
    text: str
    place: str
    spread: bool = False  # who tells it makes its deliveries


def tell(
    tx: Transaction,
    told: Told,
    recipients: Iterable[str],
    *,
    entropy: Callable[[int], bytes],
    now: datetime,
) -> Notice:
    """Tell some people, each once; also a notice that is for nobody by name goes to channels."""
    people = tuple(dict.fromkeys(recipients))[:MOST_TOLD]
    notice = Notice(
        id=uuid_of(entropy(16)),
        topic=told.topic,
        about=told.about,
        title=one_line(told.title)[:LONGEST_TITLE],
        text=told.text[:LONGEST_TEXT],
        place=told.place,
        recipients=people,
        at=now,
        spread=told.spread,
    )
    tx.put(NOTICES, notice)
    for each in people:
        tx.put(INBOX, Received(entity=each, notice=notice.id, at=now, read_at=None))
    return notice


def tell_in(call: SystemCall, told: Told, recipients: Iterable[str]) -> None:
    """`tell`, in the transaction of a request."""
    tell(call.transaction, told, recipients, entropy=call.entropy, now=call.now)


def one_line(text: str) -> str:
    """Return a text as one line, without what is not drawn: no header begins in it."""
    return " ".join(
        "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text).split()
    )
