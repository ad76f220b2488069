"""Search filters with places for names: read once as a tree, filled with bytes, sent as BER.

Specs   RFC 4515 (text) and RFC 4511, section 4.5.1.7 (what is sent).
Vault   The places are those of Vault's templates: `{{.Username}}`, `{{.UserDN}}`, and in place
        of an attribute's name `{{.UserAttr}}`.
Differs No other part of Go's template language is read. A place stands in a value only, or is
        the whole of an attribute's name.
Trust   A name is put into the tree after the text was read, as the bytes of a value. It is never
        text of a filter, so there is nothing in it to escape, and no name changes what is asked.
        The text is an administrator's; attributes, depth and size of it are bounded all the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.auth.ldap.ber import OCTETS, boolean, element
from strongroom.base.errors import InputError

LONGEST: Final = 4_096
DEEPEST: Final = 32
ATTRIBUTE: Final = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)(?:;[A-Za-z0-9-]+)*", re.ASCII
)
_PLACE = re.compile(r"\{\{-?\s*\.(\w+)\s*-?\}\}", re.ASCII)
_PIECE = re.compile(
    r"\{\{-?\s*\.(?P<place>\w+)\s*-?\}\}|\\(?P<escaped>[0-9A-Fa-f]{2})|(?P<plain>[^\\*()\x00])",
    re.ASCII,
)
_ITEM = re.compile(
    r"(?P<attribute>\{\{[^{}]*\}\}|[A-Za-z0-9;.-]*)"
    r"(?P<dn>:dn)?(?::(?P<rule>[A-Za-z0-9.-]+))?(?P<kind>:=|>=|<=|~=|=)",
    re.ASCII | re.IGNORECASE,
)
_SIMPLE = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}
_LISTS = {"&": 0xA0, "|": 0xA1}

Values = Mapping[str, bytes]


@dataclass(frozen=True)
class Place:
    """Where a value is put in."""

    name: str


Text = tuple[bytes | Place, ...]


@dataclass(frozen=True)
class Several:
    """And, or, not."""

    tag: int
    of: tuple[Node, ...]


@dataclass(frozen=True)
class Item:
    """One comparison. `parts` are what stars part: one is equality, `("", "")` is presence."""

    attribute: Text
    kind: str
    parts: tuple[Text, ...]
    rule: str = ""
    dn: bool = False


Node = Several | Item


@dataclass(frozen=True)
class Filter:
    """A filter as it was read."""

    root: Node

    def filled(self, values: Values) -> bytes:
        """Return the filter as LDAP sends it, with these values in its places."""
        return _encoded(self.root, values)

    def places(self) -> frozenset[str]:
        """Return the names of the places in values."""
        return frozenset(_places(self.root))


def parse_filter(text: str, field: str, places: frozenset[str]) -> Filter:
    """Read a filter that may have these places; InputError, naming `field`, for any other."""
    if len(text) > LONGEST:
        raise InputError(field, f"longer than {LONGEST:,} characters")
    parser = _Parser(text, field, places)
    root = parser.node(DEEPEST)
    if parser.at != len(text):
        raise InputError(field, "goes on after its last parenthesis")
    return Filter(root)


class _Parser:
    """Reads from `at` on."""

    def __init__(self, text: str, field: str, places: frozenset[str]) -> None:
        self._text, self._field, self._allowed = text, field, places
        self.at = 0

    def node(self, depth: int) -> Node:
        """Read one parenthesis."""
        if not depth:
            raise InputError(self._field, f"nested more than {DEEPEST} deep")
        self._expect("(")
        sign = self._text[self.at : self.at + 1]
        if sign in _LISTS or sign == "!":
            self.at += 1
            found = self._several(sign, depth)
        else:
            found = self._item()
        self._expect(")")
        return found

    def _several(self, sign: str, depth: int) -> Node:
        found: list[Node] = []
        while self._text.startswith("(", self.at):
            found.append(self.node(depth - 1))
        if not found or (sign == "!" and len(found) > 1):
            raise InputError(self._field, f"'{sign}' has too few or too many filters behind it")
        return Several(0xA2 if sign == "!" else _LISTS[sign], tuple(found))

    def _item(self) -> Item:
        head = _ITEM.match(self._text, self.at)
        if head is None:
            raise InputError(self._field, "a comparison is expected, such as (uid={{.Username}})")
        self.at = head.end()
        attribute, kind, rule = head["attribute"], head["kind"], head["rule"] or ""
        matching = bool(rule or head["dn"])
        if matching != (kind == ":=") and not (kind == ":=" and attribute):
            raise InputError(self._field, "a matching rule goes with ':='")
        parts = self._parts()
        if kind != "=" and len(parts) > 1:
            raise InputError(self._field, "'*' stands in a comparison by '=' only")
        return Item(self._attribute(attribute, rule), kind, parts, rule, bool(head["dn"]))

    def _attribute(self, text: str, rule: str) -> Text:
        place = _PLACE.fullmatch(text)
        if place is not None and place[1] == "UserAttr" and "UserAttr" in self._allowed:
            return (Place("UserAttr"),)
        if not text and rule:
            return ()
        if not ATTRIBUTE.fullmatch(text):
            raise InputError(self._field, "an attribute's name cannot be read")
        return (text.encode(),)

    def _parts(self) -> tuple[Text, ...]:
        parts: list[list[bytes | Place]] = [[]]
        while self.at < len(self._text) and self._text[self.at] != ")":
            if self._text[self.at] == "*":
                parts.append([])
                self.at += 1
                continue
            piece = _PIECE.match(self._text, self.at)
            if piece is None:
                raise InputError(self._field, "a value holds what must be written as \\xx")
            parts[-1].append(self._piece(piece))
            self.at = piece.end()
        if any(not part for part in parts[1:-1]):
            raise InputError(self._field, "two '*' side by side")
        return tuple(_joined(part) for part in parts)

    def _piece(self, piece: re.Match[str]) -> bytes | Place:
        if piece["place"] is None:
            escaped, plain = piece["escaped"], piece["plain"]
            if plain == "{" and self._text.startswith("{{", piece.start()):
                raise InputError(self._field, "only a place such as {{.Username}} is read")
            return bytes.fromhex(escaped) if escaped else plain.encode("utf-8", "surrogatepass")
        if piece["place"] not in self._allowed - {"UserAttr"}:
            raise InputError(self._field, "a place that is not known in a value")
        return Place(piece["place"])

    def _expect(self, sign: str) -> None:
        if not self._text.startswith(sign, self.at):
            raise InputError(self._field, f"'{sign}' is missing")
        self.at += 1


def _joined(pieces: list[bytes | Place]) -> Text:
    """Return the pieces with neighbouring bytes as one."""
    found: list[bytes | Place] = []
    for piece in pieces:
        if found and isinstance(piece, bytes) and isinstance(found[-1], bytes):
            found[-1] += piece
        else:
            found.append(piece)
    return tuple(found)


def _places(node: Node) -> set[str]:
    if isinstance(node, Several):
        return {name for each in node.of for name in _places(each)}
    return {piece.name for part in node.parts for piece in part if isinstance(piece, Place)}


def _encoded(node: Node, values: Values) -> bytes:
    if isinstance(node, Several):
        return element(node.tag, *(_encoded(each, values) for each in node.of))
    attribute = _bytes(node.attribute, values)
    if node.kind == ":=":
        return _matching(node, attribute, values)
    if len(node.parts) == 1:
        value = _bytes(node.parts[0], values)
        return element(_SIMPLE[node.kind], element(OCTETS, attribute), element(OCTETS, value))
    if node.parts == ((), ()):
        return element(0x87, attribute)
    last = len(node.parts) - 1
    pieces = [
        element(0x80 if at == 0 else 0x82 if at == last else 0x81, _bytes(part, values))
        for at, part in enumerate(node.parts)
        if part
    ]
    return element(0xA4, element(OCTETS, attribute), element(0x30, *pieces))


def _matching(node: Item, attribute: bytes, values: Values) -> bytes:
    return element(
        0xA9,
        element(0x81, node.rule.encode()) if node.rule else b"",
        element(0x82, attribute) if attribute else b"",
        element(0x83, _bytes(node.parts[0], values)),
        element(0x84, boolean(True)[2:]) if node.dn else b"",
    )


def _bytes(text: Text, values: Values) -> bytes:
    return b"".join(values[each.name] if isinstance(each, Place) else each for each in text)
