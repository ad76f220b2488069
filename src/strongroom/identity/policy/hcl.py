"""The syntax of policy texts: the part of HCL version 1 that policies use, and JSON.

Vault  A text whose first character is `{` is JSON. In HCL, `key = value` and blocks with
       labels (`path "x" { … }`) stand in any order, on one line or several, with or without a
       comma after each; lists may hold lists and objects. A key may be there twice.
Differs  Refused though OpenBao takes them: JSON that is cut short or goes on after its end,
       a key without its value, escapes that are no character, a comma after a comma.
Units  Nothing is nested deeper than 64. The time taken grows with the length alone.
Trust  Whoever may write a policy decides what its holders may do; the parser trusts nobody.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from strongroom.base.errors import InputError
from strongroom.identity.policy.lexing import Source, Token, hcl_tokens, json_tokens

MOST_NESTED = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """A string, a number, or one of true, false and null."""

    value: str | float | bool | None
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Array:
    """Values in brackets."""

    items: tuple[Literal | Array | Object, ...]
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Object:
    """What stands in braces, or the whole text."""

    items: tuple[Item, ...]
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A key with its value. A block's labels follow its key; `key = value` has none."""

    keys: tuple[str, ...]
    value: Literal | Array | Object
    line: int
    column: int


Node = Literal | Array | Object


def parse(text: str) -> Object:
    """Read a text. Raises InputError for the field `policy`, naming the line and the column."""
    source = Source(text)
    if source.is_json():
        return _Json(source, json_tokens(source)).whole()
    return _Hcl(source, hcl_tokens(source)).whole()


def refuse(at: Node | Item, problem: str) -> NoReturn:
    """Raise the InputError that names the place of what was parsed."""
    raise InputError("policy", f"line {at.line}, column {at.column}: {problem}")


class _Parser(ABC):
    """What both languages share: tokens with one of look-ahead, values, and lists."""

    words: ClassVar[Mapping[str, bool | None]]

    def __init__(self, source: Source, tokens: Iterator[Token]) -> None:
        self._source = source
        self._tokens = tokens
        self._next = next(tokens)
        self._depth = 0

    def _take(self) -> Token:
        token = self._next
        self._next = next(self._tokens, token)
        return token

    def _at(self, *kinds: str) -> bool:
        return self._next.kind in kinds

    def _skip(self, kind: str) -> bool:
        """Take the next token if it is of this kind, and say whether it was."""
        found = self._at(kind)
        if found:
            self._take()
        return found

    def _wanted(self, what: str) -> NoReturn:
        self._source.fail(self._next.at, f"expected {what}, found {self._next}")

    def _open(self) -> tuple[int, int]:
        self._depth += 1
        if self._depth > MOST_NESTED:
            self._source.fail(self._next.at, f"nested deeper than {MOST_NESTED}")
        return self._source.place(self._take().at)

    def _close(self) -> None:
        self._depth -= 1
        self._take()

    def _value(self) -> Node:
        if self._at("{"):
            return self._object()
        if self._at("["):
            return self._array()
        line, column = self._source.place(self._next.at)
        if self._at("text", "number", "heredoc"):
            return Literal(value=self._take().value, line=line, column=column)
        if not self._at("word") or self._next.value not in self.words:
            self._wanted("a value")
        return Literal(value=self.words[str(self._take().value)], line=line, column=column)

    def _array(self) -> Array:
        line, column = self._open()
        items: list[Node] = []
        while not self._at("]"):
            items.append(self._value())
            if not self._at("]"):
                self._separate("]")
        self._close()
        return Array(items=tuple(items), line=line, column=column)

    def _object(self) -> Object:
        line, column = self._open()
        items = self._items("}")
        self._close()
        return Object(items=items, line=line, column=column)

    def _separate(self, closing: str) -> None:
        if not self._skip(","):
            self._wanted(f"',' or '{closing}'")

    @abstractmethod
    def _items(self, closing: str) -> tuple[Item, ...]:
        """Read an object's members, up to what closes it."""


class _Hcl(_Parser):
    words: ClassVar[Mapping[str, bool | None]] = {"true": True, "false": False}

    def whole(self) -> Object:
        return Object(items=self._items("end"), line=1, column=1)

    def _items(self, closing: str) -> tuple[Item, ...]:
        items: list[Item] = []
        while not self._at(closing):
            items.append(self._item())
            self._skip(",")
        return tuple(items)

    def _item(self) -> Item:
        line, column = self._source.place(self._next.at)
        keys = [self._key()]
        while self._at("text", "word"):
            keys.append(self._key())
        if len(keys) == 1 and self._skip("="):
            value = self._value()
        elif self._at("{"):
            value = self._object()
        else:
            self._wanted("'=' or '{'" if len(keys) == 1 else "'{'")
        return Item(keys=tuple(keys), value=value, line=line, column=column)

    def _key(self) -> str:
        if not self._at("text", "word") or (self._at("word") and self._next.value in self.words):
            self._wanted("a key")
        return str(self._take().value)


class _Json(_Parser):
    words: ClassVar[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}

    def whole(self) -> Object:
        whole = self._object()
        if not self._at("end"):
            self._wanted("the end")
        return whole

    def _items(self, closing: str) -> tuple[Item, ...]:
        items: list[Item] = []
        while not self._at(closing):
            items.append(self._item())
            if not self._at(closing):
                self._separate(closing)
        return tuple(items)

    def _item(self) -> Item:
        line, column = self._source.place(self._next.at)
        if not self._at("text"):
            self._wanted("a key in quotes")
        key = str(self._take().value)
        if not self._skip(":"):
            self._wanted("':'")
        return Item(keys=(key,), value=self._value(), line=line, column=column)
