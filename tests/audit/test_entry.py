"""What is written down of a request, judged by OCSF's schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strongroom.audit import entry
from strongroom.audit.entry import (
    API,
    CLASSES,
    LIFECYCLE,
    MAX_ENTRY,
    SYSTEM,
    Actor,
    Event,
    Kind,
    class_of,
    digest_of,
    encode,
    utc,
)
from strongroom.audit.shortening import encode as encode_json
from strongroom.base.secret import Secret
from tests.audit import ocsf

NOW = datetime(2026, 9, 21, 12, 0, 0, 123456, tzinfo=UTC)
ALICE = Actor(
    id="0b5f2c1e",
    kind=Kind.USER,
    token="accessor-1",
    issuer="auth/userpass/login/alice",
    policies=("default", "team"),
    environment="production",
)
CODES = (
    *("secret.read", "cubbyhole.write", "auth.login", "token.create", "policy.write"),
    *("mount.enable", "environment.write", "entity.update", "server.start", "server.stop"),
    *("log.heartbeat", "log.noise", "seal.unseal", "clock.advance", "sys.health", "lease.revoke"),
    *("request.malformed", "request.unrouted", "anchor.received", "token.expire"),
)


def event(**given: Any) -> Event:
    base: dict[str, Any] = {
        "code": "secret.read",
        "operation": "read",
        "path": "secret/data/app",
        "time": NOW,
        "id": "6f6b8f0e-9f0a-4a52-8a53-5f3c0e1a2b3c",
        "actor": ALICE,
        "ok": True,
        "method": "GET",
        "status": 200,
        "address": "127.0.0.1",
        "port": 50000,
    }
    return Event(**(base | given))


def decoded(**given: Any) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(encode(event(**given)))
    return fields


# -- the schema


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("operation", [*API, "revoke", "help", ""])
def test_every_kind_of_event_is_ocsf(code: str, operation: str) -> None:
    ocsf.check(decoded(code=code, operation=operation))


@pytest.mark.parametrize("code", CODES)
def test_what_the_server_does_itself_is_ocsf_too(code: str) -> None:
    ocsf.check(decoded(code=code, actor=SYSTEM, method="", status=0, address="", port=0))


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "LIST", "SCAN"]
)
@pytest.mark.parametrize("status", [200, 204, 400, 403, 404, 405, 413, 429, 500, 502, 503])
def test_every_method_and_status_is_ocsf(method: str, status: int) -> None:
    ocsf.check(decoded(method=method, status=status, ok=status < 400, reason="permission denied"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "2001:db8::5",
        "fe80::1%eth0",
        "fe80::1234:5678:9abc:def0%enp0s31f6abcdef",
    ],
)
def test_every_form_of_address_is_ocsf(address: str) -> None:
    found = decoded(address=address)

    ocsf.check(found)
    assert address in (found["src_endpoint"].get("ip"), found["src_endpoint"].get("name"))


def test_every_class_is_a_class_of_its_category() -> None:
    for code in CODES:
        class_uid, category = class_of(code)

        assert (class_uid, category) in CLASSES.values()
        assert class_uid // 1000 == category


def test_the_longest_prefix_decides_the_class() -> None:
    assert class_of("log.heartbeat") == (6002, 6)
    assert class_of("log.noise") == (6003, 6)
    assert class_of("auth.login") == (3002, 3)
    assert class_of("auth.mount") == (6003, 6)
    assert class_of("nobody.has.heard.of.it") == (6003, 6)


def test_start_and_stop_have_the_activities_of_their_class() -> None:
    found = {code: decoded(code=code)["activity_id"] for code in LIFECYCLE}

    assert found == {"server.start": 3, "server.stop": 4}


def test_an_activity_that_ocsf_does_not_know_is_named() -> None:
    found = decoded(code="token.expire", operation="revoke")

    assert (found["activity_id"], found["activity_name"]) == (99, "revoke")


# -- what it says


def test_an_entry_says_who_did_what_to_what_and_why_it_was_allowed() -> None:
    found = decoded(
        rules=('team: path "secret/*"',), version=7, fingerprint=b"\1" * 16, simulated=True
    )

    assert found["metadata"]["event_code"] == "secret.read"
    assert found["actor"] == {
        "user": {"uid": "0b5f2c1e", "type_id": 1},
        "session": {"uid": "accessor-1", "issuer": "auth/userpass/login/alice"},
    }
    assert found["resources"] == [{"uid": "secret/data/app", "type": "secret", "version": "7"}]
    assert found["http_request"]["url"]["path"] == "/v1/secret/data/app"
    assert found["unmapped"] == {
        "time": "2026-09-21T12:00:00.123456Z",
        "operation": "read",
        "path": "secret/data/app",
        "policies": ["default", "team"],
        "rules": ['team: path "secret/*"'],
        "environment": "production",
        "fingerprint": "01" * 16,
        "clock": "simulated",
    }


def test_a_key_ceremony_says_who_held_it_and_from_where() -> None:
    found = decoded(code="seal.seal", operation="update", method="PUT")

    assert found["unmapped"]["actor"] == "0b5f2c1e"
    assert found["unmapped"]["session"] == "accessor-1"
    assert found["unmapped"]["address"] == "127.0.0.1"


@given(st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_both_times_of_an_entry_are_one_moment(at: datetime) -> None:
    moment = at.replace(tzinfo=UTC)

    found = decoded(time=moment)

    whole = moment - timedelta(microseconds=moment.microsecond % 1000)
    assert utc(found["time"]) == whole


def test_what_a_handler_says_never_replaces_what_the_pipeline_knows() -> None:
    said = {"path": "elsewhere", "policies": ["root"], "time": "never", "revoked": 3}

    own = decoded(details=said)["unmapped"]

    assert own["path"] == "secret/data/app"
    assert own["policies"] == ["default", "team"]
    assert own["time"] == "2026-09-21T12:00:00.123456Z"
    assert own["revoked"] == 3
    assert own["details"] == {"path": "elsewhere", "policies": ["root"], "time": "never"}


def test_a_detail_cannot_pretend_a_guardrail_or_a_rule() -> None:
    said = {"guardrail": "none", "rules": ["all"], "clock": "real", "details": {"x": 1}}

    own = decoded(details=said, actor=SYSTEM)["unmapped"]

    assert own == {
        "time": "2026-09-21T12:00:00.123456Z",
        "operation": "read",
        "path": "secret/data/app",
        "details": said,
    }


def test_the_event_is_left_as_it_was() -> None:
    long = event(details={"much": "x" * 20_000}, rules=("r",) * 20)

    encode(long)

    assert len(long.rules) == 20
    assert long.details == {"much": "x" * 20_000}


def test_the_digest_is_the_leaf_hash_of_rfc_6962() -> None:
    leaf = encode(event())

    assert digest_of(leaf) == sha256(b"\0" + leaf).digest()


# -- what is hostile


def test_a_secret_among_the_details_does_not_show() -> None:
    leaf = encode(event(details={"oops": Secret("correct horse")}))

    assert b"correct horse" not in leaf
    assert json.loads(leaf)["unmapped"]["oops"] == "<Secret>"


@pytest.mark.parametrize(
    "details", [{"odd": {(1, 2): 3}}, {"odd": "\ud800"}, {"odd": object()}, {"odd": {None: 1}}]
)
def test_a_detail_that_json_cannot_write_costs_the_detail_not_the_entry(
    details: dict[str, object],
) -> None:
    found = decoded(details=details, path="a\ud800b")

    ocsf.check(found)
    assert found["unmapped"]["path"] == "a?b"


@pytest.mark.parametrize("fill", ["x", '"', "\\", "\x01", "\x7f", "é", "漢", "🔑", "\u2028"])
def test_no_text_however_long_makes_an_entry_too_large(fill: str) -> None:
    long = fill * 5_000
    hostile = Actor(
        id=long, token=long, issuer=long, policies=(long,) * 90, environment=long, kind=Kind.USER
    )

    for code in CODES:
        leaf = encode(
            event(
                code=code,
                operation=long,
                path=long,
                reason=long,
                rules=(long,) * 90,
                guardrail=long,
                address=long,
                actor=hostile,
                details={"a": long, "b": [long] * 9},
            )
        )

        assert len(leaf) <= MAX_ENTRY
        found = json.loads(leaf)
        ocsf.check(found)
        cut = found["unmapped"]["cut"]
        assert {"a", "b", "policies", "rules", "path", "operation", "reason"} <= cut.keys()
        assert cut["policies"]["count"] == cut["rules"]["count"] == 90
        assert cut["a"] == {"count": 5_000, "sha256": sha256(long.encode()).hexdigest()}


def test_many_policies_are_kept_as_long_as_they_fit() -> None:
    policies = tuple(f"team-{number:03d}" for number in range(300))

    found = decoded(actor=Actor(id="u-1", policies=policies))

    assert found["unmapped"]["policies"] == list(policies)


def test_what_is_largest_is_shortened_first() -> None:
    policies = tuple(f"team-{number:03d}" for number in range(300))
    much = "x" * 16_000

    own = decoded(actor=Actor(id="u-1", policies=policies), details={"much": much})["unmapped"]

    assert own["policies"] == list(policies)
    assert own["cut"] == {"much": {"count": 16_000, "sha256": sha256(much.encode()).hexdigest()}}
    assert len(own["much"]) > 4_000
    assert much.startswith(own["much"].removesuffix("…"))


def test_of_a_long_list_the_first_stay_with_the_count_and_a_digest_of_the_whole() -> None:
    names = [f"team-{number:03d}-{'x' * 480}" for number in range(40)]
    small = {"accessor": "a-1", "ttl": 3600, "orphan": True, "note": "é" * 256}
    tree = {f"name-{number}": {"deep": [number] * 9} for number in range(900)}

    own = decoded(details={"token_policies": tuple(names), **small, "tree": tree})["unmapped"]

    assert {name: own[name] for name in small} == small
    written = json.dumps(names, separators=(",", ":")).encode()
    assert own["cut"]["token_policies"] == {"count": 40, "sha256": sha256(written).hexdigest()}
    assert own["token_policies"]
    assert all(n.startswith(k[:-1]) for k, n in zip(own["token_policies"], names, strict=False))
    assert own["tree"].items() < tree.items()
    written = json.dumps(tree, separators=(",", ":")).encode()
    assert own["cut"]["tree"] == {"count": 900, "sha256": sha256(written).hexdigest()}


def test_one_detail_that_json_cannot_write_costs_no_other() -> None:
    own = decoded(
        details={"odd": "\ud800", "strange": 1 << 90, "deep": {None: 1}, "accessor": "a-1"}
    )

    assert own["unmapped"]["accessor"] == "a-1"
    assert own["unmapped"]["odd"] == "?"
    assert own["unmapped"]["strange"] == 1 << 90


def test_a_detail_cannot_pretend_that_it_was_cut() -> None:
    own = decoded(details={"cut": {"policies": 1}})["unmapped"]

    assert "cut" not in own
    assert own["details"] == {"cut": {"policies": 1}}


def test_of_ten_thousand_details_the_smallest_stay() -> None:
    many: dict[str, object] = {f"name-{number:05d}": number for number in range(10_000)}

    leaf = encode(event(details={**many, "long": ["x" * 900] * 900}))

    own = json.loads(leaf)["unmapped"]
    assert len(leaf) > MAX_ENTRY - 1024
    assert own["cut"]["details"]["count"] == 10_001
    assert own["name-00000"] == 0
    assert "long" not in own


def plainly(one: Event) -> bytes:
    """Encode without a template."""
    return bytes(encode_json(entry._fields(one)))


MARK = st.sampled_from(["mark-of-the-path", "mark-of-the-id", "7654321", "1111111111111", "x", "é"])


@given(
    actors=st.lists(
        st.builds(Actor, id=MARK, token=MARK, policies=st.tuples(MARK)), min_size=1, max_size=2
    ),
    rules=st.lists(MARK, max_size=2).map(tuple),
    paths=st.lists(MARK | st.text(max_size=2000), min_size=2, max_size=5),
    code=st.sampled_from(["secret.read", "secret.list", "auth.login", "seal.status"]),
    method=st.sampled_from(["GET", "LIST", ""]),
    version=st.none() | st.integers(0, 2**63),
    address=st.sampled_from(["127.0.0.1", "::1", "", "fe80::1%" + "e" * 60, "mark-of-the-address"]),
    at=st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_an_entry_from_a_template_is_the_entry_without_one(
    *,
    actors: list[Actor],
    rules: tuple[str, ...],
    paths: list[str],
    code: str,
    method: str,
    version: int | None,
    address: str,
    at: datetime,
) -> None:
    for actor in actors:
        for path in paths:
            one = event(
                code=code,
                actor=actor,
                rules=rules,
                path=path,
                method=method,
                version=version,
                address=address,
                time=at.replace(tzinfo=UTC),
                id=path[:36],
            )

            assert encode(one) == plainly(one) or len(plainly(one)) > MAX_ENTRY


def test_templates_of_a_long_running_server_are_bounded() -> None:
    for number in range(entry.MOST_TEMPLATES + 10):
        encode(event(actor=Actor(id=f"u-{number}")))

    assert len(entry._templates) <= entry.MOST_TEMPLATES


TEXT = st.text(max_size=400)
ACTORS = st.builds(
    Actor,
    id=TEXT.filter(bool),
    kind=st.sampled_from(Kind),
    token=TEXT,
    issuer=TEXT,
    policies=st.lists(TEXT, max_size=30).map(tuple),
    environment=TEXT,
)
DETAILS = st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=50),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
        max_leaves=10,
    ),
    max_size=8,
)


@given(
    code=st.sampled_from(CODES),
    operation=st.sampled_from([*API, "revoke", ""]),
    path=st.text(max_size=3000),
    actor=ACTORS,
    ok=st.booleans(),
    reason=st.text(max_size=3000),
    rules=st.lists(TEXT, max_size=20).map(tuple),
    details=DETAILS,
    version=st.none() | st.integers(0, 2**63),
    fingerprint=st.none() | st.binary(min_size=16, max_size=16),
)
def test_whatever_an_event_holds_its_entry_is_ocsf_and_fits(**given: Any) -> None:
    leaf = encode(event(**given))

    assert len(leaf) <= MAX_ENTRY
    ocsf.check(json.loads(leaf))


SMALL = st.integers(-(2**63), 2**63) | st.booleans() | st.none() | st.text(max_size=256)
LARGE = st.lists(TEXT, min_size=20).map(lambda few: few * 50) | st.text(min_size=257).map(
    lambda one: one * 9
)
NAME = st.from_regex(r"[a-z_]{1,20}", fullmatch=True)


@given(
    code=st.sampled_from(CODES),
    path=st.text(max_size=3000),
    actor=ACTORS,
    reason=st.text(max_size=3000),
    rules=st.lists(TEXT, max_size=20).map(tuple),
    small=st.dictionaries(NAME, SMALL, max_size=12),
    large=st.dictionaries(NAME.map(str.upper), LARGE, max_size=4),
    filling=st.integers(0, 20_000),
)
def test_what_is_small_stays_whatever_else_an_event_holds(
    small: dict[str, object], large: dict[str, object], filling: int, **given: Any
) -> None:
    assume(len(json.dumps(small, ensure_ascii=False).encode()) <= 4096)
    details = {**large, **small, "FILLING": "f" * filling}

    leaf = encode(event(**given, details=details))

    assert len(leaf) <= MAX_ENTRY
    found = json.loads(leaf)
    ocsf.check(found)
    own = found["unmapped"]
    said = {**own.get("details", {}), **{n: v for n, v in own.items() if n not in entry._FRAME}}
    assert {name: said.get(name, own.get(name)) for name in small} == small
    for name, whole in details.items():
        if name not in small and said.get(name) != whole:
            assert {name, "details"} & own["cut"].keys()
