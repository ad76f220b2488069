"""Control runs over a server that plays a small company, without a network."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import pkgutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

import strongroom
from strongroom.audit.decoding import decoded
from strongroom.base.errors import InputError
from strongroom.controls import CONTROLS
from strongroom.core.records import MOUNTS
from strongroom.evidence.acting import act
from strongroom.evidence.canonical import digest
from strongroom.evidence.definitions import definition_of
from strongroom.evidence.periods import parse_period
from strongroom.evidence.records import ControlRun
from strongroom.evidence.run import ControlRuns
from strongroom.evidence.storage_walk import SEALED
from strongroom.identity.records import ENTITIES, LOCKOUTS, POLICIES, TOKENS
from strongroom.sdk.control import Evidence, Item, Verdict
from strongroom.sdk.facts.period import Period
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction
from tests.audit.keeping import change
from tests.evidence.playing import DAY, START, Company, company, quarter


def runs_of(lent: Company, controls: object = CONTROLS) -> ControlRuns:
    return ControlRuns(
        server=lent.server,
        controls=controls,  # type: ignore[arg-type]
        surroundings=lent.surroundings,
    )


def verdicts(rows: list[ControlRun]) -> dict[str, str]:
    return {row.control: row.verdict for row in rows}


def tx_of(lent: Company) -> Transaction:
    return Transaction(lent.server.database, lent.server.barrier)


class TestAQuietQuarter:
    async def test_every_control_that_can_be_is_effective(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)

            rows = await runs_of(lent).run(lent.period())

        nobody = (
            *("T06", "T07", "T08", "T09", "T16", "T20", "T23", "T25", "T26", "T27", "T28"),
            *(
                "T21",
                "T22",
                "T33",
                "T37",
                "T38",
                "T39",
                "T40",
                "T41",
                "T42",
                "T43",
                "T44",
                "T80",
                "T81",
            ),
            *("T89", "T90", "T91", "T92"),
        )
        assert {c: v for c, v in verdicts(rows).items() if v != "effective"} == {
            "T05": "inconclusive",  # this company's listener is a fact without a handshake
            "T10": "exceptions",  # its programs' tokens live for weeks
            **dict.fromkeys(nobody, "not exercised"),  # nobody is registered here
        }

    async def test_probes_leave_nothing_behind(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            registers = (MOUNTS, POLICIES, ENTITIES, TOKENS, LOCKOUTS)
            rows = tx_of(lent).all
            before = [
                {tuple(getattr(r, part) for part in register.key) for r in await rows(register)}
                for register in registers
            ]

            await runs_of(lent).run(lent.period())

            rows = tx_of(lent).all
            after = [
                {tuple(getattr(r, part) for part in register.key) for r in await rows(register)}
                for register in registers
            ]
        assert after == before

    async def test_probes_are_told_from_everybody_else_in_the_log(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            first = lent.server.log.size

            await runs_of(lent).run(lent.period(), ["T18", "T35"])

            entries = await lent.server.log.entries(first, lent.server.log.size)
        made = [decoded(e.index, e.leaf) for e in entries]
        assert {e.actor for e in made} == {"system", "control:T18", "control:T35"}
        issued = {e.own["accessor"] for e in made if e.code == "control.identity"}
        assert issued == {e.token for e in made if e.token}

    async def test_each_result_is_in_the_log_by_its_digest(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)

            [row] = await runs_of(lent).run(lent.period(), ["T64"])

            assert row.entry is not None
            [entry] = await lent.server.log.entries(row.entry, row.entry + 1)
        own = decoded(entry.index, entry.leaf).own
        assert (own["control"], own["verdict"]) == ("T64", "effective")
        assert own["result_sha256"] == digest(row.result)

    async def test_a_run_is_found_again(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            runs = runs_of(lent)

            rows = await runs.run(lent.period(), ["T67", "T02"])

            kept = [one.row for one in await runs.read(rows[0].run)]
            assert kept == sorted(rows, key=lambda row: row.control)
            assert await runs.latest(lent.period(), "T02") == rows[1]
            assert await runs.latest(Period(START, START + DAY), "T02") is None


class TestWhatGoesWrong:
    async def test_a_value_that_was_changed_in_the_database_is_found(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)

            async def spoil(tx: Transaction) -> None:
                tx.run(
                    "UPDATE cell SET value = ?, entry = entry WHERE key LIKE ?", (b"\1" * 60, "%")
                )

            await act(lent.server, "test.spoil", "tests", {}, spoil)
            [row] = await runs_of(lent).run(lent.period(), ["T02"])

        assert row.verdict == Verdict.EXCEPTIONS

    @pytest.mark.parametrize(
        ("statement", "named"),
        [
            ("UPDATE policy SET text = '' WHERE name = 'default'", "policy default"),
            ("UPDATE token SET policies = '[]' WHERE display = 'app-staging'", "token "),
            (
                "UPDATE entity SET metadata = '{}' WHERE id = 'e-app-staging'",
                "entity e-app-staging",
            ),
            ("UPDATE mount SET path = 'moved/' WHERE path = 'secret/'", "mount moved/"),
            ("UPDATE policy_version SET text = ''", "policy_version default/1"),
            ("UPDATE environment SET open = 1 WHERE name = 'staging'", "environment staging"),
            ("DELETE FROM environment WHERE name = 'staging'", "environment staging"),
            ("DELETE FROM setting WHERE name = 'environments'", "setting environments"),
        ],
    )
    async def test_a_row_that_was_changed_in_the_database_is_named(
        self, tmp_path: Path, statement: str, named: str
    ) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            await change(f"sqlite://{tmp_path}/strongroom.db", statement)
            await asyncio.sleep(0)
            lent.server.views.clear()

            rows = await runs_of(lent).run(lent.period())

        found = {row.control: json.loads(row.result)["items"] for row in rows}
        broken = [item["subject"] for item in found["T02"] if item["held"] is False]
        assert any(subject.startswith(named) for subject in broken), broken
        failed = {c for c, all_ in found.items() if any("itself" in i["subject"] for i in all_)}
        assert failed == set()

    async def test_an_environment_that_is_gone_with_the_roll_is_found(self, tmp_path: Path) -> None:
        url = f"sqlite://{tmp_path}/strongroom.db"
        async with company(tmp_path) as lent:
            await change(url, "CREATE TABLE early AS SELECT * FROM setting")
            await lent.environment("later", "later/*")
            await change(
                url,
                "DELETE FROM environment WHERE name = 'later'",
                "DELETE FROM setting WHERE name = 'environments'",
                "INSERT INTO setting SELECT * FROM early WHERE name = 'environments'",
            )
            await asyncio.sleep(0)
            lent.server.views.clear()
            lent.clock.advance(DAY)

            rows = await runs_of(lent).run(lent.period(), ["T02", "T17"])

        assert verdicts(rows) == {"T02": "effective", "T17": "exceptions"}
        [item] = json.loads(rows[1].result)["items"]
        assert item["subject"] == "environment later"

    async def test_a_root_token_that_lives_is_found_twice(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            lent.clock.advance(DAY)
            rows = await runs_of(lent).run(lent.period(), ["T11", "T12"])

        assert verdicts(rows) == {"T11": "exceptions", "T12": "exceptions"}

    async def test_an_environment_that_loses_its_protection_is_found(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            await lent.environment("production", "secret/data/production/*", protected=False)

            rows = await runs_of(lent).run(lent.period(), ["T17", "T18"])

        assert verdicts(rows) == {"T17": "exceptions", "T18": "not exercised"}

    async def test_a_policy_over_everything_is_found(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            await lent.policy("all", 'path "secret/*" { capabilities = ["read"] }')

            [row] = await runs_of(lent).run(lent.period(), ["T36"])

        assert [i["subject"] for i in json.loads(row.result)["items"] if i["held"] is False] == [
            "all: secret/*"
        ]

    async def test_an_entry_that_is_not_counted_is_found(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            lent.server.pipeline.counters.counts["secret.read:ok"] += 1

            [row] = await runs_of(lent).run(lent.period(), ["T63"])

        assert row.verdict == Verdict.EXCEPTIONS

    async def test_a_secret_in_a_file_beside_the_database_is_found(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            await quarter(lent)
            original = lent.server.barrier.encrypt

            def leaking(where: bytes, plain: bytes) -> bytes:
                if b"canary-" in plain:
                    (tmp_path / "server.log").write_bytes(plain)
                return original(where, plain)

            lent.server.barrier.encrypt = leaking  # type: ignore[method-assign]

            [row] = await runs_of(lent).run(lent.period(), ["T03"])

        broken = [i["subject"] for i in json.loads(row.result)["items"] if i["held"] is False]
        assert broken == ["server.log"]

    async def test_a_test_that_fails_itself_is_no_pass(self, tmp_path: Path) -> None:
        async def fails(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
            yield Item("one", True, "held")
            raise RuntimeError("broken")

        async with company(tmp_path) as lent:
            broken = replace(CONTROLS[0], evaluate=fails)

            [row] = await runs_of(lent, [broken]).run(Period(START, START + DAY))

        assert row.verdict == Verdict.INCONCLUSIVE

    async def test_a_control_that_nobody_knows_is_named(self, tmp_path: Path) -> None:
        async with company(tmp_path) as lent:
            with pytest.raises(InputError, match="T99"):
                await runs_of(lent).run(Period(START, START + DAY), ["T99"])


class TestPeriods:
    def test_a_period_in_the_future_is_refused(self) -> None:
        with pytest.raises(InputError, match="future"):
            parse_period("2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z", START)

    def test_an_empty_period_is_refused(self) -> None:
        with pytest.raises(InputError, match="after"):
            parse_period("2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z", START + DAY)


class TestDefinitions:
    def test_the_version_changes_with_the_parameters(self) -> None:
        control = CONTROLS[0]
        softer = replace(control, parameters={"algorithms": ["ROT13"]})

        assert definition_of(control).version != definition_of(softer).version

    def test_a_definition_holds_the_source_that_ran(self) -> None:
        written = json.loads(definition_of(CONTROLS[0]).written)

        assert "async def evaluate" in written["source"]


def test_the_walk_knows_every_register_with_sealed_columns() -> None:
    for found in pkgutil.walk_packages(strongroom.__path__, "strongroom."):
        if found.name.endswith(".records"):
            importlib.import_module(found.name)
    registers = [r for r in gc.get_objects() if isinstance(r, Register) and r.has_sealed]

    ours = {r.name for r in registers if r.row.__module__.startswith("strongroom.")}
    assert ours == {register.name for register in SEALED}


def test_a_leaf_that_is_no_json_is_not_readable() -> None:
    assert not decoded(3, b"\xff{").readable
    assert not decoded(3, b"[1]").readable
