"""The quarter has the days that the calendar has, and the policies grant what the work takes."""

from __future__ import annotations

from strongroom.demo.company import APPS, END, EVE, PEOPLE, START, WORKLOADS, policies
from strongroom.demo.scenes import quarter
from strongroom.identity.policy.document import parse_policy


def test_it_has_ninety_days_and_a_control_run_on_each_monday() -> None:
    days = [day.date() for day in quarter.days()]
    weekly = [day for day in days if "weekly" in {s.name for s in quarter.scenes_of(day)}]

    assert (days[0], len(days)) == (START.date(), 90)
    assert len(weekly) == quarter.WEEKS


def test_whatever_happens_happens_within_it() -> None:
    assert all(START.date() <= day < END.date() for day in quarter.HAPPENS)
    assert EVE < START


def test_every_policy_can_be_read() -> None:
    for text in policies().values():
        assert parse_policy("a", text).rules


def test_everybody_has_policies_that_exist() -> None:
    named = {name for one in (*PEOPLE, *WORKLOADS) for name in one.policies}

    assert named <= set(policies())


def test_a_program_is_granted_what_it_reads_and_nothing_else() -> None:
    for app in APPS:
        rules = parse_policy("a", policies()[app.policies[0]]).rules

        assert {str(rule.path) for rule in rules} == {
            f"{app.environment}/data/{path}" for path in app.reads
        }
