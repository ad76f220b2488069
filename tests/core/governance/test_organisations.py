"""Random small firms: whatever they approve, nothing passes on fewer than the people required."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.governance.office import asked, decide, group, office, person, reads, rule

PEOPLE = ("ann", "bob", "cid", "dan")
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["approve", "edit", "group", "leave"]),
        st.sampled_from(PEOPLE),
    ),
    min_size=2,
    max_size=6,
)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    acts=ACTS,
    inner=st.sets(st.sampled_from(PEOPLE)),
    count=st.integers(1, 2),
)
async def test_nothing_passes_on_fewer_than_the_required_distinct_people(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    acts: list[tuple[str, str]],
    inner: set[str],
    count: int,
) -> None:
    folder: Path = tmp_path_factory.mktemp("firm")
    async with office(folder, monkeypatch) as ours:
        entities, tokens = {}, {}
        for name in PEOPLE:
            entities[name], tokens[name] = await person(ours, name)
        _, hers = await person(ours, "her")
        within = sorted(entities[name] for name in inner)
        held = await group(ours, "inner", member_entity_ids=within)
        outer = await group(ours, "outer", member_group_ids=[held])
        made = await rule(ours, needs=[{"count": count, "groups": [outer]}])
        members, there, said, revision = set(inner), set(PEOPLE), set[str](), 1
        assert (made.status == 204) == (len(members) >= count)
        needed = count if made.status == 204 else 1
        placed = made.status == 204
        id_ = await asked(ours, hers)

        passed = False
        for act, who in acts:
            if act == "approve":
                answer = await decide(ours, id_, tokens[who], revision=revision)
                if answer.status == 200:
                    said.add(who)
                    passed = answer.data["state"] == "approved"
            elif act == "edit":
                body = {"paths": ["secret/prod/db"], "for": "1h", "reason": "again"}
                await ours.ask("POST", f"strongroom/requests/{id_}", body, token=hers)
                revision, said = revision + 1, set()
            elif act == "group":
                members.discard(who)
                left = sorted(entities[name] for name in members)
                await ours.ask("POST", f"identity/group/id/{held}", {"member_entity_ids": left})
            else:
                there.discard(who)
                members.discard(who)
                await ours.ask("POST", f"strongroom/people/{entities[who]}/leave")
            if passed:
                break

        counting = said & there & (members if placed else set(PEOPLE))
        assert passed == (len(counting) >= needed and bool(said))
        assert (await reads(ours, hers) == 200) == passed
