"""`strongroom kv` against OpenBao."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.oracles.openbao import OpenBao


class TestGet:
    def test_a_secret_is_shown_with_its_version(self, shell: Shell, secret: str) -> None:
        lines = shell.ok("kv", "get", secret).out.splitlines()

        assert lines[0].startswith(f"{secret}   version 1, 20")
        assert lines[0].endswith(" UTC")
        assert lines[1:] == ["", "  password   s3cr3t", "  user       ada"]

    def test_the_mount_may_be_named_as_with_vaults_cli(self, shell: Shell, secret: str) -> None:
        mount, _, path = secret.partition("/")

        named = shell.ok("kv", "get", f"-mount={mount}", "-field=user", path)

        assert named.out == "ada"

    def test_one_field_in_a_pipe_has_no_newline(self, shell: Shell, secret: str) -> None:
        assert shell.process("kv", "get", "-field=password", secret).out == "s3cr3t"

    def test_one_field_on_a_terminal_has_one_unless_it_is_raw(
        self, shell: Shell, secret: str
    ) -> None:
        assert shell.terminal("kv", "get", "-field=password", secret).out == "s3cr3t\n"
        assert shell.terminal("kv", "get", "-field=password", "--raw", secret).out == "s3cr3t"

    def test_json_is_the_servers_answer(self, shell: Shell, secret: str) -> None:
        found = shell.ok("kv", "get", "-format=json", secret).data

        assert found["data"]["data"] == {"user": "ada", "password": "s3cr3t"}
        assert found["data"]["metadata"]["version"] == 1

    def test_raw_is_the_data_alone(self, shell: Shell, secret: str) -> None:
        assert shell.ok("kv", "get", "--raw", secret).data == {"user": "ada", "password": "s3cr3t"}

    def test_a_wrapped_answer_is_opened_once(self, shell: Shell, secret: str) -> None:
        wrapped = shell.ok("kv", "get", "-wrap-ttl=60s", "-field=wrapping_token", secret)

        opened = shell.ok("unwrap", "-format=json", given=wrapped.out)

        assert opened.data["data"]["data"]["user"] == "ada"
        assert shell("unwrap", given=wrapped.out).code == 2

    def test_a_field_that_is_not_there_names_those_that_are(
        self, shell: Shell, secret: str
    ) -> None:
        done = shell("kv", "get", "-field=pasword", secret)

        assert (done.code, done.out) == (1, "")
        assert done.err == "error: there is no such field; there are password, user\n"

    def test_nothing_there_is_status_2(self, shell: Shell) -> None:
        done = shell("kv", "get", "secret/nobody/put/this")

        assert done.code == 2
        assert done.err == "error: secret/nobody/put/this: nothing is stored there\n"

    def test_a_mount_that_is_no_kv_is_refused(self, shell: Shell) -> None:
        assert "is not a KV mount" in shell("kv", "get", "cubbyhole/x").err

    def test_who_may_not_look_is_told_what_to_do(
        self, shell: Shell, vault: OpenBao, secret: str
    ) -> None:
        shell.environment["STRONGROOM_TOKEN"] = vault.token("default")

        done = shell("kv", "get", secret)

        assert done.code == 2
        assert "permission denied" in done.err
        assert "`strongroom secrets list`" in done.err
        assert "`strongroom token capabilities PATH`" in done.err

    def test_what_could_move_the_cursor_is_escaped_but_for_a_field_in_a_pipe(
        self, shell: Shell, vault: OpenBao, secret: str
    ) -> None:
        vault.ask(
            "POST", secret.replace("/", "/data/", 1), {"data": {"a": "x\x1b[2Jy", "b": "1\n2"}}
        )

        assert "  a   x\\x1b[2Jy\n  b   1\n      2\n" in shell.terminal("kv", "get", secret).out
        assert "x\\x1b[2Jy" in shell.process("kv", "get", secret).out
        assert shell.process("kv", "get", "-field", "a", secret).out == "x\x1b[2Jy"
        assert "x\\x1b[2Jy" in shell.terminal("kv", "get", "-field", "a", secret).out


class TestPut:
    def test_the_new_version_is_told_and_the_value_is_not(self, shell: Shell, secret: str) -> None:
        done = shell.ok("kv", "put", secret, "a=hunter2")

        assert done.out == f"✓ {secret} is at version 2\n"
        assert shell.ok("kv", "get", "--raw", secret).data == {"a": "hunter2"}

    def test_values_come_from_files_and_the_standard_input(
        self, shell: Shell, secret: str, tmp_path: Path
    ) -> None:
        (tmp_path / "c").write_text("from a file")

        shell.ok("kv", "put", secret, f"c=@{tmp_path}/c", "d=-", given="from the\ninput")

        found = shell.ok("kv", "get", "--raw", secret).data
        assert found == {"c": "from a file", "d": "from the\ninput"}

    def test_json_keeps_its_types(self, shell: Shell, secret: str) -> None:
        given = {"n": 1, "deep": {"list": [True, None]}}

        shell.ok("kv", "put", secret, "-", given=json.dumps(given))

        assert shell.ok("kv", "get", "--raw", secret).data == given

    def test_on_a_terminal_a_value_is_typed_without_an_echo(
        self, shell: Shell, secret: str
    ) -> None:
        done = shell.terminal("kv", "put", secret, "a=-", answers=[("a: ", "hunter2")])

        assert done.code == 0
        assert "hunter2" not in done.out
        assert shell.ok("kv", "get", "-field=a", secret).out == "hunter2"

    def test_check_and_set_is_refused_where_somebody_wrote_first(
        self, shell: Shell, secret: str
    ) -> None:
        refused = shell("kv", "put", "-cas=0", secret, "a=b")
        taken = shell("kv", "put", "-cas=1", secret, "a=b")

        assert (refused.code, taken.code) == (2, 0)
        assert "check-and-set" in refused.err


class TestPatch:
    @pytest.mark.parametrize("method", ["patch", "rw"])
    def test_what_is_not_named_stays(self, shell: Shell, secret: str, method: str) -> None:
        shell.ok("kv", "patch", f"-method={method}", secret, "user=eve", "--remove-data=password")

        assert shell.ok("kv", "get", "--raw", secret).data == {"user": "eve"}


class TestVersions:
    def test_a_deleted_version_says_how_it_comes_back(self, shell: Shell, secret: str) -> None:
        shell.ok("kv", "delete", secret)
        gone = shell("kv", "get", secret)
        shell.ok("kv", "undelete", "-versions=1", secret)

        assert gone.code == 2
        assert "version 1 was deleted on 20" in gone.err
        assert f"`strongroom kv undelete --versions=1 {secret}`" in gone.err
        assert shell.ok("kv", "get", "-field=user", secret).out == "ada"

    def test_a_destroyed_version_does_not_come_back(self, shell: Shell, secret: str) -> None:
        shell.ok("kv", "destroy", "-versions=1", secret)

        assert "version 1 is destroyed" in shell("kv", "get", "-version=1", secret).err

    def test_history_shows_the_state_of_each(self, shell: Shell, secret: str) -> None:
        for value in "bcd":
            shell.ok("kv", "put", secret, f"a={value}")
        shell.ok("kv", "delete", "-versions=2", secret)
        shell.ok("kv", "destroy", "-versions=1", secret)

        rows = shell.ok("kv", "history", secret).out.splitlines()

        assert [row.split()[:3] for row in rows] == [
            ["version", "state", "created"],
            ["4", "●", "current"],
            ["3", "–", "earlier"],  # noqa: RUF001  the mark of an earlier version
            ["2", "○", "deleted"],
            ["1", "✗", "destroyed"],
        ]

    def test_a_rollback_is_a_new_version(self, shell: Shell, secret: str) -> None:
        shell.ok("kv", "put", secret, "a=b")

        assert shell.ok("kv", "rollback", "-version=1", secret).out.endswith("version 3\n")
        assert shell.ok("kv", "get", "-field=user", secret).out == "ada"

    @pytest.mark.parametrize("text", ["", "one", "1,two", "-1"])
    def test_versions_are_numbers(self, shell: Shell, secret: str, text: str) -> None:
        done = shell("kv", "destroy", f"-versions={text}", secret)

        assert done.code == 1
        assert "--versions is not a list of numbers" in done.err


class TestMetadata:
    def test_settings_and_remarks_are_kept_and_shown(self, shell: Shell, secret: str) -> None:
        shell.ok(
            *("kv", "metadata", "put", "-max-versions=5", "-cas-required", secret),
            *("-custom-metadata=owner=ada", "-delete-version-after=1h"),
        )
        shell.ok("kv", "metadata", "patch", "-custom-metadata=tier=high", secret)

        shown = shell.ok("kv", "metadata", "get", secret).out

        assert "  check-and-set     required\n" in shown
        assert "  delete versions   after 1h0m0s\n" in shown
        assert "  owner   ada\n  tier    high\n" in shown

    def test_removal_asks_first(self, shell: Shell, secret: str) -> None:
        unasked = shell("kv", "metadata", "delete", secret)
        no = shell.terminal("kv", "metadata", "delete", secret, answers=[("[y/N]", "n")])
        yes = shell.terminal("kv", "metadata", "delete", secret, answers=[("[y/N]", "y")])

        assert "give --yes" in unasked.err
        assert (no.code, yes.code) == (1, 0)
        assert shell("kv", "metadata", "get", secret).code == 2


class TestNames:
    def test_names_are_listed_one_to_a_line(self, shell: Shell, secret: str) -> None:
        shell.ok("kv", "put", f"{secret}/below/a", "a=b")

        assert shell.ok("kv", "list", f"{secret}/").out == "below/\n"
        assert shell.ok("kv", "list", "-format=json", secret).data == ["below/"]
        assert shell.ok("kv", "scan", secret).out == "below/a\n"

    def test_no_names_are_status_2(self, shell: Shell) -> None:
        done = shell("kv", "list", "secret/nobody/put/this")

        assert (done.code, done.out) == (2, "")


class TestVersion1:
    def test_secrets_are_written_shown_listed_and_deleted(self, shell: Shell, kv1: str) -> None:
        shell.ok("kv", "put", f"{kv1}/app", "a=b", "c=d")

        assert shell.ok("kv", "get", f"{kv1}/app").out == "old/app\n\n  a   b\n  c   d\n"
        assert shell.ok("kv", "list", kv1).out == "app\n"
        assert shell.ok("kv", "delete", f"{kv1}/app").out == "✓ old/app deleted\n"
        assert shell("kv", "get", f"{kv1}/app").code == 2

    @pytest.mark.parametrize(
        "words",
        [
            ("history",),
            ("rollback", "-version=1"),
            ("undelete", "-versions=1"),
            ("metadata", "get"),
            ("get", "-version=1"),
        ],
    )
    def test_what_needs_versions_says_so(
        self, shell: Shell, kv1: str, words: tuple[str, ...]
    ) -> None:
        assert "keeps no versions" in shell("kv", *words, f"{kv1}/app").err
