"""The rows of identity: tokens, entities, groups, who is registered, policies, environments.

Trust  What authorization goes by is guarded (`storage.guard`): who can write to the database can
       delete such a row or bring back an older one, and cannot change or make one. Lockouts are
       not: who deletes one gives a subject its tries back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from strongroom.storage.register import Register

NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Token:
    """A service token. It is found by a keyed digest; the token itself is stored nowhere.

    `expires_at` None: never (root tokens only). `uses_left` 0: any number.
    `path` is where it was made ("auth/approle/login"); `role` what its method or token role
    called the rules; `alias` the subject there, for renewal.
    `makers` are the entities with whose tokens it was made, who signed in before all others
    first; None for the token of a login, and for what root made. `let_in_by` are the entities
    who made what was logged in by (`identity.entrances`), of this token or of one that it stems
    from; None for nobody.
    """

    lookup: bytes
    accessor: str
    parent: bytes | None
    entity: str
    kind: str  # "service"; "batch" tokens have no row
    path: str
    display: str
    policies: tuple[str, ...]
    metadata: dict[str, str]
    issued_at: datetime
    renewed_at: datetime | None
    expires_at: datetime | None
    ttl: timedelta
    max_ttl: timedelta  # of the mount or role, at renewals; zero: the system's
    explicit_max_ttl: timedelta
    period: timedelta
    renewable: bool
    uses: int
    uses_left: int
    cidrs: tuple[str, ...]
    role: str
    alias: str
    environment: str
    mount: str  # uuid of the auth mount that made it
    makers: tuple[str, ...] | None = None
    let_in_by: tuple[str, ...] | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """An actor: a person or a workload."""

    id: str
    name: str
    metadata: dict[str, str]
    policies: tuple[str, ...]
    disabled: bool
    created_at: datetime
    updated_at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """How one auth mount knows an entity. `made_by` are those who wrote it, None for a login."""

    id: str
    entity: str
    mount_accessor: str
    name: str
    metadata: dict[str, str]
    custom_metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    made_by: tuple[str, ...] | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """An entity that went into another, for tokens which say that they are its."""

    id: str
    entity: str  # that it is now; never one that was merged itself
    at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A set of entities that share policies. `members` are groups in it, by id.

    An `external` one has no groups in it; its entities come and go with their logins.
    """

    id: str
    name: str
    external: bool
    metadata: dict[str, str]
    policies: tuple[str, ...]
    members: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class GroupMember:
    """An entity that is in a group itself, and not through another."""

    group_id: str
    entity: str
    since: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class GroupAlias:
    """The name under which one auth mount knows an external group."""

    id: str
    group_id: str
    mount_accessor: str
    name: str
    created_at: datetime
    updated_at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """What makes an entity a person. `ends_at` None: an employee without an end.

    `made_by` are those who wrote the first row of one whom no registration made, and those who
    could have been them: whoever makes a person alone decides for nobody by them.
    """

    entity: str
    name: str
    email: str
    worker: str  # "employee", "contractor", "vendor"
    contract: str
    external_id: str
    state: str  # "active", "left"
    ends_at: datetime | None
    registration: str  # id of the request that it was made by, or nothing
    created_at: datetime
    updated_at: datetime
    left_at: datetime | None
    made_by: tuple[str, ...] | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes an entity a workload. `owner` is the entity of a person."""

    entity: str
    owner: str
    justification: str
    environment: str
    vendor: str
    state: str  # "active", "decommissioned"
    ends_at: datetime | None
    registration: str
    created_at: datetime
    updated_at: datetime
    left_at: datetime | None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """Whom a registration asks for: a `person` or a `workload`, with what it is to be given.

    The row's own times, state and entity are set when it is made; `groups` are ids.
    """

    name: str  # of the entity
    person: Person | None
    workload: Workload | None
    environment: str  # that the entity is bound to; empty: none
    policies: tuple[str, ...]
    groups: tuple[str, ...]
    mount_accessor: str  # of its first alias; empty: none
    alias: str


@dataclass(frozen=True, slots=True)
class Registration:
    """A request to register somebody, and what was decided on it.

    `requesters` are the entities that wrote it; `known_as` the aliases that they had then, as
    "accessor/name"; `helpers` who else could have signed in so. `revision` counts its texts: a
    decision is on one of them. `purpose` is nothing for somebody new; else "return" or "factors",
    and `entity` is whom it is about from the beginning.
    """

    id: str
    state: str  # "pending", "approved", "denied", "withdrawn"
    revision: int
    wish: Wish
    reason: str
    requesters: tuple[str, ...]
    known_as: tuple[str, ...]
    created_at: datetime
    edited_at: datetime
    expires_at: datetime
    decided_by: str
    decided_at: datetime | None
    because: str
    entity: str  # that was made, or whom it is about
    purpose: str | None = None
    helpers: tuple[str, ...] | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """The version of a policy that is in force."""

    name: str
    version: int
    text: str
    options: dict[str, object]  # ttl, cas_required, template switches: as OpenBao's fields
    modified_at: datetime
    expires_at: datetime | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """Every version that a policy ever had; text None when that version deleted it."""

    name: str
    version: int
    text: str | None
    changed_at: datetime
    changed_by: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """A boundary: the request paths that belong to it (globs), and who else may cross it.

    `people` is "granted" where people are served by grants alone, and None where by policies, too.
    """

    name: str
    paths: tuple[str, ...]
    protected: bool  # only identities of this environment, or of none where `open`, get in
    open: bool
    description: str
    people: str | None = None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Lockout:
    """Failed logins of one subject at one auth mount.

    `subject` is a keyed digest of the name that was tried and `name` is sealed: people type
    passwords where names belong.
    """

    mount: str
    subject: str
    name: str
    failures: int
    last_at: datetime
    locked_until: datetime | None
    entry: int | None = None


TOKENS = Register(
    "token",
    Token,
    key=("lookup",),
    indexes=(
        *(("accessor",), ("parent",), ("entity",), ("expires_at",), ("path",)),
        *(("makers",), ("let_in_by",)),
    ),
    guarded=True,
)
ENTITIES = Register("entity", Entity, key=("id",), indexes=(("name",),), guarded=True, kept=True)
ALIASES = Register(
    "alias",
    Alias,
    key=("id",),
    indexes=(("mount_accessor", "name"), ("entity",)),
    guarded=True,
    kept_by=("mount_accessor", "name"),
)
MERGED = Register("merged_entity", Merged, key=("id",), indexes=(("entity",),), guarded=True)
GROUPS = Register("entity_group", Group, key=("id",), indexes=(("name",),), guarded=True)
GROUP_MEMBERS = Register(
    "group_member",
    GroupMember,
    key=("group_id", "entity"),
    indexes=(("entity",),),
    guarded=True,
    kept_by=("entity",),
)
GROUP_ALIASES = Register(
    "group_alias",
    GroupAlias,
    key=("id",),
    indexes=(("mount_accessor", "name"), ("group_id",)),
    guarded=True,
)
PEOPLE = Register(
    "person",
    Person,
    key=("entity",),
    indexes=(("email",), ("external_id",)),
    guarded=True,
    kept=True,
)
WORKLOADS = Register(
    "workload", Workload, key=("entity",), indexes=(("owner",),), guarded=True, kept=True
)
REGISTRATIONS = Register(
    "registration", Registration, key=("id",), indexes=(("state",),), guarded=True
)
POLICIES = Register("policy", StoredPolicy, key=("name",), guarded=True)
POLICY_VERSIONS = Register("policy_version", PolicyVersion, key=("name", "version"), guarded=True)
ENVIRONMENTS = Register("environment", Environment, key=("name",), guarded=True)
LOCKOUTS = Register("lockout", Lockout, key=("mount", "subject"), sealed=("name",), kept=True)
