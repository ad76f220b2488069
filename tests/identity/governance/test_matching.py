"""Nothing passes on fewer than the required distinct people, whatever the organisation."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.identity.governance.matching import all_met, fill, suits
from strongroom.identity.governance.records import Need
from strongroom.identity.governance.rules import could_be_met

GROUPS = st.sampled_from(["a", "b", "c"])
NEEDS = st.lists(
    st.builds(Need, st.integers(0, 3), st.lists(GROUPS, max_size=2, unique=True).map(tuple)),
    max_size=3,
)
PEOPLE = st.dictionaries(
    st.sampled_from(["ann", "bob", "cid", "dan", "eve"]), st.frozensets(GROUPS), max_size=5
)


def by_trying(needs: list[Need], people: dict[str, frozenset[str]]) -> bool:
    """Say by trying all orders whether each place of each need can be filled by another person."""
    if not needs or any(need.count < 1 for need in needs):
        return False
    places = [need for need in needs for _ in range(need.count)]
    return any(
        all(suits(need, people[who]) for need, who in zip(places, order, strict=True))
        for order in permutations(people, len(places))
    )


@settings(max_examples=200)
@given(needs=NEEDS, people=PEOPLE)
def test_needs_are_met_just_when_distinct_people_can_fill_all_places(
    needs: list[Need], people: dict[str, frozenset[str]]
) -> None:
    assert all_met(fill(needs, people)) == by_trying(needs, people)


@settings(max_examples=200)
@given(needs=NEEDS, people=PEOPLE)
def test_nobody_fills_two_places_nor_one_that_is_not_theirs(
    needs: list[Need], people: dict[str, frozenset[str]]
) -> None:
    filled = fill(needs, people)

    seated = [who for each in filled for who in each.by]
    assert len(seated) == len(set(seated))
    assert all(suits(each.need, people[who]) for each in filled for who in each.by)
    assert all(len(each.by) <= max(each.need.count, 0) for each in filled)


def test_where_nothing_is_needed_nothing_is_met() -> None:
    assert not all_met(fill([], {"ann": frozenset()}))
    assert not all_met(fill([Need(0)], {"ann": frozenset()}))


def test_all_who_there_are_can_meet_a_need_only_where_one_is_left_to_ask() -> None:
    two = {"ann": frozenset[str](), "bob": frozenset[str]()}

    assert could_be_met([Need(1)], two)
    assert not could_be_met([Need(2)], two)
