"""What every auth method does alike: `TokenRules` settled, shown, changed in part; valid names.

Vault   Policy names are trimmed and lower-cased; `default-service` and `default-batch` mean
        nothing on a role and become `service` and `batch`, with a warning. Older names of
        fields are shown beside the new ones where they hold something.
Differs `root` is refused when a rule is written, not only at each login. No other spelling of
        it is taken anywhere as the name of a policy: Vault makes `Root` into `root`. A list has
        at most 1024 policies, and a name at most 512 characters, as that of a policy. A list of
        networks has at most 256.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import Field, fields, replace
from datetime import timedelta
from typing import Any, ClassVar, Final, Protocol, TypeVar
from unicodedata import normalize

from strongroom.base.errors import InputError
from strongroom.base.network import all_written
from strongroom.sdk.auth import ZERO, TokenRules

MOST_POLICIES: Final = 1024
LONGEST_POLICY: Final = 512  # characters, as of the name of a policy that is written
NAME: Final = re.compile(r"\w(?:[\w.-]*\w)?", re.ASCII)  # of a user, or of a role


class Dataclass(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Rules = TypeVar("Rules", bound=TokenRules)
Record = TypeVar("Record", bound=Dataclass)

_NAMES = tuple(field.name for field in fields(TokenRules))


def valid_name(name: str, field: str) -> str:
    """Return the name, or raise InputError for one that nobody can have."""
    if not NAME.fullmatch(name):
        raise InputError(field, "letters, digits, '_', and '-' or '.' between them")
    return name


def for_people(options: Mapping[str, str]) -> bool:
    """Say whether an auth mount is for people: its option `people` is there, and not `false`."""
    return options.get("people", "") not in ("", "false")


def changed(record: Record, given: object, sent: Collection[str]) -> Record:
    """Return `record` with those of its fields taken from `given` that the caller sent."""
    names = [
        field.name for field in fields(record) if field.name in sent and hasattr(given, field.name)
    ]
    return replace(record, **{name: getattr(given, name) for name in names})


def settled(rules: Rules, warnings: list[str]) -> Rules:
    """Return the rules in their one form; InputError where they contradict each other."""
    kind = (
        rules.token_type.removeprefix("default-") if "-" in rules.token_type else rules.token_type
    )
    if kind != rules.token_type:
        warnings.append(f"{rules.token_type} has no useful meaning; adjusting to {kind}")
    settled = replace(
        rules,
        token_type=kind,
        token_policies=policy_names(rules.token_policies),
        token_bound_cidrs=all_written(rules.token_bound_cidrs, "token_bound_cidrs"),
    )
    _check(settled)
    return settled


def policy_names(names: Collection[str]) -> tuple[str, ...]:
    """Return policy names trimmed, in lower case, each once, in the order given."""
    check_policy_names(names, "token_policies")
    policies = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))
    if "root" in policies:
        raise InputError("token_policies", "auth methods cannot create root tokens")
    return policies


def check_policy_names(names: Collection[str], field: str) -> None:
    """Raise InputError for a name that would become `root`, or be taken for it, and is not `root`.

    So it does for too many, and for a name that no policy can have since it is too long.
    Names are lower-cased, so `Root` would. What a reader takes for it are wide letters and their
    like, and characters between them that do not show. Space around the items of a list is gone
    before anybody sees them, as in Vault: ` root ` in one is `root`, and is judged so.
    """
    if len(names) > MOST_POLICIES:
        raise InputError(field, f"at most {MOST_POLICIES} policies")
    for name in names:
        if len(name) > LONGEST_POLICY:
            raise InputError(field, f"a policy's name is at most {LONGEST_POLICY} characters")
        plain = "".join(c for c in normalize("NFKC", name) if c.isprintable() and not c.isspace())
        if plain.casefold() == "root" != name:
            raise InputError(field, "a name that reads as 'root' must be written so")


def rules_of(rules: TokenRules) -> TokenRules:
    """Return the rules alone, of a record that holds more."""
    return TokenRules(**{name: getattr(rules, name) for name in _NAMES})


def shown_rules(rules: TokenRules, *, older: Mapping[str, str]) -> dict[str, Any]:
    """Return the rules as a reply shows them; `older` maps names that clients still read to new."""
    data = {name: _shown(getattr(rules, name)) for name in _NAMES}
    return data | {name: data[new] for name, new in older.items() if data[new]}


def _shown(value: object) -> object:
    match value:
        case timedelta():
            return int(value.total_seconds())
        case tuple():
            return list(value)
        case _:
            return value


def _check(rules: TokenRules) -> None:
    if ZERO < rules.token_max_ttl < rules.token_ttl:
        raise InputError("", "'token_ttl' cannot be greater than 'token_max_ttl'")
    if rules.token_num_uses < 0:
        raise InputError("", "'token_num_uses' cannot be negative")
    if rules.token_type != "batch":  # noqa: S105 - a kind of token
        return
    cannot = "'token_type' cannot be 'batch' or 'default_batch' when set to generate"
    if rules.token_period > ZERO:
        raise InputError("", f"{cannot} periodic tokens")
    if rules.token_num_uses:
        raise InputError("", f"{cannot} tokens with limited use count")
