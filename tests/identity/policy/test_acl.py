"""What policies add up to: the documented rules, one by one, and against a slow reading of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError
from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.capability import EVERYTHING, Capability, Operation, names
from strongroom.identity.policy.document import Policy, Rule, parse_policy
from strongroom.identity.policy.template import Identity
from tests.identity.policy import samples

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READ, LIST, UPDATE = Operation.READ, Operation.LIST, Operation.UPDATE


def acl(*texts: str, identity: Identity | None = None, now: datetime = NOW) -> Acl:
    """Return what policies p0, p1, … add up to."""
    named = enumerate(texts)
    return compile_acl([parse_policy(f"p{at}", text) for at, text in named], identity, now)


def grant(pattern: str, *capabilities: str, more: str = "") -> str:
    listed = ", ".join(f'"{name}"' for name in capabilities)
    return f'path "{pattern}" {{\n  capabilities = [{listed}]\n  {more}\n}}\n'


class TestWhoGoesFirst:
    def test_nothing_is_granted_by_no_policy(self) -> None:
        decision = acl().decide("secret/a", READ)

        assert not decision.allowed
        assert decision.rules == ()
        assert decision.reason == "no rule matches the path"

    def test_a_granted_read_says_which_rule_granted_it(self) -> None:
        decision = acl(grant("secret/data/app/*", "read")).decide("secret/data/app/db", READ)

        assert decision.allowed
        assert decision.rules == ("p0#secret/data/app/*",)
        assert decision.reason == ""

    def test_what_the_rule_does_not_grant_is_refused_with_the_rule(self) -> None:
        decision = acl(grant("a/*", "read")).decide("a/b", UPDATE)

        assert not decision.allowed
        assert decision.rules == ("p0#a/*",)
        assert decision.reason == "the rule for the path does not grant update"

    @pytest.mark.parametrize(
        ("first", "second", "path"),
        [
            ("a/b", "a/*", "a/b"),
            ("a/b", "+/b", "a/b"),
            ("a/b*", "a/*", "a/bc"),
            ("a/b*", "a/+", "a/bc"),
            ("a/+", "a/*", "a/b"),
            ("secret/*", "secret/+/+/foo/*", "secret/x/y/foo/z"),
            ("+/b/c", "+/+/c", "a/b/c"),
            ("+/b*", "+/*", "a/bc"),
            ("+/b/+", "+/+/c", "a/b/c"),
        ],
    )
    def test_the_more_specific_pattern_decides_alone(
        self, first: str, second: str, path: str
    ) -> None:
        both = acl(grant(first, "read") + grant(second, "update", "delete"))

        assert names(both.capabilities_for(path)) == ("read",)

    def test_the_same_pattern_in_several_policies_is_joined(self) -> None:
        both = acl(grant("a/*", "read"), grant("a/*", "list", "sudo"))

        decision = both.decide("a/b", READ)

        assert names(decision.capabilities) == ("list", "read", "sudo")
        assert decision.sudo
        assert decision.rules == ("p0#a/*",)

    def test_deny_takes_away_what_any_other_policy_grants(self) -> None:
        both = acl(grant("a/*", "read", "sudo"), grant("a/*", "deny", "read"))

        decision = both.decide("a/b", READ)

        assert not decision.allowed
        assert not decision.sudo
        assert decision.rules == ("p1#a/*",)
        assert decision.reason == "a rule denies the path"

    def test_a_rule_without_capabilities_hides_a_wider_one(self) -> None:
        assert not acl(grant("a/*", "read") + grant("a/b")).decide("a/b", READ).allowed

    def test_a_leading_slash_of_a_pattern_counts_for_nothing(self) -> None:
        assert acl(grant("/a", "read")).decide("a", READ).allowed

    def test_the_older_policies_give_what_they_always_did(self) -> None:
        text = 'path "r" { policy = "read" } path "w" { policy = "write" }'
        old = acl(text + 'path "s" { policy = "sudo" } path "d" { policy = "deny" }')

        assert [" ".join(names(old.capabilities_for(path))) for path in "rwsd"] == [
            "list read",
            "create delete list read update",
            "create delete list read sudo update",
            "deny",
        ]

    def test_create_and_update_are_told_apart(self) -> None:
        held = acl(grant("a", "create")).capabilities_for("a")

        assert held & (Capability.CREATE | Capability.UPDATE) is Capability.CREATE


class TestLists:
    @pytest.mark.parametrize("path", ["a/b", "a/b/"])
    @pytest.mark.parametrize("pattern", ["a/b", "a/b/", "a/*", "a/b/*", "+/b", "+/b/", "a/+"])
    @pytest.mark.parametrize("operation", [Operation.LIST, Operation.SCAN])
    def test_a_list_is_granted_with_or_without_a_slash(
        self, path: str, pattern: str, operation: Operation
    ) -> None:
        assert acl(grant(pattern, "list", "scan")).decide(path, operation).allowed

    def test_a_read_of_a_path_with_a_slash_is_not_granted_without(self) -> None:
        assert not acl(grant("a/b", "read")).decide("a/b/", READ).allowed

    def test_a_denied_subtree_is_not_listed(self) -> None:
        """GHSA-xp3c-3jw3-4vcr: the denial of `private/*` counts for the list of `private/`."""
        both = acl(grant("kv/metadata/*", "list") + grant("kv/metadata/private/*", "deny"))

        assert not both.decide("kv/metadata/private", LIST).allowed

    def test_the_lowest_page_limit_counts(self) -> None:
        both = acl(
            grant("a/*", "list", more="pagination_limit = 5"),
            grant("a/*", more="pagination_limit = 2"),
        )

        assert both.decide("a/", LIST).pagination_limit == 2
        assert both.decide("a/", LIST, {"limit": "max"}).allowed
        assert both.decide("a/", LIST, {"limit": 3}).reason == (
            "the parameter 'limit' must be at most 2"
        )

    def test_a_required_limit_is_required(self) -> None:
        paged = acl(grant("a/*", "list", more='required_parameters = ["limit"]'))

        assert not paged.decide("a/", LIST).allowed
        assert paged.decide("a/", LIST, {"limit": 7}).allowed

    def test_a_filter_is_handed_over(self) -> None:
        more = 'list_scan_response_keys_filter_path = "{{ .path }}{{ .key }}"'
        decision = acl(grant("a/*", "list", more=more)).decide("a/", LIST)

        assert decision.keys_filter is not None
        assert decision.keys_filter.path_of("a/", "b") == "a/b"


class TestConditions:
    def test_a_refused_parameter_is_named(self) -> None:
        bound = acl(grant("a", "update", more='denied_parameters = { Role = ["admin"] }'))

        decision = bound.decide("a", UPDATE, {"role": "admin"})

        assert not decision.allowed
        assert decision.reason == "the parameter 'role' is denied that value"
        assert decision.rules == ("p0#a",)
        assert bound.decide("a", UPDATE, {"role": "guest"}).allowed

    def test_constraints_of_several_policies_all_hold(self) -> None:
        bound = acl(
            grant("a", "update", more='required_parameters = ["x"]'),
            grant("a", "update", more="allowed_parameters = { x = [], y = [1] }"),
        )

        assert bound.decide("a", UPDATE, {"x": 1, "y": 1}).allowed
        assert not bound.decide("a", UPDATE, {"y": 1}).allowed
        assert not bound.decide("a", UPDATE, {"x": 1, "z": 1}).allowed

    @pytest.mark.parametrize("operation", [Operation.DELETE, Operation.LIST, Operation.SCAN])
    def test_parameters_do_not_bind_deletes_and_lists(self, operation: Operation) -> None:
        bound = acl(grant("a/*", "delete", "list", "scan", more='required_parameters = ["x"]'))

        assert bound.decide("a/b", operation).allowed

    def test_a_question_without_parameters_takes_conditions_as_met(self) -> None:
        bound = acl(grant("a", "update", more='required_parameters = ["x"]'))

        assert bound.grants("a", UPDATE).allowed
        assert bound.grants("a", UPDATE).conditional
        assert not bound.decide("a", UPDATE).allowed

    @pytest.mark.parametrize(
        ("seconds", "reason"),
        [
            (None, "the response must be wrapped"),
            (0, "the response must be wrapped"),
            (29, "the wrapping TTL is too short"),
            (30, ""),
            (60, ""),
            (61, "the wrapping TTL is too long"),
        ],
    )
    def test_wrapping_must_be_within_its_bounds(self, seconds: int | None, reason: str) -> None:
        wrapped = acl(grant("a", "read", more="min_wrapping_ttl = 30\nmax_wrapping_ttl = 60"))
        ttl = None if seconds is None else timedelta(seconds=seconds)

        assert wrapped.decide("a", READ, None, ttl).reason == reason

    def test_a_decision_with_conditions_is_judged_anew_each_time(self) -> None:
        bound = acl(grant("a", "update", more="allowed_parameters = { x = [1] }"))

        asked = [bound.decide("a", UPDATE, {"x": x}).allowed for x in (1, 2, 1, 2)]

        assert asked == [True, False, True, False]


class TestTime:
    def test_an_expired_rule_is_as_if_it_were_not_there(self) -> None:
        text = grant("a/*", "read") + grant(
            "a/b", "deny", more='expiration = "2026-01-01T00:00:00Z"'
        )

        assert acl(text, now=NOW - timedelta(seconds=1)).decide("a/b", READ).allowed is False
        assert acl(text, now=NOW).decide("a/b", READ).allowed is True

    def test_an_acl_is_good_until_its_first_rule_expires(self) -> None:
        first = grant("a", "read", more='expiration = "2026-01-02T00:00:00Z"')
        later = grant("b", "read", more='expiration = "2027-01-02T00:00:00Z"')

        assert acl(later, first).good_until == NOW + timedelta(days=1)
        assert acl(grant("a", "read")).good_until is None


class TestRoot:
    def test_root_may_do_everything_and_says_so(self) -> None:
        root = compile_acl([parse_policy("root", "")], None, NOW)

        decision = root.decide("sys/raw/x", Operation.DELETE)

        assert decision.allowed
        assert decision.sudo
        assert decision.rules == ("root#*",)
        assert names(decision.capabilities) == ("root",)
        assert root.sudo("sys/raw/x").allowed

    def test_a_policy_of_another_name_is_not_root(self) -> None:
        assert not acl("").decide("a", READ).allowed


class TestMemory:
    def test_it_forgets_rather_than_grow(self) -> None:
        small = compile_acl([parse_policy("p", grant("a/*", "read"))], None, NOW, remembered=8)

        answers = {small.decide(f"a/{at}", READ).allowed for at in range(100)}

        assert answers == {True}
        assert small._weigh.cache_info().currsize == 8


# The documented rules, read slowly: no index, no memory, nothing shared with what they judge.


def matches(pattern: str, path: str) -> bool:
    tail = pattern.endswith("*")
    wanted, found = pattern.removesuffix("*").split("/"), path.split("/")
    if tail:
        if len(found) < len(wanted):
            return False
        found = [*found[: len(wanted) - 1], "/".join(found[len(wanted) - 1 :])]
    elif len(found) != len(wanted):
        return False
    last = found[-1].startswith(wanted[-1]) if tail else wanted[-1] in ("+", found[-1])
    return last and all(w in ("+", f) for w, f in zip(wanted[:-1], found[:-1], strict=True))


def is_lower(one: str, other: str) -> bool:
    """Say whether the pattern `one` has the lower priority; the five documented rules in order."""

    def first_wildcard(pattern: str) -> int:
        if "+" in pattern.split("/"):
            return pattern.index("+")
        return len(pattern) - 1 if pattern.endswith("*") else 10_000

    if first_wildcard(one) != first_wildcard(other):
        return first_wildcard(one) < first_wildcard(other)
    if one.endswith("*") != other.endswith("*"):
        return one.endswith("*")
    if one.split("/").count("+") != other.split("/").count("+"):
        return one.split("/").count("+") > other.split("/").count("+")
    if len(one) != len(other):
        return len(one) < len(other)
    return one < other


def wild(pattern: str) -> bool:
    return pattern.endswith("*") or "+" in pattern.split("/")


def winner(rules: Sequence[Rule], path: str, *, as_list: bool) -> str | None:
    bare = path[:-1] if as_list and path.endswith("/") else path
    tries = [(path, False), (bare, False), (path, True), (bare, True)]
    for tried, wildcards in tries:
        found = [r.path for r in rules if matches(r.path, tried) and wild(r.path) is wildcards]
        best = None
        for each in found:
            if best is None or is_lower(best, each):
                best = each
        if best is not None:
            return best
    return None


def slowly(policies: Sequence[Policy], path: str, operation: Operation) -> bool:
    rules = [rule for policy in policies for rule in policy.rules]
    as_list = operation in (Operation.LIST, Operation.SCAN)
    if as_list and not path.endswith("/"):
        path += "/"
    best = winner(rules, path, as_list=as_list)
    held = Capability.NONE
    for rule in rules:
        if rule.path == best:
            held |= rule.capabilities
    return bool(held & Capability[operation.name]) and not held & Capability.DENY


@given(seed=st.integers(0, 2**32))
def test_every_decision_is_that_of_the_documented_rules(seed: int) -> None:
    random = Random(seed)
    try:
        texts = [samples.policy(random) for _ in range(random.randint(1, 4))]
        policies = [parse_policy(f"p{at}", text) for at, text in enumerate(texts)]
    except InputError:
        return  # a pattern with `+*`
    fast = compile_acl(policies, None, NOW)

    for path in samples.paths(random, 30):
        for operation in Operation:
            decision = fast.decide(path, operation)
            assert decision.allowed is slowly(policies, path, operation), (path, operation)
            assert bool(decision.reason) is not decision.allowed
            assert decision.rules or not decision.allowed


def test_everything_is_all_that_a_policy_can_grant() -> None:
    every = acl(grant("a", *names(EVERYTHING)))

    assert all(every.decide("a", operation).allowed for operation in Operation)
    assert every.sudo("a").allowed
