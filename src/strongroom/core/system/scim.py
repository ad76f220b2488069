"""`strongroom/scim/v2/…`: a directory's people and groups, over SCIM 2.0. On the wire `/scim/v2/…`.

A user is a person: `active` false, or a DELETE, is the whole of leaving (`core.offboarding`).
A group is an internal group of identity that a directory looks after: one that it made, or one
that an administrator gave it by the metadata `directory=scim`.

Specs   RFC 7643 and 7644, less bulk, ETags, passwords and search over all types at once.
Trust   Whoever may write here makes people without another one's approval, ends the access of
        anybody, and says who is in the groups that are given to the directory, with what they
        may: give it a token of its own, and no more than these paths. It gives nobody a policy, and
        sees no other group. A caller that is bound to an environment is refused, as whom it makes
        is bound to none; except the one workload that `scim/config` names as the directory. Who
        names it shows a fresh security key (`identity.step_up`), and the entry says whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import msgspec

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError, RefusedError
from strongroom.core.request import SystemCall
from strongroom.core.scim.listing import Query, Shown, page, shown
from strongroom.core.scim.patching import apply_patch
from strongroom.core.scim.schemas import (
    GROUP,
    GROUP_KNOWN,
    PATCH,
    USER,
    USER_KNOWN,
    provider,
    resource_types,
    schemas,
)
from strongroom.core.server import Server
from strongroom.core.system.aliases import mounts_by_accessor
from strongroom.core.system.bindings import check_unbound
from strongroom.core.system.groups import group_by_name
from strongroom.core.system.leaving import end_access
from strongroom.core.system.people import made_by, withdraw_if_back
from strongroom.core.system.returns import ask as ask_back
from strongroom.core.system.returns import bring_back, check_root, withdraw_return
from strongroom.identity.behind import BY_DIRECTORY
from strongroom.identity.entities import Known, new_alias, new_entity
from strongroom.identity.factors.holds import hold
from strongroom.identity.groups import new_group
from strongroom.identity.people import LEFT, check_person, new_person, rewritten
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    GROUP_MEMBERS,
    GROUPS,
    PEOPLE,
    WORKLOADS,
    Group,
    GroupMember,
    Person,
)
from strongroom.identity.scim_users import SCIM_USERS, ScimUser
from strongroom.identity.standing import ACTIVE
from strongroom.sdk.engine import Endpoint, Help, Json, Nothing, Reply, Route, Whole
from strongroom.storage.records import SETTINGS, Setting

MEDIA: Final = "application/scim+json"
SETTING: Final = "scim"
DIRECTORY, OURS, EXTERNAL_ID = "directory", "scim", "scim-external-id"
WHY: Final = "deprovisioned over SCIM"
LONGEST_TEXT, MOST_EMAILS, MOST_MEMBERS = 512, 50, 5000
BASE: Final = "scim/v2"
UNSAID: Final = "active is unassigned"  # beside the attributes that are kept
RETURNING: Final = "return is asked for"  # likewise: when they had left
WHY_BACK: Final = "made active again over SCIM"


@dataclass(frozen=True, kw_only=True)
class Body:
    """A resource, or a patch, as it came."""

    body: Annotated[Json | None, Whole()] = None


@dataclass(frozen=True, kw_only=True)
class Id:
    """Which resource."""

    id: Annotated[str, Help("Id of the resource.", least=1, most=512)]


@dataclass(frozen=True, kw_only=True)
class IdShown(Shown, Id):
    """Which resource, and what of it."""


@dataclass(frozen=True, kw_only=True)
class IdBody(Id):
    """A resource as it is to be, or a patch of it."""

    body: Annotated[Json | None, Whole()] = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the people of the directory log in, and who it is."""

    mount_accessor: Annotated[
        str, Help("Accessor of the auth mount where user names are aliases; empty: none.", most=512)
    ] = ""
    directory: Annotated[
        str,
        Help(
            "Entity of the registered workload that provisions for all environments; empty: none.",
            most=512,
        ),
    ] = ""


