"""T36, each case a rule: `strongroom.controls.broad_grants`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.controls import CONTROLS
from strongroom.controls.broad_grants import CONTROL
from strongroom.core.governance.breadth import escalations
from strongroom.evidence.run import ControlRuns
from strongroom.identity.policy.capability import Capability
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.access import RuleFact, ShareFact
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
        pytest.param(
            rule("auth/+/users/+", "update", escalates=("auth/*",)),
            Verdict.EXCEPTIONS,
            id="what is as good as root",
        ),
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


ESCALATING = (
    *("sys/policies/acl/*", "sys/policies/acl/+", "sys/policy/*", "sys/mounts/+", "sys/auth/+"),
    *("auth/userpass/users/*", "auth/+/users/+", "auth/approle/role/*", "auth/token/roles/+"),
    *("identity/entity/id/+", "identity/group/*", "strongroom/environments/*", "strongroom/+/+"),
    *("strongroom/scim/*", "strongroom/people/+", "s*", "+/+/+/+"),
)
USUAL = (
    *("sys/policies/acl/app", "auth/approle/role/app/secret-id", "auth/token/create"),
    *("auth/token/create/*", "auth/token/lookup*", "auth/userpass/login/*", "identity/lookup/+"),
    *("strongroom/requests/+/approve", "strongroom/workloads/+/decommission"),
    *("strongroom/scim/v2/Users/+", "strongroom/evidence/*", "cubbyhole/*", "sys/leases/*"),
)


class TestWhatIsAsGoodAsRoot:
    @pytest.mark.parametrize("pattern", ESCALATING)
    def test_a_wildcard_that_changes_what_others_may_do_is_said(self, pattern: str) -> None:
        assert list(escalations(pattern, Capability.UPDATE, []))
        assert list(escalations(pattern, Capability.CREATE | Capability.READ, []))
        assert not list(escalations(pattern, Capability.READ | Capability.LIST, []))

    @pytest.mark.parametrize("pattern", USUAL)
    def test_what_the_work_takes_is_not(self, pattern: str) -> None:
        assert not list(escalations(pattern, Capability.UPDATE | Capability.CREATE, []))

    def test_sudo_makes_a_token_of_any_policy(self) -> None:
        sudo = Capability.UPDATE | Capability.SUDO

        assert list(escalations("auth/token/create", sudo, [])) == ["auth/token/create"]
        assert list(escalations("auth/token/create-orphan", sudo, []))
        assert not list(escalations("secret/data/app", sudo, []))

    def test_what_the_same_policy_denies_is_not_granted(self) -> None:
        update, narrower = Capability.UPDATE, ["sys/policies/acl/+"]

        assert not list(escalations("sys/policies/acl/*", update, ["sys/policies/acl/*"]))
        assert list(escalations("sys/policies/acl/+", update, ["sys/policies/*"]))
        assert list(escalations("sys/policies/*", update, narrower))

    async def test_over_a_server_each_is_an_item_and_who_names_policies_is_not(
        self, tmp_path: Path
    ) -> None:
        async with company(tmp_path) as lent:
            for index, pattern in enumerate((*ESCALATING, *USUAL)):
                text = f'path "{pattern}" {{ capabilities = ["update"] }}'
                await lent.policy(f"p{index}", text)
            lent.clock.advance(timedelta(hours=1))
            runs = ControlRuns(
                server=lent.server, controls=CONTROLS, surroundings=lent.surroundings
            )
            [row] = await runs.run(lent.period(), ["T36"])

        items = json.loads(row.result)["items"]
        failed = {each["subject"] for each in items if not each["held"]}
        assert failed == {f"p{index}: {pattern}" for index, pattern in enumerate(ESCALATING)}


class TestWhatIsStored:
    @pytest.mark.parametrize(
        ("readable", "secrets", "expected"),
        [
            (5, 10, Verdict.EFFECTIVE),
            (6, 10, Verdict.EXCEPTIONS),
            (7, 7, Verdict.NOT_EXERCISED),
            (8, 8, Verdict.EXCEPTIONS),
        ],
    )
    async def test_more_than_half_by_wildcards_is_too_much(
        self, readable: int, secrets: int, expected: Verdict
    ) -> None:
        share = ShareFact(holder="app", environment="prod", readable=readable, secrets=secrets)

        assert await found(CONTROL, access=FakeAccess(shared=[share])) is expected

    async def test_rules_that_are_narrow_each_are_counted_together(self, tmp_path: Path) -> None:
        read = '{ capabilities = ["read"] }\n'
        names = [f"{letter}-{n}" for letter in "abcde" for n in range(2)]
        async with company(tmp_path) as lent:
            await lent.kv("kv1/", "1")
            for name in names:
                await lent.ask("write", f"secret/data/prod/{name}", {"data": {"a": "b"}})
            await lent.ask("write", "kv1/prod/old", {"a": "b"})
            await lent.ask("write", "secret/data/elsewhere", {"data": {"a": "b"}})
            await lent.environment("prod", "secret/+/prod/*", "kv1/prod/*")
            prefixes = {
                f"p-{letter}": f'path "secret/data/prod/{letter}*" {read}' for letter in "abcde"
            }
            for name, text in prefixes.items():
                await lent.policy(name, text)
            await lent.policy(
                "named", "".join(f'path "secret/data/prod/{n}" {read}' for n in names)
            )
            denied = f'path "secret/data/prod/a*" {read}path "secret/data/prod/+" {read}'
            denied += 'path "secret/data/prod/b-1" { capabilities = ["deny"] }\n'
            await lent.policy("denied", denied)
            await lent.workload("all", "prod", *prefixes)
            await lent.workload("two", "prod", "p-a", "p-b")
            await lent.workload("named", "prod", "named")
            await lent.workload("denied", "prod", "denied")
            lent.clock.advance(timedelta(hours=1))
            runs = ControlRuns(
                server=lent.server, controls=CONTROLS, surroundings=lent.surroundings
            )
            [row] = await runs.run(lent.period(), ["T36"])

        items = json.loads(row.result)["items"]
        said = {
            each["subject"].partition(" ")[0]: (each["held"], each["because"])
            for each in items
            if each["subject"].endswith(": prod")
        }
        assert said == {
            "all": (False, "reads 10 of 11 secrets there by wildcards, 90 %"),
            "two": (True, "reads 4 of 11 secrets there by wildcards, 36 %"),
            "denied": (False, "reads 9 of 11 secrets there by wildcards, 81 %"),
        }
