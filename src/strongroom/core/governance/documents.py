"""`strongroom/documents…`: policies and procedures, proposed, approved by another, acknowledged.

    documents/{name}/propose → documents/proposals/{id}/approve → in force → …/acknowledge

Order   A version is in force from the commit of the last approval that it needs. One that was
        proposed before the version in force is not approved any more: it is proposed anew.
Trust   Who proposes a version neither approves it nor says that it was reviewed. A text that is
        written from live settings (`core.governance.rendering`) is taken at the proposal; what it
        says no longer is shown as drift, and nobody changes it behind an approval. A caller that is
        bound to an environment writes nothing here. To withdraw a document that is in force asks
        for sudo, and is an alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import unified_diff
from hashlib import sha256
from typing import Annotated, Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.base.wording import check_says
from strongroom.core.governance.asking import Asking, listed
from strongroom.core.governance.organisation import active_people, group_of
from strongroom.core.governance.proposals import MAY_NOT, ById, Decision, asker, brief, there
from strongroom.core.governance.rendering import SOURCES, rendered
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.people import moment
from strongroom.identity.deciding import MayNotDecideError, check_decider, known_as
from strongroom.identity.governance.documents import (
    ACKNOWLEDGEMENTS,
    DOCUMENT,
    DOCUMENTS,
    KINDS,
    VERSIONS,
    Acknowledgement,
    Document,
    DocumentVersion,
    asks,
    new_document,
)
from strongroom.identity.governance.records import STATES, Proposal, state_of
from strongroom.identity.governance.training import YEAR
from strongroom.identity.people import active_person
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.sdk.rules import changed, valid_name

LONGEST: Final = 256 * 1024  # bytes of a text
MOST_GROUPS: Final = 32
RESERVED: Final = ("proposals",)
WITHDRAWN_ALERT: Final = "document_withdrawn"
LIVE: Final = "live"


@dataclass(frozen=True, kw_only=True)
class Name:
    """For paths that name a document."""

    name: Annotated[str, Help("Name: letters, digits, '_', '-', '.'.", least=1, most=128)]


@dataclass(frozen=True, kw_only=True)
class Given(Name):
    """What a document is, apart from its text; what is not sent stays as it is."""

    title: Annotated[str, Help("Title.", most=256)] = ""
    kind: Annotated[str, Help("policy or procedure.", choices=KINDS)] = "policy"
    rendered: Annotated[
        str, Help("Live settings that its text is written from, if it is.", most=64)
    ] = ""
    owner: Annotated[str, Help("Entity of the active person who answers for it.", most=512)] = ""
    review_every: Annotated[timedelta, Help("How often it is reviewed.")] = YEAR
    acknowledge: Annotated[bool, Help("People acknowledge each version.")] = True
    groups: Annotated[tuple[str, ...], Help("Who does, by group; none: everybody.")] = ()
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


@dataclass(frozen=True, kw_only=True)
class Proposed(Name):
    """A new version."""

    reason: Annotated[str, Help("What it changes, and why.", least=1, most=4096)]
    text: Annotated[str, Help("The text, in Markdown; left out where it is rendered.")] = ""


@dataclass(frozen=True, kw_only=True)
class Numbered(Name):
    """For paths that name a version."""

    version: Annotated[int, Help("Version.", least=1)]


@dataclass(frozen=True, kw_only=True)
class Between(Name):
    """Which two texts."""

    older: Annotated[int, Help("Version; left out, the one in force.", was=("from",))] = 0
    newer: Annotated[str, Help("Version, or `live`; left out, the newest.", was=("to",))] = ""


@dataclass(frozen=True, kw_only=True)
class Read(Name):
    """Which version somebody has read."""

    version: Annotated[int, Help("The version in force.", least=1)]


@dataclass(frozen=True, kw_only=True)
class Reviewed(Read):
    """What a review came to."""

    because: Annotated[str, Help("What was looked at, and why it stays.", least=1, most=4096)]


@dataclass(frozen=True, kw_only=True)
class Filter(Page):
    """Which proposals."""

    state: Annotated[str, Help("State.", choices=("", *STATES))] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a proposal of a document is of."""

    document: str
    version: int


class DocumentRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._asking = Asking(server, DOCUMENT)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="documents",
                summary="The policies and procedures.",
                list=Endpoint(Page, self.names, "document.list"),
            ),
            Route(
                path="documents/{name}",
                summary="A document: its version in force, its reviews, who acknowledged it.",
                read=Endpoint(Name, self.show, "document.read"),
                write=Endpoint(Given, self.write, "document.write"),
                delete=Endpoint(Name, self.drop, "document.withdraw"),
                exists=self.exists,
            ),
            Route(
                path="documents/{name}/propose",
                summary="Propose a version; another person approves it.",
                write=Endpoint(Proposed, self.propose, "document.propose"),
            ),
            Route(
                path="documents/{name}/versions/{version}",
                summary="One version of a document.",
                read=Endpoint(Numbered, self.version, "document.version.read"),
            ),
            Route(
                path="documents/{name}/live",
                summary="What the live settings say, for a document that is written from them.",
                read=Endpoint(Name, self.live, "document.live.read"),
            ),
            Route(
                path="documents/{name}/difference",
                summary="How two texts of a document differ.",
                read=Endpoint(Between, self.difference, "document.difference.read"),
            ),
            Route(
                path="documents/{name}/acknowledge",
                summary="Say that one has read the version in force.",
                write=Endpoint(Read, self.acknowledge, "document.acknowledge"),
            ),
            Route(
                path="documents/{name}/review",
                summary="Say that the version in force was reviewed, and stays.",
                write=Endpoint(Reviewed, self.review, "document.review"),
            ),
            Route(
                path="documents/proposals",
                summary="The versions that were proposed.",
                list=Endpoint(Filter, self.proposals, "document.proposal.list"),
            ),
            Route(
                path="documents/proposals/inbox",
                summary="The versions that wait for the caller's decision.",
                list=Endpoint(Page, self.inbox, "document.proposal.list"),
            ),
            Route(
                path="documents/proposals/{id}",
                summary="A version that was proposed: its text, and its approvals.",
                read=Endpoint(ById, self.proposal, "document.proposal.read"),
                delete=Endpoint(ById, self.withdraw, "document.proposal.withdraw"),
            ),
            Route(
                path="documents/proposals/{id}/approve",
                summary="Approve a version; the last approval needed puts it in force.",
                write=Endpoint(Decision, self.approve, "document.approve"),
            ),
            Route(
                path="documents/proposals/{id}/deny",
                summary="Deny a version, which ends its proposal.",
                write=Endpoint(Decision, self.deny, "document.deny"),
            ),
        )

    # -- reading

    async def names(self, call: SystemCall, page: Page) -> Reply:
        rows = await call.transaction.all(DOCUMENTS, order="name")
        there_ = [row for row in rows if row.withdrawn_at is None]
        shown_ = [(row.name, shown(row)) for row in there_]
        return Reply(listed(shown_, page.after, page.limit))

    async def exists(self, call: SystemCall, given: Name) -> bool:
        return await call.transaction.get(DOCUMENTS, given.name) is not None

    async def show(self, call: SystemCall, given: Name) -> Reply:
        row = await _there(call, given.name)
        versions = await _versions(call, row.name)
        due, done = await self._readers(call, row)
        current = next((v for v in versions if v.version == row.in_force), None)
        said = {
            **shown(row),
            "text": current.text if current is not None else "",
            "versions": [shown_version(each) for each in versions],
            "acknowledged": sorted(done),
            "to_acknowledge": sorted(due),
            "drift": await self._drifts(call, row, current),
        }
        return Reply(said)

    async def _readers(self, call: SystemCall, row: Document) -> tuple[set[str], set[str]]:
        """Return who is still to acknowledge the version in force, and who has."""
        tx = call.transaction
        found = await tx.all(ACKNOWLEDGEMENTS, document=row.name, version=row.in_force)
        done = {each.entity for each in found}
        if not row.in_force:
            return set(), done
        graph = await self._server.views.graph(tx)
        people = await active_people(tx, graph, call.now)
        return {who for who, groups in people.items() if asks(row, groups)} - done, done

    async def _drifts(
        self, call: SystemCall, row: Document, current: DocumentVersion | None
    ) -> bool:
        if not row.rendered or current is None:
            return False
        return await rendered(self._server, call.transaction, row.rendered) != current.text

    async def version(self, call: SystemCall, given: Numbered) -> Reply:
        found = await call.transaction.get(VERSIONS, given.name, given.version)
        if found is None:
            raise NotFoundError
        return Reply({**shown_version(found), "text": found.text})

    async def live(self, call: SystemCall, given: Name) -> Reply:
        row = await _there(call, given.name)
        if not row.rendered:
            raise InputError("name", "it is not written from live settings")
        text = await rendered(self._server, call.transaction, row.rendered)
        return Reply({"document": row.name, "rendered": row.rendered, "text": text})

    async def difference(self, call: SystemCall, given: Between) -> Reply:
        """Show two texts as a unified difference, line by line."""
        row = await _there(call, given.name)
        versions = {each.version: each for each in await _versions(call, row.name)}
        older = versions.get(given.older or row.in_force)
        if given.older and older is None:
            raise InputError("older", "there is no such version")
        if given.newer == LIVE:
            newer = (await self.live(call, given)).data or {}
            name, text = LIVE, str(newer["text"])
        else:
            number = given.newer or str(max(versions, default=0))
            found = versions.get(int(number)) if number.isdecimal() and len(number) < 10 else None
            if found is None:
                raise InputError("newer", "there is no such version; `live` is the settings")
            name, text = f"version {found.version}", found.text
        before = "" if older is None else older.text
        named = "nothing" if older is None else f"version {older.version}"
        lines = unified_diff(before.splitlines(), text.splitlines(), named, name, lineterm="")
        shown_ = list(lines)
        return Reply({"older": named, "newer": name, "same": before == text, "lines": shown_})

    # -- writing

    async def write(self, call: SystemCall, given: Given) -> None:
        """Make a document, or change what was sent of one; its text is proposed."""
        check_unbound(call)
        tx = call.transaction
        if given.name in RESERVED:
            raise InputError("name", "is what the path of proposals is")
        old = await tx.get(DOCUMENTS, given.name)
        base = old or new_document(valid_name(given.name, "name"), call.now)
        row = replace(changed(base, given, given.sent - {"name"}), updated_at=call.now)
        check_says("title", row.title, "a document has a title")
        if row.rendered not in ("", *SOURCES):
            raise InputError("rendered", f"one of {', '.join(SOURCES)}, or nothing")
        if await active_person(tx, row.owner, call.now) is None:
            raise InputError("owner", "not the entity of an active person")
        if not timedelta(days=1) <= row.review_every <= YEAR:
            raise InputError("review_every", "from a day to a year")
        if "groups" in given.sent:
            row = replace(row, groups=await _groups(call, given.groups))
        store(call, replace(row, withdrawn_at=None))

    async def drop(self, call: SystemCall, given: Name) -> None:
        """Withdraw a document: it and its versions stay on record."""
        check_unbound(call)
        row = await call.transaction.get(DOCUMENTS, given.name)
        if row is None or row.withdrawn_at is not None:
            return
        if row.in_force:
            session = call.session
            if session is not None and not session.acl.sudo(call.request.path).allowed:
                raise DeniedError
            call.details["alert"] = WITHDRAWN_ALERT
        store(call, replace(row, withdrawn_at=call.now, updated_at=call.now))

    async def propose(self, call: SystemCall, given: Proposed) -> Reply:
        """Propose a version: the text given, or what the live settings say."""
        check_unbound(call)
        tx = call.transaction
        row = await _there(call, given.name)
        if row.withdrawn_at is not None:
            raise InputError("name", "it was withdrawn: write it anew first")
        if row.rendered and given.text:
            raise InputError("text", "it is written from live settings: leave the text out")
        text = given.text
        if row.rendered:
            text = await rendered(self._server, tx, row.rendered)
        check_says("text", text, "a version says something")
        if len(text.encode()) > LONGEST:
            raise InputError("text", f"at most {LONGEST} bytes")
        versions = await _versions(call, row.name)
        current = next((v for v in versions if v.version == row.in_force), None)
        if current is not None and current.text == text:
            raise InputError("text", "it is the text in force: say that it was reviewed instead")
        number = max((each.version for each in versions), default=0) + 1
        body = msgspec.json.encode(Body(document=row.name, version=number)).decode()
        title = f"version {number} of {row.name}"
        proposal = await self._asking.ask(call, title, given.reason, body)
        version = DocumentVersion(
            document=row.name,
            version=number,
            text=text,
            sha256=sha256(text.encode()).hexdigest(),
            proposal=proposal.id,
            proposed_by=proposal.requesters,
            proposed_at=call.now,
            approved_by=(),
            approved_at=None,
        )
        tx.put(VERSIONS, version)
        _note(call, version)
        return Reply({**brief(proposal, call.now), "document": row.name, "version": number})

    async def acknowledge(self, call: SystemCall, given: Read) -> None:
        """Note that the caller has read the version in force."""
        row = await _there(call, given.name)
        who = await asker(call)
        _check_in_force(row, given.version)
        read = Acknowledgement(document=row.name, version=row.in_force, entity=who, at=call.now)
        if await call.transaction.get(ACKNOWLEDGEMENTS, row.name, row.in_force, who) is None:
            call.transaction.put(ACKNOWLEDGEMENTS, read)
        call.details |= {"document": row.name, "document_version": row.in_force, "entity": who}

    async def review(self, call: SystemCall, given: Reviewed) -> None:
        """Note that the version in force was reviewed by somebody who did not propose it."""
        check_unbound(call)
        row = await _there(call, given.name)
        _check_in_force(row, given.version)
        check_says("because", given.because, "say what was looked at")
        current = await call.transaction.get(VERSIONS, row.name, row.in_force)
        if current is None or call.session is None:
            raise DeniedError
        names = await known_as(call.transaction, current.proposed_by)
        try:
            who = await check_decider(
                call.transaction,
                current.proposed_by,
                names,
                call.session,
                asked_at=current.proposed_at,
                now=call.now,
            )
        except MayNotDecideError as refused:
            raise DeniedError(MAY_NOT, logged=str(refused)) from None
        if await self._drifts(call, row, current):
            raise InputError("version", "the settings are others by now: propose it anew")
        store(call, replace(row, reviewed_at=call.now, reviewed_by=who, updated_at=call.now))
        call.details["reviewed_by"] = who

    # -- proposals

    async def proposals(self, call: SystemCall, given: Filter) -> Reply:
        rows = await self._asking.rows(call)
        return self._listed(call, rows, given, given.state)

    async def inbox(self, call: SystemCall, given: Page) -> Reply:
        return self._listed(call, await self._asking.waiting(call), given)

    def _listed(
        self, call: SystemCall, rows: Sequence[Proposal], page: Page, state: str = ""
    ) -> Reply:
        said = [
            (row.id, {**brief(row, call.now), **_plain(body_of(row))})
            for row in rows
            if state in ("", state_of(row, call.now))
        ]
        return Reply(listed(said, page.after, page.limit))

    async def proposal(self, call: SystemCall, given: ById) -> Reply:
        row = await there(call, given.id, DOCUMENT)
        body = body_of(row)
        version = await call.transaction.get(VERSIONS, body.document, body.version)
        text = "" if version is None else version.text
        return Reply({**await self._asking.show(call, row), **_plain(body), "text": text})

    async def withdraw(self, call: SystemCall, given: ById) -> None:
        await self._asking.withdraw(call, given)

    async def approve(self, call: SystemCall, given: Decision) -> Reply:
        check_unbound(call)
        return Reply(await self._asking.approve(call, given, self._in_force))

    async def deny(self, call: SystemCall, given: Decision) -> Reply:
        check_unbound(call)
        return Reply(await self._asking.deny(call, given))

    async def _in_force(
        self, call: SystemCall, proposal: Proposal, approvers: tuple[str, ...]
    ) -> str:
        """Put a version in force; what was proposed before the one in force is too late."""
        tx, body = call.transaction, body_of(proposal)
        row = await _there(call, body.document)
        version = await tx.get(VERSIONS, body.document, body.version)
        if version is None or row.withdrawn_at is not None:
            raise InputError("", "the document was withdrawn")
        if version.version <= row.in_force:
            raise InputError("", "a later version is in force: propose it anew")
        version = replace(version, approved_by=approvers, approved_at=call.now)
        tx.put(VERSIONS, version)
        first = approvers[0] if approvers else ""
        row = replace(
            row,
            in_force=version.version,
            reviewed_at=call.now,
            reviewed_by=first,
            updated_at=call.now,
        )
        store(call, row)
        _note(call, version)
        return f"{version.document}/{version.version}"


