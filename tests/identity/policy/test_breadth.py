"""Breadth against a model that enumerates concrete paths, and the cases that made it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.breadth import Area, Root, breadths, inside, roots_of
from strongroom.identity.policy.capability import Operation
from strongroom.identity.policy.document import parse_policy

FRESH = "~new"  # a name that no rule and no environment has
WORDS = ("kv", "data", "prod")
FOLDERS = ("data", "metadata", "delete", "undelete", "destroy", "subkeys", "detailed-metadata")
MOUNTS = ("kv", "data", "prod")
HEADS = ("data", "prod")  # where the routes of each mount of the model begin to name something
WRITTEN = ("secret/+/prod/*",)  # as docs/policies.md writes an environment
LISTED = ("secret/data/prod/*", "secret/metadata/prod/*")


def within(
    patterns: Iterable[str], mounts: Iterable[str], folders: Iterable[str]
) -> dict[str, tuple[Root, ...]]:
    """Return the mounts that lie in one of the patterns, each with its roots."""
    return {
        mount: tuple(root for folder in folders for root in roots_of(f"{mount}{folder}/*"))
        for mount in mounts
        if any(inside(pattern, mount) for pattern in patterns)
    }


def broad(rules: list[tuple[str, bool]], *patterns: str, mounts: tuple[str, ...] = ()) -> set[str]:
    """Return the patterns of a policy that are too broad for an environment."""
    area = Area(name="prod", patterns=patterns, mounts=within(patterns, mounts, FOLDERS))
    found = breadths(rules, [area]).items()
    return {pattern for pattern, breadth in found if breadth.within or breadth.roots}


@pytest.mark.parametrize("environment", [WRITTEN, LISTED])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("secret/data/*", True),
        ("secret/data/prod/*", True),
        ("secret/data/prod*", True),
        ("secret/data/p*", True),
        ("+/data/*", True),
        ("+/data/prod/+", True),
        ("secret/+/prod/+", True),
        ("secret/+/prod/+/*", True),
        ("secret/data/prod/+/password", True),
        ("secret/metadata/prod/*", True),
        ("secret/*", True),
        ("secret/data/prod/app-1/*", False),
        ("secret/data/prod/app-1", False),
        ("secret/+/prod/app-1/*", False),
        ("secret/+/+/app-1", False),
        ("secret/data/staging/*", False),
        ("secret/data/+", False),
        ("other/data/prod/*", False),
    ],
)
def test_what_takes_any_name_at_the_root_is_broad(
    environment: tuple[str, ...], pattern: str, *, expected: bool
) -> None:
    assert broad([(pattern, True)], *environment) == ({pattern} if expected else set())


def test_names_that_begin_alike_are_a_root_and_their_folder_is_one() -> None:
    wide = {"secret/data/prod*", "secret/data/prod/*", "secret/data/+"}
    narrow = {"secret/data/prod/app/*", "secret/data/prod-1"}

    assert broad([(each, True) for each in (*wide, *narrow)], "secret/+/prod*") == wide


def test_all_folders_one_rule_each_are_broad() -> None:
    rules = [(f"secret/{folder}/prod/*", True) for folder in FOLDERS]

    assert broad(rules, *WRITTEN) == {pattern for pattern, _ in rules}


def test_rules_that_cover_an_environment_only_together_are_broad() -> None:
    one, other = ("secret/data/prod-db", True), ("secret/data/prod-key", True)

    assert broad([one], one[0], other[0]) == set()
    assert broad([one, other, ("secret/data/x", True)], one[0], other[0]) == {one[0], other[0]}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("production/data/*", True),
        ("production/metadata/*", True),
        ("production/+/+", True),
        ("production/data/shop/*", False),
    ],
)
def test_an_environment_that_is_a_mount_has_a_root_in_each_folder(
    pattern: str, *, expected: bool
) -> None:
    found = broad([(pattern, True)], "production/*", mounts=("production/",))

    assert inside("production/*", "production/")
    assert found == ({pattern} if expected else set())


@pytest.mark.parametrize(
    "environment",
    [("prodkv/*",), ("prodkv/*", "p1/*"), ("secret/*", "prodkv/*"), ("prodkv/*", "secret/data/x")],
)
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("prodkv/data/*", True),
        ("prodkv/data/+", True),
        ("prodkv/d*", True),
        ("prodkv/metadata/*", True),
        ("prodkv/destroy/*", True),
        ("prodkv/data/shop/*", False),
        ("other/data/*", False),
    ],
)
def test_a_mount_is_judged_whatever_else_its_environment_names(
    environment: tuple[str, ...], pattern: str, *, expected: bool
) -> None:
    found = broad([(pattern, True)], *environment, mounts=("prodkv/", "p1/", "secret/"))

    assert found == ({pattern} if expected else set())


def test_of_the_mounts_in_one_pattern_a_policy_has_to_be_at_all() -> None:
    one, other = ("prod/shop/data/*", True), ("prod/bank/metadata/*", True)
    mounts = ("prod/shop/", "prod/bank/")

    assert broad([one], "prod/*", mounts=mounts) == set()
    assert broad([one, other], "prod/*", mounts=mounts) == {one[0], other[0]}


@pytest.mark.parametrize(
    ("deny", "expected"),
    [
        ("secret/data/prod/*", set()),
        ("secret/data/prod/app/*", {"secret/data/*"}),
        ("secret/metadata/prod/*", {"secret/data/*"}),
    ],
)
def test_what_the_policy_itself_takes_back_is_not_granted(deny: str, expected: set[str]) -> None:
    assert broad([("secret/data/*", True), (deny, False)], *WRITTEN) == expected


def test_a_pattern_that_denies_once_grants_nothing() -> None:
    assert broad([("secret/data/*", True), ("secret/data/*", False)], *WRITTEN) == set()


# -- the model: every path of up to five names, by what the engine would say


def patterns(*ends: str) -> st.SearchStrategy[str]:
    names = st.lists(st.sampled_from([*WORDS, "+"]), min_size=1, max_size=3).map("/".join)
    joined = st.tuples(names, st.sampled_from(ends)).map("".join)
    return joined.filter(lambda text: "+*" not in text)


def matches(pattern: str, names: tuple[str, ...]) -> bool:
    """Match name by name, in the plainest way."""
    parts = pattern.split("/")
    if parts[-1] == "*":
        parts, names = parts[:-1], names[: len(parts) - 1] if len(names) >= len(parts) else ()
    return len(parts) == len(names) and all(
        part in ("+", name) for part, name in zip(parts, names, strict=True)
    )


def model(rules: list[tuple[str, bool]], environment: list[str]) -> bool:
    """Say whether the engine grants something new of one pattern, or of each mount in it."""
    text = "".join(
        f'path "{pattern}" {{ capabilities = ["{"read" if grants else "deny"}"] }}\n'
        for pattern, grants in rules
    )
    acl = compile_acl([parse_policy("p", text)], None, datetime(2026, 7, 1, tzinfo=UTC))
    return any(new_at_root(acl, each) or new_in_mounts(acl, each) for each in environment)


def new_at_root(acl: Acl, pattern: str) -> bool:
    """Say whether a path of the pattern is granted whose name at its root is new."""
    wild = [at for at, part in enumerate(pattern.split("/")) if part in ("+", "*")]
    return bool(wild) and any(
        matches(pattern, (*above, FRESH, *below))
        and acl.grants("/".join((*above, FRESH, *below)), Operation.READ).allowed
        for above in product(WORDS, repeat=wild[-1])
        for deeper in range(4 - wild[-1] + 1)
        for below in product(WORDS, repeat=deeper)
    )


def new_in_mounts(acl: Acl, pattern: str) -> bool:
    """Say whether of each mount in the pattern something is granted whose name is new."""
    ends = [end for deep in (1, 2) for end in product((*WORDS, FRESH), repeat=deep)]
    held = [mount for mount in MOUNTS if all(matches(pattern, (mount, *end)) for end in ends)]
    return bool(held) and all(
        any(
            acl.grants("/".join((mount, head, FRESH, *below)), Operation.READ).allowed
            for head in HEADS
            for deeper in range(3)
            for below in product(WORDS, repeat=deeper)
        )
        for mount in held
    )


@given(
    rules=st.lists(
        st.tuples(patterns("", "*", "/*", "/+"), st.sampled_from([True, True, True, False])),
        min_size=1,
        max_size=4,
    ),
    environment=st.lists(
        st.one_of(st.sampled_from(MOUNTS).map("{}/*".format), patterns("", "/*", "/+")),
        min_size=1,
        max_size=3,
        unique=True,
    ),
)
@example(rules=[("kv/data/*", True)], environment=["kv/*", "prod/*"])
@settings(max_examples=300, deadline=None)
def test_nothing_is_missed_and_without_denials_nothing_is_made_up(
    rules: list[tuple[str, bool]], environment: list[str]
) -> None:
    mounts = within(environment, [f"{mount}/" for mount in MOUNTS], HEADS)
    area = Area(name="prod", patterns=tuple(environment), mounts=mounts)

    found = any(each.roots for each in breadths(rules, [area]).values())

    expected = model(rules, environment)
    assert found or not expected
    if all(grants for _, grants in rules):
        assert found == expected
