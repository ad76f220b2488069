"""From a request's path, query and body to the dataclass that an endpoint takes.

`decoder` compiles a dataclass once into closures, a reader for each field; what it declares
(types, defaults, `Help`) is all there is to say about an input. `declared` gives the same facts
to OpenAPI, help and forms, so that what is documented is what is decoded.

Order   Path before body before query; of two names of one field, the newer.
Vault   Unknown fields are not errors but warnings in the reply, and so are fields that the path
        overrides. A body may be empty or `null`. Of a key that comes twice, the last counts.
Trust   The body is any bytes at all. InputError is the only thing raised, it never shows a value,
        and nesting and the numbers of values and containers are bounded before anything walks the
        tree. To find that out takes time in proportion to the body and little of it: text is
        skipped, not read. What text is parsed into something else is bounded too (`core.kinds`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from itertools import accumulate
from typing import Annotated, Any, Final, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from strongroom.base.errors import InputError
from strongroom.core.kinds import ABSENT, Reader, named, optional, reader
from strongroom.sdk.engine import Help, Json, Sent, Whole

Given = TypeVar("Given")

DEEPEST: Final = 300  # Vault's limit on nesting
MOST_CONTAINERS: Final = 100_000
MOST_MEMBERS = 100_000
MOST_STRINGS = 2 * (MOST_MEMBERS + MOST_CONTAINERS)  # names and values
FEW_QUOTES: Final = 200_000  # so few are faster to split at
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPACE = b" \t\r\n"
_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NO_MARKS = bytes(set(range(256)) - set(b'",'))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_COMPLAINT = re.compile(r"(?:JSON is malformed: )?(?P<what>[a-z0-9 -]+) \(byte (?P<at>\d+)\)")


@dataclass(frozen=True, slots=True)
class Decoded(Generic[Given]):
    """What an endpoint is given, and what must be said of how it came.

    `sent` holds the fields that came in the query or the body, by their present names, those
    sent as null included; `unknown` and `replaced` hold names as they came, in order.
    """

    given: Given
    sent: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    def warnings(self) -> tuple[str, ...]:
        """Return what the reply must warn of, in Vault's words."""
        if not (self.unknown or self.replaced):
            return ()
        said = []
        if self.unknown:
            names = " ".join(self.unknown)
            said.append(f"Endpoint ignored these unrecognized parameters: [{names}]")
        if self.replaced:
            names = " ".join(self.replaced)
            said.append(
                "Endpoint replaced the value of these parameters with the values captured from "
                f"the endpoint's path: [{names}]"
            )
        return tuple(said)


Decode = Callable[[Mapping[str, str], Mapping[str, list[str]] | None, bytes | None], Decoded[Given]]


# -- what a dataclass declares -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One declared field. `kind` is its type without Annotated and None."""

    name: str
    kind: Any
    optional: bool
    required: bool
    default: object  # None where there is none that can be shown
    help: Help | None
    whole: bool = False
    sent: bool = False


def declared(given: type) -> tuple[Field, ...]:
    """Return the fields of an input, in order. Raises TypeError for what is no dataclass."""
    return _declared(given)


@cache
def _declared(given: type) -> tuple[Field, ...]:
    if not is_dataclass(given):
        raise TypeError(f"{given!r} is not a dataclass")
    hints = get_type_hints(given, include_extras=True)
    return tuple(
        _field(each.name, hints[each.name], each.default, each.default_factory)
        for each in fields(given)
        if each.init
    )


def _field(name: str, hint: Any, default: object, factory: object) -> Field:
    kind, marks, may_be_none = hint, [], False
    while get_origin(kind) is Annotated or optional(kind)[1]:
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            marks += more
        else:
            kind, may_be_none = optional(kind)
    return Field(
        name=name,
        kind=kind,
        optional=may_be_none,
        required=default is MISSING and factory is MISSING,
        default=None if default is MISSING else default,
        help=next((mark for mark in marks if isinstance(mark, Help)), None),
        whole=any(mark is Whole or isinstance(mark, Whole) for mark in marks),
        sent=any(mark is Sent or isinstance(mark, Sent) for mark in marks),
    )


# -- the body ----------------------------------------------------------------------------------