# -- parts


def body_of(row: Proposal) -> Body:
    """Return what a proposal of a document is of."""
    return msgspec.json.decode(row.body, type=Body)


def _plain(body: Body) -> dict[str, object]:
    return {"document": body.document, "version": body.version}


def _check_in_force(row: Document, version: int) -> None:
    if not row.in_force or row.withdrawn_at is not None:
        raise InputError("name", "no version of it is in force")
    if version != row.in_force:
        raise InputError("version", f"version {row.in_force} is in force")


async def _groups(call: SystemCall, named: tuple[str, ...]) -> tuple[str, ...]:
    if len(named) > MOST_GROUPS:
        raise InputError("groups", f"at most {MOST_GROUPS}")
    found = [await group_of(call.transaction, each) for each in named]
    if None in found:
        raise InputError("groups", "there is no such group")
    return tuple(dict.fromkeys(each.id for each in found if each is not None))


async def _there(call: SystemCall, name: str) -> Document:
    row = await call.transaction.get(DOCUMENTS, name)
    if row is None:
        raise NotFoundError
    return row


async def _versions(call: SystemCall, name: str) -> list[DocumentVersion]:
    return await call.transaction.all(VERSIONS, document=name, order="version")


def store(call: SystemCall, row: Document) -> None:
    """Store a document; its entry says what it is."""
    call.transaction.put(DOCUMENTS, row)
    call.details |= {"document": row.name, "in_force": row.in_force, "owner": row.owner}
    call.details |= {"rendered": row.rendered, "withdrawn": row.withdrawn_at is not None}


def _note(call: SystemCall, version: DocumentVersion) -> None:
    call.details |= {"document": version.document, "document_version": version.version}
    call.details["text_sha256"] = version.sha256


def shown(row: Document) -> dict[str, object]:
    """Return a document as lists show it."""
    due = None if row.reviewed_at is None else row.reviewed_at + row.review_every
    return {
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "rendered": row.rendered,
        "owner": row.owner,
        "review_every": int(row.review_every.total_seconds()),
        "acknowledge": row.acknowledge,
        "groups": list(row.groups),
        "in_force": row.in_force,
        "reviewed_at": moment(row.reviewed_at),
        "reviewed_by": row.reviewed_by,
        "review_due": moment(due),
        "withdrawn_at": moment(row.withdrawn_at),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "entry": row.entry,
    }


def shown_version(version: DocumentVersion) -> dict[str, object]:
    """Return a version as replies show it, without its text."""
    return {
        "document": version.document,
        "version": version.version,
        "sha256": version.sha256,
        "proposal": version.proposal,
        "proposed_by": list(version.proposed_by),
        "proposed_at": rfc3339(version.proposed_at),
        "approved_by": list(version.approved_by),
        "approved_at": moment(version.approved_at),
        "entry": version.entry,
    }
