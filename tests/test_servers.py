"""The throw-away servers themselves."""

from __future__ import annotations

import socket
from pathlib import Path

import asyncpg
import pytest

from tests import servers


async def test_a_test_gets_an_empty_database_of_its_own(
    postgresql_database: servers.Database,
) -> None:
    connection = await asyncpg.connect(postgresql_database.url)
    try:
        await connection.execute("CREATE TABLE kept (n bigint)")
        tables = await connection.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname='public'"
        )
    finally:
        await connection.close()

    assert tables == 1


async def test_the_next_test_sees_nothing_of_it(postgresql_database: servers.Database) -> None:
    connection = await asyncpg.connect(postgresql_database.url)
    try:
        tables = await connection.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname='public'"
        )
    finally:
        await connection.close()

    assert tables == 0


def test_a_template_is_copied_with_what_is_in_it(postgresql: servers.PostgreSQL) -> None:
    with postgresql.database() as template:
        postgresql.sql("CREATE TABLE kept (n bigint)", template.name)

        with postgresql.database(template.name) as copy:
            assert postgresql.sql("SELECT count(*) FROM kept", copy.name) == "0"


def test_a_durable_instance_syncs_and_leaves_nothing_behind() -> None:
    try:
        with servers.postgresql(durable=True) as instance:
            assert instance.sql("SHOW fsync") == "on"
            assert instance.process.poll() is None
    except servers.MissingError as missing:
        pytest.skip(str(missing))

    assert instance.process.poll() is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", instance.port), timeout=5)


def test_a_program_that_cannot_be_had_is_named_with_what_gives_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1_000)

    with pytest.raises(servers.MissingError, match="apt-get install slapd"):
        servers.obtained("slapd", "slapd", lambda: None)


def test_a_program_is_installed_once_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(servers, "_apt_install", installed.append)

    found = servers.obtained("slapd", "slapd", lambda: Path("/x") if installed else None)

    assert (found, installed) == (Path("/x"), ["slapd"])


def test_a_scratch_folder_goes_with_what_is_in_it() -> None:
    with servers.scratch("strongroom-test-") as folder:
        (folder / "kept").write_text("x")

    assert not folder.exists()


def test_a_server_that_ends_at_once_is_reported_with_its_last_words() -> None:
    with servers.scratch("strongroom-test-") as folder:
        log = folder / "log"
        with servers.running(["sh", "-c", "echo no such option; exit 2"], log) as process:
            process.wait()

            with pytest.raises(servers.StartError, match="no such option"):
                servers.await_ready(process, ["false"], log)


def test_no_test_reaches_beyond_this_machine() -> None:
    with pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 9), timeout=1)
