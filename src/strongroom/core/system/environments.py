"""`strongroom/environments`: the boundaries that no policy can lift (see `core.guardrails`).

Order   A boundary is in force for every request that is committed after its entry.
Trust   Whoever may write here moves boundaries. To loosen one (fewer paths, not protected, open,
        people by policies) or delete it asks for sudo; a caller that is bound to an environment
        can do neither, nor make one. A boundary never lies across the server's own paths, so that
        it can be undone. So does writing or deleting one that is lost (`identity.environments`),
        which repairs it. One that workloads or people are bound to is not deleted: nothing would
        hold them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Annotated

from strongroom.base.errors import DeniedError, InputError, NotFoundError
from strongroom.core.guardrails import GRANTED, OWN, STANDING, below, describe
from strongroom.core.request import SystemCall
from strongroom.core.system.bindings import check_unbound
from strongroom.identity.environments import (
    Environments,
    Lost,
    drop_environment,
    put_environment,
    read_environments,
)
from strongroom.identity.policy.pattern import problem, shape
from strongroom.identity.records import ENTITIES, PEOPLE, WORKLOADS, Environment
from strongroom.identity.standing import ACTIVE, environment_of
from strongroom.sdk.engine import Endpoint, Help, Page, Reply, Route, Sent
from strongroom.storage.transaction import Transaction

MOST_PATHS, LONGEST_PATH = 256, 512
MOST_WRITTEN = 4000  # bytes of all paths as JSON: an entry of the log holds them whole
WAYS_IN = (STANDING, GRANTED)
LOOSENED = "people_let_in_by_policies"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Name:
    """For paths that end in an environment's name."""

    name: Annotated[str, Help("Name: small letters, digits, '-' and '_'.", least=1, most=63)]


@dataclass(frozen=True, kw_only=True)
class Given(Name):
    """An environment as written; what is not sent stays as it is."""

    paths: Annotated[
        tuple[str, ...], Help("Patterns of the request paths inside: secret/+/prod/*.")
    ] = ()
    protected: Annotated[bool, Help("Only identities of this environment get in.")] = True
    open: Annotated[bool, Help("Identities bound to no environment get in too.")] = True
    people: Annotated[
        str, Help("standing: policies let people in; granted: grants alone do.", choices=WAYS_IN)
    ] = STANDING
    description: Annotated[str, Help("What it is.", most=4096)] = ""
    sent: Annotated[frozenset[str], Sent()] = field(default=frozenset())


class EnvironmentRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="environments",
                summary="The names of all environments.",
                list=Endpoint(Page, self.names, "environment.list"),
            ),
            Route(
                path="environments/{name}",
                summary="An environment: its paths, and who gets in.",
                read=Endpoint(Name, self.show, "environment.read"),
                write=Endpoint(Given, self.write, "environment.write"),
                delete=Endpoint(Name, self.drop, "environment.delete"),
                exists=self.exists,
            ),
        )

    async def names(self, call: SystemCall, page: Page) -> Reply:
        stored = await read_environments(call.transaction)
        known = {e.name for e in stored.sound} | {each.environment.name for each in stored.lost}
        found = sorted(name for name in known if name > page.after)
        found = found[: page.limit] if page.limit > 0 else found
        return Reply({"keys": found, "key_info": {name: _shown(stored, name) for name in found}})

    async def exists(self, call: SystemCall, given: Name) -> bool:
        return (await read_environments(call.transaction)).find(given.name) is not None

    async def show(self, call: SystemCall, given: Name) -> Reply:
        stored = await read_environments(call.transaction)
        if stored.find(given.name) is None:
            raise NotFoundError
        return Reply(_shown(stored, given.name))

    async def write(self, call: SystemCall, given: Given) -> None:
        """Make an environment, or change what was sent of one."""
        check_unbound(call)
        stored = await read_environments(call.transaction)
        found = stored.find(given.name)
        old = found.environment if isinstance(found, Lost) else found
        new = _changed(old if old is None or old.paths else None, given)
        _check(new)
        loosened = old is not None and loosens(old, new)
        if loosened or _repairs(call, stored, given.name):
            _check_sudo(call)
        await put_environment(call.transaction, new)
        call.details |= {"boundary": new.name, "paths": new.paths, "loosened": loosened}
        call.details |= {"protected": new.protected, "open": new.open}
        call.details["people"] = new.people or STANDING
        if loosened and old is not None and old.people == GRANTED:
            call.details["alert"] = LOOSENED

    async def drop(self, call: SystemCall, given: Name) -> None:
        """Delete an environment; its paths are judged by policy alone from then on."""
        check_unbound(call)
        stored = await read_environments(call.transaction)
        repairs = _repairs(call, stored, given.name)
        if stored.find(given.name) is None and not repairs:
            return
        _check_sudo(call)
        await _check_empty(call.transaction, given.name)
        found = stored.find(given.name)
        gone = found.environment if isinstance(found, Lost) else found
        if gone is not None and gone.people == GRANTED:
            call.details["alert"] = LOOSENED
        await drop_environment(call.transaction, given.name)
        call.details |= {"boundary": given.name, "loosened": True}


