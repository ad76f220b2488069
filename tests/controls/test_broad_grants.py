"""T36, each case a rule: `strongroom.controls.broad_grants`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.controls import CONTROLS
from strongroom.controls.broad_grants import CONTROL
from strongroom.evidence.run import ControlRuns
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import RuleFact
from tests.controls.histories import FakeAccess, found
from tests.evidence.playing import company


def rule(pattern: str, *capabilities: str, **broad: tuple[str, ...]) -> RuleFact:
    within = broad.pop("within", ())
    return RuleFact(
        policy="app", pattern=pattern, capabilities=capabilities, within=within, entry=3, **broad
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(rule("secret/data/app/*", "read"), Verdict.EFFECTIVE, id="narrow"),
        pytest.param(rule("*", "read"), Verdict.EXCEPTIONS, id="everything"),
        pytest.param(rule("+/*", "read"), Verdict.EXCEPTIONS, id="everything, in other words"),
        pytest.param(rule("*", "deny"), Verdict.EFFECTIVE, id="denies everything"),
        pytest.param(
            rule("secret/*", "read", within=("production",)),
            Verdict.EXCEPTIONS,
            id="an environment",
        ),
        pytest.param(
            rule("secret/data/*", "read", roots=("production (secret/+/prod/*)",)),
            Verdict.EXCEPTIONS,
            id="the root of an environment",
        ),
        pytest.param(
            rule("sys/*", "update", whole=("sys/",)), Verdict.EXCEPTIONS, id="changes of anything"
        ),
        pytest.param(rule("sys/*", "read", whole=("sys/",)), Verdict.EFFECTIVE, id="only looks"),
        pytest.param(rule("sys/*", "read", "sudo"), Verdict.EXCEPTIONS, id="sudo on a wildcard"),
        pytest.param(rule("sys/rotate", "update", "sudo"), Verdict.EFFECTIVE, id="sudo on a path"),
    ],
)
async def test_verdict(given: RuleFact, expected: Verdict) -> None:
    assert await found(CONTROL, access=FakeAccess(ruled=[given])) is expected


async def test_without_policies_nothing_is_judged() -> None:
    assert await found(CONTROL) is Verdict.NOT_EXERCISED


class TestOverAServer:
    """Environments, mounts and policies as a server has them."""

    async def test_each_way_to_say_all_of_production_is_found(self, tmp_path: Path) -> None:
        mount = ("kv/data/*", "kv/data/+", "kv/d*", "kv/metadata/*", "kv/destroy/*")
        root = ("secret/data/*", "secret/data/prod/*", "secret/+/prod/+")
        wide = (*root, *mount, "shop/data/*", "sys/*")
        named = ("secret/data/prod/app-1/*", "secret/data/prod/app-1")
        narrow = (*named, "shop/data/web/*", "kv/data/web/*")
        folders = ("data", "metadata", "delete", "undelete", "destroy", "subkeys")
        async with company(tmp_path) as lent:
            await lent.kv("shop/")
            await lent.kv("kv/")
            await lent.environment("prod", "secret/+/prod/*", "shop/*", "kv/*")
            for index, pattern in enumerate((*wide, *narrow)):
                text = f'path "{pattern}" {{ capabilities = ["read", "update"] }}'
                await lent.policy(f"p{index}", text)
            each = "".join(
                f'path "secret/{folder}/prod/*" {{ capabilities = ["update"] }}\n'
                for folder in folders
            )
            await lent.policy("folders", each)

            runs = ControlRuns(
                server=lent.server, controls=CONTROLS, surroundings=lent.surroundings
            )
            lent.clock.advance(timedelta(hours=1))
            [row] = await runs.run(lent.period(), ["T36"])

        items = json.loads(row.result)["items"]
        failed = {each["subject"] for each in items if not each["held"]}
        expected = {f"p{index}: {pattern}" for index, pattern in enumerate(wide)}
        assert failed == expected | {f"folders: secret/{folder}/prod/*" for folder in folders}
