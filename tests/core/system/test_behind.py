"""One administrator, and what workloads do for them: `identity.behind`, and no step-up avoided."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom.evidence.identity_facts import IdentityFacts
from tests.auth.jwt_issuer import pem, signed
from tests.core.system.people import Person, options_of, person, validate
from tests.core.system.room import Answer, Room, room

ALL = 'path "*" { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }'
SECOND = timedelta(seconds=1)
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
RULE = {"paths": "no/such", "operations": "delete"}


class Company:
    """Ada and Bob, who may do everything, with keys; mounts and rules are root's."""

    def __init__(self, ours: Room) -> None:
        self.room = ours
        self.people: dict[str, Person] = {}
        self.accessor = ""

    async def root(self, method: str, path: str, body: object = None) -> Answer:
        answer = await self.room.ask(method, path, body)
        assert answer.status in {200, 204}, answer
        return answer

    async def joins(self, name: str) -> Person:
        """Let root make a user, and register who it is."""
        who = self.people[name] = await person(self.room, name, "all")
        await who.must_log_in()
        await self.root("POST", f"strongroom/people/{who.entity}", {"name": name})
        return await self.enrols(who)

    async def enrols(self, who: Person) -> Person:
        """Log in by the password, enrol a key and log in with it."""
        await who.must_log_in()
        await who.enrol_key()
        return await self.signs_in(who)

    async def signs_in(self, who: Person) -> Person:
        self.room.clock.advance(SECOND)
        waits = await who.log_in()
        shown = who.keys[-1].get(options_of(waits))
        done = await validate(self.room, waits, webauthn=shown)
        assert done.status == 200, done
        who.token = done.auth["client_token"]
        return who

    async def approves(self, who: Person, requester: str) -> tuple[int, object]:
        """Let somebody approve what another asks for now; return the status, and why."""
        self.room.clock.advance(SECOND)
        new = f"new-{self.room.clock.now():%H%M%S}"
        wish = {"kind": "person", "entity_name": new, "name": new, "reason": "joins us"}
        asked = await self.people[requester].ask("POST", "strongroom/registrations", wish)
        assert asked.status == 200, asked
        path = f"strongroom/registrations/{asked.data['id']}"
        self.room.clock.advance(SECOND)
        answer = await who.ask("POST", f"{path}/approve", {"revision": 1})
        because = (await self.room.last()).get("status_detail", "")
        return answer.status, because

    async def workload(self, name: str, owner: str, mount: str, alias: str) -> str:
        """Let root register a workload that logs in at a mount."""
        accessor = (await self.root("GET", "sys/auth")).data[f"{mount}/"]["accessor"]
        entity = str((await self.root("POST", "identity/entity", {"name": name})).data["id"])
        known = {"name": alias, "canonical_id": entity, "mount_accessor": accessor}
        await self.root("POST", "identity/entity-alias", known)
        whole = {"justification": "provisions", "environment": "ops"}
        whole["owner"] = self.people[owner].entity
        await self.root("POST", f"strongroom/workloads/{entity}", whole)
        return entity

    async def by_secret_id(self, maker: Person, role: str) -> str:
        """Log in with a secret id of somebody's making; return the token."""
        id_ = (await self.root("GET", f"auth/job/role/{role}/role-id")).data["role_id"]
        made = await maker.ask("POST", f"auth/job/role/{role}/secret-id", {})
        given = {"role_id": id_, "secret_id": made.data["secret_id"]}
        came = await self.room.ask("POST", "auth/job/login", given, token="")
        return str(came.auth["client_token"])

    async def provisions(self, token: str, name: str) -> Answer:
        body = {"schemas": [USER], "userName": name, "active": True}
        return await self.room.ask("POST", "strongroom/scim/v2/Users", body, token=token)


@pytest.fixture
async def company(tmp_path: Path) -> AsyncIterator[Company]:
    async with room(tmp_path) as ours:
        made = Company(ours)
        await ours.policy("all", ALL)
        await made.root("POST", "sys/auth/job", {"type": "approle"})
        await made.root("POST", "auth/job/role/job", {"token_policies": "all"})
        environment = {"paths": ["secret/data/prod/*"], "open": True}
        await made.root("POST", "strongroom/environments/ops", environment)
        for name in ("ada", "bob"):
            await made.joins(name)
        made.accessor = (await made.root("GET", "sys/auth")).data["up/"]["accessor"]
        yield made


