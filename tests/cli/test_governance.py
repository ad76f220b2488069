"""`strongroom access`, `environment` and `evidence`, and `verify` of what they give; our server."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import servers
from tests.cli.conftest import Run, Shell
from tests.endtoend.taken import verifier_key
from tests.servers import Strongroom

POLICY = """
path "secret/data/app/*" { capabilities = ["read", "list"] }
path "secret/data/app/closed" { capabilities = ["deny"] }
path "secret/data/limited" {
  capabilities = ["create", "update"]
  allowed_parameters = { "a" = [] }
}
"""
LONG_AGO = "-start=2026-01-01"


def until_now() -> str:
    """Return the end of a period that has what was written in this very second."""
    return f"-end={datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


@pytest.fixture(scope="module")
def server() -> Iterator[Strongroom]:
    """A server with an environment, an entity, its token, and a user."""
    with servers.strongroom() as server:
        mount = {"type": "kv", "options": {"version": "2"}}
        for path, body in (
            ("sys/mounts/secret", mount),
            ("sys/policies/acl/app", {"policy": POLICY}),
            ("identity/entity", {"name": "ada", "policies": ["app"]}),
            ("strongroom/environments/production", {"paths": ["secret/+/app/p*"], "open": False}),
            ("auth/token/create", {"policies": ["app"], "display_name": "ci"}),
            ("sys/auth/userpass", {"type": "userpass"}),
            ("auth/userpass/users/mei", {"password": "correct-horse", "token_policies": "app"}),
            ("secret/data/app/a", {"data": {"k": "v"}}),
        ):
            made = server.ask("POST", path, body)
            assert made.status in (200, 204), made.raw
        yield server


@pytest.fixture
def served(server: Strongroom, nowhere: Shell) -> Shell:
    nowhere.environment |= {"STRONGROOM_ADDR": server.address, "STRONGROOM_TOKEN": server.root}
    return nowhere


def lines(done: Run) -> list[str]:
    """Return what was printed, each row's columns one space apart."""
    return [" ".join(line.split()) for line in done.out.splitlines()]


class TestMay:
    def test_yes_is_a_word_and_a_status_and_has_its_rule(self, served: Shell) -> None:
        done = served("access", "may", "ada", "read", "secret/data/app/a")

        assert done.code == 0
        assert done.out.startswith("✓ yes   ada read secret/data/app/a\n")
        assert lines(done)[-1].endswith(" ada app#secret/data/app/*")

    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("secret/data/elsewhere", "no rule matches the path"),
            ("secret/data/app/p1", "environment:production"),
        ],
    )
    def test_no_says_why_not(self, served: Shell, path: str, why: str) -> None:
        done = served("access", "may", "ada", "read", path)

        assert done.code == 3
        assert done.out.startswith("✗ no ")
        assert lines(done)[-1].startswith("✗ may not entity:")
        assert lines(done)[-1].endswith(why)

    def test_a_subject_may_be_a_token_or_policies_or_an_id(self, served: Shell) -> None:
        entity = served.ok("read", "-field=id", "identity/entity/name/ada").out
        made = served.ok("token", "create", "-policy=app", "-field=token_accessor").out

        for subject in (entity, f"entity:{entity}", f"token:{made}", "policies:default,app"):
            found = served.ok("access", "may", "-format=json", subject, "read", "secret/data/app/a")
            assert found.data["allowed"] is True

    def test_a_condition_is_said(self, served: Shell) -> None:
        done = served.ok("access", "may", "policies:app", "update", "secret/data/limited")

        assert "◐ may, if" in done.out

    def test_a_name_that_nobody_has_is_explained(self, served: Shell) -> None:
        done = served("access", "may", "nobody", "read", "a")

        assert done.code == 2
        assert "no entity has this name; `strongroom list identity/entity/name`" in done.err

    def test_an_unknown_capability_names_those_that_there_are(self, served: Shell) -> None:
        done = served("access", "may", "ada", "fly", "a")

        assert done.code == 2
        assert "expected one of create, delete" in done.err

    def test_a_login_is_asked_of_by_its_policies(self, served: Shell) -> None:
        assert (
            "give policies:NAME,NAME"
            in served("access", "what", "login:auth/userpass/users/mei").err
        )


