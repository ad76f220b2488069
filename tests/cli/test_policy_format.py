"""One layout for policies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.cli.policy_format import laid_out
from strongroom.identity.policy.document import parse_policy

WRITTEN = """
# Who reads what.


path "secret/data/{{identity.entity.name}}/*"   {
capabilities=["read",   "list"] # both
      min_wrapping_ttl   =   "1m"
  allowed_parameters = {
    "a" = []
        "longer" = ["x","y"]
  }


}
path "a=b" { capabilities = ["deny"] }
/* kept
     as it is */
path "c" {
  comment = <<EOT
 one  { two
EOT
  capabilities = [
  "read",
  "update"
  ]
}
"""
LAID_OUT = """\
# Who reads what.

path "secret/data/{{identity.entity.name}}/*" {
  capabilities     = ["read", "list"] # both
  min_wrapping_ttl = "1m"
  allowed_parameters = {
    "a"      = []
    "longer" = ["x", "y"]
  }

}
path "a=b" { capabilities = ["deny"] }
/* kept
     as it is */
path "c" {
  comment = <<EOT
 one  { two
EOT
  capabilities = [
    "read",
    "update"
  ]
}
"""

names = st.sampled_from(["a", "secret/data/*", "x=y", "{#", "a b", 'q\\"', "+/c"])
spaces = st.sampled_from(["", " ", "\t", "   "])
breaks = st.sampled_from(["\n", "\n\n\n", "\n  # note\n", "\n// {[=\n"])


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Return a policy that can be read, in some layout."""
    parts = []
    for name in draw(st.lists(names, max_size=4, unique=True)):
        gap = [draw(spaces) for _ in range(4)]
        line = [draw(breaks) for _ in range(3)]
        parts.append(
            f'{gap[0]}path{gap[1] or " "}"{name}"{gap[2]}{{{line[0]}capabilities{gap[3]}='
            f'["read",{gap[0]}"list"]{line[1]}max_wrapping_ttl="1h"{line[1]}}}{line[2]}'
        )
    return "".join(parts)


def test_a_policy_is_laid_out_in_one_way() -> None:
    assert laid_out(WRITTEN) == LAID_OUT


def test_json_is_left_as_it_is() -> None:
    text = '{"path":{"a":{"capabilities":["read"]}}}'

    assert laid_out(text) == text


def test_nothing_stays_nothing() -> None:
    assert laid_out("") == laid_out(" \n\n") == ""


@given(policies())
def test_the_meaning_stays_and_twice_is_once(text: str) -> None:
    once = laid_out(text)

    rules = [
        [(r.path, r.capabilities, r.max_wrapping_ttl) for r in parse_policy("p", each).rules]
        for each in (text, once)
    ]
    assert rules[0] == rules[1]
    assert laid_out(once) == once


@pytest.mark.parametrize("text", [WRITTEN, LAID_OUT])
def test_the_examples_can_be_read(text: str) -> None:
    assert [rule.path for rule in parse_policy("p", text).rules][1:] == ["a=b", "c"]
