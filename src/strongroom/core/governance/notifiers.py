"""`strongroom/notifiers…`: what sends notices out: a mail server, or a channel.

The inbox of the console gets every notice, whatever stands here.

Trust   The password of a mail server and the address of a channel, which lets anybody write there,
        are sealed and never shown. A notifier reaches public addresses, and private ones only in
        networks that it names, which is an alert: this server can be made to ask them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.network import all_written
from strongroom.base.secret import Secret
from strongroom.core.governance.telling import Told, tell
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.people import moment
from strongroom.core.web import split_url, tls_context
from strongroom.identity.governance.notices import (
    ALERT,
    DELIVERIES,
    KINDS,
    NOTIFIERS,
    SECURE,
    SMTP,
    STATES,
    TOPICS,
    WAITING,
    Delivery,
    Notifier,
)
from strongroom.identity.people import is_email
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, valid_name
from strongroom.storage.guard import Broken

REACHES: Final = "notifier_reaches_private_networks"
MOST_RECIPIENTS, MOST_NETWORKS, LONGEST_CA = 32, 16, 64 * 1024
LONGEST_PORT: Final = 65535
MOST_LISTED: Final = 500
_HOST: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:")


@dataclass(frozen=True, kw_only=True)
class ByName:
    """Which notifier."""

    name: Annotated[str, Help("Name of the notifier.", least=1, most=64)]


@dataclass(frozen=True, kw_only=True)
class Given(ByName):
    """A notifier as written; what is not sent stays as it is."""

    kind: Annotated[str, Help("smtp or webhook; it stays what it is.", choices=("", *KINDS))] = ""
    topics: Annotated[tuple[str, ...], Help("What it sends; none: all.", choices=TOPICS)] = ()
    enabled: Annotated[bool, Help("Whether it sends.")] = True
    host: Annotated[str, Help("Mail server.", most=253)] = ""
    port: Annotated[int, Help("Its port.", least=0, most=LONGEST_PORT)] = 587
    security: Annotated[str, Help("starttls or tls.", choices=SECURE)] = "starttls"
    username: Annotated[str, Help("Who logs in there; none: nobody.", most=256)] = ""
    password: Annotated[Secret | None, Help("Their password.")] = None
    sender: Annotated[str, Help("From whom the mail is.", most=320)] = ""
    recipients: Annotated[
        tuple[str, ...], Help("Addresses for what is for nobody by name: alerts.")
    ] = ()
    url: Annotated[Secret | None, Help("Address of the channel's webhook.")] = None
    ca: Annotated[str, Help("Authorities in PEM; none: the system's.", most=LONGEST_CA)] = ""
    networks: Annotated[tuple[str, ...], Help("Private networks that it may reach.")] = ()
    description: Annotated[str, Help("What it is for.", most=1024)] = ""
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class Filter(ByName, Page):
    """Which deliveries of a notifier."""

    state: Annotated[str, Help("State.", choices=("", *STATES))] = ""


class NotifierRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="notifiers",
                summary="What sends notices out.",
                list=Endpoint(Page, self.names, "notifier.list"),
            ),
            Route(
                path="notifiers/{name}",
                summary="A mail server or channel that notices go out by.",
                read=Endpoint(ByName, self.show, "notifier.read"),
                write=Endpoint(Given, self.write, "notifier.write"),
                delete=Endpoint(ByName, self.drop, "notifier.delete"),
                exists=self.exists,
            ),
            Route(
                path="notifiers/{name}/test",
                summary="Send a notice that says nothing, to see whether it arrives.",
                write=Endpoint(ByName, self.test, "notifier.test"),
            ),
            Route(
                path="notifiers/{name}/deliveries",
                summary="What was sent by it, and what was not.",
                list=Endpoint(Filter, self.deliveries, "notifier.deliveries"),
            ),
        )

    # -- reading

    async def names(self, call: SystemCall, page: Page) -> Reply:
        rows, _ = await call.transaction.examine(NOTIFIERS, order="name")
        rows = [row for row in rows if row.name > page.after]
        rows = rows[: page.limit] if page.limit > 0 else rows
        info = {row.name: shown(row) for row in rows}
        return Reply({"keys": list(info), "key_info": info})

    async def exists(self, call: SystemCall, given: ByName) -> bool:
        return await call.transaction.find(NOTIFIERS, given.name) is not None

    async def show(self, call: SystemCall, given: ByName) -> Reply:
        return Reply(shown(await _there(call, given.name)))

    async def deliveries(self, call: SystemCall, given: Filter) -> Reply:
        rows = await call.transaction.all(DELIVERIES, notifier=given.name)
        found = sorted(
            (row for row in rows if given.state in ("", row.state)),
            key=lambda each: (each.entry or 0, each.notice, each.recipient),
            reverse=True,
        )
        limit = given.limit if 0 < given.limit < MOST_LISTED else MOST_LISTED
        info = {f"{row.notice}/{row.recipient}": _delivery(row) for row in found[:limit]}
        return Reply({"keys": list(info), "key_info": info})

    # -- writing

    async def write(self, call: SystemCall, given: Given) -> None:
        """Make a notifier, or change what was sent of one."""
        check_unbound(call)
        tx = call.transaction
        found = await tx.find(NOTIFIERS, valid_name(given.name, "name"))
        old = None if isinstance(found, Broken) else found
        row = _changed(old or _new(given), given)
        _check(row)
        added = set(row.networks) - set(old.networks if old is not None else ())
        if added:
            call.details["alert"] = REACHES
        tx.put(NOTIFIERS, replace(row, entry=None))
        call.details |= {"notifier": row.name, "kind": row.kind, "topics": row.topics}
        call.details |= {"enabled": row.enabled, "networks": row.networks}
        if row.kind == SMTP:
            call.details |= {"host": row.host, "port": row.port, "security": row.security}

    async def drop(self, call: SystemCall, given: ByName) -> None:
        """Delete a notifier; what it has not sent yet stays unsent."""
        check_unbound(call)
        if await call.transaction.find(NOTIFIERS, given.name) is None:
            return
        call.transaction.delete(NOTIFIERS, given.name)
        for row in await call.transaction.all(DELIVERIES, notifier=given.name, state=WAITING):
            call.transaction.delete(DELIVERIES, row.notice, row.notifier, row.recipient)
        call.details["notifier"] = given.name

    async def test(self, call: SystemCall, given: ByName) -> Reply:
        """Send a notice by this notifier alone: to the caller, or to its own recipients."""
        check_unbound(call)
        row = await _there(call, given.name)
        session = call.session
        who = "" if session is None or session.entity is None else session.entity.id
        recipients = ("",) if row.kind != SMTP else (who,) if who else row.recipients
        told = Told(
            topic=ALERT,
            about=f"notifier {row.name}",
            title="A test of notices",
            text="Nothing has happened. Somebody tried whether notices arrive.\n",
            place="notices",
            spread=True,
        )
        notice = tell(call.transaction, told, (), entropy=call.entropy, now=call.now)
        for each in recipients:
            call.transaction.put(
                DELIVERIES,
                Delivery(
                    notice=notice.id,
                    notifier=row.name,
                    recipient=each,
                    state=WAITING,
                    attempts=0,
                    next_at=call.now,
                    problem="",
                    done_at=None,
                ),
            )
        call.details |= {"notifier": row.name, "notice": notice.id}
        return Reply({"notice": notice.id, "deliveries": len(recipients)})


async def _there(call: SystemCall, name: str) -> Notifier:
    row = await call.transaction.get(NOTIFIERS, name)
    if row is None:
        raise NotFoundError
    return row


def _new(given: Given) -> Notifier:
    return Notifier(
        name=given.name,
        kind=given.kind or SMTP,
        topics=(),
        enabled=True,
        host="",
        port=587,
        security="starttls",
        username="",
        sender="",
        recipients=(),
        ca="",
        networks=(),
        secret=None,
        description="",
    )


def _changed(old: Notifier, given: Given) -> Notifier:
    if given.kind not in ("", old.kind):
        raise InputError("kind", "it stays what it is: delete it, and make another")
    row = changed(old, given, given.sent - {"kind"})
    row = replace(row, topics=tuple(dict.fromkeys(row.topics)))
    row = replace(row, networks=all_written(row.networks, "networks"))
    secret = given.password if old.kind == SMTP else given.url
    if "password" in given.sent and old.kind != SMTP:
        raise InputError("password", "a channel has none")
    if "url" in given.sent and old.kind == SMTP:
        raise InputError("url", "a mail server has a host")
    moved = old.kind == SMTP and (row.host, row.port) != (old.host, old.port) and old.host
    if secret is None and moved and old.secret is not None:
        raise InputError("password", "say it anew for another server")
    return replace(row, secret=secret if secret is not None else old.secret)


def _check(row: Notifier) -> None:
    if len(row.recipients) > MOST_RECIPIENTS or not all(map(is_email, row.recipients)):
        raise InputError("recipients", f"at most {MOST_RECIPIENTS} e-mail addresses")
    if len(row.networks) > MOST_NETWORKS:
        raise InputError("networks", f"at most {MOST_NETWORKS}")
    if row.ca:
        tls_context(row.ca)
    if row.kind == SMTP:
        _check_mail(row)
        return
    if row.secret is None:
        raise InputError("url", "say where the channel is")
    try:
        split_url(row.secret.text())
    except UnicodeDecodeError:
        raise InputError("url", "not a URL") from None


def _check_mail(row: Notifier) -> None:
    if not row.host or not _HOST.issuperset(row.host) or not row.port:
        raise InputError("host", "the name of a mail server, and its port")
    if not is_email(row.sender):
        raise InputError("sender", "an e-mail address")
    if row.username and row.secret is None:
        raise InputError("password", "who logs in has one")
    if not row.username.isprintable():
        raise InputError("username", "it holds what is not printed")


def shown(row: Notifier) -> dict[str, object]:
    """Return a notifier as replies show it, without what is sealed."""
    return {
        "name": row.name,
        "kind": row.kind,
        "topics": list(row.topics or TOPICS),
        "enabled": row.enabled,
        "host": row.host,
        "port": row.port if row.kind == SMTP else None,
        "security": row.security if row.kind == SMTP else None,
        "username": row.username,
        "sender": row.sender,
        "recipients": list(row.recipients),
        "ca": row.ca,
        "networks": list(row.networks),
        "has_secret": row.secret is not None,
        "description": row.description,
        "entry": row.entry,
    }


def _delivery(row: Delivery) -> dict[str, object]:
    return {
        "notice": row.notice,
        "recipient": row.recipient,
        "state": row.state,
        "attempts": row.attempts,
        "problem": row.problem,
        "next_at": rfc3339(row.next_at) if row.state == WAITING else None,
        "done_at": moment(row.done_at),
        "entry": row.entry,
    }