def members(body: bytes) -> dict[str, msgspec.Raw]:
    """Check a whole body and return its members; none for an empty body and for `null`.

    Raises InputError for what is not one JSON object in UTF-8, and beyond the bounds above.
    """
    _check_members(body)
    try:
        if not body.isascii():
            str(body, "utf-8")
        found = _object(body)
    except UnicodeDecodeError as error:
        problem = f"the body is not JSON: not UTF-8 at byte {error.start}"
    except msgspec.ValidationError:
        if body.strip(_SPACE) == b"null":
            return {}
        problem = f"the body must be a JSON object, got {named(body.lstrip(_SPACE))}"
    except msgspec.DecodeError as error:
        if not body.strip(_SPACE):
            return {}
        problem = f"the body is not JSON: {_complaint(str(error))}"
    except RecursionError:
        problem = f"the body is nested more than {DEEPEST} deep"
    else:
        if len(body.translate(None, _NOT_BRACKETS)) > DEEPEST:
            _check_nesting(body)
        return found
    raise InputError("", problem)


def _complaint(text: str) -> str:
    """Return a parser's complaint with its place; of an unforeseen one, nothing."""
    match = _COMPLAINT.fullmatch(text)
    return (
        f"{match['what']} at byte {match['at']}"
        if match
        else "it ends too early, or holds half a surrogate pair"
    )


def _check_members(body: bytes) -> None:
    """Bound what decoding costs before it begins; commas inside texts do not count.

    No text begins behind a backslash, so there are no more of them than quotes without one.
    """
    if len(body) <= MOST_MEMBERS:
        return
    marks = body.translate(None, _NO_MARKS)
    quotes, commas = marks.count(b'"'), marks.count(b",")
    if quotes > 2 * MOST_STRINGS < quotes - body.count(rb"\"") or (
        commas > MOST_MEMBERS < outside(body).count(b",")
    ):
        raise InputError("", f"the body holds more than {MOST_MEMBERS} values")


