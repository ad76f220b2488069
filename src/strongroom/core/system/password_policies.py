"""`sys/policies/password`: rules for passwords that are made here.

Vault   A text in HCL or JSON with `length` and `rule "charset" { charset, min-chars }`; it may
        come in base64. Lengths are 4 to 100.
Differs A setting that is not known is refused with its line. A password takes what the rules ask
        for first, fills up from all of their characters, and is shuffled, so that it is always
        found; OpenBao guesses until one fits.
Units   Lengths are characters (Unicode code points).
Trust   Every choice is even: what would favour some characters is drawn again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from strongroom.base.errors import InputError, NotFoundError
from strongroom.base.secret import Secret
from strongroom.core.request import SystemCall
from strongroom.core.system.policies import decoded
from strongroom.identity.policy.hcl import Array, Item, Literal, Node, Object, parse, refuse
from strongroom.identity.policy.lexing import shown
from strongroom.sdk.engine import Endpoint, Help, Named, Page, Reply, Route

Member = TypeVar("Member")
Entropy = Callable[[int], bytes]

LEAST: Final = 4
MOST: Final = 100
FOLDER: Final = "password/"
_DIGITS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True)
class PasswordPolicyGiven(Named):
    """A policy as written."""

    policy: Annotated[str, Help("The text, in HCL or JSON; or that in base64.")] = ""


@dataclass(frozen=True, kw_only=True)
class Charset:
    """At least so many of these characters."""

    characters: tuple[str, ...]
    least: int


@dataclass(frozen=True, kw_only=True)
class PasswordPolicy:
    """How passwords are made."""

    length: int
    rules: tuple[Charset, ...]

    def generate(self, entropy: Entropy) -> str:
        """Return a new password."""
        every = tuple(dict.fromkeys(c for rule in self.rules for c in rule.characters))
        made = [_pick(rule.characters, entropy) for rule in self.rules for _ in range(rule.least)]
        made += [_pick(every, entropy) for _ in range(self.length - len(made))]
        return "".join(_shuffled(made, entropy))


class PasswordPolicyRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        return (
            Route(
                path="policies/password",
                summary="Names of all password policies.",
                list=Endpoint(Page, self.names, "password_policy.list"),
            ),
            Route(
                path="policies/password/{name}",
                summary="One password policy.",
                read=Endpoint(Named, self.read, "password_policy.read"),
                write=Endpoint(PasswordPolicyGiven, self.write, "password_policy.write"),
                delete=Endpoint(Named, self.delete, "password_policy.delete"),
            ),
            Route(
                path="policies/password/{name}/generate",
                summary="A new password; it is kept nowhere.",
                read=Endpoint(Named, self.generate, "password_policy.generate"),
            ),
        )

    async def names(self, call: SystemCall, given: Page) -> Reply:
        names = await call.store.names(FOLDER, after=given.after, limit=given.limit)
        return Reply({"keys": names})

    async def read(self, call: SystemCall, given: Named) -> Reply:
        return Reply({"policy": await _text(call, given.name)})

    async def write(self, call: SystemCall, given: PasswordPolicyGiven) -> None:
        """Store a policy that passwords can be made by."""
        if not given.policy:
            raise InputError("", "missing policy")
        text = decoded(given.policy)
        try:
            parse_password_policy(text)
        except InputError as error:
            raise InputError("", f"invalid password policy: {error.problem}") from None
        await call.store.put(FOLDER + given.name, text)

    async def delete(self, call: SystemCall, given: Named) -> None:
        await call.store.delete(FOLDER + given.name)

    async def generate(self, call: SystemCall, given: Named) -> Reply:
        policy = parse_password_policy(await _text(call, given.name))
        return Reply({"password": Secret(policy.generate(call.entropy))})


async def _text(call: SystemCall, name: str) -> str:
    held = await call.store.find(FOLDER + name, str)
    if held is None:
        raise NotFoundError("policy does not exist")
    return held.value


# -- reading -----------------------------------------------------------------------------------


def parse_password_policy(text: str) -> PasswordPolicy:
    """Read a policy. Raises InputError for the field `policy`, naming the line where it can."""
    length, rules = 0, list[Charset]()
    for item in parse(text).items:
        if item.keys == ("length",):
            length = _whole(item)
        elif item.keys[0] == "rule":
            rules += (_charset(kind, body) for kind, body in _blocks(item))
        else:
            refuse(item, f"unknown key {shown(item.keys[0])}")
    if not LEAST <= length <= MOST:
        raise InputError("policy", f"passwords must be between {LEAST} and {MOST} characters")
    if not rules:
        raise InputError("policy", "no charset specified")
    asked = sum(rule.least for rule in rules)
    if asked > length:
        problem = f"specified rules require at least {asked} characters but {length} is specified"
        raise InputError("policy", problem)
    return PasswordPolicy(length=length, rules=tuple(rules))


def _blocks(item: Item) -> Iterator[tuple[Item, Object]]:
    """Yield the rules of an item: one block in HCL, any number of them in JSON."""
    if len(item.keys) == 2 and isinstance(item.value, Object):
        yield item, item.value
        return
    for outer in _objects(item.value):
        for inner in outer.items:
            for body in _objects(inner.value):
                yield inner, body


def _objects(node: Node) -> Iterator[Object]:
    for each in node.items if isinstance(node, Array) else (node,):
        if not isinstance(each, Object):
            refuse(each, "expected a rule")
        yield each


def _charset(kind: Item, body: Object) -> Charset:
    if kind.keys[-1] != "charset":
        refuse(kind, f"unrecognized rule type {shown(kind.keys[-1])}")
    characters, least = "", 0
    for item in body.items:
        if item.keys == ("charset",):
            characters = _string(item)
        elif item.keys == ("min-chars",):
            least = _whole(item)
        else:
            refuse(item, f"unknown key {shown(item.keys[0])}")
    if not characters:
        refuse(kind, "no charset specified")
    if not characters.isprintable():
        refuse(kind, "non-printable character in charset")
    return Charset(characters=tuple(dict.fromkeys(characters)), least=least)


def _string(item: Item) -> str:
    value = item.value.value if isinstance(item.value, Literal) else None
    if not isinstance(value, str):
        refuse(item, f"{item.keys[0]}: expected a string")
    return value


def _whole(item: Item) -> int:
    text = str(item.value.value) if isinstance(item.value, Literal) else ""
    if not _DIGITS.fullmatch(text):
        refuse(item, f"{item.keys[0]}: expected a whole number, not negative")
    return int(text)


# -- making ------------------------------------------------------------------------------------


def _below(bound: int, entropy: Entropy) -> int:
    """Return a number below `bound`, each as likely as any other."""
    size = (bound.bit_length() + 7) // 8 + 1
    limit = (256**size // bound) * bound
    while (drawn := int.from_bytes(entropy(size), "big")) >= limit:
        pass
    return drawn % bound


def _pick(members: Sequence[Member], entropy: Entropy) -> Member:
    return members[_below(len(members), entropy)]


def _shuffled(members: Sequence[Member], entropy: Entropy) -> list[Member]:
    """Return the members in a new order, each order as likely as any other (Fisher and Yates)."""
    order = list(members)
    for at in range(len(order) - 1, 0, -1):
        other = _below(at + 1, entropy)
        order[at], order[other] = order[other], order[at]
    return order
