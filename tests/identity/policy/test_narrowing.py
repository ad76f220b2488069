"""A proposed policy is smaller, serves what the old one was used for, and nothing it did not."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.capability import Capability, Operation
from strongroom.identity.policy.comparing import changes, held
from strongroom.identity.policy.document import Policy, parse_policy
from strongroom.identity.policy.narrowing import Holding, Use, propose, written
from strongroom.identity.policy.template import Identity
from tests.identity.policy import samples
from tests.identity.policy.test_rights import text

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHO = Identity(id="1", name="ab")


def used(random: Random, policy: Policy, paths: list[str]) -> list[Use]:
    """Return requests that the policy grants, by whom it alone speaks for."""
    acl, found = compile_acl([policy], WHO, NOW), []
    for path in paths:
        operation = random.choice(list(Operation))
        decision = acl.grants(path, operation)
        if decision.allowed:
            sudo = decision.sudo and random.random() < 0.5 and operation is not Operation.LIST
            found += [Use(r.partition("#")[2], path, operation, sudo) for r in decision.rules]
    return found


@pytest.mark.parametrize("seed", range(25))
def test_it_allows_all_that_was_used_and_nothing_that_was_not_granted(seed: int) -> None:
    random = Random(seed)
    own = 'path "a/{{identity.entity.name}}/*" { capabilities = ["read", "list"] }\n'
    policy = parse_policy("p", text(random) + "\n" + own * random.randint(0, 1))
    beside = tuple(parse_policy(f"q{n}", text(random)) for n in range(random.randint(0, 2)))
    paths = samples.paths(random, 200)
    uses = used(random, policy, random.sample(paths, random.randint(0, 12)))

    found = propose(policy, uses, [Holding(beside, WHO)], NOW, few=random.choice((1, 3, 20)))

    read = parse_policy("p", found.text)
    alone, before = compile_acl([read], WHO, NOW), compile_acl([policy], WHO, NOW)
    with_others, before_with = (compile_acl([p, *beside], WHO, NOW) for p in (read, policy))
    for path in paths:
        assert not held(alone, path) & ~held(before, path), path
        assert not held(with_others, path) & ~held(before_with, path), path
    for use in uses:
        assert alone.grants(use.path, use.operation).allowed, use
        assert not use.sudo or alone.grants(use.path, use.operation).sudo, use


def test_few_paths_are_named_and_many_are_not() -> None:
    policy = parse_policy("p", 'path "a/*" { capabilities = ["read", "update", "list"] }')
    few = [Use("a/*", f"a/{n}", Operation.READ) for n in range(2)]
    many = [Use("a/*", f"a/{n}", Operation.READ) for n in range(30)]

    named, kept = (propose(policy, uses, [], NOW) for uses in (few, many))

    assert [r.path for r in named.policy.rules] == ["a/0", "a/1"]
    assert [r.path for r in kept.policy.rules] == ["a/*"]
    assert {r.capabilities for r in (*named.policy.rules, *kept.policy.rules)} == {Capability.READ}
    assert [o.became for o in (*named.outcomes, *kept.outcomes)] == ["named", "narrowed"]


def test_a_rule_that_hid_a_wider_one_stays_and_grants_nothing() -> None:
    policy = parse_policy("p", 'path "a/b" { capabilities = ["list"] }')
    beside = parse_policy("q", 'path "a/*" { capabilities = ["read"] }')

    alone = propose(policy, [], [], NOW)
    among = propose(policy, [], [Holding((beside,))], NOW)

    assert alone.text == ""
    assert [(r.path, r.capabilities) for r in among.policy.rules] == [("a/b", Capability.NONE)]


@pytest.mark.parametrize(
    "path", ["a/*", "a/+/b", 'a/"] }\npath "*', "a/{{identity.entity.id}}", "a/${x}", "/a", "a/x…"]
)
def test_a_path_that_would_be_read_as_a_pattern_is_never_named(path: str) -> None:
    policy = parse_policy("p", 'path "+/*" { capabilities = ["read"] }')

    found = propose(policy, [Use("+/*", path, Operation.READ)], [], NOW)

    assert [rule.path for rule in parse_policy("p", found.text).rules] == ["+/*"]


def test_what_a_rule_asks_of_a_request_stays() -> None:
    policy = parse_policy(
        "p",
        """
        path "a/*" {
          capabilities = ["create", "update", "list"]
          required_parameters = ["k"]
          allowed_parameters = { "k" = ["v*", "*w", "*x*", 1, true, ["a"], { "b" = 2 }], "*" = [] }
          denied_parameters = { "z" = [] }
          min_wrapping_ttl = "1m"
          max_wrapping_ttl = 3600
          pagination_limit = 7
          list_scan_response_keys_filter_path = "{{ .path | replace \\"a\\" \\"b\\" }}{{ .key }}"
          expiration = "2030-01-01T00:00:00Z"
          control_group = {
            ttl = "2h"
            factor "one" {
              controlled_capabilities = ["create", "list"]
              identity { group_names = ["g", "h\\"i"], approvals = 2 }
            }
            factor "two" { identity { group_ids = ["x"], approvals = 1 } }
          }
          comment = "a \\"word\\""
        }
        """,
    )

    again = parse_policy("p", written(policy))

    assert [r.__class__ for r in again.rules] == [r.__class__ for r in policy.rules]
    [one], [other] = policy.rules, again.rules
    for name in one.__slots__:
        assert name == "line" or getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("seed", range(25))
def test_changes_are_found_wherever_they_are(seed: int) -> None:
    """What changes on any path is among what is said to change; nothing else is."""
    random = Random(seed)
    beside = parse_policy("q", text(random))
    old, new = (compile_acl([parse_policy("p", text(random)), beside], None, NOW) for _ in "ab")

    found = changes(old, new)

    gained = lost = Capability.NONE
    for change in found:
        shown = (change.gained & held(new, change.path)) | (change.lost & held(old, change.path))
        assert shown
        gained, lost = gained | change.gained, lost | change.lost
    for path in samples.paths(random, 300):
        assert not (held(new, path) & ~held(old, path)) & ~gained, path
        assert not (held(old, path) & ~held(new, path)) & ~lost, path


def test_nothing_changes_where_a_policy_is_written_in_other_words() -> None:
    one = acl('path "a/*" { capabilities = ["read", "list"] }')
    other = acl('path "/a/*" { policy = "read" }')

    assert changes(one, other) == ()


def acl(words: str) -> Acl:
    return compile_acl([parse_policy("p", words)], None, NOW)
