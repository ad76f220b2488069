"""The metadata of a secret id: three ways to write one thing."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.auth.approle.metadata import parse_metadata
from strongroom.base.errors import InputError

TEXT = st.text(st.characters(codec="utf-8"))


@given(st.dictionaries(TEXT, TEXT))
def test_json_comes_back_as_it_is(metadata: dict[str, str]) -> None:
    text = json.dumps(metadata)

    assert parse_metadata(text) == metadata
    assert parse_metadata(b64encode(text.encode()).decode()) == metadata


@pytest.mark.parametrize(
    ("text", "metadata"),
    [
        ("", {}),
        ("  ", {}),
        ("a=b", {"a": "b"}),
        ("a=b, c = d=e", {"a": "b", "c": "d=e"}),
        ("a=,", {"a": ""}),
    ],
)
def test_pairs_stand_between_commas(text: str, metadata: dict[str, str]) -> None:
    assert parse_metadata(text) == metadata


@pytest.mark.parametrize(
    "text",
    ["junk", "[1]", '{"a":1}', '{"a":"b"', '{"a":{}}', "=b", "a=b,c", b64encode(b"{1}").decode()],
)
def test_anything_else_is_the_callers_error(text: str) -> None:
    with pytest.raises(InputError, match="metadata"):
        parse_metadata(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_metadata(text)
    except InputError:
        return
    assert all(isinstance(each, str) for pair in found.items() for each in pair)