async def test_a_secret_id_of_ones_own_asks_for_the_factor_that_one_would_show(
    company: Company,
) -> None:
    ours, ada = company.room, company.people["ada"]
    await company.root("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    await company.root("POST", "secret/data/prod/db", {"data": {"password": "p"}})
    await company.root(
        "POST", "strongroom/environments/production", {"paths": ["secret/data/prod/*"]}
    )
    token = await company.by_secret_id(ada, "job")
    child = (await ours.ask("POST", "auth/token/create", {}, token=token)).auth["client_token"]
    orphan = await ours.ask("POST", "auth/token/create-orphan", {}, token=token)
    policy = {"policy": 'path "x" { capabilities = ["read"] }'}

    for each in (token, child, orphan.auth["client_token"]):
        for method, path, body in (
            ("PUT", "sys/policies/acl/mine", policy),
            ("GET", "secret/data/prod/db", None),
            ("POST", "identity/entity", {"name": "eve"}),
        ):
            answer = await ours.ask(method, path, body, token=each)
            assert answer.status == 403, (path, answer)
            assert "a fresh factor is needed here" in answer.errors[0]


async def test_a_registered_workload_reads_by_a_persons_secret_id_and_administers_nothing(
    company: Company,
) -> None:
    ours, ada = company.room, company.people["ada"]
    await company.root("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    await company.root("POST", "secret/data/prod/db", {"data": {"password": "p"}})
    id_ = (await company.root("GET", "auth/job/role/job/role-id")).data["role_id"]
    await company.workload("service", "bob", "job", id_)
    token = await company.by_secret_id(ada, "job")
    child = (await ours.ask("POST", "auth/token/create", {}, token=token)).auth["client_token"]

    for each in (token, child):
        read = await ours.ask("GET", "secret/data/prod/db", token=each)
        wrote = await ours.ask("POST", "secret/data/prod/new", {"data": {"a": "b"}}, token=each)
        refused = await ours.ask("POST", "auth/up/users/eve", {"password": "x"}, token=each)
        named = await ours.ask("POST", "identity/entity", {"name": "eve"}, token=each)
        assert (read.status, wrote.status) == (200, 200)
        assert (refused.status, named.status) == (403, 403)
    # By what root made it may do whatever its policies say.
    made = await company.root("POST", "auth/job/role/job/secret-id", {})
    given = {"role_id": id_, "secret_id": made.data["secret_id"]}
    came = (await ours.ask("POST", "auth/job/login", given, token="")).auth["client_token"]
    assert (await ours.ask("POST", "identity/entity", {"name": "new"}, token=came)).status == 200


async def test_whom_one_makes_through_a_secret_id_of_ones_own_is_no_second_person(
    company: Company,
) -> None:
    ours, ada = company.room, company.people["ada"]
    for rule in ("policies", "factors"):
        await company.root("POST", f"strongroom/step-up/rules/{rule}", RULE)
    eve = await person(ours, "eve", "all")
    token = await company.by_secret_id(ada, "job")
    orphan = await ours.ask("POST", "auth/token/create-orphan", {}, token=token)
    mine = orphan.auth["client_token"]
    made = await ours.ask("POST", "identity/entity", {"name": "eve"}, token=mine)
    alias = {"name": "eve", "canonical_id": made.data["id"], "mount_accessor": company.accessor}
    known = await ours.ask("POST", "identity/entity-alias", alias, token=mine)
    written = await ours.ask(
        "POST", f"strongroom/people/{made.data['id']}", {"name": "Eve"}, token=mine
    )
    await company.enrols(eve)

    facts = {each.entity: each for each in await IdentityFacts(ours.server).people()}
    assert (known.status, written.status) == (200, 204)
    assert ada.entity in facts[made.data["id"]].made_by  # by which T20 judges what eve approved
    assert (await company.approves(eve, "ada"))[0] == 403
    assert (await company.approves(eve, "bob"))[0] == 200


async def test_who_owns_a_workload_is_behind_whom_it_lets_in_then_and_now(
    company: Company,
) -> None:
    ours, now = company.room, int(company.room.clock.now().timestamp())
    cleo = await company.joins("cleo")
    await company.root("POST", "sys/auth/ci", {"type": "jwt"})
    given = {"jwt_validation_pubkeys": [pem("ES256", "hq")]}
    await company.root("POST", "auth/ci/config", given)
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": "strongroom"}
    await company.root("POST", "auth/ci/role/ci", {**role, "token_policies": "all"})
    directory = await company.workload("directory", "ada", "ci", "prov")
    config = {"mount_accessor": company.accessor, "directory": directory}
    await company.root("POST", "strongroom/scim/config", config)
    claims = {"sub": "prov", "aud": "strongroom", "iat": now - 1, "exp": now + 300}
    shown = {"role": "ci", "jwt": signed(claims, "ES256", "hq")}
    came = await ours.ask("POST", "auth/ci/login", shown, token="")
    token = came.auth["client_token"]
    people = {name: await person(ours, name, "all") for name in ("eve", "fay", "gus")}
    hers = {"password": "set by it", "policies": ["own-factors", "all"]}
    assert (await ours.ask("POST", "auth/up/users/eve", hers, token=token)).status == 204
    people["eve"].password = "set by it"
    for name, who in people.items():
        assert (await company.provisions(token, name)).status == 201
        company.people[name] = await company.enrols(who)
    eve, fay = people["eve"], people["fay"]

    assert (await company.approves(eve, "ada"))[0] == 403  # whose workload set her password
    assert (await company.approves(fay, "ada"))[0] == 403  # whose workload made her a person
    assert (await company.approves(fay, "cleo"))[0] == 200
    assert (await company.approves(fay, "gus"))[0] == 200  # the directory is there for both
    # It passes to another: who owned it then is behind what it did, and who owns it now as well.
    bob = {"owner": company.people["bob"].entity}
    await company.root("POST", f"strongroom/workloads/{directory}", bob)
    for who in ("ada", "bob"):
        assert (await company.approves(eve, who))[0] == 403
        assert (await company.approves(fay, who))[0] == 403
    assert (await company.approves(cleo, "bob"))[0] == 200


async def test_who_made_a_secret_id_of_the_directory_is_behind_whom_it_makes(
    company: Company,
) -> None:
    ours, ada = company.room, company.people["ada"]
    id_ = (await company.root("GET", "auth/job/role/job/role-id")).data["role_id"]
    directory = await company.workload("directory", "bob", "job", id_)
    config = {"mount_accessor": company.accessor, "directory": directory}
    await company.root("POST", "strongroom/scim/config", config)
    await company.root("POST", "strongroom/identity/settings", {"registration": "required"})
    eve = await person(ours, "eve", "all")
    token = await company.by_secret_id(ada, "job")

    refused = await company.provisions(token, "eve")
    await company.root("POST", "strongroom/step-up/rules/policies", RULE)
    made = await company.provisions(token, "eve")
    await company.enrols(eve)

    assert (refused.status, made.status) == (403, 201)
    assert (await company.approves(eve, "ada"))[0] == 403
    assert (await company.approves(eve, "bob"))[0] == 403
