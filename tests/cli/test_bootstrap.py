"""`strongroom init --bootstrap` and `bootstrap`; a status that tells of root tokens; our server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import servers
from tests.cli.conftest import Shell

WORD = "marmalade Tuesday orbit"
WHO = ("--name=Ada", "--email=ada@example.org", "--username=ada")
WORDS = "the code is wrong, was used, or is over"


@pytest.fixture
def fresh(nowhere: Shell) -> Iterator[Shell]:
    """A shell of a server of ours that nobody has initialized."""
    with servers.strongroom(initialized=False) as server:
        nowhere.environment["STRONGROOM_ADDR"] = server.address
        yield nowhere


def test_the_first_administrator_registers_by_a_code_and_there_is_no_root_token(
    fresh: Shell,
) -> None:
    made = fresh.ok("init", "-bootstrap", "-shares=1", "-threshold=1", "-format=json").data
    code = made["bootstrap_code"]
    fresh.ok("unseal", "-", given=made["unseal_keys_b64"][0])
    wrong = fresh("bootstrap", *WHO, given=f"0000-0000-0000-0000\n{WORD}\n")
    done = fresh.terminal(
        "bootstrap",
        *WHO,
        answers=[("Code: ", code), ("Password: ", WORD), ("Password again: ", WORD)],
    )
    again = fresh("bootstrap", *WHO, given=f"{code}\n{WORD}\n")

    assert not made["root_token"]
    assert (wrong.code, again.code) == (2, 2)
    assert (WORDS in wrong.err, WORDS in again.err) == (True, True)
    assert "ada is administrator" in done.out
    assert code not in done.out
    assert fresh.ok("token", "lookup", "--field=policies").out == "enrol-factors"


def test_the_code_is_shown_in_place_of_a_root_token(fresh: Shell) -> None:
    shown = fresh.ok("init", "-bootstrap", "-shares=1", "-threshold=1")

    assert "bootstrap code" in shown.out
    assert "root token" not in shown.out
    assert "strongroom bootstrap" in shown.err


def test_a_root_token_that_lives_is_told_of_to_who_may_know(fresh: Shell) -> None:
    made = fresh.ok("init", "-shares=1", "-threshold=1", "-format=json").data
    key = made["unseal_keys_b64"][0]
    fresh.ok("unseal", "-", given=key)
    fresh.environment["STRONGROOM_TOKEN"] = made["root_token"]
    before = fresh.ok("status")
    fresh.ok("operator", "generate-root", "-init")
    fresh.ok("operator", "generate-root", given=key)
    fresh.ok("token", "create", "-policy=root")

    after = fresh.ok("status")
    fresh.environment["STRONGROOM_TOKEN"] = "hvs.nobody"
    stranger = fresh.ok("status")

    assert "alert" not in before.err
    assert "alert: a root token was generated" in after.err
    assert "alert: a root token made another" in after.err
    assert "alert: root tokens that live, in all: 3" in after.err
    assert "alert" not in stranger.err
