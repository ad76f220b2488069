"""Init, unseal, status, seal and the ceremonies, on a server of their own."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from tests import servers
from tests.cli.conftest import Shell


def initialize(shell: Shell, shares: int = 3, threshold: int = 2) -> dict[str, object]:
    made = shell.ok(
        "init", f"-key-shares={shares}", f"-key-threshold={threshold}", "-format=json"
    ).data
    shell.environment["STRONGROOM_TOKEN"] = made["root_token"]
    return dict(made)


def open_up(shell: Shell) -> list[str]:
    keys = [str(key) for key in list(initialize(shell)["unseal_keys_b64"])]  # type: ignore[call-overload]
    for key in keys[:2]:
        shell.ok("unseal", "-", given=key)
    return keys


def test_a_server_is_initialized_unsealed_share_by_share_and_sealed(new_server: Shell) -> None:
    shell = new_server
    before = shell("status")
    asked = shell("init", "-status")
    keys = list(initialize(shell)["unseal_keys_hex"])  # type: ignore[call-overload]
    sealed = shell("status")
    first = shell.terminal("unseal", answers=[("Key share: ", keys[0])])
    between = shell("status")
    again = shell.ok("unseal", "-", given=keys[0])
    reset = shell.ok("unseal", "-reset")
    shell.ok("unseal", "-", given=keys[0])
    second = shell.ok("operator", "unseal", "-", given=keys[2])
    opened = shell("status")
    closed = shell.ok("seal", "--yes")

    assert (before.code, before.out.splitlines()[0][:17]) == (2, "– not initialized")  # noqa: RUF001
    assert (asked.code, asked.out) == (2, "not initialized\n")
    assert (sealed.code, sealed.out.split("   ")[0]) == (2, "○ sealed")
    assert "◐ sealed, 1 of 2 shares given" in first.out
    assert keys[0] not in first.out
    assert (between.code, between.out.split("   ")[0]) == (2, "◐ sealed, 1 of 2 shares given")
    assert again.out == "◐ sealed, 1 of 2 shares given\n"
    assert reset.out == "○ sealed\n"
    assert second.out == "● unsealed\n"
    assert opened.code == 0
    assert "  shares       2 of 3\n" in opened.out
    assert closed.out == "✓ sealed\n"
    assert shell("status", "-format=json").data["sealed"] is True


def test_keys_are_shown_and_kept_nowhere(new_server: Shell) -> None:
    shown = new_server.ok("init", "-key-shares=2", "-key-threshold=2")

    assert [line.split()[:2] for line in shown.out.splitlines()] == [
        ["key", "share"],
        ["key", "share"],
        ["root", "token"],
    ]
    assert "any 2 of them" in shown.err
    assert list(new_server.home.iterdir()) == []


def test_keys_go_into_a_new_file_of_the_owners_where_one_is_named(
    new_server: Shell, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text("mine")

    refused = new_server("init", f"--output={tmp_path}/there")
    done = new_server.ok("init", "-key-shares=1", "-key-threshold=1", f"--output={tmp_path}/keys")

    assert "there exists; name a new file" in refused.err
    assert (tmp_path / "there").read_text() == "mine"
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    kept = json.loads((tmp_path / "keys").read_text())
    assert kept["root_token"] not in done.out
    assert len(kept["unseal_keys_b64"]) == 1


def test_more_shares_needed_than_there_are_is_refused_here(nowhere: Shell) -> None:
    done = nowhere("init", "-key-shares=1", "-key-threshold=2")

    assert (done.code, "larger than the number of shares" in done.err) == (1, True)


def test_a_wrong_share_is_refused_and_what_was_given_stays(new_server: Shell) -> None:
    keys = list(initialize(new_server)["unseal_keys_hex"])  # type: ignore[call-overload]
    new_server.ok("unseal", "-", given=keys[0])

    wrong = new_server("unseal", "-", given="c2hvcnQ=")

    assert wrong.code == 2
    assert "c2hvcnQ=" not in wrong.err
    assert new_server("status").out.startswith("◐ sealed, 1 of 2")


def test_a_new_root_token_takes_a_quorum(new_server: Shell) -> None:
    keys = open_up(new_server)
    begun = new_server.ok("operator", "generate-root", "-init", "-format=json").data
    first = new_server.ok("operator", "generate-root", given=keys[0])
    last = new_server.ok("operator", "generate-root", "-format=json", given=keys[1]).data
    encoded = last.get("encoded_token")

    token = new_server.ok(
        "operator", "generate-root", f"-decode={encoded}", f"-otp={begun['otp']}"
    ).out

    assert first.out.startswith("◐ 1 of 2 shares given")
    new_server.environment["STRONGROOM_TOKEN"] = token.strip()
    assert new_server.ok("token", "lookup", "-format=json").data["data"]["policies"] == ["root"]


def test_a_root_token_and_a_password_that_do_not_fit_are_refused(nowhere: Shell) -> None:
    done = nowhere("operator", "generate-root", "-decode=AAAA", "-otp=toolong")

    assert (done.code, "do not fit together" in done.err) == (1, True)


def test_rekeying_ends_the_old_shares(new_server: Shell) -> None:
    old = open_up(new_server)
    nothing = new_server("operator", "rekey", "-status")
    begin = ("operator", "rekey", "-init", "-key-shares=1", "-key-threshold=1", "--at-once")
    new_server.ok(*begin)
    unsaid = new_server("operator", "rekey", given=old[0])
    new_server.ok("operator", "rekey", "--at-once", given=old[0])
    share = ("operator", "rekey", "--at-once", "-format=json")
    made = new_server.ok(*share, given=old[1]).data
    new_server.ok("seal", "--yes")

    opened = new_server.ok("unseal", "-", given=made["keys_base64"][0])

    assert nothing.out == "○ nothing is under way\n"
    assert (unsaid.code, "count at once" in unsaid.err) == (1, True)
    assert opened.out == "● unsealed\n"


def test_new_shares_that_nobody_has_shown_do_not_end_the_old_ones(new_server: Shell) -> None:
    old = open_up(new_server)
    new_server.ok("operator", "rekey", "-init", "-key-shares=2", "-key-threshold=2")
    new_server.ok("operator", "rekey", given=old[0])
    made = new_server.ok("operator", "rekey", given=old[1])  # as if this had never arrived
    waiting = new_server.ok("operator", "rekey", "-status")
    new_server.ok("seal", "--yes")
    for share in old[:2]:
        opened = new_server.ok("unseal", "-", given=share)

    assert "they do not count yet" in made.err
    assert "not proven yet: give them with --verify" in waiting.out
    assert opened.out == "● unsealed\n"


def test_new_shares_count_once_enough_of_them_were_shown(new_server: Shell) -> None:
    old = open_up(new_server)
    new_server.ok("operator", "rekey", "-init", "-key-shares=2", "-key-threshold=2")
    new_server.ok("operator", "rekey", given=old[0])
    made = new_server.ok("operator", "rekey", "-format=json", given=old[1]).data["keys_base64"]
    first = new_server.ok("operator", "rekey", "--verify", given=made[0])
    last = new_server.ok("operator", "rekey", "--verify", given=made[1])
    new_server.ok("seal", "--yes")
    for share in made:
        opened = new_server.ok("unseal", "-", given=share)

    assert "1 of 2 shares given" in first.out
    assert "the new shares count" in last.out
    assert opened.out == "● unsealed\n"


def test_a_ceremony_is_cancelled_by_a_share_or_a_token(nowhere: Shell) -> None:
    with servers.strongroom(initialized=False) as server:
        nowhere.environment["STRONGROOM_ADDR"] = server.address
        keys = open_up(nowhere)
        token = nowhere.environment.pop("STRONGROOM_TOKEN")
        nowhere.ok("operator", "rekey", "-init", "-key-shares=1", "-key-threshold=1")

        wrong = nowhere("operator", "rekey", "-cancel", given="00" * 33)
        by_share = nowhere.ok("operator", "rekey", "-cancel", given=keys[1])
        nowhere.ok("operator", "generate-root", "-init")
        nowhere.environment["STRONGROOM_TOKEN"] = token
        by_token = nowhere.ok("operator", "generate-root", "-cancel")

    assert (wrong.code, "not a share" in wrong.err) == (2, True)
    assert (by_share.out, by_token.out) == ("✓ rekeying cancelled\n", "✓ cancelled\n")


def test_rotation_begins_a_term(new_server: Shell) -> None:
    open_up(new_server)

    assert new_server.ok("operator", "key-status").out.startswith("term          1\n")
    assert new_server.ok("operator", "rotate").out.startswith("term          2\n")
