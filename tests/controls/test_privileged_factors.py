"""T08, each case a person with a policy: `strongroom.controls.privileged_factors`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strongroom.controls.privileged_factors import CONTROL
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import RuleFact
from strongroom.sdk.facts.identities import FactorFact, FactorRuleFact, PersonFact
from strongroom.sdk.facts.log import LogEntry
from tests.controls.histories import FakeAccess, FakeIdentities, FakeLog, found, items, login

ADA = PersonFact(entity="e-1", name="Ada", policies=("admin",))
KEY = FactorFact(id="f-1", entity="e-1", kind="webauthn", user_verified=True)
ADMIN = RuleFact(
    policy="admin", pattern="sys/policies/acl/*", capabilities=("update",), within=(), entry=2
)
BY_KEY = login(3, "password", "webauthn", user_verified=True)


def who(
    *factors: FactorFact, rules: tuple[FactorRuleFact, ...] = (), **ada: object
) -> FakeIdentities:
    person = replace(ADA, **ada)  # type: ignore[arg-type]
    return FakeIdentities(persons=[person], enrolled=factors, demands=rules)


@pytest.mark.parametrize(
    ("given", "rule", "log", "expected"),
    [
        pytest.param(who(), ADMIN, [BY_KEY], Verdict.EFFECTIVE, id="by key"),
        pytest.param(who(), ADMIN, [login(3, "password", "totp")], Verdict.EXCEPTIONS, id="by app"),
        pytest.param(
            who(), ADMIN, [login(3, "password", "webauthn")], Verdict.EXCEPTIONS, id="not verified"
        ),
        pytest.param(
            who(), ADMIN, [BY_KEY, login(4, "password", "totp")], Verdict.EXCEPTIONS, id="the last"
        ),
        pytest.param(
            who(), ADMIN, [login(3, "oidc", provider_factors=["amr:mfa"])], Verdict.INCONCLUSIVE
        ),
        pytest.param(who(), ADMIN, [login(3, cut=["factors"])], Verdict.INCONCLUSIVE, id="was cut"),
        pytest.param(who(KEY), ADMIN, [], Verdict.EFFECTIVE, id="has a key, did not log in"),
        pytest.param(who(), ADMIN, [], Verdict.EXCEPTIONS, id="has none"),
        pytest.param(
            who(replace(KEY, disabled="cloned")), ADMIN, [], Verdict.EXCEPTIONS, id="disabled"
        ),
        pytest.param(
            who(policies=("app",)), ADMIN, [login(3, "password")], Verdict.NOT_EXERCISED, id="no"
        ),
        pytest.param(
            who(policies=()),
            ADMIN,
            [login(3, "password", policies=["admin"])],
            Verdict.EXCEPTIONS,
            id="privileged by the login's policies",
        ),
        pytest.param(
            who(),
            replace(ADMIN, pattern="*"),
            [login(3, "password")],
            Verdict.EXCEPTIONS,
            id="a broad grant",
        ),
        pytest.param(
            who(),
            replace(ADMIN, capabilities=("deny",)),
            [login(3, "password")],
            Verdict.NOT_EXERCISED,
            id="denied",
        ),
        pytest.param(
            who(
                policies=("ops",),
                rules=(
                    FactorRuleFact(name="r", policies=("ops",), groups=(), kinds=("webauthn",)),
                ),
            ),
            ADMIN,
            [login(3, "password", "totp")],
            Verdict.EXCEPTIONS,
            id="a rule asks for a key",
        ),
        pytest.param(
            who(rules=(FactorRuleFact(name="r", policies=(), groups=(), kinds=(), problem="x"),)),
            ADMIN,
            [BY_KEY],
            Verdict.INCONCLUSIVE,
            id="a rule was tampered with",
        ),
        pytest.param(who(problem="changed"), ADMIN, [BY_KEY], Verdict.INCONCLUSIVE, id="tampered"),
        pytest.param(who(active=False), ADMIN, [], Verdict.NOT_EXERCISED, id="has left"),
        pytest.param(
            FakeIdentities(),
            ADMIN,
            [login(3, "password", policies=["root"])],
            Verdict.EXCEPTIONS,
            id="root, and not registered",
        ),
    ],
)
async def test_verdict(
    given: FakeIdentities, rule: RuleFact, log: list[LogEntry], expected: Verdict
) -> None:
    parts = {"identities": given, "access": FakeAccess(ruled=[rule]), "log": FakeLog(log)}

    assert await found(CONTROL, **parts) is expected


async def test_an_exception_says_why_it_is_a_privilege() -> None:
    log = FakeLog([login(3, "password", "totp")])
    [item] = await items(CONTROL, identities=who(), access=FakeAccess(ruled=[ADMIN]), log=log)

    assert item.subject == "Ada (e-1)"
    assert "policy admin changes sys/policies/acl/*" in item.because
    assert item.proof == (3,)