def outside(body: bytes, few: int = FEW_QUOTES) -> bytes:
    """Return what of JSON stands in no text, in time that grows with its length alone.

    A text without its end reaches to the end of the body.
    """
    if body.count(b'"') > few:
        return _JSON_STRING.sub(b"", body)
    bare, within = [], False
    for piece in body.split(b'"'):
        if not within:
            bare.append(piece)
            within = True
        else:  # the quote behind it ends the text, if it is not escaped
            within = (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1
    return b"".join(bare)


def _check_nesting(body: bytes) -> None:
    brackets = outside(body).translate(None, _NOT_BRACKETS)
    if len(brackets) > 2 * MOST_CONTAINERS:
        raise InputError("", f"the body holds more than {MOST_CONTAINERS} lists and objects")
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > DEEPEST:
        raise InputError("", f"the body is nested more than {DEEPEST} deep")


# -- decoding ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where the value of one of a field's names goes; `before` are the names that beat it."""

    name: str
    before: tuple[str, ...]
    reader: Reader


class _Taken:
    """What has been read so far."""

    __slots__ = ("replaced", "sent", "unknown", "values")

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.sent: set[str] = set()
        self.unknown: set[str] = set()
        self.replaced: set[str] = set()


class _Plan:
    """How one dataclass is read. `prefix` leads the names in errors ("options.")."""

    def __init__(self, given: type, prefix: str = "") -> None:
        known = declared(given)
        plain = [f for f in known if not f.whole and not f.sent]
        self.given = given
        self.prefix = prefix
        self.required = frozenset(f.name for f in known if f.required and not f.sent)
        self.whole = next((f.name for f in known if f.whole), None)
        self.sent = next((f.name for f in known if f.sent), None)
        self.slots: dict[str, _Slot] = {}
        for field in plain:
            made = reader(prefix + field.name, field.kind, field.help, _nested)
            names = (field.name, *(field.help.was if field.help else ()))
            for at, name in enumerate(names):
                self.slots[name] = _Slot(field.name, names[:at], made)
        self.texts = {f.name: self.slots[f.name].reader.text for f in plain}

    def build(self, values: dict[str, object], sent: frozenset[str]) -> Any:
        """Make the dataclass; raises InputError for the first required field that is missing."""
        if not self.required <= values.keys():
            missing = min(self.required - values.keys())
            raise InputError(self.prefix + missing, "required, and missing")
        if self.sent is not None:
            values[self.sent] = sent
        return self.given(**values)

    def take_json(
        self, found: Mapping[str, msgspec.Raw], taken: _Taken, path: Mapping[str, str]
    ) -> None:
        for key, raw in found.items():
            slot = self._slot(key, found, taken, path)
            if slot is not None:
                self._keep(slot, slot.reader.json(bytes(raw)), taken)

    def take_query(
        self, query: Mapping[str, list[str]], taken: _Taken, path: Mapping[str, str]
    ) -> None:
        for key, texts in query.items():
            slot = self._slot(key, query, taken, path)
            if slot is None or not texts:
                continue
            if len(texts) == 1:
                self._keep(slot, slot.reader.text(texts[0]), taken)
            elif slot.reader.texts is not None:
                self._keep(slot, slot.reader.texts(texts), taken)
            else:
                raise InputError(self.prefix + slot.name, "given more than once")

    def _slot(
        self, key: str, among: Mapping[str, object], taken: _Taken, path: Mapping[str, str]
    ) -> _Slot | None:
        """Return where `key` goes; None if it is not to be read at all."""
        slot = self.slots.get(key)
        if slot is None:
            if self.whole is None:
                taken.unknown.add(key)
            return None
        if slot.name in path:
            taken.replaced.add(key)
            return None
        return None if any(name in among for name in slot.before) else slot

    def _keep(self, slot: _Slot, value: object, taken: _Taken) -> None:
        taken.sent.add(slot.name)
        if value is not ABSENT:
            taken.values[slot.name] = value
        else:
            taken.values.pop(slot.name, None)


def _nested(name: str, given: type) -> Reader:
    """Return the reader of a dataclass inside another: an object, in JSON only."""
    plan = _Plan(given, f"{name}.")

    def from_json(raw: bytes) -> object:
        if raw == b"null":
            return ABSENT
        if raw[:1] != b"{":
            raise InputError(name, f"expected an object, got {named(raw)}")
        taken = _Taken()
        plan.take_json(_object(raw), taken, {})
        return plan.build(taken.values, frozenset(taken.sent))

    def from_text(text: str) -> object:
        if text:
            raise InputError(name, "expected an object, got text")
        return ABSENT

    return Reader(from_text, from_json)


def decoder(given: type[Given]) -> Decode[Given]:
    """Compile the reader of an input; TypeError where a field's type is none that is read.

    The function returned takes the path's fields, the query (or None) and the body (or None).
    It raises InputError, and what `__post_init__` of `given` raises.
    """
    compiled: Decode[Given] = _compiled(given)  # type: ignore[arg-type]  # a class has a hash
    return compiled


@cache
def _compiled(given: type) -> Decode[Any]:
    plan = _Plan(given)
    texts, none = plan.texts, frozenset[str]()

    def decode(
        path: Mapping[str, str],
        query: Mapping[str, list[str]] | None = None,
        body: bytes | None = None,
    ) -> Decoded[Any]:
        if query or body:
            return _decode_all(plan, path, query, body)
        values: dict[str, object] = {}
        for name, text in path.items():
            _take_path(values, texts, name, text)
        return Decoded(plan.build(values, none))

    return decode


def _take_path(
    values: dict[str, object], texts: Mapping[str, Callable[[str], object]], name: str, text: str
) -> None:
    read = texts.get(name)
    if read is None:
        return
    value = read(text)
    if value is not ABSENT:
        values[name] = value


def _decode_all(
    plan: _Plan,
    path: Mapping[str, str],
    query: Mapping[str, list[str]] | None,
    body: bytes | None,
) -> Decoded[Any]:
    taken = _Taken()
    if query:
        plan.take_query(query, taken, path)
    if body:
        found = members(body)
        plan.take_json(found, taken, path)
        stripped = body.strip(_SPACE)
        if plan.whole is not None and stripped[:1] == b"{":
            taken.values[plan.whole] = Json(stripped)
            taken.sent.add(plan.whole)
    for name, text in path.items():
        _take_path(taken.values, plan.texts, name, text)
    sent = frozenset(taken.sent)
    given = plan.build(taken.values, sent)
    return Decoded(given, sent, tuple(sorted(taken.unknown)), tuple(sorted(taken.replaced)))
