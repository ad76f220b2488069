"""Inputs as they come from the wire, and the dataclasses that endpoints take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from time import process_time
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError
from strongroom.base.secret import Secret
from strongroom.core.fields import (
    DEEPEST,
    MOST_CONTAINERS,
    MOST_MEMBERS,
    Decoded,
    declared,
    decoder,
    members,
    outside,
)
from strongroom.sdk.engine import Help, Json, Named, Nothing, Page, Sent, Whole

PLANTED = "hunter2-correct-horse"
LARGE = 12_000_000  # bytes
LITTLE = 4.0  # seconds of computing; what these took before is minutes


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Options:
    cas: Annotated[int | None, Help("Check and set.", least=0)] = None


@dataclass(frozen=True, kw_only=True)
class Everything:
    text: Annotated[str, Help("Text.", most=20)] = "none"
    kind: Annotated[str, Help("One of two.", choices=("a", "b"))] = "a"
    count: Annotated[int, Help("Number.", least=-5, most=100)] = 7
    digits: Annotated[int, Help("Digits.", choices=(6, 8))] = 6
    flag: bool = False
    ratio: float = 0.5
    ttl: Annotated[timedelta, Help("Life.", was=("lease", "duration"))] = timedelta(0)
    offset: Annotated[timedelta, Help("Either way.", least=-3600)] = timedelta(0)
    at: datetime | None = None
    secret: Annotated[Secret | None, Help("Hidden.")] = None
    names: Annotated[tuple[str, ...], Help("Names.", was=("aliases",))] = ()
    versions: Annotated[tuple[int, ...], Help("Versions.", least=1)] = ()
    pairs: Mapping[str, str] = field(default_factory=dict)
    patch: Mapping[str, str | None] = field(default_factory=dict)
    tree: Mapping[str, object] = field(default_factory=dict)
    any_json: Json | None = None
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "fast"
    options: Options = Options()
    batch: tuple[Options, ...] = ()
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Stored:
    path: str
    body: Annotated[Json | None, Whole()] = None
    ttl: str = ""


def read(**body: object) -> Everything:
    return decoder(Everything)({}, None, json.dumps(body).encode()).given


def refused(body: bytes, kind: type = Everything) -> InputError:
    with pytest.raises(InputError) as caught:
        decoder(kind)({}, None, body)
    return caught.value


class TestValues:
    @pytest.mark.parametrize(
        ("name", "sent", "expected"),
        [
            pytest.param("text", "x", "x", id="text"),
            pytest.param("text", "", "", id="empty text is text"),
            pytest.param("text", 5, "5", id="a number as text"),
            pytest.param("text", True, "1", id="true as text, as Vault has it"),
            pytest.param("kind", "", "a", id="empty text for the default of a closed set"),
            pytest.param("count", 5, 5, id="integer"),
            pytest.param("count", "5", 5, id="integer in a string"),
            pytest.param("count", "-5", -5, id="negative integer in a string"),
            pytest.param("count", "", 7, id="empty text for the default of a number"),
            pytest.param("count", None, 7, id="null for the default"),
            pytest.param("digits", "8", 8, id="a choice in a string"),
            pytest.param("flag", True, True, id="true"),
            pytest.param("flag", "true", True, id="true in a string"),
            pytest.param("flag", 1, True, id="one for true"),
            pytest.param("flag", "0", False, id="zero in a string for false"),
            pytest.param("ratio", 1, 1.0, id="integer as a real number"),
            pytest.param("ratio", "2.5", 2.5, id="real number in a string"),
            pytest.param("ttl", "1h30m", timedelta(minutes=90), id="duration"),
            pytest.param("ttl", 90, timedelta(seconds=90), id="seconds"),
            pytest.param("ttl", "90", timedelta(seconds=90), id="seconds in a string"),
            pytest.param("ttl", 1.5, timedelta(seconds=1.5), id="fraction of a second"),
            pytest.param("ttl", "", timedelta(0), id="empty duration"),
            pytest.param("offset", "-1m", timedelta(minutes=-1), id="negative where allowed"),
            pytest.param("at", "2026-01-31T10:00:00+01:00", datetime(2026, 1, 31, 9, tzinfo=UTC)),
            pytest.param("at", 60, datetime(1970, 1, 1, 0, 1, tzinfo=UTC), id="Unix time"),
            pytest.param("names", ["a", " b "], ("a", "b"), id="list, trimmed"),
            pytest.param("names", "a, b,,", ("a", "b"), id="comma-separated"),
            pytest.param("names", "", (), id="empty text for no names"),
            pytest.param("names", [1, "a,b"], ("1", "a,b"), id="no comma counts within a list"),
            pytest.param("names", 5, ("5",), id="one number for a list of names"),
            pytest.param("versions", [1, "2"], (1, 2), id="integers"),
            pytest.param("versions", "1,2", (1, 2), id="comma-separated integers"),
            pytest.param("versions", 3, (3,), id="one integer"),
            pytest.param("pairs", {"a": "b", "n": 1.50}, {"a": "b", "n": "1.5"}, id="map"),
            pytest.param("pairs", {"a": None}, {}, id="null in a map is absent"),
            pytest.param("pairs", "a=b=c", {"a": "b=c"}, id="one key and value"),
            pytest.param("pairs", ["a=b", "c="], {"a": "b", "c": ""}, id="keys and values"),
            pytest.param("patch", {"a": None}, {"a": None}, id="null where the map may hold it"),
            pytest.param("tree", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, id="tree"),
            pytest.param("any_json", [1], Json(b"[1]"), id="any JSON"),
            pytest.param("any_json", None, Json(b"null"), id="null is JSON too"),
            pytest.param("colour", "blue", Colour.BLUE, id="member of an enumeration"),
            pytest.param("colour", "", Colour.RED, id="empty text for a default member"),
            pytest.param("mode", "slow", "slow", id="literal"),
            pytest.param("options", {"cas": "3"}, Options(cas=3), id="object of its own type"),
            pytest.param("options", None, Options(), id="null object"),
            pytest.param("batch", [{"cas": 1}, {}], (Options(cas=1), Options()), id="objects"),
        ],
    )
    def test_values_are_read_as_weakly_as_vault_does(
        self, name: str, sent: object, expected: object
    ) -> None:
        assert getattr(read(**{name: sent}), name) == expected

    @pytest.mark.parametrize(
        ("name", "sent", "problem"),
        [
            ("text", {}, "expected text, got an object"),
            ("text", "x" * 21, "expected at most 20 characters"),
            ("text", "a\0b", "expected text without NUL"),
            ("kind", PLANTED, "expected one of a, b"),
            ("count", {}, "expected an integer of at most 64 bits, got an object"),
            ("count", True, "expected an integer of at most 64 bits, got true"),
            ("count", 5.0, "expected an integer of at most 64 bits, got something else"),
            ("count", 2**63, "expected an integer of at most 64 bits, got something else"),
            ("count", "9" * 5000, "expected an integer of at most 64 bits, got something else"),
            ("count", PLANTED, "expected an integer of at most 64 bits, got something else"),
            ("count", "٣", "expected an integer of at most 64 bits, got something else"),
            ("count", 101, "expected at most 100"),
            ("count", -6, "expected at least -5"),
            ("digits", 7, "expected one of 6, 8"),
            ("flag", 2, "expected true or false, got something else"),
            ("flag", [], "expected true or false, got a list"),
            ("ratio", "nan", "expected a number, got something else"),
            ("ratio", "1e999", "expected a number, got something else"),
            ("ttl", -1, "must not be negative"),
            ("ttl", True, "expected a duration, got true"),
            ("offset", "-2h", "expected at least -3600 seconds"),
            ("at", "2026-01-31", "not an RFC 3339 time such as 2026-01-31T09:30:00Z"),
            ("at", 10**15, "expected a time before the year 10000"),
            ("secret", {"a": PLANTED}, "expected text, got an object"),
            ("names", {"a": 1}, "expected text, got an object"),
            ("versions", [0], "expected at least 1"),
            ("versions", "1,x", "expected an integer of at most 64 bits, got something else"),
            ("pairs", {"a": {}}, "expected text, got an object"),
            ("pairs", PLANTED, "expected an object, or text of the form key=value"),
            ("pairs", [{"a": "b"}], "expected an object, got a list"),
            ("tree", PLANTED, "expected an object, got text"),
            ("tree", {"a": 10**400}, "holds a number out of range"),
            ("tree", {"a": 2**64}, "holds a number out of range"),
            ("colour", PLANTED, "expected one of red, blue"),
            ("mode", 1, "expected one of fast, slow, got something else"),
            ("options", PLANTED, "expected an object, got text"),
            ("options", [], "expected an object, got a list"),
        ],
    )
    def test_a_refusal_says_what_was_expected_and_never_the_value(
        self, name: str, sent: object, problem: str
    ) -> None:
        error = refused(json.dumps({name: sent}).encode())

        assert (error.field, error.problem[: len(problem)]) == (name, problem)
        assert PLANTED not in f"{error} {error.__context__!r} {error.__cause__!r}"

    def test_an_error_inside_an_object_names_the_whole_way(self) -> None:
        assert refused(b'{"options": {"cas": -1}}').field == "options.cas"

    def test_a_secret_comes_as_one_and_is_not_shown(self) -> None:
        given = read(secret=PLANTED)

        assert given.secret is not None
        assert given.secret.text() == PLANTED
        assert PLANTED not in repr(given)

    def test_json_is_kept_byte_for_byte(self) -> None:
        body = b'{"any_json" :  {"b":1, "a" : 123456789012345678901234567890, "a":1.50}  }'

        found = decoder(Everything)({}, None, body).given

        assert found.any_json == Json(b'{"b":1, "a" : 123456789012345678901234567890, "a":1.50}')

    def test_a_number_for_text_is_kept_as_it_was_written(self) -> None:
        assert decoder(Everything)({}, None, b'{"text": 1.50}').given.text == "1.50"


class TestSources:
    def test_the_path_beats_the_body_and_the_body_the_query(self) -> None:
        decode = decoder(Everything)

        found = decode({"text": "path"}, {"text": ["q"], "count": ["1"]}, b'{"text":1,"count":2}')

        assert (found.given.text, found.given.count) == ("path", 2)
        assert found.replaced == ("text",)

    def test_the_present_name_beats_the_older_ones(self) -> None:
        assert read(duration=1, lease=2, ttl=3).ttl == timedelta(seconds=3)
        assert read(duration=1, lease=2).ttl == timedelta(seconds=2)
        assert read(duration=1).ttl == timedelta(seconds=1)

    def test_what_was_sent_is_known_by_its_present_name(self) -> None:
        given = read(lease=5, text=None, names="a")

        assert given.sent == {"ttl", "text", "names"}

    def test_unknown_names_are_told_of_in_vaults_words(self) -> None:
        found = decoder(Named)({"name": "a"}, {"list": ["1"]}, b'{"zebra":1,"ape":{},"name":2}')

        assert found.given == Named(name="a")
        assert found.warnings() == (
            "Endpoint ignored these unrecognized parameters: [ape list zebra]",
            (
                "Endpoint replaced the value of these parameters with the values captured from "
                "the endpoint's path: [name]"
            ),
        )

    def test_nothing_is_warned_of_when_all_is_known(self) -> None:
        assert decoder(Named)({"name": "a"}, None, None) == Decoded(Named(name="a"))
        assert Decoded(Named(name="a")).warnings() == ()

    def test_a_query_may_repeat_a_list_and_nothing_else(self) -> None:
        decode = decoder(Everything)

        assert decode({}, {"names": ["a,b", "c"]}, None).given.names == ("a", "b", "c")
        with pytest.raises(InputError, match="count: given more than once"):
            decode({}, {"count": ["1", "2"]}, None)

    def test_a_query_reads_numbers_and_flags(self) -> None:
        assert decoder(Page)({}, {"limit": ["5"], "after": ["a"]}, None).given == Page(
            after="a", limit=5
        )

    def test_a_required_field_is_asked_for(self) -> None:
        assert str(refused(b"{}", Named)) == "name: required, and missing"
        assert str(refused(b'{"name":null}', Named)) == "name: required, and missing"

    def test_a_path_is_held_to_the_limits(self) -> None:
        with pytest.raises(InputError, match="at most 512 characters"):
            decoder(Named)({"name": "x" * 513}, None, None)


class TestWholeBodies:
    def test_the_whole_body_is_kept_and_its_members_are_fields_too(self) -> None:
        found = decoder(Stored)({"path": "a"}, None, b' {"ttl": 5, "x": 1, "path": 2}\n')

        assert found.given == Stored(path="a", body=Json(b'{"ttl": 5, "x": 1, "path": 2}'), ttl="5")
        assert found.unknown == ()
        assert found.sent == {"body", "ttl"}

    @pytest.mark.parametrize("body", [None, b"", b" \n", b"null"])
    def test_no_body_is_none(self, body: bytes | None) -> None:
        assert decoder(Stored)({"path": "a"}, None, body).given == Stored(path="a")


class TestBodies:
    @pytest.mark.parametrize("body", [b"", b" \r\n", b"null", b" null ", b"{}"])
    def test_a_body_may_hold_nothing(self, body: bytes) -> None:
        assert decoder(Nothing)({}, None, body) == Decoded(Nothing())

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            (b'{"a":', "the body is not JSON: it ends too early"),
            (b'{"a":1}x', "the body is not JSON: trailing characters at byte 8"),
            (b'{"a":NaN}', "the body is not JSON: invalid character at byte 5"),
            (b'{"a":-Infinity}', "the body is not JSON: invalid character at byte 6"),
            (b'{"a":01}', "the body is not JSON: invalid number at byte 6"),
            (b'{"a":"\xff"}', "the body is not JSON: not UTF-8 at byte 6"),
            (b'{"a":"\xed\xa0\x80"}', "the body is not JSON: not UTF-8 at byte 6"),
            (b'{"\xff":1}', "the body is not JSON: not UTF-8 at byte 2"),
            (b'{"a":"\\udc00 alone"}', "the body is not JSON: invalid utf-16 surrogate pair"),
            (b'{"a":["\\ud800 alone"]}', "the body is not JSON: unexpected end of hex escape"),
            (b'{"a":"\n"}', "the body is not JSON: invalid character at byte 6"),
            (b"[1]", "the body must be a JSON object, got a list"),
            (b' "x"', "the body must be a JSON object, got text"),
            (b"5", "the body must be a JSON object, got a number"),
        ],
    )
    def test_what_is_not_an_object_is_refused_with_its_place(
        self, body: bytes, problem: str
    ) -> None:
        error = refused(body)

        assert (error.field, error.problem[: len(problem)]) == ("", problem)

    def test_of_a_key_that_comes_twice_the_last_counts(self) -> None:
        assert decoder(Everything)({}, None, b'{"count":1,"count":2}').given.count == 2

    def test_nesting_is_bounded(self) -> None:
        deep = b'{"tree":{"a":' + b"[" * (DEEPEST - 2) + b"]" * (DEEPEST - 2) + b"}}"

        assert members(deep)
        assert "nested more than" in str(refused(deep.replace(b"[]", b"[[]]")))
        assert "nested more than" in str(refused(b'{"a":' + b"[" * 100_000))

    def test_brackets_in_strings_do_not_nest(self) -> None:
        text = "[{" * DEEPEST + '\\"' + "[" * DEEPEST

        assert set(members(json.dumps({"text": text}).encode())) == {"text"}

    def test_the_number_of_containers_is_bounded(self) -> None:
        assert "lists and objects" in str(refused(b'{"a":[' + b"[]," * MOST_CONTAINERS + b"[]]}"))

    def test_the_number_of_values_is_bounded(self) -> None:
        most = b'{"a":[' + b"1," * MOST_MEMBERS + b"1]}"

        assert members(most)
        assert "more than 100000 values" in str(refused(most.replace(b"[1", b"[1,1")))

    @pytest.mark.parametrize(
        ("start", "part", "problem"),
        [
            pytest.param(b'{"a":[', b'"",', "more than 100000 values", id="texts"),
            pytest.param(b'{"a":[', b'"\\\\",', "more than 100000 values", id="ends"),
            pytest.param(b'{"a":"', b',\\"', "not JSON", id="a text without its end"),
            pytest.param(b'{"a":"', b",\\", "not JSON", id="a text of wrong escapes"),
            pytest.param(b'{"a":', b'"', "more than 100000 values", id="quotes"),
            pytest.param(b'{"a":', b'{"":', "more than 100000 values", id="objects"),
        ],
    )
    def test_to_refuse_a_large_body_takes_little(
        self, start: bytes, part: bytes, problem: str
    ) -> None:
        body = start + part * (LARGE // len(part))
        began = process_time()

        assert problem in str(refused(body))
        assert process_time() - began < LITTLE

    @pytest.mark.parametrize("text", [b"1,", b',\\"', b",\\\\", b"[,{", b"\\u0022,"])
    def test_a_large_text_is_skipped(self, text: bytes) -> None:
        body = b'{"a":"' + text * (LARGE // len(text)) + b'"}'
        began = process_time()

        assert set(members(body)) == {"a"}
        assert process_time() - began < LITTLE

    @pytest.mark.parametrize(
        "body",
        [
            b'{"names":"' + b"a," * 10_000 + b'a"}',
            b'{"names":[' + b"1," * 10_000 + b"1]}",
            b'{"map":{' + b",".join(b'"k%d":"v"' % n for n in range(10_001)) + b"}}",
        ],
    )
    def test_lists_and_maps_have_a_bounded_number_of_values(self, body: bytes) -> None:
        @dataclass(frozen=True, kw_only=True)
        class Many:
            names: tuple[str, ...] = ()
            map: Mapping[str, str] = field(default_factory=dict)

        with pytest.raises(InputError, match="at most 10000 values"):
            decoder(Many)({}, None, body)

    @given(st.lists(st.sampled_from([b'"', b"\\", b",", b"[", b"x"]), max_size=30), st.booleans())
    def test_what_stands_in_no_text_is_what_one_reads_who_goes_through_it(
        self, parts: list[bytes], many: bool
    ) -> None:
        body = b"".join(parts)
        expected, within, escaped = bytearray(), False, False
        for byte in body:
            if escaped:
                escaped = False
            elif within and byte == ord("\\"):
                escaped = True
            elif byte == ord('"'):
                within = not within
            elif not within:
                expected.append(byte)

        assert outside(body, 0 if many else 100) == bytes(expected)

    @pytest.mark.parametrize(
        ("start", "part", "end", "problem"),
        [
            (b'{"life":"', b"1h", b'"}', "expected a duration"),
            (b'{"count":', b"1", b"}", "expected an integer"),
            (b'{"when":"', b"2", b'"}', "expected a time"),
            (b'{"names":"', b"a,", b'"}', "at most 4194304 bytes"),
            (b'{"names":["', b"a", b'"]}', "at most 4194304 bytes"),
            (b'{"text":"', b"a", b'"}', "at most 4194304 characters"),
            (b'{"word":"', b"a", b'"}', "at most 4194304 bytes"),
        ],
    )
    def test_what_is_parsed_is_bounded_before_it_is(
        self, start: bytes, part: bytes, end: bytes, problem: str
    ) -> None:
        body = start + part * (LARGE // len(part)) + end

        @dataclass(frozen=True, kw_only=True)
        class Parsed:
            life: timedelta | None = None
            count: int = 0
            when: datetime | None = None
            names: tuple[str, ...] = ()
            text: str = ""
            word: Secret | None = None

        began = process_time()
        with pytest.raises(InputError, match=problem):
            decoder(Parsed)({}, None, body)

        assert process_time() - began < LITTLE


class TestDeclarations:
    def test_the_declaration_can_be_read_back(self) -> None:
        [name] = declared(Named)

        assert (name.name, name.kind, name.required, name.optional) == ("name", str, True, False)
        assert name.help == Help("Name.", least=1, most=512)

    def test_a_type_that_is_not_read_is_a_mistake_of_the_engine(self) -> None:
        @dataclass(frozen=True)
        class Wrong:
            value: complex

        @dataclass(frozen=True)
        class Two:
            value: int | str

        for kind in (Wrong, Two, int):
            with pytest.raises(TypeError):
                decoder(kind)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.sampled_from([each.name for each in declared(Everything)] + ["lease", "other"])


class TestAnyInput:
    @given(st.binary())
    def test_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        try:
            found = decoder(Everything)({}, None, body)
        except InputError:
            return

        assert isinstance(found.given, Everything)

    @given(st.dictionaries(FIELDS, JSON))
    def test_any_json_is_read_or_refused(self, body: dict[str, object]) -> None:
        try:
            found = decoder(Everything)({}, None, json.dumps(body).encode())
        except InputError:
            return

        assert found.sent | set(found.unknown) | {"ttl"} >= body.keys() - {"lease"}

    @given(st.dictionaries(FIELDS, st.lists(st.text(), max_size=3)))
    def test_any_query_is_read_or_refused(self, query: dict[str, list[str]]) -> None:
        try:
            found = decoder(Everything)({}, query, None)
        except InputError:
            return

        assert isinstance(found.given, Everything)

    @given(JSON, st.booleans())
    def test_json_that_is_taken_can_be_read_again(self, value: object, ascii_only: bool) -> None:
        body = (
            b'{"any_json":'
            + json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
            + b"}"
        )
        try:
            found = decoder(Everything)({}, None, body).given.any_json
        except InputError:
            return

        assert found is not None
        assert json.loads(found.raw.decode()) == value