async def _check_empty(tx: Transaction, name: str) -> None:
    """Raise InputError for an environment that somebody is bound to: nothing would hold them."""
    workloads = [row for row in await tx.all(WORKLOADS, state=ACTIVE) if row.environment == name]
    people = 0
    for row in await tx.all(PEOPLE, state=ACTIVE):
        entity = await tx.get(ENTITIES, row.entity)
        people += await environment_of(tx, entity) == name
    if workloads or people:
        found = f"{len(workloads)} workloads and {people} people are bound to it"
        raise InputError("name", f"{found}: register them elsewhere, or end them, first")


def _shown(stored: Environments, name: str) -> dict[str, object]:
    """Return an environment as replies show it; of a lost one also why it is."""
    found = stored.find(name)
    if isinstance(found, Lost):
        [data] = describe((found.environment,))
        return {**data, "problem": found.problem}
    [data] = describe(() if found is None else (found,))
    return data


def _repairs(call: SystemCall, stored: Environments, name: str) -> bool:
    """Say whether a write of this environment repairs it, or the roll, and put that on record."""
    if isinstance(stored.find(name), Lost):
        call.details["repaired"] = name
    if stored.problem:
        names = [each.name for each in stored.sound]
        call.details["roll_from_rows"] = names
        kept = ", ".join(names) or "none"
        call.warnings.append(f"{stored.problem}; it was made anew from the rows that hold: {kept}")
    return stored.problem != "" or isinstance(stored.find(name), Lost)


def loosens(old: Environment, new: Environment) -> bool:
    """Say whether somebody may get in somewhere who could not before."""
    if old.protected and not new.protected:
        return True
    if not old.open and new.open:
        return True
    if old.people == GRANTED != new.people:
        return True
    kept = [shape(path) for path in new.paths]
    return any(not any(own.covers(shape(path)) for own in kept) for path in old.paths)


def _changed(old: Environment | None, given: Given) -> Environment:
    base = old or Environment(given.name, (), protected=True, open=True, description="")
    return replace(
        base,
        paths=tuple(dict.fromkeys(given.paths)) if "paths" in given.sent else base.paths,
        protected=given.protected if "protected" in given.sent else base.protected,
        open=given.open if "open" in given.sent else base.open,
        people=_people(given) if "people" in given.sent else base.people,
        description=given.description if "description" in given.sent else base.description,
    )


def _people(given: Given) -> str | None:
    """Return what is stored of it: nothing for what was so before there were grants."""
    return given.people if given.people == GRANTED else None


def _check(environment: Environment) -> None:
    if not _NAME.fullmatch(environment.name):
        raise InputError("name", "small letters and digits, '-' and '_' between them")
    if not 0 < len(environment.paths) <= MOST_PATHS:
        raise InputError("paths", f"from 1 to {MOST_PATHS} patterns")
    for path in environment.paths:
        wrong = _wrong(path)
        if wrong:
            raise InputError("paths", wrong)
    if len(json.dumps(environment.paths, ensure_ascii=False).encode()) > MOST_WRITTEN:
        raise InputError("paths", f"together at most {MOST_WRITTEN} bytes, written as JSON")


def _wrong(path: str) -> str | None:
    """Say what is wrong with a pattern, or return None."""
    if not path or len(path) > LONGEST_PATH or not path.isprintable():
        return f"a pattern is 1 to {LONGEST_PATH} printable characters"
    if path.startswith("/") or "//" in path or not {".", ".."}.isdisjoint(path.split("/")):
        return "a pattern has no empty, '.' or '..' segment, and no slash in front"
    if "*" in path[:-1]:
        return "'*' stands at the end of a pattern only"
    if path.endswith("/"):
        return "a pattern that ends in a slash matches no secret: end it in '/*'"
    met = next((own for own in OWN if shape(path).meet(below(own)) is not None), None)
    if met is not None:
        return f"a pattern may not reach into {met}: begin it with the name of a mount"
    return problem(path)


def _check_sudo(call: SystemCall) -> None:
    session = call.session
    if session is not None and not session.acl.sudo(call.request.path).allowed:
        raise DeniedError
