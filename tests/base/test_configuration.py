"""The configuration file: what is read from it, and what is said of a wrong one."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.configuration import (
    CertificateConfiguration,
    Configuration,
    ConfigurationError,
    WitnessConfiguration,
    load_configuration,
    parse_configuration,
)

FULL = """
cluster_name = "eu-1"
data_dir = "/srv/strongroom"
default_lease_ttl = "1h"
max_lease_ttl = "1d"

[storage]
url = "postgresql://strongroom:pass@db/strongroom"

[[listener]]
address = "[::]:8200"
min_version = "1.3"
request_client_certificate = true
trusted_proxies = ["10.0.0.0/8", "fd00::/8"]
[listener.certificate]
file = "/etc/strongroom/tls.pem"
key = "/etc/strongroom/tls.key"

[[listener]]
address = "localhost:8201"
tls = false

[seal]
type = "passphrase"
passphrase_file = "/run/passphrase"

[log]
origin = "audit.example.com/eu-1"
checkpoint_interval = "5s"
witnesses = ["w1.example.com+0a1b2c3d+AQID https://w1.example.com"]
witness_interval = "1m"

[[sink]]
type = "file"
path = "/var/log/strongroom.ndjson"

[limits]
body = "1MiB"
rate = 5

[clock]
simulated = true
start = 2026-01-01T00:00:00Z
"""


def parse(text: str, **environ: str) -> Configuration:
    return parse_configuration(text, source="strongroom.toml", environ=environ)


def problem(text: str, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse(text, **environ)
    return str(caught.value)


class TestGood:
    def test_an_empty_file_is_a_safe_server_on_loopback(self) -> None:
        read = parse("")
        [listener] = read.listeners

        assert (listener.host, listener.port, listener.tls) == ("127.0.0.1", 8200, True)
        assert read.storage.sqlite_path == Path("/var/lib/strongroom/strongroom.db")
        assert read.max_lease_ttl == timedelta(hours=768)
        assert read.log.origin == "strongroom/log"
        assert read.seal.type == "shamir"
        assert not read.clock.simulated

    def test_every_key_is_read(self) -> None:
        read = parse(FULL)
        first, second = read.listeners

        assert (read.cluster_name, read.data_dir) == ("eu-1", Path("/srv/strongroom"))
        assert (read.default_lease_ttl, read.max_lease_ttl) == (
            timedelta(hours=1),
            timedelta(days=1),
        )
        assert read.storage.sqlite_path is None
        assert (first.host, first.port, first.min_version) == ("::", 8200, "1.3")
        assert first.certificate == CertificateConfiguration(
            file=Path("/etc/strongroom/tls.pem"), key=Path("/etc/strongroom/tls.key")
        )
        assert first.request_client_certificate
        assert first.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
        assert (second.host, second.tls, second.certificate) == ("localhost", False, None)
        assert read.seal.passphrase_file == Path("/run/passphrase")
        assert read.log.checkpoint_interval == timedelta(seconds=5)
        assert read.log.witnesses == (
            WitnessConfiguration(key="w1.example.com+0a1b2c3d+AQID", url="https://w1.example.com"),
        )
        assert read.log.witness_interval == timedelta(minutes=1)
        assert read.sinks[0].path == Path("/var/log/strongroom.ndjson")
        assert (read.limits.body, read.limits.rate, read.limits.burst) == (1 << 20, 5, 10)
        assert read.clock.start == datetime(2026, 1, 1, tzinfo=UTC)

    def test_the_environment_goes_above_the_file(self) -> None:
        read = parse(
            FULL, STRONGROOM_STORAGE_URL="sqlite:///srv/a.db", STRONGROOM_LOG_ORIGIN="other/log"
        )

        assert read.storage.sqlite_path == Path("/srv/a.db")
        assert read.log.origin == "other/log"

    def test_the_console_is_where_the_first_listener_is(self) -> None:
        plain = '[[listener]]\naddress = "127.0.0.1:8300"\ntls = false\n'

        assert parse("").console.url == "https://localhost:8200"
        assert parse(plain).console.url == "http://localhost:8300"

    def test_an_origin_has_no_port_that_its_scheme_has_anyway(self) -> None:
        text = "[console]\nurl = 'https://a.example:443'\norigins = ['https://b.a.example']"

        read = parse(text).console

        assert (read.url, read.origins) == ("https://a.example", ("https://b.a.example",))

    def test_a_variable_of_the_client_is_no_override(self) -> None:
        assert parse("", STRONGROOM_TOKEN="hvs.a") == parse("")

    def test_a_database_password_is_not_printed(self) -> None:
        assert "pass@" not in repr(parse(FULL))

    def test_plain_http_beyond_loopback_must_be_meant(self) -> None:
        plain = '[[listener]]\naddress = "10.0.0.1:8200"\ntls = false\n'

        assert parse(plain + "insecure = true\n").listeners[0].insecure
        assert problem(plain).startswith("strongroom.toml:3: listener[0].tls: plain HTTP")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '\n\n[[listener]]\naddress = "a:1"\nmin_version = "1.1"',
            'strongroom.toml:5: listener[0].min_version: must be "1.2" or "1.3"',
        ),
        (
            "[[listener]]\n[[listener]]\nadress = 'a:1'",
            "strongroom.toml:3: listener[1].adress: unknown key; did you mean address?",
        ),
        ("zebra = 1", "strongroom.toml:1: zebra: unknown key"),
        (
            "[listner]\n",
            "strongroom.toml:1: listner: unknown key; did you mean listener?",
        ),
        ("[listener]\n", "strongroom.toml:1: listener: must be written as [[listener]]"),
        ("listener = [1]", "strongroom.toml:1: listener: must be written as [[listener]]"),
        ("storage = 1", "strongroom.toml:1: storage: must be a table"),
        (
            '[[listener]]\n[listener.certificate]\nfile = "a"',
            "strongroom.toml:2: listener[0].certificate.key: is required",
        ),
        (
            '[[listener]]\ntrusted_proxies = ["10.0.0.0/8", "10.0.0.1/8"]',
            "strongroom.toml:2: listener[0].trusted_proxies[1]: is no network such as 10.0.0.0/8",
        ),
        ('[[listener]]\ntls = "yes"', "strongroom.toml:2: listener[0].tls: must be true or false"),
        (
            "[[listener]]\ntls = false\nmin_version = '1.3'",
            "strongroom.toml:3: listener[0].min_version: needs tls = true",
        ),
        (
            "[[listener]]\ninsecure = true",
            "strongroom.toml:2: listener[0].insecure: has no meaning with tls = true",
        ),
        ('[storage]\nurl = "mysql://a"', "strongroom.toml:2: storage.url: must begin with"),
        (
            '[storage]\nurl = "sqlite:///a.db?mode=ro"',
            "strongroom.toml:2: storage.url: a SQLite URL has no options",
        ),
        ('[storage]\nurl = "sqlite://a.db"', 'strongroom.toml:2: storage.url: must be "sqlite://"'),
        ("default_lease_ttl = '2x'", "strongroom.toml:1: default_lease_ttl: not a duration"),
        ("default_lease_ttl = 0", "strongroom.toml:1: default_lease_ttl: must be longer"),
        ("default_lease_ttl = true", "strongroom.toml:1: default_lease_ttl: a duration is"),
        ("max_lease_ttl = '1h'", "strongroom.toml: default_lease_ttl: is longer than"),
        ("cluster_name = 'a b'", "strongroom.toml:1: cluster_name: must be letters"),
        ("cluster_name = ''", "strongroom.toml:1: cluster_name: must not be empty"),
        ("cluster_name = 7", "strongroom.toml:1: cluster_name: must be a string"),
        ("seal.type = 'hsm'", 'strongroom.toml:1: seal.type: must be "shamir" or "passphrase"'),
        (
            "[seal]\ntype = 'passphrase'",
            "strongroom.toml:1: seal.passphrase_file: is required with",
        ),
        ("[seal]\npassphrase_file = 'a'", "strongroom.toml:2: seal.passphrase_file: needs type"),
        ("[log]\norigin = 'https://a'", "strongroom.toml:2: log.origin: must be a URL without"),
        ("[log]\nwitnesses = ['a']", "strongroom.toml:2: log.witnesses[0]: must be"),
        ("[log]\nwitnesses = ['a+b+c http://a']", "strongroom.toml:2: log.witnesses[0]: must be"),
        ("[[sink]]\ntype = 'fax'", 'strongroom.toml:2: sink[0].type: must be "file"'),
        ("[[sink]]\ntype = 'file'", "strongroom.toml:1: sink[0].path: is required"),
        ("[limits]\nbody = '32 MB'", "strongroom.toml:2: limits.body: must be a size"),
        ("[limits]\nbody = 0", "strongroom.toml:2: limits.body: must be a size"),
        ("[limits]\nrate = -1", "strongroom.toml:2: limits.rate: must be a number"),
        ("[limits]\nrate = nan", "strongroom.toml:2: limits.rate: must be a number"),
        ("[limits]\nburst = 0", "strongroom.toml:2: limits.burst: must be at least 1"),
        ("[clock]\nstart = 2026-01-01", "strongroom.toml:2: clock.start: must be a time"),
        (
            "[clock]\nsimulated = true\nstart = 2026-01-01T00:00:00",
            "strongroom.toml:3: clock.start: must have a zone",
        ),
        (
            "[clock]\nstart = 2026-01-01T00:00:00Z",
            "strongroom.toml:2: clock.start: needs simulated = true",
        ),
        *(
            (f"[console]\nurl = '{url}'", "strongroom.toml:2: console.url: must be https://")
            for url in (
                *(
                    "ftp://a",
                    "http://a.example",
                    "https://10.0.0.1",
                    "https://a/",
                    "https://A.example",
                ),
                *("https://a:99999", "https://user@a", "https://[::1]", "https://a?b"),
            )
        ),
        (
            "[console]\nurl = 'https://a.example'\norigins = ['https://b.example']",
            "strongroom.toml:3: console.origins: must be origins such as https://a.example",
        ),
        (
            "[console]\nurl = 'https://a.example'\norigins = ['https://bada.example']",
            "strongroom.toml:3: console.origins: must be origins",
        ),
        ("a = \n", "strongroom.toml:1:5: not TOML: Invalid value"),
        ("a = [", "strongroom.toml: not TOML: Invalid value"),
        ('cluster_name = """\na b"""', "strongroom.toml: cluster_name: must be letters"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(text: str, said: str) -> None:
    assert problem(text).startswith(said)


@pytest.mark.parametrize(
    "address", ["8200", ":8200", "::1:8200", "a:65536", "a:x", "a:", "[a:1", "a]:1", "[a]:1", "a:²"]
)
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    said = problem(f"[[listener]]\naddress = '{address}'")

    assert said.startswith("strongroom.toml:2: listener[0].address: must be")


def test_a_wrong_override_is_named_by_its_variable() -> None:
    said = problem("[storage]\nurl = 'sqlite:///a'", STRONGROOM_STORAGE_URL="oracle://u:secret@db")

    assert said.startswith("STRONGROOM_STORAGE_URL: storage.url: must begin with")
    assert "secret" not in said


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "strongroom.toml"
    path.write_text(FULL)

    assert load_configuration(path, {}) == parse(FULL)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "strongroom.toml"
    with pytest.raises(ConfigurationError, match=r"strongroom\.toml: cannot be read: No such file"):
        load_configuration(path, {})
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"is not UTF-8"):
        load_configuration(path, {})


@given(
    st.text(max_size=60) | st.lists(st.sampled_from(FULL.splitlines()), max_size=25).map("\n".join)
)
def test_whatever_a_file_holds_only_a_configuration_error_is_raised(text: str) -> None:
    with suppress(ConfigurationError):
        assert parse(text).listeners
