"""Environment isolation as a set of statements about all paths, not about samples."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from strongroom.core.guardrails import OWN, Guardrails
from strongroom.identity.environments import Lost
from strongroom.identity.policy.capability import Operation
from strongroom.identity.policy.pattern import Segment, Shape, shape
from strongroom.identity.records import Environment

SEGMENT = st.sampled_from(["secret", "data", "metadata", "prod", "pro", "staging", "a", "b"])
PATHS = st.lists(SEGMENT, min_size=1, max_size=5).map("/".join)
PATTERN = st.tuples(
    st.lists(st.one_of(SEGMENT, st.just("+")), min_size=1, max_size=4).map("/".join),
    st.sampled_from(["", "*", "/*"]),
).map("".join)


@st.composite
def patterns_and_paths(draw: st.DrawFn) -> tuple[str, str]:
    """Give a pattern, and a path inside."""
    pattern = draw(PATTERN.filter(lambda each: "+*" not in each))
    parts = [draw(SEGMENT) if part == "+" else part for part in pattern.split("/")]
    path = "/".join(parts)
    if path.endswith("*"):
        path = path[:-1] + draw(st.one_of(SEGMENT, PATHS))
    return pattern, path


BOUND = st.sets(st.sampled_from(["prod", "staging", "test"])).map(frozenset)
SINGLE = [op for op in Operation if op not in (Operation.LIST, Operation.SCAN)]


def environment(*paths: str, name: str = "prod", open_: bool = False) -> Environment:
    return Environment(name, paths, protected=True, open=open_, description="")


def inside(pattern: str, path: str) -> bool:
    exact = Shape(tuple(Segment(part) for part in path.split("/")))
    return shape(pattern).covers(exact)


@given(both=patterns_and_paths(), bound=BOUND, open_=st.booleans())
def test_nobody_from_elsewhere_does_anything_on_a_path_inside(
    both: tuple[str, str], bound: frozenset[str], *, open_: bool
) -> None:
    pattern, path = both
    assert inside(pattern, path)
    guardrails = Guardrails([environment(pattern, open_=open_)])

    refused = [guardrails.refusal(bound, path, operation) for operation in SINGLE]

    may = bound == {"prod"} or (not bound and open_)
    assert refused == [None if may else "environment:prod"] * len(SINGLE)


@given(both=patterns_and_paths(), data=st.data())
def test_a_scan_from_any_folder_above_is_refused_where_it_would_show_what_is_inside(
    both: tuple[str, str], data: st.DataObject
) -> None:
    pattern, path = both
    assume("/" in path)
    guardrails = Guardrails([environment(pattern)])
    parts = path.split("/")
    folder = "/".join(parts[: data.draw(st.integers(1, len(parts) - 1))])
    folder += data.draw(st.sampled_from(["", "/"]))

    refused = guardrails.refusal(frozenset({"staging"}), folder, Operation.SCAN)

    assert refused == "environment:prod"


@given(pattern=PATTERN, path=PATHS)
def test_a_list_is_judged_as_if_a_slash_were_at_its_end(pattern: str, path: str) -> None:
    assume("+*" not in pattern)
    guardrails = Guardrails([environment(pattern)])

    with_slash = guardrails.refusal(frozenset(), f"{path}/", Operation.LIST)

    assert guardrails.refusal(frozenset(), path, Operation.LIST) == with_slash
    assert (with_slash is not None) is inside(pattern, f"{path}/")


@given(both=patterns_and_paths(), other=PATTERN, target=PATHS, data=st.data())
def test_no_path_leaves_its_environment_with_a_mount_that_moves(
    both: tuple[str, str], other: str, target: str, data: st.DataObject
) -> None:
    pattern, before = both
    assume("+*" not in other and "/" in before)
    guardrails = Guardrails([environment(pattern, other)])
    parts = before.split("/")
    cut = data.draw(st.integers(1, len(parts) - 1))
    source, after = "/".join(parts[:cut]), "/".join([target, *parts[cut:]])

    left = guardrails.left_behind(f"{source}/", f"{target}/")

    assert left == "prod" or inside(pattern, after) or inside(other, after)


@given(pattern=PATTERN, path=PATHS, bound=BOUND)
def test_what_is_not_protected_is_nobodys_business(
    pattern: str, path: str, bound: frozenset[str]
) -> None:
    assume("+*" not in pattern)
    free = Environment("prod", (pattern,), protected=False, open=False, description="")
    others = [Environment(n, (), protected=True, open=False, description="") for n in bound]

    assert Guardrails([free, *others]).refusal(bound, path) is None


def test_a_list_above_the_boundary_shows_the_name_of_a_folder_at_most() -> None:
    guardrails = Guardrails([environment("secret/+/prod/*"), environment("s/*", name="staging")])
    outside = frozenset({"staging"})

    above = guardrails.refusal(outside, "secret/metadata", Operation.LIST)
    at = guardrails.refusal(outside, "secret/metadata/prod", Operation.LIST)

    assert (above, at) == (None, "environment:prod")


def test_somebody_bound_to_two_environments_is_inside_neither() -> None:
    guardrails = Guardrails([environment("a/*"), environment("b/*", name="staging")])
    both = frozenset({"prod", "staging"})

    assert guardrails.refusal(both, "a/x") == "environment:prod"
    assert guardrails.refusal(both, "b/x") == "environment:staging"


@given(both=patterns_and_paths(), bound=BOUND, open_=st.booleans())
def test_nobody_does_anything_in_an_environment_that_is_lost(
    both: tuple[str, str], bound: frozenset[str], *, open_: bool
) -> None:
    pattern, path = both
    lost = Lost(environment(pattern, open_=open_), "it is gone")

    assert Guardrails([], [lost]).refusal(bound, path) == "environment:prod: it is gone"


@given(path=PATHS, bound=BOUND)
def test_without_the_roll_only_the_servers_own_paths_are_open(
    path: str, bound: frozenset[str]
) -> None:
    guardrails = Guardrails([], problem="there is no roll")

    assert guardrails.refusal(bound, f"kv/{path}") == "environment: there is no roll"
    for own in OWN:
        assert guardrails.refusal(frozenset(), own + path) is None
    assert guardrails.refusal(frozenset(), "", Operation.SCAN) == "environment: there is no roll"


def test_who_is_bound_to_an_environment_that_is_not_there_gets_nowhere() -> None:
    guardrails = Guardrails([environment("a/*")])

    refused = guardrails.refusal(frozenset({"staging"}), "b/x")

    assert refused == "environment:staging: there is none of this name as it was written"
