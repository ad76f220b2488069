"""Access reviews: a frozen start, decisions that are executed and proven, a signed end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom.base.clock import rfc3339
from strongroom.core.governance.proving import see_to_proofs
from strongroom.core.governance.review_duties import see_to_reviews
from strongroom.evidence.review_records import pdf, records_of, sheet_bytes
from strongroom.identity.governance.campaigns import LINES
from strongroom.sdk.facts.period import Period
from strongroom.sdk.reviews import root_over
from tests.core.governance.reviews import Firm, entity, group, reviewed, signed_in

DAY = timedelta(days=1)


@pytest.fixture
async def firm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Firm]:
    async with reviewed(tmp_path, monkeypatch) as made:
        yield made


async def proofs(firm: Firm) -> int:
    return await see_to_proofs(firm.room.server)


async def codes(firm: Firm, code: str) -> list[dict[str, Any]]:
    return [
        e["unmapped"]
        for e in await firm.room.entries()
        if e["metadata"].get("event_code") == code and e["status_id"] == 1
    ]


class TestStarting:
    async def test_freezes_every_grant_with_its_root(self, firm: Firm) -> None:
        await firm.ask(firm.cem, "GET", "secret/prod/db")

        campaign = await firm.starts()

        lines = await firm.lines(campaign["id"])
        held = {(e["holder_name"], e["kind"], e["name"]) for e in lines}
        assert {
            ("Cem", "policy", "reader"),
            ("Cem", "group", "operators"),
            ("Ann", "group", "reviewers"),
        } <= held
        [entry] = await codes(firm, "review.start")
        assert (entry["lines"], entry["root"]) == (len(lines), campaign["root"])
        frozen = [{k: e[k] for k in e if k not in ("digest", "state", "decision")} for e in lines]
        for each in frozen:
            each["last_use"] = -1 if each["last_use"] is None else each["last_use"]
        assert root_over(frozen) == campaign["root"]

    async def test_tells_uses_peers_and_flags(self, firm: Firm) -> None:
        for _ in range(3):
            await firm.ask(firm.cem, "GET", "secret/prod/db")

        campaign = await firm.starts()

        reader = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        assert (reader["uses"], reader["peers"], reader["alike"]) == (3, 0, 2)
        assert reader["rights"] == ["secret/prod/*: read"]
        assert set(reader["flags"]) == {"new", "no_justification"}
        other = await firm.line(campaign["id"], firm.ann[0], "policy", "staff")
        assert (other["peers"], "never_used" in other["flags"]) == (2, True)

    async def test_stays_as_it_was(self, firm: Firm) -> None:
        campaign = await firm.starts()
        before = await firm.lines(campaign["id"])

        await firm.room.ask("POST", f"identity/entity/id/{firm.cem[0]}", {"policies": []})

        assert await firm.lines(campaign["id"]) == before

    async def test_of_an_environment_takes_what_reaches_it(self, firm: Firm) -> None:
        campaign = await firm.starts(environments=["production"])

        names = {(e["holder_name"], e["name"]) for e in await firm.lines(campaign["id"])}

        assert names == {("Cem", "reader"), ("Cem", "operators")}

    @pytest.mark.parametrize(
        "given",
        [
            pytest.param({"kind": "keys"}, id="no register of keys"),
            pytest.param({"reviewers": []}, id="nobody reviews"),
            pytest.param({"reviewers": ["nobody"]}, id="no group"),
            pytest.param({"environments": ["none"]}, id="no environment"),
            pytest.param({"deadline": "1m"}, id="too short"),
            pytest.param({"deadline": "93d"}, id="too long"),
            pytest.param({"grace": "32d"}, id="too much grace"),
            pytest.param({"quarter": "2026-Q1"}, id="for a quarter"),
        ],
    )
    async def test_is_refused(self, firm: Firm, given: dict[str, Any]) -> None:
        asked = {"kind": "people", "reviewers": ["reviewers"], **given}

        answer = await firm.ask(firm.ann, "POST", "strongroom/reviews", asked)

        assert answer.status == 400, answer

    async def test_needs_somebody_else_for_each_line(self, firm: Firm) -> None:
        await group(firm.room, "alone", member_entity_ids=[firm.ann[0]])
        asked = {"kind": "people", "reviewers": ["alone"]}

        refused = await firm.ask(firm.ann, "POST", "strongroom/reviews", asked)
        with_other = await firm.starts(reviewers=["alone"], fallback=["reviewers"])

        assert refused.status == 400
        assert "nobody but Ann" in refused.errors[0]
        assert with_other["lines"] > 0
        again = await firm.ask(firm.ann, "POST", "strongroom/reviews", asked)
        assert again.status == 400

    async def test_is_nothing_for_a_token_that_was_made(self, firm: Firm) -> None:
        token = await firm.room.token("reviewing")

        answer = await firm.room.ask(
            "POST",
            "strongroom/reviews",
            {"kind": "people", "reviewers": ["reviewers"]},
            token=token,
        )

        assert answer.status == 403


class TestDeciding:
    async def test_revoking_a_policy_ends_it_at_once_and_proves_it(self, firm: Firm) -> None:
        await firm.room.ask("POST", "identity/group/name/operators", {"member_entity_ids": []})
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        assert (await firm.ask(firm.cem, "GET", "secret/prod/db")).status == 200

        answer = await firm.decide(firm.ann, campaign["id"], line, "revoke")

        assert (answer.status, answer.data["state"]) == (200, "revoked")
        assert (await firm.ask(firm.cem, "GET", "secret/prod/db")).status == 403
        await proofs(firm)
        path = f"strongroom/reviews/{campaign['id']}/lines/{line['number']}"
        proven = (await firm.room.ask("GET", path)).data["decision"]
        assert proven["proof"] == "refused"
        probe = (await firm.room.entries())[proven["proof_entry"]]
        assert probe["status_id"] == 2
        assert probe["unmapped"]["path"].startswith("secret/prod/probe-")
        assert probe["actor"]["user"]["uid"].startswith("control:T39:")
        [entry] = await codes(firm, "review.decide")
        assert entry["entity_policies"] == ["reviewing", "staff"]

    async def test_revoking_is_not_proven_while_another_way_is_left(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        other = await firm.line(campaign["id"], firm.cem[0], "group", "operators")
        path = f"strongroom/reviews/{campaign['id']}/lines/{line['number']}"

        await firm.decide(firm.ann, campaign["id"], line, "revoke")
        for _ in range(3):
            await proofs(firm)
        assert len(await codes(firm, "review.probe")) == 1  # said once, while it stays so
        left = (await firm.room.ask("GET", path)).data["decision"]
        await firm.decide(firm.ann, campaign["id"], other, "revoke")
        await proofs(firm)
        after = (await firm.room.ask("GET", path)).data["decision"]

        assert (left["proof"], after["proof"]) == ("allowed", "refused")
        assert (await firm.ask(firm.cem, "GET", "secret/prod/db")).status == 403

    async def test_revoking_is_covered_by_a_line_that_was_kept(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        other = await firm.line(campaign["id"], firm.cem[0], "group", "operators")

        await firm.decide(firm.ann, campaign["id"], other, "keep")
        await firm.decide(firm.ann, campaign["id"], line, "revoke")
        await proofs(firm)

        path = f"strongroom/reviews/{campaign['id']}/lines/{line['number']}"
        proven = (await firm.room.ask("GET", path)).data["decision"]
        assert proven["proof"] == "covered"
        assert f"line {other['number']}" in proven["proof_text"]

    async def test_nobody_decides_on_themselves(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.ann[0], "policy", "staff")

        own = await firm.decide(firm.ann, campaign["id"], line, "keep")
        revoked = await firm.decide(firm.ann, campaign["id"], line, "revoke")
        other = await firm.decide(firm.bob, campaign["id"], line, "keep")

        assert (own.status, revoked.status, other.status) == (403, 403, 200)

    async def test_who_is_no_reviewer_does_not_decide(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.ann[0], "policy", "staff")

        answer = await firm.decide(firm.cem, campaign["id"], line, "keep")

        assert answer.status == 403

    async def test_nor_does_a_token_that_was_made(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        made = await firm.room.token("reviewing", by=firm.room.root)

        answer = await firm.decide(("", made), campaign["id"], line, "revoke")

        assert answer.status == 403

    async def test_what_is_flagged_is_kept_for_a_reason(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")

        empty = await firm.decide(firm.ann, campaign["id"], line, "keep", because="\u200b .")
        answer = await firm.decide(firm.ann, campaign["id"], line, "keep")

        assert (empty.status, answer.status) == (400, 200)

    async def test_what_is_revoked_stays_so(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        await firm.decide(firm.ann, campaign["id"], line, "revoke")

        for verdict in ("keep", "revoke", "defer", "escalate"):
            more = {"until": rfc3339(firm.room.clock.now() + DAY), "otherwise": "revoke"}
            answer = await firm.decide(firm.bob, campaign["id"], line, verdict, **more)
            assert answer.status == 400, verdict

    async def test_several_at_once_are_a_record_each(self, firm: Firm) -> None:
        campaign = await firm.starts()
        numbers = [e["number"] for e in await firm.lines(campaign["id"], holder=firm.cem[0])]
        path = f"strongroom/reviews/{campaign['id']}/decide"
        given = {"lines": numbers, "verdict": "keep", "because": "all are needed"}

        answer = await firm.ask(firm.ann, "POST", path, given)
        revoked = await firm.ask(firm.ann, "POST", path, {**given, "verdict": "revoke"})
        own = await firm.lines(campaign["id"], holder=firm.ann[0])
        mixed = {**given, "lines": [e["number"] for e in own]}
        refused = await firm.ask(firm.ann, "POST", path, mixed)

        assert (answer.status, revoked.status, refused.status) == (200, 400, 403)
        states = {e["state"] for e in await firm.lines(campaign["id"], holder=firm.cem[0])}
        assert states == {"kept"}

    async def test_a_deferral_ends_in_a_revocation(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        given = {"until": rfc3339(firm.room.clock.now() + 5 * DAY), "otherwise": "revoke"}

        deferred = await firm.decide(firm.ann, campaign["id"], line, "defer", **given)
        again = await firm.decide(firm.bob, campaign["id"], line, "defer", **given)
        firm.room.clock.advance(5 * DAY)
        await see_to_reviews(firm.room.server)

        assert (deferred.data["state"], again.status) == ("deferred", 400)
        found = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        assert (found["state"], found["decision"]["by"]) == ("revoked", "system")

    async def test_a_deferral_that_escalates_waits_for_the_fallback(self, firm: Firm) -> None:
        campaign = await firm.starts(fallback=["reviewers"])
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        given = {"until": rfc3339(firm.room.clock.now() + DAY), "otherwise": "escalate"}
        await firm.decide(firm.ann, campaign["id"], line, "defer", **given)
        firm.room.clock.advance(DAY)

        await see_to_reviews(firm.room.server)

        found = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        assert found["state"] == "escalated"
        shown = await firm.room.ask("GET", f"strongroom/reviews/{campaign['id']}")
        assert shown.data["undecided"] == campaign["lines"]

    @pytest.mark.parametrize(
        "given",
        [
            pytest.param({}, id="until never"),
            pytest.param({"until": "2025-01-01T00:00:00Z", "otherwise": "revoke"}, id="past"),
            pytest.param({"until": "2026-01-03T00:00:00Z"}, id="and then nothing"),
            pytest.param({"until": "2027-01-01T00:00:00Z", "otherwise": "revoke"}, id="too far"),
            pytest.param(
                {"until": "2026-01-31T00:00:00Z", "otherwise": "escalate"}, id="past the deadline"
            ),
            pytest.param(
                {"until": "2026-01-03T00:00:00Z", "otherwise": "revoke", "because": ""},
                id="for no reason",
            ),
        ],
    )
    async def test_no_deferral(self, firm: Firm, given: dict[str, Any]) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")

        answer = await firm.decide(firm.ann, campaign["id"], line, "defer", **given)

        assert answer.status == 400

    async def test_what_is_passed_on_is_decided_by_whom_it_went_to(self, firm: Firm) -> None:
        campaign = await firm.starts()
        line = await firm.line(campaign["id"], firm.ann[0], "policy", "staff")

        itself = await firm.decide(firm.bob, campaign["id"], line, "escalate", to=firm.ann[0])
        nobody = await firm.decide(firm.bob, campaign["id"], line, "escalate", to="nobody")
        passed = await firm.decide(firm.bob, campaign["id"], line, "escalate", to=firm.cem[0])
        refused = await firm.decide(firm.bob, campaign["id"], line, "keep")
        kept = await firm.decide(firm.cem, campaign["id"], line, "keep")

        assert (itself.status, nobody.status, passed.status) == (400, 400, 200)
        assert (refused.status, kept.status) == (403, 200)


class TestPrograms:
    async def _program(self, firm: Firm) -> str:
        made = await entity(firm.room, "app", policies=["reader"])
        given = {
            "owner": firm.ann[0],
            "justification": "it serves customers",
            "environment": "production",
        }
        answer = await firm.room.ask("POST", f"strongroom/workloads/{made}", given)
        assert answer.status == 204, answer
        return made

    async def test_what_its_owner_keeps_another_keeps_too(self, firm: Firm) -> None:
        app = await self._program(firm)
        campaign = await firm.starts(kind="workloads")
        line = await firm.line(campaign["id"], app, "policy", "reader")

        said = await firm.decide(firm.ann, campaign["id"], line, "keep")
        again = await firm.decide(firm.ann, campaign["id"], line, "keep")
        early = await firm.signs(firm.bob, campaign["id"])
        other = await firm.decide(firm.bob, campaign["id"], line, "keep")

        assert (said.data["state"], again.status, early.status) == ("attested", 400, 400)
        assert other.data["state"] == "kept"

    async def test_its_owner_revokes_alone(self, firm: Firm) -> None:
        app = await self._program(firm)
        campaign = await firm.starts(kind="workloads")
        line = await firm.line(campaign["id"], app, "policy", "reader")

        answer = await firm.decide(firm.ann, campaign["id"], line, "revoke")
        await proofs(firm)

        assert answer.data["state"] == "revoked"
        held = (await firm.room.ask("GET", f"identity/entity/id/{app}")).data["policies"]
        assert held == []

    async def test_what_nobody_answers_for_is_flagged_and_not_kept(self, firm: Firm) -> None:
        stray = await entity(firm.room, "stray", policies=["reader"])
        campaign = await firm.starts(kind="workloads")
        line = await firm.line(campaign["id"], stray, "policy", "reader")

        kept = await firm.decide(firm.bob, campaign["id"], line, "keep")
        revoked = await firm.decide(firm.bob, campaign["id"], line, "revoke")

        assert "orphaned" in line["flags"]
        assert (kept.status, revoked.status) == (400, 200)

    async def test_who_owns_one_does_not_sign(self, firm: Firm) -> None:
        await self._program(firm)
        campaign = await firm.starts(kind="workloads")
        for line in await firm.lines(campaign["id"]):
            verdict = "keep" if line["held_as"] else "revoke"
            assert (await firm.decide(firm.bob, campaign["id"], line, verdict)).status == 200

        owner = await firm.signs(firm.ann, campaign["id"])
        other = await firm.signs(firm.bob, campaign["id"])

        assert (owner.status, other.status) == (403, 200)

    async def test_a_login_is_a_task_until_it_is_changed(self, firm: Firm) -> None:
        await firm.room.mount("auth/approle/", "approle")
        role = "auth/approle/role/app"
        await firm.room.ask("POST", role, {"token_policies": ["reader"]})
        campaign = await firm.starts(kind="workloads")
        [line] = [e for e in await firm.lines(campaign["id"]) if e["kind"] == "login"]

        answer = await firm.decide(firm.bob, campaign["id"], line, "revoke")
        await proofs(firm)
        path = f"strongroom/reviews/{campaign['id']}/lines/{line['number']}"
        red = (await firm.room.ask("GET", path)).data["decision"]
        await firm.room.ask("POST", role, {"token_policies": []})
        await proofs(firm)
        after = (await firm.room.ask("GET", path)).data["decision"]

        assert "take reader from auth/approle/" in answer.data["decision"]["task"]
        assert red["proof"] == "allowed"
        assert after["proof"] in ("refused", "nothing")

    async def test_a_token_that_was_made_is_revoked(self, firm: Firm) -> None:
        token = await firm.room.token("reader")
        campaign = await firm.starts(kind="workloads")
        [line] = [e for e in await firm.lines(campaign["id"]) if e["policies"] == ["reader"]]

        await firm.decide(firm.bob, campaign["id"], line, "revoke")
        await proofs(firm)

        assert (await firm.room.ask("GET", "secret/prod/db", token=token)).status == 403
        found = await firm.lines(campaign["id"], holder=line["holder"])
        assert found[0]["decision"]["proof"] == "nothing"


class TestSigningOff:
    async def test_ends_it_once_everything_is_decided(self, firm: Firm) -> None:
        campaign = await firm.starts()
        early = await firm.signs(firm.ann, campaign["id"])
        await firm.keep_the_rest(campaign["id"])

        stranger = await firm.signs(firm.cem, campaign["id"])
        signed = await firm.signs(firm.ann, campaign["id"])
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        late = await firm.decide(firm.bob, campaign["id"], line, "revoke")

        assert (early.status, stranger.status, signed.status) == (400, 403, 200)
        assert (signed.data["state"], late.status) == ("signed", 400)
        [entry] = await codes(firm, "review.sign_off")
        assert (entry["root"], entry["late"]) == (campaign["root"], False)

    async def test_says_that_it_is_late(self, firm: Firm) -> None:
        campaign = await firm.starts(grace="0")
        firm.room.clock.advance(15 * DAY)
        ann = (firm.ann[0], await signed_in(firm.room, "ann"))
        firm.ann, firm.bob = ann, (firm.bob[0], await signed_in(firm.room, "bob"))
        await firm.keep_the_rest(campaign["id"])

        signed = await firm.signs(ann, campaign["id"])

        assert signed.status == 200
        assert (await codes(firm, "review.sign_off"))[0]["late"] is True

    async def test_is_refused_where_a_line_is_gone(self, firm: Firm) -> None:
        campaign = await firm.starts()
        await firm.keep_the_rest(campaign["id"])
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")

        await firm.room.store(lambda tx: tx.delete(LINES, campaign["id"], line["number"]))

        answer = await firm.signs(firm.ann, campaign["id"])
        assert (answer.status, "gone" in answer.errors[0]) == (400, True)

    async def test_takes_a_fresh_key_where_the_rules_are_as_built(self, firm: Firm) -> None:
        campaign = await firm.starts()
        await firm.keep_the_rest(campaign["id"])
        given = {"paths": ["strongroom/reviews/+/sign-off"], "kinds": ["webauthn"]}
        await firm.room.ask(
            "POST", "strongroom/step-up/rules/approvals", {"enabled": True, **given}
        )

        answer = await firm.signs(firm.ann, campaign["id"])

        assert (answer.status, "fresh" in answer.errors[0]) == (403, True)


class TestRecords:
    async def test_a_review_is_a_page_and_a_workbook(self, firm: Firm) -> None:
        campaign = await firm.starts(title="=1+1")
        line = await firm.line(campaign["id"], firm.cem[0], "policy", "reader")
        await firm.decide(firm.ann, campaign["id"], line, "revoke", because="#panic() @x moved")
        server, now = firm.room.server, firm.room.clock.now()
        [record] = await records_of(server, Period(now - DAY, now + DAY))

        page = pdf(record, system="s", made_at=now, simulated=True)
        book = sheet_bytes(record, now)

        assert page.startswith(b"%PDF")
        assert book.startswith(b"PK")
        assert await records_of(server, Period(now + DAY, now + 2 * DAY)) == []

    async def test_is_given_to_whoever_may_ask_for_it(self, firm: Firm) -> None:
        campaign = await firm.starts()
        path = f"strongroom/evidence/reviews/{campaign['id']}"

        assert (await firm.ask(firm.cem, "GET", path)).status == 403
        assert (await firm.room.ask("GET", f"{path}?form=doc")).status == 400
        assert (await firm.room.ask("GET", "strongroom/evidence/reviews/none")).status == 404


class TestByTheClock:
    async def test_one_begins_each_quarter(self, firm: Firm) -> None:
        path = "strongroom/review-schedules/people"
        answer = await firm.room.ask("POST", path, {"reviewers": ["reviewers"]})
        assert answer.status == 204, answer

        for _ in range(3):
            await see_to_reviews(firm.room.server)
        firm.room.clock.advance(91 * DAY)
        await see_to_reviews(firm.room.server)

        quarters = [e["quarter"] for e in await codes(firm, "review.start")]
        assert quarters == ["2026-Q1"]  # the first is open still: nobody has decided on it
        [missed] = await codes(firm, "review.missed")
        assert (missed["quarter"], missed["alert"]) == ("2026-Q2", "review_not_begun")

    async def test_reminds_and_is_overdue_once(self, firm: Firm) -> None:
        campaign = await firm.starts()
        firm.room.clock.advance(12 * DAY)
        for _ in range(2):
            await see_to_reviews(firm.room.server)
        firm.room.clock.advance(3 * DAY)
        for _ in range(2):
            await see_to_reviews(firm.room.server)

        assert len(await codes(firm, "review.remind")) == 1
        [late] = await codes(firm, "review.overdue")
        assert (late["undecided"], late["alert"]) == (campaign["lines"], "review_overdue")
        shown = await firm.room.ask("GET", f"strongroom/reviews/{campaign['id']}")
        assert shown.data["state"] == "overdue"

    @pytest.mark.parametrize(
        "given",
        [
            pytest.param({}, id="nobody reviews"),
            pytest.param({"reviewers": ["nobody"]}, id="no group"),
            pytest.param({"reviewers": ["reviewers"], "deadline": "1s"}, id="too short"),
            pytest.param({"reviewers": ["reviewers"], "environments": ["x"]}, id="no environment"),
        ],
    )
    async def test_no_schedule(self, firm: Firm, given: dict[str, Any]) -> None:
        answer = await firm.room.ask("POST", "strongroom/review-schedules/people", given)

        assert answer.status == 400