class ScimRoutes:
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._base = f"{server.settings.console_url.rstrip('/')}/{BASE}"

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/`."""
        return (
            Route(
                path="scim/config",
                summary="Where people of the directory log in.",
                read=Endpoint(Nothing, self.show_settings, "scim.config.read"),
                write=Endpoint(Settings, self.write_settings, "scim.config.write"),
            ),
            *self._documents(),
            Route(
                path=f"{BASE}/Users",
                summary="People of the directory.",
                read=Endpoint(Query, self.users, "scim.user.list"),
                write=Endpoint(Body, self.make_user, "scim.user.create"),
            ),
            Route(
                path=f"{BASE}/Users/{{id}}",
                summary="A person of the directory.",
                read=Endpoint(IdShown, self.user, "scim.user.read"),
                write=Endpoint(IdBody, self.write_user, "scim.user.write"),
                patch=Endpoint(IdBody, self.patch_user, "scim.user.patch"),
                delete=Endpoint(Id, self.drop_user, "scim.user.delete"),
            ),
            Route(
                path=f"{BASE}/Groups",
                summary="Groups that the directory looks after.",
                read=Endpoint(Query, self.groups, "scim.group.list"),
                write=Endpoint(Body, self.make_group, "scim.group.create"),
            ),
            Route(
                path=f"{BASE}/Groups/{{id}}",
                summary="A group that the directory looks after.",
                read=Endpoint(IdShown, self.group, "scim.group.read"),
                write=Endpoint(IdBody, self.write_group, "scim.group.write"),
                patch=Endpoint(IdBody, self.patch_group, "scim.group.patch"),
                delete=Endpoint(Id, self.drop_group, "scim.group.delete"),
            ),
            Route(
                path=f"{BASE}/.search",
                summary="Search over all types: not supported.",
                write=Endpoint(Body, self.search, "scim.search"),
            ),
        )

    def _documents(self) -> tuple[Route, ...]:
        read = "scim.discovery.read"
        return (
            Route(
                path=f"{BASE}/ServiceProviderConfig",
                summary="What is supported.",
                read=Endpoint(Nothing, self.provider, read),
            ),
            Route(
                path=f"{BASE}/Schemas",
                summary="The schemas.",
                read=Endpoint(Query, self.schemas, read),
            ),
            Route(
                path=f"{BASE}/Schemas/{{id}}",
                summary="A schema.",
                read=Endpoint(Id, self.schema, read),
            ),
            Route(
                path=f"{BASE}/ResourceTypes",
                summary="The types of resources.",
                read=Endpoint(Query, self.types, read),
            ),
            Route(
                path=f"{BASE}/ResourceTypes/{{id}}",
                summary="A type of resources.",
                read=Endpoint(Id, self.type, read),
            ),
        )

    # -- documents

    async def provider(self, _call: SystemCall, _given: Nothing) -> Reply:
        return answer(provider(self._base))

    async def schemas(self, _call: SystemCall, given: Query) -> Reply:
        return answer(page(schemas(self._base), _unfiltered(given)))

    async def schema(self, _call: SystemCall, given: Id) -> Reply:
        return answer(_by_id(schemas(self._base), given.id))

    async def types(self, _call: SystemCall, given: Query) -> Reply:
        return answer(page(resource_types(self._base), _unfiltered(given)))

    async def type(self, _call: SystemCall, given: Id) -> Reply:
        return answer(_by_id(resource_types(self._base), given.id))

    async def search(self, _call: SystemCall, _given: Body) -> None:
        raise RefusedError(501, "search at Users or at Groups")

    async def show_settings(self, call: SystemCall, _: Nothing) -> Reply:
        found = await _settings(call)
        return Reply({"mount_accessor": found.mount_accessor, "directory": found.directory})

    async def write_settings(self, call: SystemCall, given: Settings) -> None:
        check_unbound(call)
        accessor = given.mount_accessor
        if accessor and accessor not in await mounts_by_accessor(self._server, call):
            raise InputError("mount_accessor", "there is no such auth mount")
        workload = await call.transaction.get(WORKLOADS, given.directory)
        if given.directory and (workload is None or workload.state != ACTIVE):
            raise InputError("directory", "there is no such workload")
        call.transaction.put(SETTINGS, Setting(SETTING, msgspec.json.encode(given)))
        call.details |= {"mount_accessor": accessor, "directory": given.directory}

    # -- users

    async def users(self, call: SystemCall, given: Query) -> Reply:
        await check_provisions(call)
        known = {row.entity: row for row in await call.transaction.all(SCIM_USERS)}
        groups = {each.id: each for each in await self._ours(call)}
        held: dict[str, list[Group]] = {}
        for row in await call.transaction.all(GROUP_MEMBERS):
            if row.group_id in groups:
                held.setdefault(row.entity, []).append(groups[row.group_id])
        found = [
            self._user(person, known.get(person.entity), held.get(person.entity, ()))
            for person in await call.transaction.all(PEOPLE)
            if person.entity not in known or not known[person.entity].deleted
        ]
        return answer(page(found, given))

    async def user(self, call: SystemCall, given: IdShown) -> Reply:
        return answer(shown(await self._user_now(call, given.id), given))

    async def make_user(self, call: SystemCall, given: Body) -> Reply:
        """Make a person; one whom the directory had deleted comes back as who they were."""
        wanted = _read(given.body, USER)
        name = _text(wanted, "userName", required=True)
        await check_provisions(call)
        same = await self._named(call, name)
        if any(not row.deleted for row in same):
            raise RefusedError(409, "uniqueness: the userName is in use")
        if same:
            entity = same[0].entity
        else:
            made = new_entity(call.now, call.entropy)
            entity = made.id
            call.transaction.put(ENTITIES, made)
            await self._put_alias(call, entity, name)
        await self._store_user(call, entity, {"active": True, **wanted})
        return answer(await self._user_now(call, entity), 201)

    async def write_user(self, call: SystemCall, given: IdBody) -> Reply:
        old = await self._user_now(call, given.id)
        wanted = {"active": old.get("active", False), **_read(given.body, USER)}
        await self._store_user(call, given.id, wanted)
        return answer(await self._user_now(call, given.id))

    async def patch_user(self, call: SystemCall, given: IdBody) -> Reply:
        old = await self._user_now(call, given.id)
        wanted = apply_patch(old, _read(given.body, PATCH).get("Operations"), USER_KNOWN)
        await self._store_user(call, given.id, wanted)
        return answer(await self._user_now(call, given.id))

    async def drop_user(self, call: SystemCall, given: Id) -> None:
        """End all that is a person's; the directory sees them no more."""
        await self._user_now(call, given.id)
        await end_access(self._server, call, given.id, WHY)
        known = await call.transaction.get(SCIM_USERS, given.id)
        known = known or ScimUser(given.id, "", {}, True, call.now, call.now)
        call.transaction.put(SCIM_USERS, replace(known, deleted=True, updated_at=call.now))

    async def _store_user(self, call: SystemCall, entity: str, wanted: Mapping[str, Any]) -> None:
        tx = call.transaction
        name = _text(wanted, "userName", required=True)
        if any(row.entity != entity and not row.deleted for row in await self._named(call, name)):
            raise RefusedError(409, "uniqueness: the userName is in use")
        kept = _kept_of_user(wanted)
        if "active" not in wanted:  # it was removed: whoever is not said to be here is not
            kept[UNSAID] = True
        known = await tx.get(SCIM_USERS, entity)
        created = known.created_at if known is not None else call.now
        before = await tx.get(PEOPLE, entity)
        old = before or new_person(entity, call.now)
        emails = kept.get("emails")
        person = replace(
            old,
            name=_whole_name(kept, name),
            email=_primary(emails if isinstance(emails, list) else []),
            external_id=_text(wanted, "externalId"),
            updated_at=call.now,
        )
        active = _truth(wanted.get("active", False))
        if before is None:
            person = replace(person, made_by=await self._made_by(call))
        if changed := rewritten(before, person):
            call.details["rewritten"] = changed
        check_person(person)
        if active and old.state == LEFT:
            person = await self._back(call, person, known, kept)
        tx.put(SCIM_USERS, ScimUser(entity, name, kept, False, created, call.now))
        tx.put(PEOPLE, person)
        tx.changed(f"entity:{entity}")
        call.details |= {"entity": entity, "active": active, "state": person.state}
        if person.ends_at is not None:
            call.details["ends_at"] = rfc3339(person.ends_at)
        if active:
            await withdraw_if_back(call, person)
        if not active and old.state != LEFT:
            await end_access(self._server, call, entity, WHY)
        elif not active:
            await withdraw_return(call, entity)

    async def _made_by(self, call: SystemCall) -> tuple[str, ...] | None:
        """Return who makes a person; of the directory, which is there for that, it is marked."""
        makers = await made_by(call)
        return (BY_DIRECTORY, *makers) if makers and await _is_directory(call) else makers

    async def _back(
        self,
        call: SystemCall,
        person: Person,
        known: ScimUser | None,
        kept: dict[str, object],
    ) -> Person:
        """Ask for the return of who has left, once for each leaving; root brings them back."""
        if check_root(call):
            back = await bring_back(call, person)
            await hold(call.transaction, person.entity, (), call.now)
            return back
        left = "" if person.left_at is None else rfc3339(person.left_at)
        if known is None or known.deleted or known.attributes.get(RETURNING) != left:
            call.details["returning"] = True
            if call.makers:  # of nobody one cannot tell who approves: then somebody asks for it
                await ask_back(call, person, WHY_BACK)
        kept[RETURNING] = left
        return person

    async def _named(self, call: SystemCall, name: str) -> list[ScimUser]:
        """Return who has a user name, however it is written."""
        rows = await call.transaction.all(SCIM_USERS)
        return [row for row in rows if row.user_name.casefold() == name.casefold()]

    async def _put_alias(self, call: SystemCall, entity: str, name: str) -> None:
        accessor = (await _settings(call)).mount_accessor
        if not accessor:
            return
        if await call.transaction.all(ALIASES, mount_accessor=accessor, name=name):
            raise RefusedError(409, "uniqueness: somebody logs in by this userName")
        known = Known(accessor, name, {})
        call.transaction.put(ALIASES, new_alias(entity, known, call.now, call.entropy))

    async def _user_now(self, call: SystemCall, entity: str) -> dict[str, Any]:
        await check_provisions(call)
        person = await call.transaction.get(PEOPLE, entity)
        known = await call.transaction.get(SCIM_USERS, entity)
        if person is None or (known is not None and known.deleted):
            raise NotFoundError("there is no such user")
        ours = {each.id: each for each in await self._ours(call)}
        rows = await call.transaction.all(GROUP_MEMBERS, entity=entity)
        return self._user(person, known, [ours[r.group_id] for r in rows if r.group_id in ours])

    def _user(
        self, person: Person, known: ScimUser | None, groups: Sequence[Group]
    ) -> dict[str, Any]:
        kept: Mapping[str, Any] = known.attributes if known is not None else {}
        if known is None:
            kept = {"displayName": person.name}
            if person.email:
                kept["emails"] = [{"value": person.email, "primary": True}]
        found = {
            "schemas": [USER],
            "id": person.entity,
            "externalId": person.external_id or None,
            "userName": known.user_name if known else person.email or person.entity,
            "active": person.state == ACTIVE or _returns(person, kept),
            **{name: value for name, value in kept.items() if name != RETURNING},
            "groups": [{"value": each.id, "display": each.name} for each in groups],
            "meta": self._meta("User", person.entity, person.created_at, person.updated_at),
        }
        if found.pop(UNSAID, False):
            del found["active"]
        return {name: value for name, value in found.items() if value not in (None, [])}

    def _meta(self, kind: str, id_: str, created: Any, changed: Any) -> dict[str, str]:
        return {
            "resourceType": kind,
            "created": rfc3339(created),
            "lastModified": rfc3339(changed),
            "location": f"{self._base}/{kind}s/{id_}",
        }

    # -- groups

    async def groups(self, call: SystemCall, given: Query) -> Reply:
        await check_provisions(call)
        found = [await self._group(call, each) for each in await self._ours(call)]
        return answer(page(found, given))

    async def group(self, call: SystemCall, given: IdShown) -> Reply:
        return answer(shown(await self._group(call, await self._there(call, given.id)), given))

    async def make_group(self, call: SystemCall, given: Body) -> Reply:
        await check_provisions(call)
        wanted = _read(given.body, GROUP)
        made = new_group(call.now, call.entropy, external=False)
        made = replace(made, metadata={DIRECTORY: OURS})
        return answer(await self._store_group(call, made, wanted), 201)

    async def write_group(self, call: SystemCall, given: IdBody) -> Reply:
        old = await self._there(call, given.id)
        return answer(await self._store_group(call, old, _read(given.body, GROUP)))

    async def patch_group(self, call: SystemCall, given: IdBody) -> Reply:
        old = await self._there(call, given.id)
        operations = _read(given.body, PATCH).get("Operations")
        wanted = apply_patch(await self._group(call, old), operations, GROUP_KNOWN)
        return answer(await self._store_group(call, old, wanted))

    async def drop_group(self, call: SystemCall, given: Id) -> None:
        """Delete a group that the directory looks after; no group holds it any more."""
        group = await self._there(call, given.id)
        tx = call.transaction
        for row in await tx.all(GROUP_MEMBERS, group_id=group.id):
            tx.delete(GROUP_MEMBERS, group.id, row.entity)
        for each in await tx.all(GROUPS):
            if group.id in each.members:
                left = tuple(one for one in each.members if one != group.id)
                tx.put(GROUPS, replace(each, members=left, updated_at=call.now))
        tx.delete(GROUPS, group.id)
        tx.changed(f"group:{group.id}")
        call.details["group"] = group.id

    async def _store_group(
        self, call: SystemCall, old: Group, wanted: Mapping[str, Any]
    ) -> dict[str, Any]:
        tx = call.transaction
        name = _text(wanted, "displayName", required=True)
        if "/" in name:
            raise InputError("invalidValue", "displayName: cannot hold a slash")
        same = await group_by_name(call, name)
        if same is not None and same.id != old.id:
            raise RefusedError(409, "uniqueness: the displayName is in use")
        metadata = {k: v for k, v in old.metadata.items() if k != EXTERNAL_ID}
        if external := _text(wanted, "externalId"):
            metadata[EXTERNAL_ID] = external
        group = replace(
            old, name=name, metadata=metadata, version=old.version + 1, updated_at=call.now
        )
        tx.put(GROUPS, group)
        before = {row.entity for row in await tx.all(GROUP_MEMBERS, group_id=group.id)}
        after = await self._members(call, wanted.get("members"))
        for entity in before - after:
            tx.delete(GROUP_MEMBERS, group.id, entity)
        for entity in after - before:
            tx.put(GROUP_MEMBERS, GroupMember(group.id, entity, call.now))
        tx.changed(f"group:{group.id}")
        call.details |= {"group": group.id, "joined": sorted(after - before)}
        call.details["left"] = sorted(before - after)
        return await self._group(call, group)

    async def _members(self, call: SystemCall, wanted: object) -> set[str]:
        """Return the people who are to be in a group; who has left is not, whatever was sent."""
        many = wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]
        if len(many) > MOST_MEMBERS:
            raise InputError("invalidValue", f"members: at most {MOST_MEMBERS}")
        found: set[str] = set()
        for each in many:
            id_ = each.get("value") if isinstance(each, Mapping) else None
            if not isinstance(id_, str):
                raise InputError("invalidValue", "members: each has the id of a user as its value")
            person = await call.transaction.get(PEOPLE, id_)
            if person is None:
                raise InputError("invalidValue", "members: there is no such user")
            if person.state == ACTIVE:
                found.add(person.entity)
        return found

    async def _ours(self, call: SystemCall) -> list[Group]:
        rows = await call.transaction.all(GROUPS)
        return [row for row in rows if _is_ours(row)]

    async def _there(self, call: SystemCall, id_: str) -> Group:
        await check_provisions(call)
        group = await call.transaction.get(GROUPS, id_)
        if group is None or not _is_ours(group):
            raise NotFoundError("there is no such group")
        return group

    async def _group(self, call: SystemCall, group: Group) -> dict[str, Any]:
        rows = await call.transaction.all(GROUP_MEMBERS, group_id=group.id)
        found = {
            "schemas": [GROUP],
            "id": group.id,
            "externalId": group.metadata.get(EXTERNAL_ID),
            "displayName": group.name,
            "members": [
                {"value": r.entity, "$ref": f"{self._base}/Users/{r.entity}", "type": "User"}
                for r in rows
            ],
            "meta": self._meta("Group", group.id, group.created_at, group.updated_at),
        }
        return {name: value for name, value in found.items() if value not in (None, [])}


# -- parts


def answer(body: Mapping[str, Any], status: int = 200) -> Reply:
    """Return a document as SCIM sends it."""
    return Reply(raw=msgspec.json.encode(body), content_type=MEDIA, status=status)


def _returns(person: Person, kept: Mapping[str, Any]) -> bool:
    """Say whether the directory has asked for the return of who left, since they did."""
    left = "" if person.left_at is None else rfc3339(person.left_at)
    return bool(left) and kept.get(RETURNING) == left


def _is_ours(group: Group) -> bool:
    return not group.external and group.metadata.get(DIRECTORY) == OURS


def _unfiltered(given: Query) -> Query:
    if given.filter:
        raise RefusedError(403, "these are not filtered")
    return given


def _by_id(rows: Sequence[Mapping[str, Any]], id_: str) -> Mapping[str, Any]:
    for row in rows:
        if row["id"] == id_:
            return row
    raise NotFoundError("there is none of this name")


async def check_provisions(call: SystemCall) -> None:
    """Refuse a caller that is bound to an environment and is not the directory."""
    if not await _is_directory(call):
        check_unbound(call)


async def _is_directory(call: SystemCall) -> bool:
    """Say whether the caller is the workload that is named as the directory, signed in itself."""
    token = call.session.token if call.session else None
    named = (await _settings(call)).directory
    return token is not None and bool(named) and token.entity == named and not token.makers


async def _settings(call: SystemCall) -> Settings:
    row = await call.transaction.get(SETTINGS, SETTING)
    return Settings() if row is None else msgspec.json.decode(row.value, type=Settings)


def _read(body: Json | None, schema: str) -> dict[str, Any]:
    """Return what was sent, with names as the schema writes them; what it has not is left out."""
    found = msgspec.json.decode(body.raw) if body is not None else None
    if not isinstance(found, dict):
        raise InputError("invalidSyntax", "the body is an object")
    said = found.get("schemas")
    if not isinstance(said, list) or schema not in said:
        raise InputError("invalidSyntax", f"schemas: holds {schema}")
    if schema == PATCH:
        return {"Operations": found.get("Operations", found.get("operations"))}
    known = USER_KNOWN if schema == USER else GROUP_KNOWN
    named = {known[name.lower()]["name"]: v for name, v in found.items() if name.lower() in known}
    return {name: value for name, value in named.items() if value is not None}


def _text(wanted: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = wanted.get(name)
    if value is None or value == "":
        if required:
            raise InputError("invalidValue", f"{name}: there must be one")
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
        raise InputError("invalidValue", f"{name}: printable text of at most {LONGEST_TEXT}")
    return value


def _truth(value: object) -> bool:
    """Read `active`, which some directories send as text. Nothing else is a truth value."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise InputError("invalidValue", "active: true or false")


def _kept_of_user(wanted: Mapping[str, Any]) -> dict[str, object]:
    """Return the attributes that are kept as they were sent, checked."""
    kept: dict[str, object] = {}
    if display := _text(wanted, "displayName"):
        kept["displayName"] = display
    name = wanted.get("name")
    if name is not None:
        parts = _parts(name, ("formatted", "familyName", "givenName"), "name")
        kept |= {"name": parts} if parts else {}
    emails = wanted.get("emails")
    if emails is not None:
        many = emails if isinstance(emails, list) else [emails]
        if len(many) > MOST_EMAILS:
            raise InputError("invalidValue", f"emails: at most {MOST_EMAILS}")
        found = [_email(each) for each in many]
        if sum(bool(each.get("primary")) for each in found) > 1:
            raise InputError("invalidValue", "emails: at most one is primary")
        kept |= {"emails": found} if found else {}
    return kept


def _parts(value: object, names: Sequence[str], what: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise InputError("invalidValue", f"{what}: an object")
    found = {name: _text(value, name) for name in names}
    return {name: text for name, text in found.items() if text}


def _email(value: object) -> dict[str, object]:
    found = _parts(value, ("value", "type"), "emails")
    primary = value.get("primary") if isinstance(value, Mapping) else None
    if primary is not None:
        found["primary"] = _truth(primary)
    return found


def _primary(emails: Sequence[Mapping[str, object]]) -> str:
    """Return the address that is kept with the person: the primary one, or else the first."""
    there = sorted(emails, key=lambda each: not each.get("primary"))
    return next((str(each["value"]) for each in there if each.get("value")), "")


def _whole_name(kept: Mapping[str, object], user_name: str) -> str:
    parts = kept.get("name")
    name = parts if isinstance(parts, Mapping) else {}
    both = f"{name.get('givenName', '')} {name.get('familyName', '')}".strip()
    found = str(kept.get("displayName") or name.get("formatted") or both or user_name)
    return found[:256] if found.strip() else user_name[:256]