class TestWhatAndWho:
    def test_grants_are_listed_with_what_they_do_not_reach(self, served: Shell) -> None:
        done = served.ok("access", "what", "ada")

        assert done.out.startswith("ada   entity:")
        assert lines(done)[3:] == [
            "◐ in part secret/data/app/* list, read app secret/data/app/closed, in production",
            "◐ may, if secret/data/limited create, update app –",  # noqa: RUF001  our own mark
        ]

    def test_we_are_told_what_we_may_do_ourselves(self, served: Shell) -> None:
        done = served.ok("access", "self")

        assert done.out.startswith("root   token:")
        assert "◐ in part  *        root" in done.out

    def test_nothing_is_said_to_be_nothing(self, served: Shell) -> None:
        done = served.ok("access", "what", "policies:none")

        assert done.err == "may do nothing\n"

    def test_who_may_are_entities_tokens_and_logins(self, served: Shell) -> None:
        done = served.ok("access", "who", "read", "secret/data/app/a")
        found = served.ok("access", "who", "-format=json", "read", "secret/data/app/a").data

        kinds = {subject["subject"].partition(":")[0] for subject in found["subjects"]}
        assert kinds == {"entity", "token", "login"}
        assert done.out.count("✓ may") == len(found["subjects"])
        assert f"{len(found['subjects'])} of {found['asked']} who were asked\n" in done.out

    def test_a_guardrail_that_keeps_everybody_out_is_said(self, served: Shell) -> None:
        done = served.ok("access", "who", "read", "secret/data/app/p1")

        assert done.err == "nobody may read secret/data/app/p1\n"
        assert "in the environment production; " in done.out
        assert "have the policy, and no way in" in done.out


class TestEnvironments:
    def test_one_is_written_listed_read_and_removed(self, served: Shell) -> None:
        served.ok("environment", "write", "tests", "-paths=secret/+/t/*", "-paths=secret/+/u/*")
        served.ok("environment", "write", "tests", "-description=of the tests")
        listed = served.ok("environment", "list")
        shown = served.ok("environment", "read", "tests")
        served.ok("environment", "delete", "--yes", "tests")

        assert lines(listed)[1:] == [
            "production ● its own only secret/+/app/p* –",  # noqa: RUF001  our own mark
            "tests ◐ its own, and who is bound to none secret/+/t/*, secret/+/u/* of the tests",
        ]
        assert "paths         secret/+/t/*, secret/+/u/*\n" in shown.out
        names = [e["name"] for e in served.ok("environment", "list", "-format=json").data]
        assert names == ["production"]
        assert served("environment", "read", "tests").code == 2

    def test_a_boundary_across_the_servers_own_paths_is_refused(self, served: Shell) -> None:
        done = served("environment", "write", "wide", "-paths=sys/*")

        assert done.code == 2
        assert "may not reach into sys/" in done.err


@dataclass(frozen=True)
class Made:
    """A run, and the pack of it; the log's key noted apart."""

    run: str
    pack: Path
    vkey: str


