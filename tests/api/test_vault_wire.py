"""Vault's wire: paths, methods, switches, headers and bodies, and what each leaves in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.vault import LONGEST_PATH, clean_path, shown_path
from strongroom.base.errors import InputError
from strongroom.core.noise import ALLOWED
from tests.api.serving import Served, serving

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "LIST", "SCAN")
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(f"sqlite://{tmp_path / 'strongroom.db'}") as running:
        yield running


# -- paths

REFUSED = {
    "a parent": b"secret/data/../x",
    "a parent at the end": b"secret/data/..",
    "a parent at the start": b"../sys/health",
    "an encoded parent": b"secret/data/%2e%2e/x",
    "a half-encoded parent": b"secret/data/.%2E/x",
    "a parent behind an encoded slash": b"secret/data%2f..%2fx",
    "the folder itself": b"secret/data/./x",
    "an empty segment": b"secret//data/x",
    "an empty encoded segment": b"secret/%2fdata/x",
    "a leading slash": b"/secret/data/x",
    "NUL": b"secret/data/a%00b",
    "a line break": b"secret/data/a%0ab",
    "a carriage return": b"secret/data/a%0db",
    "a tab": b"secret/data/a%09b",
    "DEL": b"secret/data/a%7fb",
    "a C1 control character": b"secret/data/a%c2%85b",
    "a bidirectional override": b"secret/data/a%e2%80%aeb",
    "a zero-width space": b"secret/data/a%e2%80%8bb",
    "a line separator": b"secret/data/a%e2%80%a8b",
    "Latin-1": b"secret/data/a%ffb",
    "a lone continuation byte": b"secret/data/a%80b",
    "an overlong slash": b"secret/data/a%c0%afb",
    "a surrogate": b"secret/data/a%ed%a0%80b",
    "a stray percent sign": b"secret/data/a%zzb",
    "a percent sign at the end": b"secret/data/a%",
    "too much": b"secret/data/" + b"a" * LONGEST_PATH,
}


@pytest.mark.parametrize("method", METHODS)
async def test_a_path_that_could_mean_two_things_is_refused(served: Served, method: str) -> None:
    for name, raw in REFUSED.items():
        headers = MERGE if method == "PATCH" else {}

        got = await served.ask(method, raw, {"data": {"a": 1}}, headers=headers)

        assert (name, got.status) == (name, 400)
        [problem] = got.errors
        assert problem.startswith("path: ")


async def test_a_refused_path_is_on_record_as_far_as_it_can_be_shown(served: Served) -> None:
    got = await served.ask("GET", b"secret/data/a%ff/../b")

    entry = await served.entry(got)
    assert entry["metadata"]["event_code"] == "request.malformed"
    assert entry["unmapped"]["path"] == "secret/data/a%ff/../b"


@pytest.mark.parametrize("header", ["x-vault-token", "authorization"])
async def test_whoever_asks_with_a_token_is_named_however_often_the_request_is_malformed(
    served: Served, header: str
) -> None:
    token = await served.reader('path "*" { capabilities = ["read"] }')
    looked_up = await served.ask("GET", "auth/token/lookup-self", token=token)
    accessor = looked_up.body["data"]["accessor"]
    who = {header: token if header == "x-vault-token" else f"Bearer {token}"}
    malformed: list[tuple[bytes, bytes, dict[str, str]]] = [
        *((raw, b"", {}) for raw in REFUSED.values()),
        (b"secret/data/x", b"list=yes", {}),
        (b"secret/data/x", b"a=%ff", {}),
        (b"secret/data/x", b"&".join(b"a%d=1" % n for n in range(101)), {}),
        (b"secret/data/x", b"", {"x-vault-namespace": "team"}),
        (b"secret/data/x", b"", {"x-vault-wrap-ttl": "soon"}),
    ]
    assert len(malformed) > ALLOWED  # all are of one kind, which is collapsed for nobody known

    for raw, query, headers in malformed:
        got = await served.ask("GET", raw, token="", headers={**headers, **who}, query=query)

        entry = await served.entry(got)
        assert (raw, query, got.status) == (raw, query, 400)
        assert entry["metadata"]["event_code"] == "request.malformed"
        assert entry["actor"]["session"]["uid"] == accessor


@pytest.mark.parametrize("token", ["", "hvs.nobody"])
async def test_a_malformed_request_of_nobody_is_counted_after_a_few_entries(
    served: Served, token: str
) -> None:
    before = served.server.log.size

    for _ in range(ALLOWED * 2):
        assert (await served.ask("GET", b"secret//x", token=token)).status == 400

    assert served.server.log.size == before + ALLOWED


async def test_a_malformed_request_is_no_use_of_a_limited_token(served: Served) -> None:
    token = await served.reader('path "*" { capabilities = ["read"] }', num_uses=1)

    assert (await served.ask("GET", b"secret//x", token=token)).status == 400

    for status in (200, 403):
        got = await served.ask("GET", "auth/token/lookup-self", token=token)
        assert got.status == status


@pytest.mark.parametrize(
    "raw",
    [
        *(b"secret/data/plain", b"secret/data/caf%C3%A9", b"secret/data/a%20b", b"secret/data/a+b"),
        *(b"secret/data/%E6%BC%A2/%F0%9F%94%91", b"secret/data/a%25b", b"secret/data/..."),
        *(b"secret/data/a:b@c,d;e=f", b"secret/data/.hidden", b"secret/data/a..b"),
        b"secret/data/" + b"a" * 600,
    ],
)
async def test_every_other_path_is_one_string_all_the_way(served: Served, raw: bytes) -> None:
    path = clean_path(raw)

    written = await served.ask("POST", raw, {"data": {"a": "b"}})
    read = await served.ask("GET", raw)

    assert (written.status, read.status) == (200, 200)
    assert (await served.entry(read))["unmapped"]["path"] == path
    listed = await served.ask("LIST", "secret/metadata")
    assert listed.body["data"]["keys"] == [
        path.removeprefix("secret/data/").split("/")[0]
        + "/" * ("/" in path.removeprefix("secret/data/"))
    ]


@pytest.mark.parametrize(
    "raw",
    [b"secret/data/%70rod", b"secret%2fdata%2fprod", b"secret/dat%61/prod", b"%73ecret/data/prod"],
)
async def test_no_spelling_of_a_path_goes_around_a_policy(served: Served, raw: bytes) -> None:
    await served.ask("POST", "secret/data/prod", {"data": {"a": "b"}})
    token = await served.reader(
        'path "secret/*" { capabilities = ["read"] }\n'
        'path "secret/data/prod" { capabilities = ["deny"] }'
    )

    got = await served.ask("GET", raw, token=token)

    assert (got.status, got.errors) == (403, ["permission denied"])
    assert (await served.entry(got))["unmapped"]["path"] == "secret/data/prod"


async def test_a_trailing_slash_is_for_lists(served: Served) -> None:
    await served.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    found = {
        method: (await served.ask(method, "secret/data/app/", {"data": {}}, headers=MERGE)).status
        for method in ("GET", "POST", "PUT", "PATCH")
    }
    listed = [await served.ask("LIST", f"secret/metadata{end}") for end in ("", "/")]

    assert found == {"GET": 404, "POST": 400, "PUT": 400, "PATCH": 400}
    assert [each.body["data"] for each in listed] == [{"keys": ["app"]}] * 2
    assert (await served.ask("GET", "secret/data/app")).status == 200


@given(st.binary(max_size=60))
def test_a_cleaned_path_is_printable_and_has_no_odd_segment(raw: bytes) -> None:
    try:
        path = clean_path(raw)
    except InputError:
        return

    assert path.isprintable()
    assert not {".", ".."} & set(path.split("/"))
    assert "" not in path.split("/")[:-1]


@given(st.binary(max_size=5000))
def test_a_path_that_cannot_be_read_can_still_be_shown(raw: bytes) -> None:
    shown = shown_path(raw)

    assert shown.isascii()
    assert len(shown) <= 1024


# -- methods and switches


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_post_and_put_are_one(served: Served, method: str) -> None:
    got = await served.ask(method, "secret/data/app", {"data": {"a": "b"}})

    assert got.body["data"]["version"] == 1


async def test_head_is_for_health_alone(served: Served) -> None:
    await served.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    health = await served.ask("HEAD", "sys/health", token="")
    secret = await served.ask("HEAD", "secret/data/app")

    assert (health.status, secret.status) == (200, 405)
    assert (await served.entry(secret))["status_id"] == 2


@pytest.mark.parametrize(
    ("query", "means"),
    [
        *[(f"list={word}".encode(), "list") for word in ("true", "1", "t", "T", "TRUE", "True")],
        *[(f"list={w}".encode(), "read") for w in ("false", "0", "f", "F", "FALSE", "False", "")],
        *[(b"scan=true", "scan"), (b"scan=0", "read"), (b"list=true&list=false", "list")],
        *[(b"help=1", "help"), (b"help=true", "help"), (b"help=", "read"), (b"", "read")],
    ],
)
async def test_a_switch_makes_of_a_get_what_it_says(
    served: Served, query: bytes, means: str
) -> None:
    await served.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    got = await served.ask("GET", "secret/metadata/", query=query)

    fields = await served.entry(got)
    assert fields["unmapped"]["operation"] == ("read" if means == "help" else means)
    assert got.status == {"list": 200, "scan": 200, "help": 200, "read": 404}[means]
    assert ("help" in got.raw.decode()) == (means == "help")


@pytest.mark.parametrize("query", [b"list=yes", b"scan=2", b"list=tRue", b"list=%00", b"list=%ff"])
async def test_a_switch_that_is_no_boolean_is_refused(served: Served, query: bytes) -> None:
    got = await served.ask("GET", "secret/metadata/", query=query)

    assert got.status == 400
    assert (await served.entry(got))["metadata"]["event_code"] == "request.malformed"


async def test_a_switch_changes_no_write(served: Served) -> None:
    got = await served.ask("POST", "secret/data/app", {"data": {"a": 1}}, query=b"list=true")

    assert got.body["data"]["version"] == 1


async def test_a_query_with_too_many_fields_is_refused(served: Served) -> None:
    query = b"&".join(b"a%d=1" % number for number in range(101))

    assert (await served.ask("GET", "secret/data/app", query=query)).status == 400


# -- headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer {root}"}, 200),
        ({"Authorization": "bearer  {root} "}, 200),
        ({"Authorization": "Basic {root}"}, 403),
        ({"Authorization": "{root}"}, 403),
        ({"Authorization": "Bearer"}, 403),
        ({"X-Vault-Token": "{root}", "Authorization": "Bearer other"}, 200),
        ({"Authorization": "Bearer other", "X-Vault-Token": "{root}"}, 200),
        ({"X-Vault-Token": "other", "Authorization": "Bearer {root}"}, 403),
        ({"X-Vault-Token": "", "Authorization": "Bearer {root}"}, 200),
        ({}, 403),
    ],
)
async def test_a_token_comes_as_vaults_header_or_as_a_bearer(
    served: Served, headers: dict[str, str], status: int
) -> None:
    await served.ask("POST", "secret/data/app", {"data": {"a": "b"}})
    filled = {name: value.format(root=served.root) for name, value in headers.items()}

    got = await served.ask("GET", "secret/data/app", token="", headers=filled)

    assert got.status == status


@pytest.mark.parametrize("namespace", ["", "/", "root", "root/", "/root"])
async def test_the_root_namespace_is_where_everybody_is(served: Served, namespace: str) -> None:
    got = await served.ask("LIST", "sys/policies/acl", headers={"X-Vault-Namespace": namespace})

    assert got.status == 200


@pytest.mark.parametrize("namespace", ["team", "root/team", "../root"])
async def test_any_other_namespace_is_refused_by_name(served: Served, namespace: str) -> None:
    got = await served.ask("GET", "secret/data/app", headers={"X-Vault-Namespace": namespace})

    assert (got.status, got.errors) == (
        400,
        ["X-Vault-Namespace: namespaces are not supported"],
    )


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("60", 60), ("5m", 300), ("1h30m", 5400), ("90s", 90)]
)
async def test_a_reply_is_wrapped_for_as_long_as_was_asked(
    served: Served, ttl: str, seconds: int
) -> None:
    await served.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    got = await served.ask("GET", "secret/data/app", headers={"X-Vault-Wrap-TTL": ttl})

    assert got.body["data"] is None
    assert got.body["wrap_info"]["ttl"] == seconds
    assert got.body["wrap_info"]["creation_path"] == "secret/data/app"


@pytest.mark.parametrize("ttl", ["", "0", "0s"])
async def test_no_time_to_wrap_for_is_no_wrapping(served: Served, ttl: str) -> None:
    await served.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    got = await served.ask("GET", "secret/data/app", headers={"X-Vault-Wrap-TTL": ttl})

    assert got.body["data"]["data"] == {"a": "b"}


@pytest.mark.parametrize("ttl", ["soon", "-5", "769h", "1e9", "9" * 400, "1h-"])
async def test_a_time_that_cannot_be_wrapped_for_is_refused(served: Served, ttl: str) -> None:
    await served.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    got = await served.ask("GET", "secret/data/app", headers={"X-Vault-Wrap-TTL": ttl})

    assert got.status == 400
    assert got.errors[0].startswith("X-Vault-Wrap-TTL: ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (MERGE, 200),
        ({"Content-Type": "Application/Merge-Patch+JSON; charset=utf-8"}, 200),
        ({"Content-Type": "application/json"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": ""}, 400),
        ({}, 400),
    ],
)
async def test_a_patch_says_that_it_is_one(
    served: Served, headers: dict[str, str], status: int
) -> None:
    await served.ask("POST", "secret/data/app", {"data": {"a": "b"}})

    got = await served.ask("PATCH", "secret/data/app", {"data": {"c": "d"}}, headers=headers)

    assert got.status == status
    assert (await served.entry(got))["status_code"] == str(status)


# -- bodies


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"hello", b"[1]", b'"x"', b"17", b"{}{}", b'{"data":{}} x', b"\xff", b"\0"),
        *(b'{"data": {"a": NaN}}', b'{"a\xff": 1}', b"[" * 100_000, b'{"data":"x"}', b"true"),
        b'{"data": {"a": "\\ud800"}}',
        b'{"data":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
    ],
)
async def test_a_body_that_cannot_be_read_is_400_with_a_reason_and_without_its_text(
    served: Served, body: bytes
) -> None:
    got = await served.ask("POST", "secret/data/app", body)

    assert got.status == 400
    [problem] = got.errors
    assert problem
    assert len(problem) < 200
    assert (await served.entry(got))["status_code"] == "400"
    assert (await served.ask("GET", "secret/data/app")).status == 404


async def test_an_unknown_field_is_named_in_a_warning(served: Served) -> None:
    got = await served.ask("POST", "secret/data/app", {"data": {"a": 1}, "nosuch": 2})

    assert got.status == 200
    assert any("nosuch" in warning for warning in got.body["warnings"])


@pytest.mark.parametrize(
    "body", [{"max_versions": "many"}, {"max_versions": {"a": 1}}, {"cas_required": "perhaps"}]
)
async def test_a_field_of_another_type_is_named(served: Served, body: dict[str, object]) -> None:
    got = await served.ask("POST", "secret/config", body)

    assert got.status == 400
    [problem] = got.errors
    assert problem.startswith(next(iter(body)))


async def test_no_body_where_one_is_needed_says_so(served: Served) -> None:
    got = await served.ask("POST", "secret/data/app")

    assert (got.status, got.errors) == (400, ["no data provided"])


# -- answers


async def test_every_answer_names_its_entry_and_may_not_be_cached(served: Served) -> None:
    answers = [
        await served.ask("POST", "secret/data/app", {"data": {"a": "b"}}),
        await served.ask("GET", "secret/data/app"),
        await served.ask("GET", "secret/data/none"),
        await served.ask("DELETE", "secret/data/app"),
        await served.ask("GET", "nowhere/at/all"),
        await served.ask("GET", "secret/data/app", token="other"),
        await served.ask("GET", "secret/config/../x"),
        await served.ask("DELETE", "secret/config"),
    ]

    assert [each.status for each in answers] == [200, 200, 404, 204, 404, 403, 400, 405]
    codes = [(await served.entry(each))["status_code"] for each in answers]
    assert codes == [str(each.status) for each in answers]
    assert {each.headers["cache-control"] for each in answers} == {"no-store"}
    assert [each.headers.get("content-type") for each in answers] == [
        None if each.status == 204 else "application/json" for each in answers
    ]


async def test_errors_are_a_list_of_texts(served: Served) -> None:
    for method, path, body in (
        ("GET", "nowhere", None),
        ("GET", "secret/data/none", None),
        ("POST", "secret/data/app", b"{"),
        ("DELETE", "secret/config", None),
    ):
        got = await served.ask(method, path, body)

        assert set(got.body) == {"errors"}
        assert all(isinstance(error, str) for error in got.errors)


async def test_a_missing_thing_and_a_forbidden_one_look_alike(served: Served) -> None:
    await served.ask("POST", "secret/data/there", {"data": {"a": "b"}})
    token = await served.reader('path "secret/data/mine" { capabilities = ["read"] }')

    answers = [
        await served.ask("GET", f"{path}", token=token)
        for path in ("secret/data/there", "secret/data/not-there", "nowhere/x", "secret/odd")
    ]

    assert {(each.status, each.raw) for each in answers} == {
        (403, b'{"errors":["permission denied"]}')
    }


# -- without a token


async def test_noise_without_a_token_is_counted_after_a_few_entries(served: Served) -> None:
    answers = [await served.ask("GET", "secret/data/app", token="") for _ in range(30)]

    assert {each.status for each in answers} == {403}
    receipts = ["audit-receipt" in each.headers for each in answers]
    assert receipts == [True] * 10 + [False] * 20
    [over] = served.server.pipeline.noise.over(served.clock.now(), all_of_them=True)
    assert over.count == 20


async def test_a_request_with_a_token_is_an_entry_however_often(served: Served) -> None:
    answers = [await served.ask("GET", "secret/data/app") for _ in range(30)]

    assert len({each.receipt[0] for each in answers}) == 30


# -- sealed


async def test_a_sealed_server_says_so_everywhere_but_on_open_paths(served: Served) -> None:
    token = await served.reader('path "*" { capabilities = ["read", "list", "update"] }')
    await served.ask("PUT", "sys/seal")

    for method, path in (
        ("GET", "secret/data/app"),
        ("POST", "secret/data/app"),
        ("LIST", "secret/metadata"),
        ("GET", "nowhere/x"),
        ("GET", "sys/mounts"),
        ("POST", "sys/mounts/x"),
        ("GET", "auth/token/lookup-self"),
        ("POST", "auth/userpass/login/x"),
        ("PUT", "sys/rotate"),
    ):
        got = await served.ask(method, path, token=token)

        assert (method, path, got.status) == (method, path, 503)
        assert got.errors == ["Vault is sealed"]
    for path, status in (("sys/seal-status", 200), ("sys/health", 503), ("sys/init", 200)):
        assert (await served.ask("GET", path, token="")).status == status
