"""What we make of policy texts that OpenBao takes or refuses; the oracle is asked elsewhere."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from strongroom.base.errors import InputError
from strongroom.identity.policy.document import parse_policy
from strongroom.identity.policy.hcl import parse
from tests.identity.policy.texts import TEXTS, Fate, Text, rule

PIECES = [
    *('path "x" {', "capabilities", "=", "[", "]", '["read"]', "{", "}", '"', "\\", "${", "}}"),
    *("{{", "#", "//", "/*", "*/", "\n", "<<E\n", "E\n", "<<-", "1", "-", "0x", "1e9", ".", ","),
    *("true", "null", '"path":', "policy", "allowed_parameters", "expiration", "\0", "\ud800", "é"),
    *(
        '"{{ .key }}"',
        "list_scan_response_keys_filter_path",
        "pagination_limit",
        "min_wrapping_ttl",
    ),
]


TAKEN = [text for text in TEXTS if text.fate in {Fate.BOTH, Fate.OURS}]
REFUSED = [text for text in TEXTS if text not in TAKEN]


@pytest.mark.parametrize("text", TAKEN, ids=[text.name for text in TAKEN])
def test_what_is_to_be_taken_is_read(text: Text) -> None:
    assert parse_policy("p", text.text).source == text.text


@pytest.mark.parametrize("text", REFUSED, ids=[text.name for text in REFUSED])
def test_what_is_to_be_refused_is_with_line_and_column(text: Text) -> None:
    with pytest.raises(InputError, match=r"^policy: line [0-9]+, column [0-9]+: "):
        parse_policy("p", text.text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (rule("color = 1"), "line 3, column 3: unknown key 'color'"),
        ('path "x" {\n capabilities = ["read",\n  "reed"]\n}', "line 3, column 3: unknown"),
        (
            '\n\npath "x" { capabilities ["read"] }',
            "line 3, column 25: expected '=' or '{', found '['",
        ),
        (
            'path "x" {\n  capabilities = ["read"]\n',
            "line 3, column 1: expected a key, found the end",
        ),
        ('# ü\npath "x/+*" {}', "line 2, column 1: '+*' is no wildcard"),
        ('{"path": {\n "x": {\n  "color": 1}}}', "line 3, column 3: unknown key 'color'"),
        (rule('min_wrapping_ttl = "1w"'), "line 3, column 3: min_wrapping_ttl: "),
        (rule("mfa_methods = []"), "line 3, column 3: mfa_methods is not supported"),
        (rule('policy = "read"\npolicy = "read"'), "line 4, column 1: policy is given twice"),
    ],
)
def test_a_refusal_says_where_and_what(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_policy("p", text)

    assert caught.value.problem.startswith(problem)


def test_a_refusal_does_not_repeat_a_long_key() -> None:
    with pytest.raises(InputError) as caught:
        parse_policy("p", f'"{"k" * 5_000}" = 1')

    assert len(str(caught.value)) < 200


def test_a_text_of_more_than_a_mebibyte_is_refused() -> None:
    parse_policy("p", "#" * (1 << 20))

    with pytest.raises(InputError, match="longer than 1 MiB"):
        parse_policy("p", "#" + "é" * (1 << 19))


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 65, '{"a": ' + "[" * 64, "a {" * 65, '{"a": ' * 65], ids=repr
)
def test_what_is_nested_too_deep_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="nested deeper than 64"):
        parse(text)


def test_what_is_nested_as_deep_as_may_be_is_read() -> None:
    assert parse("a = " + "[" * 64 + "]" * 64).items[0].keys == ("a",)


def test_a_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(InputError, match="not valid Unicode"):
        parse("# \ud800")


@given(text=st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
@example(text="{")
@example(text='"\\')
@example(text="<<E")
@example(text='path "x" { expiration = 99999999999999999 }')
def test_no_text_raises_anything_but_an_input_error(text: str) -> None:
    with suppress(InputError):
        parse_policy("p", text)


KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0$"), max_size=8)
LEAVES = st.one_of(
    KEYS, st.booleans(), st.integers(-(2**62), 2**62), st.floats(-1e9, 1e9, allow_nan=False)
)
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=10,
    ),
    max_size=4,
)


def written(value: object) -> str:
    """Write a value in HCL."""
    if isinstance(value, dict):
        return "{" + "\n".join(f"{written(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    return json.dumps(value)


def read(node: object) -> object:
    """Return what was parsed as the value that was written."""
    if hasattr(node, "value"):
        return node.value
    items = getattr(node, "items", ())
    if items and hasattr(items[0], "keys"):
        return {item.keys[0]: read(item.value) for item in items}
    return [read(item) for item in items] if type(node).__name__ == "Array" else {}


@given(tree=TREES)
def test_what_is_written_in_hcl_is_read_back(tree: dict[str, object]) -> None:
    assert read(parse(written(tree)[1:-1])) == tree


@given(tree=TREES, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_what_is_written_in_json_is_read_back(
    tree: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only)

    assert read(parse(text)) == tree
