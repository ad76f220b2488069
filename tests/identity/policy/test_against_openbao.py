"""Ours beside OpenBao's: which texts are taken, and what a token may then do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import NamedTuple

import pytest

from strongroom.base.errors import InputError
from strongroom.identity.policy.acl import Acl, compile_acl
from strongroom.identity.policy.capability import Operation, names
from strongroom.identity.policy.document import parse_policy
from strongroom.identity.policy.template import Alias, Group, Identity
from tests.identity.policy import samples
from tests.identity.policy.texts import TEXTS, Fate
from tests.oracles.openbao import OpenBao

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FORBIDDEN = 403


def taken(text: str) -> bool:
    try:
        parse_policy("p", text)
    except InputError:
        return False
    return True


def acl(*texts: str) -> Acl:
    return compile_acl([parse_policy(f"p{at}", text) for at, text in enumerate(texts)], None, NOW)


def test_openbao_takes_and_refuses_what_we_say_it_does(openbao: OpenBao) -> None:
    wrong = [
        text.name
        for text in TEXTS
        if (openbao.write_policy("text", text.text).status < 300)
        is not (text.fate in {Fate.BOTH, Fate.THEIRS})
    ]

    assert wrong == []


def differences(openbao: OpenBao, random: Random) -> Iterator[str]:
    """Make policies, and yield in what we and OpenBao differ about them."""
    texts = [samples.policy(random) for _ in range(random.randint(1, 3))]
    for at, text in enumerate(texts):
        status = openbao.write_policy(f"sample{at}", text).status
        if (status < 300) is not taken(text):
            yield f"status {status} for {text}"
    if not all(map(taken, texts)):
        return
    token = openbao.token(*(f"sample{at}" for at in range(len(texts))))
    ours, asked = acl(*texts), samples.paths(random, 60)
    for path, theirs in openbao.capabilities(token, *asked).items():
        if names(ours.capabilities_for(path)) != tuple(sorted(theirs)):
            yield f"{path}: {theirs} for {texts}"


def test_a_few_policies_grant_what_they_do_at_openbao(openbao: OpenBao) -> None:
    random = Random(1)

    assert [found for _ in range(100) for found in differences(openbao, random)] == []


@pytest.mark.slow
def test_many_policies_grant_what_they_do_at_openbao(openbao: OpenBao) -> None:
    random = Random(2)

    assert [found for _ in range(2_500) for found in differences(openbao, random)] == []


def test_root_is_root(openbao: OpenBao) -> None:
    root = compile_acl([parse_policy("root", "")], None, NOW)

    theirs = openbao.capabilities(openbao.root_token, "a/b")["a/b"]

    assert names(root.capabilities_for("a/b")) == tuple(theirs)


# what real requests get, on KV version 1


@pytest.fixture(scope="module")
def kv(openbao: OpenBao) -> OpenBao:
    """The oracle with KV version 1 at `k/`, which keeps `k/p`, `k/d/e` and `k/d/f/g`."""
    openbao.ask("POST", "sys/mounts/k", {"type": "kv", "options": {"version": "1"}})
    for path in ("k/p", "k/d/e", "k/d/f/g"):
        openbao.ask("PUT", path, {"kept": "yes"})
    return openbao


LISTABLE = (
    "k/d",
    "k/d/",
    "k/d*",
    "k/d/*",
    "k/+",
    "k/+/",
    "+/d",
    "+/d/",
    "k*",
    "+/+/",
    "+/*",
    "+/+",
)


def test_lists_fall_back_as_they_do_at_openbao(kv: OpenBao) -> None:
    wrong = []
    for listed, denied in product(LISTABLE, LISTABLE):
        text = f'path "{listed}" {{ capabilities = ["list", "scan", "read"] }}'
        text += f'path "{denied}" {{ capabilities = ["deny"] }}' if denied != listed else ""
        kv.write_policy("lists", text)
        token, ours = kv.token("lists"), acl(text)
        for method, path in (("LIST", "k/d"), ("SCAN", "k/d/"), ("GET", "k/d"), ("GET", "k/d/")):
            operation = {"LIST": Operation.LIST, "SCAN": Operation.SCAN}.get(method, Operation.READ)
            theirs = kv.ask(method, path, token=token).status != FORBIDDEN
            if ours.decide(path, operation).allowed is not theirs:
                wrong.append((text, method, path, theirs))

    assert wrong == []


def constraint(random: Random) -> str:
    values = ("x", "xy", "x*", "*y", "*x*", "z", True)
    kept = []
    for key in ("allowed_parameters", "denied_parameters"):
        if random.random() < 0.6:
            names = random.sample(["a", "B", "*"], random.randint(0, 2))
            listed = {name: random.sample(values, random.randint(0, 2)) for name in names}
            kept.append(f"{key} = {hcl(listed)}")
    if random.random() < 0.4:
        kept.append(f"required_parameters = {json.dumps(random.sample(['a', 'b'], 1))}")
    return "\n".join(kept)


def hcl(listed: dict[str, list[object]]) -> str:
    return "{" + "\n".join(f'"{name}" = {json.dumps(of)}' for name, of in listed.items()) + "}"


def body(random: Random) -> dict[str, object]:
    names = random.sample(["a", "b", "A", "B", "c"], random.randint(1, 3))
    return {name: random.choice(("x", "xyz", "wxy", "z", "", True, "X")) for name in names}


def parameter_differences(kv: OpenBao, random: Random) -> Iterator[object]:
    granted = 'path "k/p" { capabilities = ["create", "update", "read"]\n'
    texts = [granted + constraint(random) + "}" for _ in range(random.randint(1, 2))]
    for at, text in enumerate(texts):
        kv.write_policy(f"parameters{at}", text)
    token = kv.token(*(f"parameters{at}" for at in range(len(texts))))
    ours = acl(*texts)
    for sent in (body(random) for _ in range(12)):
        if len({name.lower() for name in sent}) < len(sent):
            continue
        theirs = kv.ask("PUT", "k/p", sent, token=token)
        mine = ours.decide("k/p", Operation.UPDATE, sent)
        other_case = any(
            f'["{name.lower()}"]' in text for name in sent for text in texts if name.isupper()
        )
        if mine.allowed is not (theirs.status != FORBIDDEN) and not other_case:
            yield texts, sent, theirs.status, mine.reason


def test_parameters_are_judged_as_at_openbao(kv: OpenBao) -> None:
    random = Random(3)

    assert [found for _ in range(60) for found in parameter_differences(kv, random)] == []


@pytest.mark.slow
def test_many_parameters_are_judged_as_at_openbao(kv: OpenBao) -> None:
    random = Random(4)

    assert [found for _ in range(1_500) for found in parameter_differences(kv, random)] == []


@pytest.mark.parametrize(
    "settings",
    [
        ['min_wrapping_ttl = "30s"'],
        ['max_wrapping_ttl = "60s"'],
        ['min_wrapping_ttl = "30s"\nmax_wrapping_ttl = "60s"'],
        ['min_wrapping_ttl = "30s"\nmax_wrapping_ttl = 0'],
        ['min_wrapping_ttl = "500ms"'],
        ['min_wrapping_ttl = "30s"', ""],
        ['min_wrapping_ttl = "30s"', 'min_wrapping_ttl = "60s"'],
        ['max_wrapping_ttl = "30s"', 'max_wrapping_ttl = "60s"'],
        ['max_wrapping_ttl = "30s"', 'min_wrapping_ttl = "60s"'],
    ],
)
def test_wrapping_is_judged_as_at_openbao(kv: OpenBao, settings: list[str]) -> None:
    texts = [f'path "k/p" {{ capabilities = ["read"]\n{each} }}' for each in settings]
    for at, text in enumerate(texts):
        kv.write_policy(f"wrapping{at}", text)
    token, ours = kv.token(*(f"wrapping{at}" for at in range(len(texts)))), acl(*texts)
    theirs, mine = {}, {}
    for seconds in (None, 1, 29, 30, 45, 60, 61):
        asked = {} if seconds is None else {"X-Vault-Wrap-TTL": f"{seconds}s"}
        ttl = None if seconds is None else timedelta(seconds=seconds)
        theirs[seconds] = kv.ask("GET", "k/p", token=token, headers=asked).status != FORBIDDEN
        mine[seconds] = ours.decide("k/p", Operation.READ, None, ttl).allowed

    assert mine == theirs


@pytest.mark.parametrize("settings", [[5], [2], [2, 5], [5, 0]])
def test_page_limits_are_judged_as_at_openbao(kv: OpenBao, settings: list[int]) -> None:
    texts = [
        f'path "k/*" {{ capabilities = ["list"]\npagination_limit = {limit} }}'
        for limit in settings
    ]
    for at, text in enumerate(texts):
        kv.write_policy(f"pages{at}", text)
    token, ours = kv.token(*(f"pages{at}" for at in range(len(texts)))), acl(*texts)
    theirs, mine = {}, {}
    for limit in ("", "0", "1", "2", "3", "5", "6", "max", "-1", "x"):
        query = f"?limit={limit}" if limit else ""
        sent = {"limit": limit} if limit else {}
        theirs[limit] = kv.ask("LIST", f"k/d{query}", token=token).status != FORBIDDEN
        mine[limit] = ours.decide("k/d", Operation.LIST, sent).allowed

    assert mine == theirs


# templates


class Known(NamedTuple):
    identity: Identity
    token: str


@pytest.fixture(scope="module")
def known(openbao: OpenBao) -> Known:
    """The entity `ent`, which is logged in as `bob` with the policy `templates`."""
    ask = openbao.ask
    ask("POST", "sys/auth/userpass", {"type": "userpass"})
    accessor = ask("GET", "sys/auth").body["data"]["userpass/"]["accessor"]
    settings = {"token_policies": ["templates"], "token_no_default_policy": True}
    ask("POST", "auth/userpass/users/bob", {"password": "p", **settings})
    login = ask("POST", "auth/userpass/login/bob", {"password": "p"}).body["auth"]
    metadata = {
        "team": "red",
        "slash": "a/b",
        "star": "*",
        "plus": "+",
        "mail": "a+b",
        "dots": "..",
    }
    entity = f"identity/entity/id/{login['entity_id']}"
    ask("POST", entity, {"name": "ent", "metadata": metadata})
    alias = ask("GET", entity).body["data"]["aliases"][0]["id"]
    given = {"name": "bob", "canonical_id": login["entity_id"], "mount_accessor": accessor}
    ask("POST", f"identity/entity-alias/id/{alias}", {**given, "custom_metadata": {"cm": "cv"}})
    members = {"member_entity_ids": [login["entity_id"]], "metadata": {"env": "dev"}}
    inner = ask("POST", "identity/group", {"name": "inner", **members}).body["data"]["id"]
    outer = ask("POST", "identity/group", {"name": "outer", "member_group_ids": [inner]})
    ask("POST", "identity/group", {"name": "foreign"})
    identity = Identity(
        id=login["entity_id"],
        name="ent",
        metadata=metadata,
        aliases={accessor: Alias(id=alias, name="bob", custom_metadata={"cm": "cv"})},
        groups=(
            Group(id=inner, name="inner", metadata={"env": "dev"}),
            Group(id=outer.body["data"]["id"], name="outer"),
        ),
    )
    return Known(identity, login["client_token"])


TEMPLATES = (
    *("identity.entity.id", "identity.entity.name", " identity.entity.name ", "identity.entity"),
    *("identity.entity.metadata.team", "identity.entity.metadata.none", "identity.entity.metadata"),
    *(
        "identity.entity.metadata.dots",
        "identity.entity.metadata.",
        "identity.entity.id.x",
        "x",
        "",
    ),
    *("identity.entity.metadata.slash", "identity.entity.metadata.star", "IDENTITY.entity.id"),
    *("identity.entity.metadata.plus", "identity.entity.metadata.mail"),
    *("identity.entity.aliases.ACCESSOR.id", "identity.entity.aliases.ACCESSOR.name"),
    *("identity.entity.aliases.ACCESSOR.custom_metadata.cm", "identity.entity.aliases.none.name"),
    *("identity.groups.ids.INNER.name", "identity.groups.names.inner.id"),
    *("identity.groups.ids.INNER.id", "identity.groups.names.inner.name"),
    *("identity.groups.names.inner.metadata.env", "identity.groups.names.outer.id"),
    *("identity.groups.names.foreign.id", "identity.groups.names.none.id"),
)


@pytest.mark.parametrize("slashes", [False, True])
@pytest.mark.parametrize("wildcards", [False, True])
def test_templates_grant_what_they_do_at_openbao(
    openbao: OpenBao, known: Known, *, slashes: bool, wildcards: bool
) -> None:
    identity = known.identity
    [(accessor, alias)] = identity.aliases.items()
    group = identity.groups[0]
    values = [identity.id, "ent", "red", "..", "a/b", "a+b", "+", "*", "x", alias.id, "bob", "cv"]
    values += [group.id, "inner", "dev", identity.groups[1].id, ""]
    asked = [*(f"z/{value}/y" for value in values), "ok"]
    flags = {
        "allow_slashes_in_identity_templates": slashes,
        "allow_wildcards_in_identity_templates": wildcards,
    }
    wrong = []
    for template in TEMPLATES:
        name = template.replace("ACCESSOR", accessor).replace("INNER", group.id)
        text = f'path "z/{{{{{name}}}}}/y" {{ capabilities = ["read"] }}\n'
        text += 'path "ok" { capabilities = ["list"] }'
        openbao.write_policy("templates", text, **flags)
        ours = compile_acl([parse_policy("templates", text, **flags)], identity, NOW)
        answer = openbao.ask("POST", "sys/capabilities", {"token": known.token, "paths": asked})
        refused = {path: ["deny"] for path in asked}
        theirs = refused if answer.status >= 400 else answer.body["data"]
        wrong += [
            (template, path, theirs[path])
            for path in asked
            if names(ours.capabilities_for(path)) != tuple(theirs[path])
        ]

    assert wrong == []
