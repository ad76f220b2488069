"""Tokens, policies, mounts, leases and generic paths against OpenBao."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.oracles.openbao import OpenBao

POLICY = 'path "secret/data/app" {\n  capabilities = ["read"]\n}\n'


class TestTokens:
    def test_one_is_made_looked_up_renewed_and_revoked(self, shell: Shell) -> None:
        made = shell.ok("token", "create", "-policy=default", "-ttl=1h", "-field=token").out
        told = shell.ok("token", "lookup", made).out
        renewed = shell.ok("token", "renew", "-increment=30m", made).out
        shell.ok("token", "revoke", made)

        assert "policies       default\n" in told
        assert "ends in        59m" in told or "ends in        1h" in told
        assert made not in told
        assert renewed == "✓ renewed; ends in 30m\n"
        assert shell("token", "lookup", made).code == 2

    def test_settings_reach_the_server(self, shell: Shell) -> None:
        made = shell.ok(
            *(
                "token",
                "create",
                "-orphan=true",
                "-no-default-policy=true",
                "-policy=a",
                "-policy=b",
            ),
            *(
                "-renewable=false",
                "-use-limit=7",
                "-display-name=ci",
                "-metadata=team=blue",
                "-ttl=1h",
            ),
            "-format=json",
        )

        found = shell.ok("token", "lookup", "-format=json", made.data["auth"]["client_token"])

        data = found.data["data"]
        assert data["policies"] == ["a", "b"]
        assert (data["num_uses"], data["display_name"], data["orphan"]) == (7, "token-ci", True)
        assert (data["meta"], data["renewable"]) == ({"team": "blue"}, False)

    def test_an_accessor_is_enough_to_look_up_and_revoke(self, shell: Shell) -> None:
        accessor = shell.ok("token", "create", "-field=token_accessor").out

        assert accessor in shell.ok("token", "lookup", "-accessor", accessor).out
        shell.ok("token", "revoke", "-accessor", accessor)
        assert shell("token", "lookup", "-accessor", accessor).code == 2

    def test_which_token_to_revoke_is_said(self, shell: Shell) -> None:
        assert "one of TOKEN and --self is needed" in shell("token", "revoke").err

    def test_capabilities_of_ones_own_and_of_another(self, shell: Shell, vault: OpenBao) -> None:
        vault.write_policy("cli-app", POLICY)
        token = vault.token("cli-app")

        assert shell.ok("token", "capabilities", "secret/data/app").out == "root\n"
        assert shell.ok("token", "capabilities", token, "secret/data/app").out == "read\n"
        assert shell.ok("token", "capabilities", token, "secret/data/b").out == "deny\n"

    def test_a_wrapped_token_is_opened_once(self, shell: Shell) -> None:
        wrapped = shell.ok("token", "create", "-wrap-ttl=60s", "-field=wrapping_token").out
        opened = shell.ok("unwrap", "-field=token", given=wrapped)
        again = shell("unwrap", given=wrapped)

        assert shell.ok("token", "lookup", opened.out.strip()).code == 0
        assert again.code == 2


class TestPolicies:
    def test_one_is_written_read_listed_and_removed(self, shell: Shell, tmp_path: Path) -> None:
        (tmp_path / "app.hcl").write_text(POLICY)

        shell.ok("policy", "write", "cli-one", str(tmp_path / "app.hcl"))
        shell.ok("policy", "write", "cli-two", "-", given=POLICY)

        assert shell.ok("policy", "read", "cli-one").out == POLICY
        assert {"cli-one", "cli-two"} < set(shell.ok("policy", "list").out.splitlines())
        shell.ok("policy", "delete", "--yes", "cli-one")
        assert shell("policy", "read", "cli-one").code == 2

    def test_check_names_the_line(self, nowhere: Shell, tmp_path: Path) -> None:
        good, bad = tmp_path / "good.hcl", tmp_path / "bad.hcl"
        good.write_text(POLICY)
        bad.write_text('path "a" {\n  capabilities = ["reed"]\n}\n')

        done = nowhere("policy", "check", str(good), str(bad))

        assert done.code == 3
        assert done.out == f"✓ {good} can be read\n"
        assert f"{bad}: line 2, column " in done.err

    def test_fmt_rewrites_the_file_and_check_says_whether_it_would(
        self, nowhere: Shell, tmp_path: Path
    ) -> None:
        file = tmp_path / "app.hcl"
        file.write_text('path   "secret/data/app"{\ncapabilities=["read"]\n}')
        before = nowhere("policy", "fmt", "--check", str(file)).code
        nowhere.ok("policy", "fmt", str(file))

        assert (before, nowhere("policy", "fmt", "--check", str(file)).code) == (3, 0)
        assert file.read_text() == POLICY

    def test_fmt_leaves_what_cannot_be_read(self, nowhere: Shell, tmp_path: Path) -> None:
        file = tmp_path / "app.hcl"
        file.write_text("path {")

        assert nowhere("policy", "fmt", str(file)).code == 3
        assert file.read_text() == "path {"


class TestMounts:
    def test_an_engine_is_mounted_tuned_moved_and_taken_away(self, shell: Shell) -> None:
        shell.ok("secrets", "enable", "-path=team", "-description=of the team", "kv-v2")
        shell.ok("secrets", "tune", "-default-lease-ttl=1h", "team")
        listed = shell.ok("secrets", "list", "-detailed").out
        shown = shell.ok("secrets", "tune", "team").out
        shell.ok("secrets", "move", "team", "crew")
        shell.ok("secrets", "disable", "--yes", "crew")

        row = next(line for line in listed.splitlines() if line.startswith("team/"))
        assert row.split()[1:6] == ["kv", "of", "the", "team", "2"]
        assert "1h" in row.split()
        assert "default_lease_ttl" in shown
        assert "crew/" not in shell.ok("secrets", "list", "-format=json").data

    def test_a_method_is_enabled_and_disabled(self, shell: Shell) -> None:
        assert shell.ok("auth", "enable", "-path=people", "userpass").out == (
            "✓ userpass enabled at auth/people/\n"
        )
        assert "people/" in shell.ok("auth", "list", "-format=json").data
        shell.ok("auth", "tune", "-description=x", "auth/people/")
        assert shell.ok("auth", "disable", "--yes", "people").out == "✓ auth/people/ disabled\n"

    def test_disabling_asks_first(self, shell: Shell) -> None:
        assert "give --yes" in shell("secrets", "disable", "secret").err


class TestGeneric:
    def test_any_path_is_written_read_listed_and_deleted(self, shell: Shell) -> None:
        assert shell.ok("write", "cubbyhole/a", "b=c").out == "✓ cubbyhole/a written\n"
        assert shell.ok("read", "cubbyhole/a").out == "b   c\n"
        assert shell.ok("read", "-field=b", "cubbyhole/a").out == "c"
        assert shell.ok("list", "cubbyhole").out == "a\n"
        assert shell.ok("delete", "cubbyhole/a").out == "✓ cubbyhole/a deleted\n"
        assert shell("read", "cubbyhole/a").code == 2
        assert shell("list", "cubbyhole").code == 2

    def test_nothing_is_written_by_mistake(self, shell: Shell) -> None:
        assert "give KEY=VALUE, or --force" in shell("write", "cubbyhole/a").err

    def test_a_path_explains_itself(self, shell: Shell) -> None:
        assert len(shell.ok("path-help", "sys/mounts").out.strip()) > 20


class TestLeases:
    def test_a_lease_that_is_not_there_is_an_error(self, shell: Shell) -> None:
        done = shell("lease", "lookup", "auth/nobody/x")

        assert (done.code, done.out) == (2, "")

    def test_those_below_a_prefix_are_revoked_together(self, shell: Shell) -> None:
        done = shell.ok("lease", "revoke", "-prefix", "-sync", "--yes", "secret/nobody")

        assert done.out == "✓ revoked\n"


@pytest.mark.parametrize("words", [("lease", "revoke", "-force", "a")])
def test_force_goes_with_a_prefix(shell: Shell, words: tuple[str, ...]) -> None:
    assert "--force goes with --prefix" in shell(*words).err
