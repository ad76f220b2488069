"""Documents: proposed by one, approved by another, acknowledged, and held against the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.evidence.compliance_facts import ComplianceFacts
from strongroom.identity.governance.documents import VERSIONS
from strongroom.storage.transaction import Transaction
from tests.core.governance.office import entity, group, office, person, signed_in
from tests.core.system.room import Answer, Room
from tests.core.system.test_groups import acting_as

PAPERS = """
path "strongroom/documents*" { capabilities = ["create", "read", "update", "delete", "list"] }
"""


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch) as made:
        await made.policy("papers", PAPERS)
        yield made


async def document(ours: Room, owner: str, name: str = "secrets", **more: object) -> Answer:
    given = {"title": "Handling secrets", "owner": owner, **more}
    return await ours.ask("POST", f"strongroom/documents/{name}", given)


async def proposed(ours: Room, token: str, text: str = "Be careful.", name: str = "secrets") -> str:
    given = {"reason": "it was missing", **({"text": text} if text else {})}
    answer = await ours.ask("POST", f"strongroom/documents/{name}/propose", given, token=token)
    assert answer.status == 200, answer
    return str(answer.data["id"])


async def decide(ours: Room, id_: str, token: str, how: str = "approve") -> Answer:
    path = f"strongroom/documents/proposals/{id_}/{how}"
    return await ours.ask("POST", path, {"revision": 1}, token=token)


async def read(ours: Room, name: str = "secrets") -> dict[str, Any]:
    found = await ours.ask("GET", f"strongroom/documents/{name}")
    assert found.status == 200, found
    return dict(found.data)


class TestVersions:
    async def test_one_is_in_force_when_another_person_approved_it(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        ben, decides = await person(ours, "ben", "papers")
        await document(ours, ada)
        id_ = await proposed(ours, asks)

        before = await read(ours)
        own = await decide(ours, id_, asks)
        answer = await decide(ours, id_, decides)

        assert (before["in_force"], own.status, answer.data["state"]) == (0, 403, "approved")
        shown = await read(ours)
        assert (shown["in_force"], shown["text"]) == (1, "Be careful.")
        [version] = shown["versions"]
        assert (version["proposed_by"], version["approved_by"]) == ([ada], [ben])

    async def test_one_that_was_denied_or_taken_back_is_never_in_force(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada)
        denied, withdrawn = await proposed(ours, asks), await proposed(ours, asks, "Another.")

        await decide(ours, denied, decides, "deny")
        path = f"strongroom/documents/proposals/{withdrawn}"
        assert (await ours.ask("DELETE", path, token=asks)).status == 204

        for each in (denied, withdrawn):
            assert (await decide(ours, each, decides)).status == 400
        assert (await read(ours))["in_force"] == 0

    async def test_one_that_was_proposed_before_the_one_in_force_is_too_late(
        self, ours: Room
    ) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada)
        older, newer = await proposed(ours, asks, "Old."), await proposed(ours, asks, "New.")
        await decide(ours, newer, decides)

        answer = await decide(ours, older, decides)

        assert answer.status == 400
        assert (await read(ours))["text"] == "New."

    async def test_rules_of_their_kind_ask_for_more_people(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, first = await person(ours, "ben", "papers")
        _, second = await person(ours, "cy", "papers")
        given = {"kinds": ["document"], "needs": [{"count": 2}]}
        answer = await ours.ask("POST", "strongroom/approval-rules/papers", given)
        assert answer.status == 204, answer
        await document(ours, ada)
        id_ = await proposed(ours, asks)

        one = await decide(ours, id_, first)
        assert (await read(ours))["in_force"] == 0
        two = await decide(ours, id_, second)

        assert (one.data["state"], two.data["state"]) == ("pending", "approved")

    async def test_the_difference_is_shown_line_by_line(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada)
        await decide(ours, await proposed(ours, asks, "One.\nTwo."), decides)
        await proposed(ours, asks, "One.\nThree.")

        found = await ours.ask("GET", "strongroom/documents/secrets/difference")

        assert found.data["lines"] == [
            "--- version 1",
            "+++ version 2",
            "@@ -1,2 +1,2 @@",
            " One.",
            "-Two.",
            "+Three.",
        ]

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"title": " "}, "title"),
            ({"owner": "nobody"}, "owner"),
            ({"kind": "poem"}, "kind"),
            ({"rendered": "/etc/passwd"}, "rendered"),
            ({"review_every": "9000h"}, "review_every"),
            ({"groups": ["none"]}, "groups"),
            ({"name": "proposals"}, ""),
        ],
    )
    async def test_a_document_lacks_nothing(
        self, ours: Room, more: dict[str, object], field: str
    ) -> None:
        ada, _ = await person(ours, "ada")

        answer = await document(ours, **{"owner": ada, **more})  # type: ignore[arg-type]

        assert answer.status in (400, 405)
        assert answer.errors[0].startswith(field), answer

    @pytest.mark.parametrize("text", ["\u200b", "x" * 300_000])
    async def test_a_text_says_something_and_not_too_much(self, ours: Room, text: str) -> None:
        ada, asks = await person(ours, "ada", "papers")
        await document(ours, ada)
        given = {"reason": "because of it", "text": text}

        answer = await ours.ask("POST", "strongroom/documents/secrets/propose", given, token=asks)

        assert answer.status == 400

    async def test_the_same_text_is_reviewed_and_not_proposed(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada)
        await decide(ours, await proposed(ours, asks), decides)
        given = {"reason": "once more", "text": "Be careful."}
        ours.clock.advance(timedelta(minutes=5))

        again = await ours.ask("POST", "strongroom/documents/secrets/propose", given, token=asks)
        review = {"version": 1, "because": "read it whole"}
        path = "strongroom/documents/secrets/review"
        own = await ours.ask("POST", path, review, token=asks)
        other = await ours.ask("POST", path, review, token=decides)

        assert (again.status, own.status, other.status) == (400, 403, 204)

    async def test_nobody_proposes_by_a_token_that_was_made(self, ours: Room) -> None:
        ada, _ = await person(ours, "ada")
        await document(ours, ada)
        made = await entity(ours, "robot", policies=["papers"])

        token = await acting_as(ours, made)
        given = {"reason": "because of it", "text": "Words."}
        answer = await ours.ask("POST", "strongroom/documents/secrets/propose", given, token=token)

        assert answer.status == 403

    async def test_withdrawing_one_in_force_takes_sudo(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada)
        await decide(ours, await proposed(ours, asks), decides)

        refused = await ours.ask("DELETE", "strongroom/documents/secrets", token=asks)
        done = await ours.ask("DELETE", "strongroom/documents/secrets")

        assert (refused.status, done.status) == (403, 204)
        assert (await ours.last())["unmapped"]["alert"] == "document_withdrawn"
        assert (await ours.ask("LIST", "strongroom/documents")).status == 404


class TestAcknowledging:
    async def test_whoever_is_to_is_named_until_they_have(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        ben, decides = await person(ours, "ben", "papers")
        await group(ours, "staff-of-it", member_entity_ids=[ada, ben])
        await person(ours, "cy")
        await document(ours, ada, groups=["staff-of-it"])
        await decide(ours, await proposed(ours, asks), decides)
        path = "strongroom/documents/secrets/acknowledge"

        wrong = await ours.ask("POST", path, {"version": 2}, token=asks)
        right = await ours.ask("POST", path, {"version": 1}, token=asks)

        shown = await read(ours)
        assert (wrong.status, right.status) == (400, 204)
        assert (shown["acknowledged"], shown["to_acknowledge"]) == ([ada], [ben])
        [soon] = await ComplianceFacts(ours.server).documents()
        ours.clock.advance(timedelta(days=15))
        [late] = await ComplianceFacts(ours.server).documents()
        assert (soon.missing, late.missing) == ((), (ben,))

    async def test_a_new_version_is_acknowledged_anew(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada)
        await decide(ours, await proposed(ours, asks), decides)
        path = "strongroom/documents/secrets/acknowledge"
        await ours.ask("POST", path, {"version": 1}, token=asks)

        await decide(ours, await proposed(ours, asks, "Be very careful."), decides)

        assert (await read(ours))["acknowledged"] == []

    async def test_nobody_does_it_for_another(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada)
        await decide(ours, await proposed(ours, asks), decides)
        path = "strongroom/documents/secrets/acknowledge"

        assert (await ours.ask("POST", path, {"version": 1})).status == 403


class TestRendering:
    @pytest.mark.parametrize("source", ["access-control", "key-management", "log-retention"])
    async def test_the_same_settings_give_the_same_text(self, ours: Room, source: str) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada, rendered=source)
        await decide(ours, await proposed(ours, asks, ""), decides)
        ours.clock.advance(timedelta(days=3))

        shown = await read(ours)

        assert shown["text"].startswith("# ")
        assert not shown["drift"]

    async def test_a_setting_that_changed_is_drift_until_it_is_proposed_anew(
        self, ours: Room
    ) -> None:
        ada, asks = await person(ours, "ada", "papers")
        _, decides = await person(ours, "ben", "papers")
        await document(ours, ada, rendered="access-control")
        await decide(ours, await proposed(ours, asks, ""), decides)

        given = {"paths": ["secret/prod/*", "secret/live/*"]}
        await ours.ask("POST", "strongroom/environments/production", given)

        assert (await read(ours))["drift"]
        path = "strongroom/documents/secrets/difference?newer=live"
        lines = (await ours.ask("GET", path)).data["lines"]
        assert any("secret/live/*" in line for line in lines if line.startswith("+"))
        review = {"version": 1, "because": "read it whole"}
        path = "strongroom/documents/secrets/review"
        assert (await ours.ask("POST", path, review, token=decides)).status == 400
        [fact] = await ComplianceFacts(ours.server).documents()
        assert fact.drift
        asks = await signed_in(ours, "ada")
        await decide(ours, await proposed(ours, asks, ""), await signed_in(ours, "ben"))
        assert not (await read(ours))["drift"]

    async def test_a_description_adds_no_line_of_its_own(self, ours: Room) -> None:
        ada, _ = await person(ours, "ada")
        await document(ours, ada, rendered="access-control")
        rule = {"paths": ["secret/x"], "description": "a\n- **forged**: nobody needs anything"}
        await ours.ask("POST", "strongroom/step-up/rules/odd", rule)

        live = await ours.ask("GET", "strongroom/documents/secrets/live")

        assert "\n- **forged**" not in live.data["text"]

    async def test_nobody_gives_it_another_text(self, ours: Room) -> None:
        ada, asks = await person(ours, "ada", "papers")
        await document(ours, ada, rendered="access-control")
        given = {"reason": "because of it", "text": "All is well."}

        answer = await ours.ask("POST", "strongroom/documents/secrets/propose", given, token=asks)

        assert answer.status == 400


async def test_a_version_that_is_gone_from_the_database_is_a_problem(ours: Room) -> None:
    ada, asks = await person(ours, "ada", "papers")
    _, decides = await person(ours, "ben", "papers")
    await document(ours, ada)
    await decide(ours, await proposed(ours, asks), decides)

    await ours.store(_drop)

    [fact] = await ComplianceFacts(ours.server).documents()
    assert fact.problem


def _drop(tx: Transaction) -> None:
    tx.delete(VERSIONS, "secrets", 1)
