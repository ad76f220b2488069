"""What every test may ask for: databases of its own, the oracle, and a wall around the machine.

A session-wide server exists once for each pytest-xdist worker that asks for it, and is started
by the first test that does. What cannot be had is skipped with its reason, and the last lines
of a run count what was skipped and why.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import servers
from tests.auth.slapd import Directory, slapd
from tests.oracles.openbao import OpenBao, openbao_dev
from tests.schema import migrate

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=5_000)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def only_loopback(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse, as an audit hook, to connect anywhere else than to this machine."""
    if event != "socket.connect":
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = str(address[0])
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ConnectionRefusedError(f"a test tried to reach {host}")


def pytest_configure() -> None:
    sys.addaudithook(only_loopback)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(reason(report) for report in skipped)
    if reasons:
        why = "; ".join(f"{number} {text}" for text, number in reasons.most_common())
        terminalreporter.write_line(f"skipped: {len(skipped)} ({why})", yellow=True)


def reason(report: pytest.TestReport) -> str:
    """Return why a test was skipped, in its own words."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[servers.PostgreSQL]:
    """An instance that is fast and forgets what a power cut would take."""
    try:
        with servers.postgresql() as instance:
            yield instance
    except servers.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgresql_durable() -> Iterator[servers.PostgreSQL]:
    """An instance that syncs each commit, for tests of durability."""
    try:
        with servers.postgresql(durable=True) as instance:
            yield instance
    except servers.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def postgresql_database(postgresql: servers.PostgreSQL) -> Iterator[servers.Database]:
    """An empty database of the test's own."""
    with postgresql.database() as database:
        yield database


@pytest.fixture(scope="session")
def postgresql_schema(postgresql: servers.PostgreSQL) -> str:
    """The name of a database that is at the present schema, and empty."""
    name = "schema"
    postgresql.sql(f'CREATE DATABASE "{name}"')
    migrate(postgresql.url(name))
    return name


@pytest.fixture
def postgresql_ready(
    postgresql: servers.PostgreSQL, postgresql_schema: str
) -> Iterator[servers.Database]:
    """A database of the test's own that is at the present schema."""
    with postgresql.database(postgresql_schema) as database:
        yield database


@pytest.fixture(scope="session")
def openbao() -> Iterator[OpenBao]:
    """OpenBao's development server, asked for its opinion."""
    try:
        with openbao_dev() as oracle:
            yield oracle
    except servers.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def directory() -> Iterator[Directory]:
    """OpenLDAP's slapd with a small company in it."""
    try:
        with slapd() as running:
            yield running
    except servers.MissingError as missing:
        pytest.skip(str(missing))
