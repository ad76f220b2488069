"""Templates: what is put in, what finds nothing, and what must not get in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.identity.policy.acl import compile_acl
from strongroom.identity.policy.capability import Operation
from strongroom.identity.policy.document import Policy, parse_policy
from strongroom.identity.policy.pattern import shape
from strongroom.identity.policy.template import (
    Alias,
    ForbiddenValueError,
    Group,
    Identity,
    render,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STRICT = Policy(name="p", rules=())
BOB = Identity(
    id="e-1",
    name="bob",
    metadata={"team": "red", "a.b": "dotted", "empty": "", "slash": "x/y", "star": "*"},
    aliases={"auth_1": Alias(id="a-1", name="b", metadata={"m": "1"}, custom_metadata={"c": "2"})},
    groups=(
        Group(id="g-1", name="ops", metadata={"env": "prod"}),
        Group(id="g-2", name="ops.eu", metadata={"env": "eu"}),
    ),
)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("identity.entity.id", "e-1"),
        (" identity.entity.name ", "bob"),
        ("identity.entity.metadata.team", "red"),
        ("identity.entity.metadata.a.b", "dotted"),
        ("identity.entity.aliases.auth_1.id", "a-1"),
        ("identity.entity.aliases.auth_1.name", "b"),
        ("identity.entity.aliases.auth_1.metadata.m", "1"),
        ("identity.entity.aliases.auth_1.custom_metadata.c", "2"),
        ("identity.groups.ids.g-1.name", "ops"),
        ("identity.groups.ids.g-1.metadata.env", "prod"),
        ("identity.groups.names.ops.id", "g-1"),
        ("identity.groups.names.ops.eu.metadata.env", "eu"),
    ],
)
def test_a_template_is_replaced_by_its_value(template: str, value: str) -> None:
    assert render(f"kv/{{{{{template}}}}}/*", BOB, STRICT) == f"kv/{value}/*"


def test_several_templates_are_replaced() -> None:
    path = "{{identity.entity.metadata.team}}/{{identity.entity.name}}-{{identity.entity.id}}"

    assert render(path, BOB, STRICT) == "red/bob-e-1"


@pytest.mark.parametrize(
    "template",
    [
        *("", "x", "identity", "identity.entity", "identity.entity.ID", "identity.entity.id.x"),
        *("identity.entity.metadata", "identity.entity.metadata.", "identity.entity.metadata.x"),
        *("identity.entity.metadata.empty", "identity.entity.aliases.none.id"),
        *("identity.entity.aliases.auth_1", "identity.groups.ids.ops.name"),
        *("identity.groups.names.dev.id", "identity.groups.names.ops"),
    ],
)
def test_a_template_that_finds_nothing_leaves_its_rule_out_alone(template: str) -> None:
    text = f'path "a/{{{{{template}}}}}*" {{ capabilities = ["read"] }}'
    text += 'path "b" { capabilities = ["read"] }'

    acl = compile_acl([parse_policy("p", text)], BOB, NOW)

    assert list(acl.merged) == ["b"]


def test_without_an_entity_every_template_finds_nothing() -> None:
    assert render("a/{{identity.entity.id}}", None, STRICT) is None


@pytest.mark.parametrize("key", ["slash", "star"])
def test_a_value_that_would_widen_a_rule_closes_everything(key: str) -> None:
    text = 'path "kv/*" { capabilities = ["read"] }'
    text += f'path "kv/{{{{identity.entity.metadata.{key}}}}}" {{ capabilities = ["deny"] }}'

    acl = compile_acl([parse_policy("p", text)], BOB, NOW)
    decision = acl.decide("kv/other", Operation.READ)

    assert not decision.allowed
    assert decision.rules == (f"p#kv/{{{{identity.entity.metadata.{key}}}}}",)
    assert "the value of a template holds '/', '*' or '+'" in decision.reason


def test_a_policy_may_permit_slashes_and_wildcards() -> None:
    slashes = Policy(name="p", rules=(), allow_slashes_in_identity_templates=True)
    wildcards = Policy(name="p", rules=(), allow_wildcards_in_identity_templates=True)

    assert render("{{identity.entity.metadata.slash}}", BOB, slashes) == "x/y"
    assert render("{{identity.entity.metadata.star}}", BOB, wildcards) == "*"
    with pytest.raises(ForbiddenValueError):
        render("{{identity.entity.metadata.slash}}", BOB, wildcards)
    with pytest.raises(ForbiddenValueError):
        render("{{identity.entity.metadata.star}}", BOB, slashes)


@given(value=st.text(st.sampled_from("a/*+{}.é"), max_size=6))
def test_no_value_changes_the_shape_of_a_pattern(value: str) -> None:
    holder = Identity(id="i", name=value)
    try:
        rendered = render("a/{{identity.entity.name}}/*", holder, STRICT)
    except ForbiddenValueError:
        return

    if rendered is not None:
        segments = shape(rendered).segments
        assert [segment.text for segment in segments] == ["a", value, ""]
        assert [segment.open_ for segment in segments] == [False, False, True]
