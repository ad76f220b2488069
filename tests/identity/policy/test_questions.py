"""The three questions, and the proof that a pattern is out of reach."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError
from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.capability import Capability, Operation, names
from strongroom.identity.policy.document import parse_policy
from strongroom.identity.policy.pattern import shape
from strongroom.identity.policy.questions import access_matrix, may, reaches, what_may, who_may
from tests.identity.policy import samples
from tests.identity.policy.test_acl import matches

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = [
    "/".join(parts)
    for length in (1, 2, 3, 4)
    for parts in product(("", "a", "b", "ab"), repeat=length)
]
SEGMENTS = ["a", "b", "+", "", "ab"]


def acl(**grants: str) -> Acl:
    """Return the rules of one policy `p`: a capability by pattern."""
    return compile_acl([parse_policy("p", text(grants))], None, NOW)


def text(grants: dict[str, str]) -> str:
    return "".join(
        f'path "{pattern}" {{ capabilities = ["{given}"] }}\n' for pattern, given in grants.items()
    )


def root() -> Acl:
    return compile_acl([parse_policy("root", "")], None, NOW)


class TestMay:
    def test_it_answers_with_the_rule(self) -> None:
        decision = may(acl(**{"kv/*": "read"}), Capability.READ, "kv/a")

        assert decision.allowed
        assert decision.rules == ("p#kv/*",)

    def test_it_says_why_not(self) -> None:
        decision = may(acl(**{"kv/*": "read", "kv/a": "deny"}), Capability.READ, "kv/a")

        assert not decision.allowed
        assert decision.rules == ("p#kv/a",)
        assert decision.reason == "a rule denies the path"

    def test_sudo_can_be_asked_for(self) -> None:
        holder = acl(**{"sys/raw/*": "sudo"})

        assert may(holder, Capability.SUDO, "sys/raw/x").allowed
        assert not may(holder, Capability.READ, "sys/raw/x").allowed
        assert not may(holder, Capability.SUDO, "sys/other").allowed
        assert may(root(), Capability.SUDO, "sys/other").allowed


class TestWhatMay:
    def test_every_grant_is_listed_with_its_rules(self) -> None:
        one = parse_policy("one", text({"kv/*": "read"}))
        two = parse_policy("two", text({"kv/*": "list", "kv/x": "deny"}))

        [grant] = what_may(compile_acl([one, two], None, NOW))

        assert grant.pattern == "kv/*"
        assert names(grant.capabilities) == ("list", "read")
        assert grant.rules == ("one#kv/*", "two#kv/*")
        assert grant.except_for == ("kv/x",)

    def test_a_grant_that_another_rule_hides_is_left_out(self) -> None:
        assert what_may(acl(**{"+/b/*": "read", "*": "deny"})) == ()

    def test_an_exception_that_gives_no_less_is_none(self) -> None:
        grants = what_may(acl(**{"kv/*": "read", "kv/a": "read"}))

        assert [grant.except_for for grant in grants] == [(), ()]

    def test_conditions_are_said_to_be_there(self) -> None:
        bound = 'path "a" { capabilities = ["update"] required_parameters = ["x"] }'
        [grant] = what_may(compile_acl([parse_policy("p", bound)], None, NOW))

        assert grant.conditional

    def test_root_may_do_everything_and_nobody_nothing(self) -> None:
        [grant] = what_may(root())

        assert (grant.pattern, names(grant.capabilities)) == ("*", ("root",))
        assert what_may(acl()) == ()


class TestWhoMay:
    def test_those_who_may_are_listed_with_the_rule(self) -> None:
        holders = {
            "alice": acl(**{"kv/*": "read"}),
            "bob": acl(**{"kv/a": "read"}),
            "carol": acl(**{"kv/*": "read", "kv/b": "deny"}),
            "root": root(),
        }

        found = who_may(Capability.READ, "kv/b", holders.items())

        assert [(who, decision.rules) for who, decision in found] == [
            ("alice", ("p#kv/*",)),
            ("root", ("root#*",)),
        ]


def test_the_matrix_has_a_cell_for_each_subject_and_path() -> None:
    subjects = {"alice": acl(**{"kv/*": "read", "kv/a": "sudo"}), "bob": acl()}

    cells = access_matrix(subjects, ["kv/a", "kv/b"])

    assert [(cell.subject, cell.path, cell.capabilities, cell.rules) for cell in cells] == [
        ("alice", "kv/a", Capability.SUDO, ("p#kv/a",)),
        ("alice", "kv/b", Capability.READ, ("p#kv/*",)),
        ("bob", "kv/a", Capability.NONE, ()),
        ("bob", "kv/b", Capability.NONE, ()),
    ]


class TestReach:
    @pytest.mark.parametrize(
        ("grants", "pattern", "reached"),
        [
            ({}, "*", False),
            ({"secret/data/dev/*": "read"}, "secret/data/prod/*", False),
            ({"secret/+/dev/*": "read"}, "secret/data/prod/*", False),
            ({"secret/+/+/db": "read"}, "secret/data/prod/*", True),
            ({"secret/*": "read"}, "secret/data/prod/*", True),
            ({"secret/*": "read", "secret/data/prod/*": "deny"}, "secret/data/prod/*", False),
            ({"secret/*": "list", "secret/data/prod/*": "deny"}, "secret/data/prod/*", False),
            ({"secret/*": "list", "secret/data/prod/*": "deny"}, "secret/data/prod", True),
            ({"secret/*": "read", "secret/data/prod/+": "deny"}, "secret/data/prod/*", True),
            ({"secret/+/prod/*": "deny", "secret/*": "read"}, "secret/data/prod/*", True),
            ({"secret/data/prod": "list"}, "secret/data/prod/*", True),
            ({"secret/data/prod/*": "deny"}, "secret/data/prod/*", False),
            ({"secret/data/prod/*": "sudo"}, "secret/data/prod/*", False),
        ],
    )
    def test_it_is_known_whether_a_pattern_is_reached(
        self, grants: dict[str, str], pattern: str, *, reached: bool
    ) -> None:
        assert reaches(acl(**grants), pattern) is reached

    def test_root_reaches_everything(self) -> None:
        assert reaches(root(), "secret/data/prod/*")

    @given(
        seed=st.integers(0, 2**32),
        segments=st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3),
        tail=st.sampled_from(["", "*", "/*"]),
    )
    def test_it_never_says_no_where_a_path_is_allowed(
        self, seed: int, segments: list[str], tail: str
    ) -> None:
        random = Random(seed)
        wanted = "/".join(segments) + tail
        try:
            holder = compile_acl([parse_policy("p", samples.policy(random))], None, NOW)
        except InputError:
            return  # a pattern with `+*`

        if not reaches(holder, wanted):
            allowed = [
                (path, operation)
                for path in SMALL
                if matches(wanted, path)
                for operation in Operation
                if holder.decide(path, operation).allowed
            ]
            assert allowed == []

    @given(seed=st.integers(0, 2**32))
    def test_what_one_rule_grants_and_none_hides_is_told_exactly(self, seed: int) -> None:
        random = Random(seed)
        granted, wanted = (
            "/".join(random.choices(SEGMENTS, k=random.randint(1, 3))) for _ in range(2)
        )
        holder = acl(**{granted: "read"})

        by_hand = any(
            holder.decide(path, Operation.READ).allowed for path in SMALL if matches(wanted, path)
        )

        assert reaches(holder, wanted) is by_hand


PATTERNS = st.builds(
    lambda segments, tail: "/".join(segments) + tail,
    st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3),
    st.sampled_from(["", "*", "/*"]),
).filter(lambda pattern: "+*" not in pattern)


@given(one=PATTERNS, other=PATTERNS)
def test_patterns_meet_where_a_path_matches_both(one: str, other: str) -> None:
    met = shape(one).meet(shape(other))
    both = [path for path in SMALL if matches(one, path) and matches(other, path)]

    assert (met is not None) is bool(both)
    assert met == shape(other).meet(shape(one))
    if met is not None:
        assert shape(one).covers(met)
        assert shape(other).covers(met)
        assert all(met.covers(shape(path)) for path in both)


@given(one=PATTERNS, other=PATTERNS)
def test_what_a_pattern_covers_it_matches(one: str, other: str) -> None:
    covered = [path for path in SMALL if matches(other, path)]

    if shape(one).covers(shape(other)):
        assert all(matches(one, path) for path in covered)


@given(pattern=PATTERNS)
def test_a_shape_holds_the_paths_that_its_pattern_matches(pattern: str) -> None:
    held = [path for path in SMALL if shape(pattern).covers(shape(path))]

    assert held == [path for path in SMALL if matches(pattern, path)]
