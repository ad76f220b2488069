"""Processes of the demo are waited for, watched and ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.demo.place import process_file
from strongroom.demo.processes import Process, ProcessDiedError, environment_for


def witness(directory: Path) -> Process:
    """Start a witness, which runs until it is ended."""
    environment = environment_for(directory)
    key = ("--key", str(directory / "witness.key"))
    made = Process("keygen", directory, ("witness", "keygen", "w.example", *key), environment)
    made.wait_for("w.example+")
    made.end()
    state = ("--state", str(directory / "state"))
    words = ("witness", "serve", *key, *state, "--listen", "127.0.0.1:0")
    return Process("witness", directory, words, environment)


def test_it_is_ready_when_it_says_so_and_gone_when_it_is_ended(tmp_path: Path) -> None:
    process = witness(tmp_path)
    process.wait_for("listening on")
    alive = process.alive

    process.end()

    assert alive
    assert not process.alive
    assert not process_file(tmp_path, "witness").exists()


def test_one_that_dies_shows_the_end_of_what_it_printed(tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text("nonsense = 1\n")
    words = ("server", "--config", str(config))
    process = Process("server", tmp_path, words, environment_for(tmp_path))

    with pytest.raises(ProcessDiedError, match="server ended with status 1") as died:
        process.wait_for("listens on")

    assert "nonsense" in died.value.tail


def test_the_callers_own_settings_do_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "of somebody")
    monkeypatch.setenv("STRONGROOM_ADDR", "https://elsewhere.example")

    given = environment_for(tmp_path, STRONGROOM_CACERT="ca.pem")

    assert "VAULT_TOKEN" not in given
    assert "STRONGROOM_ADDR" not in given
    assert given["STRONGROOM_CACERT"] == "ca.pem"
    assert given["HOME"] == str(tmp_path)
