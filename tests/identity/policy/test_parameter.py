"""Constraints on parameters: names in any case, globs, lists, and what `*` means where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.identity.policy.parameter import (
    Constraints,
    Values,
    all_of,
    canonical,
    joined,
    values,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def listed(given: Mapping[str, Sequence[object]]) -> Mapping[str, Values]:
    return joined((name, values(of)) for name, of in given.items())


def allowed(**given: Sequence[object]) -> Constraints:
    return Constraints(allowed=listed(given))


def denied(**given: Sequence[object]) -> Constraints:
    return Constraints(denied=listed(given))


@pytest.mark.parametrize(
    ("among", "value", "matched"),
    [
        ([], "anything", True),
        ([], None, True),
        (["zip"], "zip", True),
        (["zip"], "ZIP", False),
        (["zip*"], "zipper", True),
        (["zip*"], "unzip", False),
        (["*zip"], "unzip", True),
        (["*zip*"], "unzipped", True),
        (["z*p"], "zip", False),
        (["z*p"], "z*p", True),
        (["*"], "zip", False),
        (["*"], "*", True),
        (["**"], "zip", True),
        (["3*"], 31, False),
        ([""], "", True),
        ([1], 1.0, True),
        ([1], True, False),
        ([1], "1", False),
        ([True], True, True),
        ([["a", "b"]], ["a", "b"], True),
        ([["a", "b"]], ["b", "a"], False),
        ([{"a": 1, "b": 2}], {"b": 2, "a": 1}, True),
    ],
)
def test_a_value_matches_what_is_listed(
    among: list[object], value: object, *, matched: bool
) -> None:
    assert values(among).match(value) is matched


class TestAllowed:
    def test_another_name_is_refused_without_being_repeated(self) -> None:
        reason = allowed(a=[]).refusal({"a": 1, "hunter2": 1})

        assert reason == "a parameter is sent that is not allowed"

    def test_names_match_in_any_case(self) -> None:
        assert allowed(Password=[]).refusal({"PASSWORD": "x"}) is None

    def test_an_asterisk_allows_all_others_but_not_other_values(self) -> None:
        constraints = allowed(**{"*": [], "a": ["x"]})

        assert constraints.refusal({"b": 1}) is None
        assert constraints.refusal({"a": "y"}) == "the parameter 'a' is not allowed that value"

    def test_nothing_listed_allows_everything(self) -> None:
        assert allowed().refusal({"a": 1}) is None

    def test_every_element_of_a_list_must_be_allowed(self) -> None:
        constraints = allowed(a=["x", "y"])

        assert constraints.refusal({"a": ["x", "y"]}) is None
        assert constraints.refusal({"a": ["x", "z"]}) is not None
        assert constraints.refusal({"a": []}) is not None


class TestDenied:
    def test_an_element_of_a_list_is_denied_as_alone(self) -> None:
        """OpenBao lets `["admin"]` pass where "admin" is denied."""
        assert denied(policies=["admin"]).refusal({"policies": ["guest", "admin"]}) is not None

    def test_other_values_and_other_names_pass(self) -> None:
        assert denied(a=["x"]).refusal({"a": "y", "b": "x"}) is None

    def test_an_asterisk_denies_every_parameter(self) -> None:
        assert denied(**{"*": []}).refusal({"a": 1}) == "every parameter is denied"
        assert denied(**{"*": []}).refusal({}) is None

    def test_the_value_asterisk_denies_any_value(self) -> None:
        assert denied(a=["*"]).refusal({"a": 7}) is not None

    def test_it_goes_before_what_is_allowed(self) -> None:
        both = Constraints(allowed=listed({"a": []}), denied=listed({"a": ["x"]}))

        assert both.refusal({"a": "x"}) == "the parameter 'a' is denied that value"
        assert both.refusal({"a": "y"}) is None

    def test_no_reason_holds_a_value(self) -> None:
        reasons = [denied(a=["s3cr3t"]), allowed(a=["s3cr3t"]), allowed(b=[])]

        assert not any("s3cr3t" in str(r.refusal({"a": "s3cr3t+"})) for r in reasons)
        assert "s3cr3t" not in str(reasons[0].refusal({"a": "s3cr3t"}))


def test_what_is_required_must_be_there_in_any_case() -> None:
    constraints = Constraints(required=frozenset({"a", "b"}))

    assert constraints.refusal({"A": None, "b": 1}) is None
    assert constraints.refusal({"a": 1}) == "the parameter 'b' is required"


def test_any_value_wins_where_two_rules_are_joined() -> None:
    both = all_of([allowed(a=["x"]), allowed(a=[], b=["y"])])

    assert both.refusal({"a": "z", "b": "y"}) is None
    assert both.refusal({"b": "z"}) is not None


def test_names_that_differ_in_case_alone_are_one() -> None:
    assert allowed(a=["1"], A=["2"]).refusal({"a": "1"}) is None


def test_what_is_no_json_equals_nothing() -> None:
    assert canonical(b"x") == ""
    assert not values(["x"]).match({"x": b"x"})


@given(value=JSON)
def test_a_listed_value_matches_itself(value: object) -> None:
    if not isinstance(value, str):
        assert values([value]).match(value)


@given(one=JSON, other=JSON)
def test_different_values_have_different_texts(one: object, other: object) -> None:
    if canonical(one) == canonical(other):
        assert one == other