@pytest.fixture(scope="module")
def made(server: Strongroom, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("evidence")
    shell = Shell(folder, STRONGROOM_ADDR=server.address, STRONGROOM_TOKEN=server.root)
    chosen = ("-control=T05", "-control=T11")
    found = shell("evidence", "run", "-format=json", LONG_AGO, until_now(), *chosen).data
    period = (LONG_AGO, f"-end={found['period_end']}", "-control=T05", "-control=T11")
    shell.ok("evidence", "pack", *period, "-o", str(folder / "pack.zip"))
    return Made(found["id"], folder / "pack.zip", str(verifier_key(server)))


class TestEvidence:
    def test_a_run_is_a_table_of_verdicts_and_exceptions_are_status_3(self, served: Shell) -> None:
        period = (LONG_AGO, until_now())
        done = served("evidence", "run", *period, "-control=T02", "-control=T05", "-control=T17")

        assert done.code == 3
        t02, t05, t17 = lines(done)[3:]
        assert re.fullmatch(
            r"T05 ✗ exceptions 1 1 (\d+), \1 with exceptions ✗ exceptions "
            r"Connections are encrypted with current TLS",
            t05,
        )
        assert t17.startswith("T17 – not exercised 0 0 ")  # noqa: RUF001  our own mark
        assert t02.startswith("T02 ✓ effective ")
        assert "strongroom evidence show " in done.err

    def test_a_run_that_holds_is_status_0(self, served: Shell) -> None:
        assert served("evidence", "run", LONG_AGO, until_now(), "-control=T02").code == 0

    def test_a_pack_of_some_controls_is_told_to_be_partial(self, served: Shell, made: Made) -> None:
        done = served("verify", str(made.pack), "--vkey", made.vkey)
        data = served("verify", "-format=json", str(made.pack), "--vkey", made.vkey).data

        assert done.code == 0
        assert "it is partial: T02, T03, T06, " in done.out
        assert "T92 are not in this pack" in done.out
        assert data["completeness"] == "partial"
        assert "T02" in data["left_out"]
        assert "T05" not in data["left_out"]

    def test_a_run_is_shown_with_what_did_not_hold(self, served: Shell, made: Made) -> None:
        done = served("evidence", "show", made.run)

        assert done.code == 3
        assert "speaks HTTP without TLS" in done.out
        assert "lives, and has no end" in done.out

    def test_runs_are_listed_the_newest_first(self, served: Shell, made: Made) -> None:
        rows = lines(served.ok("evidence", "list"))

        mine = next(row for row in rows if row.startswith(made.run))
        assert mine.endswith("✗ 2 exceptions")

    def test_controls_are_listed_with_their_criteria(self, served: Shell) -> None:
        rows = lines(served.ok("evidence", "controls"))

        assert any(row.startswith("T05 CC6.1, CC6.7 Connections are encrypted") for row in rows)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("-start=2099-01-01", "-end=2099-02-01"), "lies in the future: it is 20"),
            (("-start=2026-02-01", "-end=2026-01-01"), "must be after period_start"),
            (("-start=yesterday",), "period_start"),
            ((LONG_AGO, "-control=T99"), "T99"),
        ],
    )
    def test_a_period_that_cannot_be_is_explained(
        self, served: Shell, words: tuple[str, ...], said: str
    ) -> None:
        done = served("evidence", "run", *words)

        assert done.code == 2
        assert said in done.err

    def test_packs_are_listed_and_taken_again(
        self, served: Shell, made: Made, tmp_path: Path
    ) -> None:
        [kept] = served.ok("evidence", "packs", "-format=json").data["packs"]

        served.ok("evidence", "packs", kept["name"], "-o", str(tmp_path / "again.zip"))

        assert (tmp_path / "again.zip").read_bytes() == made.pack.read_bytes()
        assert served("evidence", "packs", "evidence-none.zip").code == 2


class TestVerify:
    def test_a_pack_holds_against_the_key_that_was_noted(self, nowhere: Shell, made: Made) -> None:
        done = nowhere("verify", f"-vkey={made.vkey}", str(made.pack))

        assert done.code == 0, done.out
        assert done.out.startswith(f"✓ the pack holds   {made.pack}\n")
        assert done.err == ""
        assert any(line.startswith("✓ holds test T05") for line in lines(done))

    def test_without_a_key_it_says_what_that_means(self, nowhere: Shell, made: Made) -> None:
        done = nowhere.ok("verify", str(made.pack))

        assert "compared with itself only" in done.err
        assert nowhere.ok("verify", "-format=json", str(made.pack)).data["key_given"] is False

    def test_another_key_is_status_3(self, nowhere: Shell, made: Made, tmp_path: Path) -> None:
        name = made.vkey.partition("+")[0]
        other = nowhere.ok("witness", "keygen", name, f"-key={tmp_path}/key").out.strip()

        assert nowhere("verify", f"-vkey={other}", str(made.pack)).code == 3

    def test_a_result_that_was_edited_is_named_with_status_3(
        self, nowhere: Shell, made: Made, tmp_path: Path
    ) -> None:
        edited = tmp_path / "edited.zip"
        with zipfile.ZipFile(made.pack) as old, zipfile.ZipFile(edited, "w") as new:
            for member in old.infolist():
                data = old.read(member)
                if member.filename == "tests/T05/result.json":
                    data = data.replace(b'"exceptions"', b'"effective"', 1)
                new.writestr(member, data)

        done = nowhere("verify", f"-vkey={made.vkey}", str(edited))
        found = nowhere("verify", "-format=json", f"-vkey={made.vkey}", str(edited)).data

        assert done.code == 3
        assert done.out.startswith("✗ the pack does not hold")
        assert "tests/T05/result.json" in done.out
        assert found["sound"] is False
        assert any(check["problems"] for check in found["checks"])

    def test_what_is_no_pack_is_status_3(self, nowhere: Shell, made: Made, tmp_path: Path) -> None:
        shutil.copy(made.pack, tmp_path / "cut.zip")
        with (tmp_path / "cut.zip").open("r+b") as file:
            file.truncate(1000)

        done = nowhere("verify", str(tmp_path / "cut.zip"))

        assert done.code == 3
        assert "goes on beyond the end of the file" in done.out

    def test_a_file_that_is_not_there_is_status_1(self, nowhere: Shell, tmp_path: Path) -> None:
        assert nowhere("verify", str(tmp_path / "none.zip")).code == 1
