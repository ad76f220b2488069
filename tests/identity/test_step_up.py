"""What asks for a fresh factor, and what is fresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import DeniedError
from strongroom.identity.policy.capability import Operation
from strongroom.identity.sign_ins import Limits, SignIn
from strongroom.identity.step_up import BUILT_IN, FIXED, FREE, StepUp, StepUpRule, check

NOW = datetime(2026, 9, 21, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def signed_in(**changes: object) -> SignIn:
    """Return a session in which a factor was shown just now."""
    known: dict[str, object] = {
        "lookup": b"t",
        "id": "s",
        "entity": "ada",
        "surface": "console",
        "factors": ("totp",),
        "factor_at": NOW,
        "opened_at": NOW,
        "seen_at": NOW,
        "idle": 15 * MINUTE,
        "ends_at": NOW + timedelta(hours=12),
        "until": None,
        "address": "192.0.2.1",
        "agent": "",
    }
    return SignIn(**{**known, **changes})  # type: ignore[arg-type]


def asked(path: str, operation: Operation, *environments: str) -> list[str]:
    return [rule.name for rule in StepUp((*FIXED, *BUILT_IN)).asked(path, operation, environments)]


@pytest.mark.parametrize(
    ("path", "operation", "environments", "rules"),
    [
        ("sys/policies/acl/admin", Operation.UPDATE, (), ["policies"]),
        ("sys/policy/admin", Operation.DELETE, (), ["policies"]),
        ("sys/policies/acl/admin", Operation.READ, (), []),
        ("sys/policies/password/people", Operation.UPDATE, (), ["policies"]),
        ("identity/group/id/1", Operation.DELETE, (), ["policies"]),
        ("identity/entity", Operation.UPDATE, (), ["policies", "factors"]),
        ("identity/lookup/entity", Operation.UPDATE, (), []),
        ("auth/some/where/users/ada", Operation.UPDATE, (), ["policies"]),
        ("auth/people/users/ada", Operation.UPDATE, (), ["policies", "factors"]),
        ("auth/token/roles/r", Operation.UPDATE, (), ["policies"]),
        ("auth/token/create/r", Operation.UPDATE, (), []),
        ("auth/token/renew-self", Operation.UPDATE, (), []),
        ("strongroom/people/ada/sessions/x", Operation.DELETE, (), []),
        ("strongroom/step-up/rules/mine", Operation.UPDATE, (), ["rules", "policies"]),
        ("strongroom/sessions/limits", Operation.UPDATE, (), ["rules", "policies"]),
        ("strongroom/sessions", Operation.UPDATE, (), []),
        ("strongroom/factors/totp", Operation.CREATE, (), []),  # asks for one in the request
        ("strongroom/factors/rules/admins", Operation.UPDATE, (), ["rules", "policies", "factors"]),
        ("strongroom/people/ada/factors/x", Operation.DELETE, (), ["policies", "factors"]),
        ("strongroom/registrations/1/approve", Operation.UPDATE, (), ["approvals"]),
        ("strongroom/evidence/pack", Operation.UPDATE, (), ["exports"]),
        ("strongroom/evidence/packs/q3", Operation.READ, (), ["exports"]),
        ("strongroom/log/entries", Operation.READ, (), ["exports"]),
        ("strongroom/log/tile/entries/000", Operation.READ, (), ["exports"]),
        ("strongroom/log/status", Operation.READ, (), []),
        ("sys/wrapping/wrap", Operation.UPDATE, (), ["sharing"]),
        ("sys/wrapping/unwrap", Operation.UPDATE, (), []),
        ("sys/seal", Operation.UPDATE, (), ["sealing"]),
        ("sys/seal-status", Operation.READ, (), []),
        ("secret/data/prod/db", Operation.READ, ("production",), ["reveals"]),
        ("secret/data/prod/db", Operation.UPDATE, ("production",), []),
        ("secret/data/dev/db", Operation.READ, ("development",), []),
    ],
)
def test_what_is_sensitive_asks_for_a_factor(
    path: str, operation: Operation, environments: tuple[str, ...], rules: list[str]
) -> None:
    assert asked(path, operation, *environments) == rules


def test_whatever_is_asked_for_wrapped_is_shared() -> None:
    rules = StepUp((*FIXED, *BUILT_IN))

    def wrapped(path: str, operation: Operation, *environments: str) -> list[str]:
        return [each.name for each in rules.asked(path, operation, environments, wrapped=True)]

    assert wrapped("secret/data/dev/db", Operation.READ) == ["sharing"]
    assert wrapped("secret/data/prod/db", Operation.READ, "production") == ["reveals", "sharing"]
    assert wrapped("sys/wrapping/wrap", Operation.UPDATE) == ["sharing"]
    assert wrapped("strongroom/step-up", Operation.UPDATE) == []


def test_showing_a_factor_and_leaving_ask_for_none() -> None:
    rules = StepUp([StepUpRule("everything", ("*",), ())])

    for path in FREE:
        assert rules.asked(path, Operation.UPDATE, ()) == ()
    for path in ("strongroom/step-up/rules/x", "strongroom/sessions/limits", "strongroom/step-up2"):
        assert len(rules.asked(path, Operation.UPDATE, ())) == 1
    assert len(rules.asked("secret/data/x", Operation.READ, ())) == 1


def test_a_rule_that_is_off_asks_for_nothing() -> None:
    rules = StepUp([StepUpRule("everything", ("*",), (), enabled=False)])

    assert rules.asked("secret/data/x", Operation.READ, ()) == []


@pytest.mark.parametrize(
    ("age", "passes"),
    [
        (timedelta(0), True),
        (10 * MINUTE, True),
        (10 * MINUTE + timedelta(microseconds=1), False),
        (-MINUTE, False),
    ],
)
def test_a_factor_is_fresh_for_the_rules_time_and_never_from_the_future(
    age: timedelta, passes: bool
) -> None:
    rule = StepUpRule("r", ("*",), ())
    shown = signed_in(factor_at=NOW - age)

    if passes:
        check([rule], shown, NOW)
        return
    with pytest.raises(DeniedError, match="strongroom/step-up"):
        check([rule], shown, NOW)


@pytest.mark.parametrize("shown", [None, signed_in(factor_at=None), signed_in(factors=("totp",))])
def test_a_rule_may_ask_for_a_kind_of_factor(shown: SignIn | None) -> None:
    with pytest.raises(DeniedError):
        check([StepUpRule("r", ("*",), (), kinds=("webauthn",))], shown, NOW)

    check([StepUpRule("r", ("*",), (), kinds=("webauthn",))], signed_in(factors=("webauthn",)), NOW)


# -- sessions


@given(
    gaps=st.lists(st.integers(min_value=0, max_value=30 * 60), max_size=60),
    idle=st.integers(min_value=1, max_value=20),
    longest=st.integers(min_value=20, max_value=300),
)
def test_a_session_lives_while_it_is_used_and_never_beyond_its_end(
    gaps: list[int], idle: int, longest: int
) -> None:
    session = signed_in(idle=idle * MINUTE, ends_at=NOW + longest * MINUTE).used(NOW)
    now = NOW
    for gap in gaps:
        now += timedelta(seconds=gap)
        expected = gap >= idle * 60 or now >= NOW + longest * MINUTE
        assert session.over(now) is expected
        if expected:
            return
        session = session.used(now)


def test_a_session_without_limits_is_its_tokens_matter() -> None:
    session = signed_in(idle=timedelta(0), ends_at=None).used(NOW)

    assert not session.over(NOW + timedelta(days=3650))


def test_a_clock_set_back_ends_a_session_with_limits() -> None:
    assert signed_in().used(NOW).over(NOW - timedelta(hours=1))


@pytest.mark.parametrize(
    ("idle", "longest", "field"),
    [
        (timedelta(seconds=59), timedelta(hours=1), "idle"),
        (timedelta(hours=9), timedelta(hours=12), "idle"),
        (timedelta(minutes=15), timedelta(minutes=14), "longest"),
        (timedelta(minutes=15), timedelta(hours=25), "longest"),
    ],
)
def test_limits_that_limit_nothing_or_everything_are_refused(
    idle: timedelta, longest: timedelta, field: str
) -> None:
    with pytest.raises(Exception, match=f"^{field}: "):
        Limits(idle=idle, longest=longest).checked()
