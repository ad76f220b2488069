"""The paths of a role's single settings: `role/{role_name}/token-ttl` and its like.

Vault   Each is read, written and deleted (set back to its default) by itself. `bound-cidr-list`
        is an older name of `secret-id-bound-cidrs`; `local-secret-ids` can only be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, make_dataclass, replace
from typing import Annotated, Any, Final, get_args, get_type_hints

from strongroom.auth.approle.records import Settings
from strongroom.auth.approle.roles import fetch_role, find_role, shown_role, store_role
from strongroom.base.errors import InputError
from strongroom.sdk.engine import Call, Endpoint, Help, Opens, Reply, Route, Sent


@dataclass(frozen=True, kw_only=True)
class OfRole:
    """For paths under a role's name."""

    role_name: Annotated[str, Help("Role name; case does not matter.", least=1, most=512)]


async def subjects_of(call: Call, given: OfRole) -> tuple[str, ...]:
    """Return the aliases of the role that a path is about: its role id, and one it is to get."""
    role, wanted = await find_role(call, given.role_name), getattr(given, "role_id", None)
    return tuple({role.role_id if role else "", wanted or ""} - {""})


def name_of(given: OfRole) -> str:
    """Return the name that a login's proof has of the role."""
    return given.role_name.lower()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting at a path of its own. `name` is its name there, `field` its name in a role."""

    path: str
    field: str
    name: str
    older: str = ""
    deprecated: bool = False
    fixed: bool = False

    def route(self) -> Route:
        """Return the path."""
        event = "approle.role"
        change = Endpoint(self._given(), self.change, f"{event}.write")
        reset = Endpoint(OfRole, self.reset, f"{event}.write")
        return Route(
            path=f"role/{{role_name}}/{self.path}",
            summary=f"The {self.name} of a role.",
            read=Endpoint(OfRole, self.show, f"{event}.read"),
            write=None if self.fixed else change,
            delete=None if self.fixed else reset,
            opens=Opens(name=name_of, removed=False),
        )

    async def show(self, call: Call, given: OfRole) -> Reply:
        """Show the setting, under its older name too where it holds something."""
        value = shown_role(await fetch_role(call, given.role_name))[self.field]
        warnings = (f'"{self.name}" is deprecated; use "{self.field}".',) if self.deprecated else ()
        older = {self.older: value} if self.older and value else {}
        return Reply({self.name: value} | older, warnings=warnings)

    async def change(self, call: Call, given: Any) -> None:
        """Set it; the role must hang together with it."""
        role = await fetch_role(call, given.role_name)
        if self.name not in given.sent:
            raise InputError("", f"missing {self.name}")
        await store_role(call, replace(role, **{self.field: getattr(given, self.name)}))

    async def reset(self, call: Call, given: OfRole) -> None:
        """Set it back to what a new role has; nothing happens without a role."""
        role = await find_role(call, given.role_name)
        if role:
            default: Any = _default(self.field)
            await store_role(call, replace(role, **{self.field: default}))

    def _given(self) -> type[OfRole]:
        """Return the input: the role's name, the setting as declared there, what was sent."""
        sent = Annotated[frozenset[str], Sent()]
        return make_dataclass(
            f"New_{self.name}",
            [
                (self.name, self._declared(), field(default=_default(self.field))),
                ("sent", sent, field(default=frozenset())),
            ],
            bases=(OfRole,),
            frozen=True,
            kw_only=True,
        )

    def _declared(self) -> Any:
        """Return the type as `Settings` has it; an older name that is this path's own is none."""
        kind, words = get_args(get_type_hints(Settings, include_extras=True)[self.field])
        words = replace(words, was=tuple(name for name in words.was if name != self.name))
        return Annotated[kind, words]


def _default(name: str) -> Any:
    return next(each.default for each in fields(Settings) if each.name == name)


_OF_THEIR_NAME: Final = (
    "bind_secret_id",
    "secret_id_bound_cidrs",
    "secret_id_num_uses",
    "secret_id_ttl",
    "token_bound_cidrs",
    "token_max_ttl",
    "token_num_uses",
    "token_ttl",
)
_OTHERS: Final = (
    Setting(path="policies", field="token_policies", name="token_policies", older="policies"),
    Setting(path="period", field="token_period", name="token_period", older="period"),
    Setting(path="local-secret-ids", field="local_secret_ids", name="local_secret_ids", fixed=True),
    Setting(
        path="bound-cidr-list",
        field="secret_id_bound_cidrs",
        name="bound_cidr_list",
        deprecated=True,
    ),
)


def setting_routes() -> tuple[Route, ...]:
    """Return a route for each setting."""
    own = (Setting(path=n.replace("_", "-"), field=n, name=n) for n in _OF_THEIR_NAME)
    return tuple(setting.route() for setting in (*own, *_OTHERS))
