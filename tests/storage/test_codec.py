"""Values as they are stored: what goes in comes out, across versions of their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, StrEnum
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.secret import Secret
from strongroom.sdk.engine import Help, Json
from strongroom.storage.codec import CodecError, decode, encode

PLANTED = b"hunter2-correct-horse"


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True, kw_only=True)
class Inner:
    name: str
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    text: str
    number: int
    real: float
    flag: bool
    raw: bytes
    at: datetime
    ttl: timedelta
    json: Json
    colour: Colour
    level: Level
    names: tuple[str, ...]
    numbers: frozenset[int]
    pairs: Mapping[str, str]
    tree: Mapping[str, object]
    inner: Inner
    inners: tuple[Inner, ...]
    maybe: Annotated[Inner | None, Help("Perhaps.")] = None
    ended: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Hidden:
    key: Secret
    spare: Annotated[Secret | None, Help("Another.")] = None
    more: Mapping[str, Secret] = field(default_factory=dict)
    older: tuple[Secret, ...] = ()


@dataclass(frozen=True, kw_only=True)
class First:
    name: str
    gone: int = 1


@dataclass(frozen=True, kw_only=True)
class Second:
    name: str
    added: tuple[str, ...] = ("default",)


TEXT = st.text(max_size=20)
NUMBER = st.integers(-(2**63), 2**64 - 1)
ZONE = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENT = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONE)  # noqa: DTZ001
TREE = st.recursive(
    st.none() | st.booleans() | NUMBER | st.floats(allow_nan=False) | TEXT,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXT, each, max_size=3),
    max_leaves=8,
)
INNER = st.builds(Inner, name=TEXT, count=NUMBER)
EVERYTHING = st.builds(
    Everything,
    text=TEXT,
    number=NUMBER,
    real=st.floats(allow_nan=False),
    flag=st.booleans(),
    raw=st.binary(),
    at=MOMENT,
    ttl=st.timedeltas(timedelta(days=-(10**6)), timedelta(days=10**6)),
    json=st.binary().map(Json),
    colour=st.sampled_from(Colour),
    level=st.sampled_from(Level),
    names=st.lists(TEXT, max_size=3).map(tuple),
    numbers=st.frozensets(NUMBER, max_size=3),
    pairs=st.dictionaries(TEXT, TEXT, max_size=3),
    tree=st.dictionaries(TEXT, TREE, max_size=3),
    inner=INNER,
    inners=st.lists(INNER, max_size=3).map(tuple),
    maybe=st.none() | INNER,
    ended=st.none() | MOMENT,
)


@given(EVERYTHING)
def test_what_is_stored_comes_back(value: Everything) -> None:
    assert decode(encode(value), Everything) == value


@given(st.binary(), st.lists(st.binary(), max_size=3))
def test_secrets_come_back_as_secrets(key: bytes, others: list[bytes]) -> None:
    stored = encode(
        Hidden(
            key=Secret(key),
            spare=Secret(key),
            more={str(n): Secret(each) for n, each in enumerate(others)},
            older=tuple(map(Secret, others)),
        )
    )

    found = decode(stored, Hidden)

    assert found.key.reveal() == key
    assert found.spare is not None
    assert found.spare.reveal() == key
    assert [each.reveal() for each in found.more.values()] == others
    assert [each.reveal() for each in found.older] == others


@pytest.mark.parametrize(
    ("value", "kind"), [("text", str), (5, int), ({"a": 1}, dict[str, int]), (None, type(None))]
)
def test_builtins_are_stored_too(value: object, kind: Any) -> None:
    assert decode(encode(value), kind) == value


def test_moments_come_back_in_utc() -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert decode(encode(at), datetime).tzinfo == UTC


def test_json_is_stored_as_the_bytes_it_is() -> None:
    kept = Json(b' {"a": 1.50, "a": 2, not even JSON')

    assert kept.raw in encode(kept)
    assert decode(encode(kept), Json) == kept


def test_a_later_version_reads_an_older_row() -> None:
    assert decode(encode(First(name="a")), Second) == Second(name="a", added=("default",))


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = decode(data, Everything)
    except CodecError:
        return

    assert isinstance(found, Everything)


@pytest.mark.parametrize(
    "value", [object(), {"a": 2**64}, {"a": complex(1)}, [{1, "a"}, lambda: None]]
)
def test_what_cannot_be_stored_is_a_mistake_of_the_plugin(value: object) -> None:
    with pytest.raises(CodecError, match="holds what cannot be stored"):
        encode(value)


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        ({"key": PLANTED.decode()}, Hidden),
        (PLANTED, Colour),
        (PLANTED.decode(), Colour),
        ({"name": [PLANTED]}, Inner),
    ],
)
def test_an_error_holds_nothing_of_a_value(stored: object, kind: type) -> None:
    with pytest.raises(CodecError) as caught:
        decode(msgspec.msgpack.encode(stored), kind)

    assert PLANTED.decode() not in f"{caught.value} {caught.value.__context__}"
