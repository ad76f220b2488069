"""T45: on facts, and on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.controls.duties_apart import CONTROL, TRIED
from strongroom.core.governance.admins import duties_by
from strongroom.evidence.access_facts import Facts
from strongroom.evidence.probing import Probing
from strongroom.identity.policy.capability import Capability
from strongroom.sdk.facts.access import DutiesFact
from tests.controls.histories import MONTH, FakeAccess, FakeLog, evidence
from tests.core.system.room import room

READ, UPDATE, SUDO = Capability.READ, Capability.UPDATE, Capability.SUDO


@pytest.mark.parametrize(
    ("rules", "duties"),
    [
        ([("sys/policies/acl/*", UPDATE)], {"policies"}),
        ([("sys/policies/acl/one", UPDATE)], {"policies"}),
        ([("sys/policies/acl/*", READ)], set()),
        ([("sys/audit/*", UPDATE)], set()),
        ([("sys/audit/+", UPDATE | SUDO)], {"audit"}),
        ([("sys/*", UPDATE)], {"policies"}),
        ([("sys/*", UPDATE | SUDO)], {"policies", "audit"}),
        ([("*", UPDATE | SUDO)], {"policies", "audit"}),
        ([("secret/*", UPDATE | SUDO)], set()),
        ([], set()),
    ],
)
def test_rules_give_duties(rules: list[tuple[str, Capability]], duties: set[str]) -> None:
    assert set(duties_by(rules)) == duties


async def test_whoever_has_both_breaks_it_on_a_server_whose_log_nobody_can_delete(
    tmp_path: Path,
) -> None:
    async with room(tmp_path) as r:
        await r.policy("rules", 'path "sys/policies/*" { capabilities = ["update"] }')
        await r.policy("audit", 'path "sys/audit/*" { capabilities = ["update", "sudo"] }')
        await r.token("rules")
        await r.token("rules", "audit")
        facts, probe = Facts(r.server), Probing(r.server)
        parts = evidence(access=facts, probe=probe)

        items = [item async for item in CONTROL.evaluate(MONTH, parts)]

    broken = [item for item in items if not item.held]
    assert len([i for i in items if i.subject.endswith("granted")]) == len(TRIED)
    assert [item.because.partition(":")[0] for item in broken] == ["has both duties"] * 2
    assert any("sys/audit/*" in item.because for item in broken)


async def test_nobody_with_both_holds() -> None:
    apart = [DutiesFact(subject="a", duties={"policies": ("sys/*",)})]
    parts = evidence(access=FakeAccess(apart=apart), log=FakeLog())

    items = [item async for item in CONTROL.evaluate(MONTH, parts)]

    assert items[0].held is True
