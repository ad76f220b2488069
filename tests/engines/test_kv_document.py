"""The form in which a secret's data is kept, its fingerprint, its subkeys, and merging."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError
from strongroom.engines.kv import document
from strongroom.engines.kv.patch import merged

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    LEAF | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
OBJECT = st.dictionaries(TEXT, VALUE, max_size=4)


def canonical(text: str) -> str:
    return document.canonical(text.encode(), "data").decode()


class TestCanonicalForm:
    @given(value=VALUE, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
    def test_does_not_depend_on_how_a_value_was_written(
        self, value: Any, indent: int | None, ascii_only: bool
    ) -> None:
        written = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

        assert document.canonical(written.encode(), "data") == document.written(value, "data")

    @given(value=VALUE)
    def test_says_what_was_said(self, value: Any) -> None:
        assert document.parsed(document.written(value, "data"), "data") == value

    @given(value=VALUE)
    def test_is_its_own_canonical_form(self, value: Any) -> None:
        once = document.written(value, "data")

        assert document.canonical(once, "data") == once

    @pytest.mark.parametrize(
        ("came", "kept"),
        [
            pytest.param('{"b": 1, "a": 2}', '{"a":2,"b":1}', id="keys are sorted"),
            pytest.param('{"a":1,"a":2}', '{"a":2}', id="of a key that comes twice, the last"),
            pytest.param('{"a":1.10}', '{"a":1.1}', id="zeros that say nothing are dropped"),
            pytest.param('"\\u00e9\\u0000"', '"é\\u0000"', id="text is unescaped where it can be"),
            pytest.param("123456789012345678901", "123456789012345678901", id="all digits"),
        ],
    )
    def test_example(self, came: str, kept: str) -> None:
        assert canonical(came) == kept

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b'{"a":1e400}', id="a number beyond a double"),
            pytest.param(b'{"a":NaN}', id="not a number"),
            pytest.param(b'"\\ud800"', id="half of a surrogate pair"),
            pytest.param(b'{"\\udfff":1}', id="half of a pair in a key"),
            pytest.param(b'"\xff"', id="not UTF-8"),
            pytest.param(b"\xff\xfe1\x00", id="UTF-16"),
            pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested deeply"),
            pytest.param(b"9" * 10_000, id="ten thousand digits"),
            pytest.param(b"", id="nothing"),
            pytest.param(b'{"a":"hush', id="cut off"),
        ],
    )
    def test_what_cannot_be_kept_is_refused_without_being_shown(self, raw: bytes) -> None:
        with pytest.raises(InputError) as caught:
            document.canonical(raw, "data")

        assert caught.value.field == "data"
        assert caught.value.__context__ is None
        assert "hush" not in str(caught.value)

    @given(raw=st.binary(max_size=40))
    def test_no_bytes_raise_anything_else(self, raw: bytes) -> None:
        try:
            kept = document.canonical(raw, "data")
        except InputError:
            return

        assert document.canonical(kept, "data") == kept


class TestFingerprint:
    @pytest.mark.parametrize("nothing", [b"null", b"{}"])
    def test_of_nothing_is_none(self, nothing: bytes) -> None:
        assert document.fingerprint(nothing, lambda data: data) is None

    def test_is_that_of_the_kept_bytes(self) -> None:
        assert document.fingerprint(b'{"a":1}', lambda data: data[::-1]) == b'}1:"a"{'


def names(value: Any) -> Any:
    """Return an object with null for whatever is no object, or an empty one."""
    if not isinstance(value, dict):
        return None
    return {key: names(inner) if inner else None for key, inner in value.items()}


class TestSubkeys:
    NESTED = {"a": 1, "b": {"c": {"d": "x"}, "e": [{"f": 1}], "g": {}}, "h": None}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("depth", "shown"),
        [
            (0, {"a": None, "b": {"c": {"d": None}, "e": None, "g": None}, "h": None}),
            (1, {"a": None, "b": None, "h": None}),
            (2, {"a": None, "b": {"c": None, "e": None, "g": None}, "h": None}),
            (3, {"a": None, "b": {"c": {"d": None}, "e": None, "g": None}, "h": None}),
            (2**63 - 1, {"a": None, "b": {"c": {"d": None}, "e": None, "g": None}, "h": None}),
            (-1, {"a": None, "b": None, "h": None}),
        ],
    )
    def test_go_as_deep_as_asked(self, depth: int, shown: object) -> None:
        assert document.subkeys(self.NESTED, depth) == shown

    @given(value=OBJECT)
    def test_hold_every_name_and_no_value(self, value: Any) -> None:
        assert document.subkeys(value, 0) == names(value)


# RFC 7396, appendix A: target, patch, result
EXAMPLES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


class TestMergePatch:
    @pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES)
    def test_does_what_the_rfc_shows(self, target: object, patch: object, result: object) -> None:
        assert merged(target, patch) == result

    @given(target=OBJECT, patch=OBJECT)
    def test_twice_is_once(self, target: Any, patch: Any) -> None:
        once = merged(target, patch)

        assert merged(once, patch) == once

    @given(target=OBJECT, patch=OBJECT)
    def test_changes_neither_of_what_it_is_given(self, target: Any, patch: Any) -> None:
        before = json.dumps([target, patch])

        merged(target, patch)

        assert json.dumps([target, patch]) == before
