"""The token that `login` leaves behind."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from strongroom.base.secret import Secret
from strongroom.cli import token_file
from strongroom.cli.errors import CommandError


def found(home: Path) -> str | None:
    token = token_file.find(home)
    return None if token is None else token.text()


def test_a_stored_token_is_found_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = token_file.store(tmp_path, Secret("s.abc"))

    assert found(tmp_path) == "s.abc"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["token"]


def test_a_later_login_replaces_the_token(tmp_path: Path) -> None:
    token_file.store(tmp_path, Secret("s.abc"))
    token_file.store(tmp_path, Secret("s.def"))

    assert found(tmp_path) == "s.def"


def test_vaults_file_counts_where_there_is_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / ".vault-token"
    path.write_text("s.vault\n")
    path.chmod(0o600)

    assert found(tmp_path) == "s.vault"


def test_no_file_is_no_token(tmp_path: Path) -> None:
    assert found(tmp_path) is None
    assert token_file.forget(tmp_path) is False


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    token_file.store(tmp_path, Secret("s.abc")).chmod(mode)

    with pytest.raises(CommandError, match="can be read by others; chmod 600"):
        token_file.find(tmp_path)


@pytest.mark.parametrize("text", ["s.abc\ns.def", "s.\x00abc", "s.ä"])
def test_a_file_that_holds_no_token_is_refused_without_showing_it(
    tmp_path: Path, text: str
) -> None:
    token_file.store(tmp_path, Secret(text))

    with pytest.raises(CommandError, match="does not hold a token") as caught:
        token_file.find(tmp_path)

    assert "abc" not in str(caught.value)
