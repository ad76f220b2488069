"""Vendors: what is written of them, and that all access of theirs ends in one commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.base.clock import rfc3339
from strongroom.evidence.compliance_facts import ComplianceFacts
from tests.core.governance.office import entity, office, person, signed_in
from tests.core.system.room import START, Answer, Room
from tests.core.system.test_groups import acting_as

SOON = rfc3339(START + timedelta(days=90))
YESTERDAY = rfc3339(START - timedelta(days=1))
TOMORROW = rfc3339(START + timedelta(days=1))
READER = 'path "secret/*" { capabilities = ["read"] }'
ALL = 'path "*" { capabilities = ["create", "read", "update", "delete", "list"] }'


@pytest.fixture
async def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    async with office(tmp_path, monkeypatch) as made:
        await made.policy("reader", READER)
        await made.policy("all", ALL)
        yield made


async def vendor(ours: Room, name: str = "acme", **more: object) -> Answer:
    given: dict[str, object] = {"tier": "high", "holds": "runs our scanner", **more}
    if "owner" not in given:
        given["owner"] = (await person(ours, f"owner-of-{name}"))[0]
    return await ours.ask("POST", f"strongroom/vendors/{name}", given)


async def of_vendor(ours: Room, name: str, contract: str = "C-7") -> tuple[str, str]:
    """Register somebody of a vendor; return their entity and token."""
    made, token = await person(ours, name, "reader")
    given = {"worker": "vendor", "contract": contract, "ends_at": SOON}
    answer = await ours.ask("POST", f"strongroom/people/{made}", given)
    assert answer.status == 204, answer
    return made, token


async def workload(ours: Room, name: str, owner: str, of: str) -> tuple[str, str]:
    made = await entity(ours, name, policies=["reader"])
    given = {"owner": owner, "justification": "scans", "environment": "production"}
    given |= {"vendor": of, "ends_at": SOON}
    answer = await ours.ask("POST", f"strongroom/workloads/{made}", given)
    assert answer.status == 204, answer
    return made, await acting_as(ours, made)


class TestWriting:
    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"owner": "nobody"}, "owner"),
            ({"tier": "huge"}, "tier"),
            ({"tier": ""}, "tier"),
            ({"holds": " \u200b "}, "holds"),
            ({"report": "soc3"}, "report"),
            ({"report": "soc2-type2"}, "report_at"),
            ({"report_at": YESTERDAY}, "report_at"),
            ({"report": "soc2-type2", "report_at": TOMORROW}, "report_at"),
            ({"assessed_at": TOMORROW}, "assessed_at"),
            ({"assess_again_at": TOMORROW}, "assessed_at"),
            ({"report_from": YESTERDAY, "report_until": YESTERDAY}, "report_until"),
            ({"contracts": ["\u200b"]}, "contracts"),
            ({"contracts": ["x" * 300]}, "contracts"),
            ({"names": [str(n) for n in range(40)]}, "names"),
        ],
    )
    async def test_lacks_nothing(self, ours: Room, more: dict[str, object], field: str) -> None:
        answer = await vendor(ours, **more)

        assert answer.status == 400
        assert answer.errors[0].startswith(field), answer

    async def test_a_name_that_is_no_segment_is_refused(self, ours: Room) -> None:
        assert (await vendor(ours, "-acme-")).status == 400

    async def test_what_is_not_sent_stays(self, ours: Room) -> None:
        given = {"report": "soc2-type2", "report_at": YESTERDAY, "contract_ends_at": SOON}
        await vendor(ours, **given)

        await ours.ask("POST", "strongroom/vendors/acme", {"tier": "low"})

        shown = (await ours.ask("GET", "strongroom/vendors/acme")).data
        assert (shown["tier"], shown["report"], shown["report_at"]) == (
            "low",
            "soc2-type2",
            YESTERDAY,
        )
        entry = (await ours.entries())[-2]
        assert entry["unmapped"]["vendor"] == "acme"

    async def test_a_name_or_contract_is_one_vendors_alone(self, ours: Room) -> None:
        await vendor(ours, names=["Acme Corp"], contracts=["C-7"])

        by_name = await vendor(ours, "other", names=["ACME corp"])
        by_contract = await vendor(ours, "more", contracts=["c-7"])

        assert by_name.errors[0].startswith("names")
        assert by_contract.errors[0].startswith("contracts")

    async def test_people_and_workloads_are_linked_by_contract_and_name(self, ours: Room) -> None:
        owner, _ = await person(ours, "ada")
        await vendor(ours, owner=owner, names=["Acme Corp"], contracts=["C-7"])
        bo, _ = await of_vendor(ours, "bo", "c-7")
        scan, _ = await workload(ours, "scan", owner, "ACME CORP")
        await of_vendor(ours, "cy", "C-8")

        shown = (await ours.ask("GET", "strongroom/vendors/acme")).data

        assert [each["entity"] for each in shown["people"]] == [bo]
        assert [each["entity"] for each in shown["workloads"]] == [scan]
        facts = {fact.name: fact for fact in await ComplianceFacts(ours.server).vendors()}
        assert facts["acme"].workloads == (scan,)
        assert not facts["of contract C-8"].known

    async def test_they_are_listed_by_page_tier_and_state(self, ours: Room) -> None:
        owner, _ = await person(ours, "ada")
        for name, tier in (("a", "low"), ("b", "high"), ("c", "low")):
            await vendor(ours, name, owner=owner, tier=tier)
        await ours.ask("POST", "strongroom/vendors/c/leave")

        low = await ours.ask("LIST", "strongroom/vendors?tier=low")
        left = await ours.ask("LIST", "strongroom/vendors?state=left")
        first = await ours.ask("LIST", "strongroom/vendors?limit=2")

        assert (low.data["keys"], left.data["keys"]) == (["a", "c"], ["c"])
        assert (first.data["keys"], first.data["next"]) == (["a", "b"], "b")


class TestLeaving:
    async def test_everything_of_all_its_people_and_workloads_ends_at_once(
        self, ours: Room
    ) -> None:
        owner, owns = await person(ours, "ada", "reader")
        await vendor(ours, owner=owner, contracts=["C-7"])
        bo, token = await of_vendor(ours, "bo")
        _, other = await of_vendor(ours, "cy", "C-9")
        scan, machine = await workload(ours, "scan", owner, "acme")
        await ours.ask("POST", "secret/shared", {"k": "v"})
        for each in (token, machine, other, owns):
            assert (await ours.ask("GET", "secret/shared", token=each)).status == 200

        answer = await ours.ask("POST", "strongroom/vendors/acme/leave", {"reason": "over"})

        assert {each["entity"] for each in answer.data["ended"]} == {bo, scan}
        for each, status in ((token, 403), (machine, 403), (other, 200), (owns, 200)):
            assert (await ours.ask("GET", "secret/shared", token=each)).status == status
        shown = (await ours.ask("GET", "strongroom/vendors/acme")).data
        assert (shown["state"], shown["why"]) == ("left", "over")
        known = await ours.ask("GET", "strongroom/vendors/acme/knowledge")
        assert [each["path"] for each in known.data["secrets"]] == ["secret/shared"]
        assert (await ours.ask("POST", "auth/fake/login/bo", {}, token="")).status == 400

    async def test_the_entry_names_each_and_what_it_took_is_written_behind(
        self, ours: Room
    ) -> None:
        owner, _ = await person(ours, "ada")
        await vendor(ours, owner=owner, contracts=["C-7"])
        bo, _ = await of_vendor(ours, "bo")

        await ours.ask("POST", "strongroom/vendors/acme/leave")
        for _ in range(3):
            await ours.ask("GET", "strongroom/vendors/acme")

        entries = await ours.entries()
        by_code = {e["metadata"]["event_code"]: e.get("unmapped", {}) for e in entries}
        [told] = by_code["vendor.leave"]["leavers"]
        assert (told["entity"], told["kind"]) == (bo, "person")
        assert told["ended"]["tokens"]["count"] == 1
        assert by_code["vendor.measured"]["ended"] == 1
        assert by_code["leaver.measured"]["entity"] == bo

    async def test_again_ends_what_came_since_and_keeps_when_it_left(self, ours: Room) -> None:
        owner, _ = await person(ours, "ada")
        await vendor(ours, owner=owner, contracts=["C-7"])
        first = await ours.ask("POST", "strongroom/vendors/acme/leave")
        ours.clock.advance(timedelta(hours=2))
        late, token = await of_vendor(ours, "late")

        again = await ours.ask("POST", "strongroom/vendors/acme/leave")

        assert [each["entity"] for each in again.data["ended"]] == [late]
        assert again.data["left_at"] == first.data["left_at"]
        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 403

    async def test_nothing_is_registered_as_its_after_it_left(self, ours: Room) -> None:
        owner, _ = await person(ours, "ada")
        await vendor(ours, owner=owner, names=["Acme Corp"])
        await ours.ask("POST", "strongroom/vendors/acme/leave")
        made = await entity(ours, "late")
        given = {"owner": owner, "justification": "scans", "environment": "production"}
        given |= {"vendor": "ACME corp", "ends_at": SOON}

        answer = await ours.ask("POST", f"strongroom/workloads/{made}", given)

        assert (answer.status, answer.errors[0][:6]) == (400, "vendor")

    async def test_a_return_gives_nobody_access_back(self, ours: Room) -> None:
        owner, _ = await person(ours, "ada")
        await vendor(ours, owner=owner, contracts=["C-7"])
        await of_vendor(ours, "bo")
        await ours.ask("POST", "strongroom/vendors/acme/leave")

        assert (await ours.ask("POST", "strongroom/vendors/acme/return")).status == 204

        assert (await ours.ask("GET", "strongroom/vendors/acme")).data["state"] == "active"
        assert (await ours.ask("POST", "auth/fake/login/bo", {}, token="")).status == 400

    async def test_too_many_at_once_are_refused_before_anything_ends(
        self, ours: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("strongroom.core.governance.vendors.MOST", 0)
        owner, _ = await person(ours, "ada")
        await vendor(ours, owner=owner, contracts=["C-7"])
        _, token = await of_vendor(ours, "bo")

        answer = await ours.ask("POST", "strongroom/vendors/acme/leave")

        assert answer.status == 400
        assert (await ours.ask("GET", "auth/token/lookup-self", token=token)).status == 200

    async def test_who_is_bound_to_an_environment_ends_nobody(self, ours: Room) -> None:
        await vendor(ours)
        made = await entity(ours, "tied", policies=["all"], metadata={"environment": "production"})

        answer = await ours.ask(
            "POST", "strongroom/vendors/acme/leave", token=await acting_as(ours, made)
        )

        assert answer.status == 403

    async def test_who_may_write_a_vendor_does_not_end_it_by_that(self, ours: Room) -> None:
        text = 'path "strongroom/vendors/+" { capabilities = ["create", "update"] }'
        await ours.policy("clerk", text)
        await vendor(ours)
        await person(ours, "clerk", "clerk")
        token = await signed_in(ours, "clerk")

        write = await ours.ask("POST", "strongroom/vendors/acme", {"tier": "low"}, token=token)
        leave = await ours.ask("POST", "strongroom/vendors/acme/leave", token=token)

        assert (write.status, leave.status) == (204, 403)

    @pytest.mark.parametrize("what", ["", "/leave", "/return", "/knowledge"])
    async def test_one_that_is_not_there_is_not_found(self, ours: Room, what: str) -> None:
        method = "GET" if what in ("", "/knowledge") else "POST"

        assert (await ours.ask(method, f"strongroom/vendors/none{what}")).status == 404
