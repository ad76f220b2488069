"""`strongroom group`, `person`, `workload` and `registration`; our server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import servers
from tests.cli.conftest import Shell
from tests.servers import Strongroom


@pytest.fixture(scope="module")
def server() -> Iterator[Strongroom]:
    """A server with three entities and an environment."""
    with servers.strongroom() as server:
        for path, body in (
            ("identity/entity", {"name": "ada"}),
            ("identity/entity", {"name": "bob"}),
            ("identity/entity", {"name": "ci"}),
            ("strongroom/environments/production", {"paths": ["secret/+/app/p*"]}),
        ):
            made = server.ask("POST", path, body)
            assert made.status in (200, 204), made.raw
        yield server


@pytest.fixture
def served(server: Strongroom, nowhere: Shell) -> Shell:
    nowhere.environment |= {"STRONGROOM_ADDR": server.address, "STRONGROOM_TOKEN": server.root}
    return nowhere


def test_a_group_is_made_filled_shown_emptied_and_removed(served: Shell) -> None:
    assert "no groups" in served.ok("group", "list").err
    served.ok("group", "write", "team", "-policy=a", "-policy=b", "-metadata=k=v")
    served.ok("group", "add", "team", "ada", "bob")
    served.ok("group", "remove", "team", "bob")
    served.ok("group", "write", "team", "-policy=c")

    told = served.ok("group", "read", "team", "-format=json").data["data"]
    assert (told["policies"], told["metadata"]) == (["c"], {"k": "v"})
    assert len(told["member_entity_ids"]) == 1
    assert "team" in served.ok("group", "list").out
    served.ok("group", "delete", "team", "-yes")
    assert "no group has this name" in served("group", "read", "team").err


def test_people_are_written_listed_and_leave(served: Shell) -> None:
    served.ok("person", "write", "ada", "-name=Ada", "-email=ada@example.org")
    lacking = served("person", "write", "bob", "-name=Bob", "-worker=vendor")

    assert "ends_at" in lacking.err
    assert served.ok("person", "read", "ada", "-field=email").out == "ada@example.org"
    served.ok("person", "leave", "ada", "-yes")
    assert "Ada" in served.ok("person", "list", "-state=left").out
    assert "nobody" in served.ok("person", "list", "-state=active").err
    served.ok("person", "return", "ada")
    assert served.ok("person", "read", "ada", "-field=state").out == "active"


def test_a_workload_is_written_with_its_owner_and_decommissioned(served: Shell) -> None:
    served.ok("person", "write", "ada", "-name=Ada")
    given = ("-owner=ada", "-justification=releases", "-environment=production")
    served.ok("workload", "write", "ci", *given)

    assert "releases" in served.ok("workload", "list", "-owner=ada").out
    served.ok("workload", "decommission", "ci", "-yes")
    assert served.ok("workload", "read", "ci", "-field=state").out == "decommissioned"


def test_root_cannot_ask_and_nobody_is_no_entity(served: Shell) -> None:
    refused = served("registration", "request", "person", "mei", "-name=Mei", "-reason=new")

    assert refused.code == 2
    assert "only an entity asks" in refused.err
    assert "no requests" in served.ok("registration", "list").err
    assert "no entity has this name" in served("person", "read", "nobody").err


def test_leaving_shows_what_ended_and_what_was_known(served: Shell) -> None:
    served.ok("person", "write", "ada", "-name=Ada")

    told = served.ok("person", "leave", "ada", "-yes", "-reason=moved", "-format=json")
    assert told.data["data"]["why"] == "moved"
    assert set(told.data["data"]["ended"]) >= {"tokens", "leases", "factors", "groups"}
    assert "nothing" in served.ok("person", "knowledge", "ada").err
