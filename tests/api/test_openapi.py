"""The OpenAPI document says what routes and decodes, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest

from strongroom.api.openapi import Described, document, parameter_for
from strongroom.base.secret import Secret
from strongroom.core.fields import decoder
from strongroom.core.router import Routes
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import (
    Call,
    Endpoint,
    Help,
    Json,
    Named,
    Page,
    Reply,
    Route,
    Sent,
    Whole,
)


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True, kw_only=True)
class Options:
    cas: Annotated[int, Help("Version that must be there.")] = 0


@dataclass(frozen=True, kw_only=True)
class NewKey(Named):
    key: Annotated[Secret, Help("The key.", least=8)]
    ttl: Annotated[timedelta, Help("Life.", was=("lease",))] = timedelta(hours=1)
    digits: Annotated[int, Help("Digits.", choices=(6, 8))] = 6
    skew: Annotated[int, Help("Periods.", least=0, most=1)] = 1
    size: Size = Size.SMALL
    mode: Literal["fast", "slow"] = "fast"
    names: Annotated[tuple[str, ...], Help("Names.")] = ()
    pairs: Mapping[str, str] = field(default_factory=dict)
    data: Annotated[Json | None, Help("Anything.")] = None
    options: Options = Options()
    internal: Annotated[str, Help("Not for clients.", shown=False)] = ""
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class AtPath:
    path: Annotated[str, Help("Where.")]
    version: Annotated[int, Help("Which.")] = 0


@dataclass(frozen=True, kw_only=True)
class Folder(Page):
    path: str


@dataclass(frozen=True, kw_only=True)
class Body(AtPath):
    body: Annotated[Json | None, Whole()] = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    password: Secret


async def serve(call: Call, given: object) -> Reply | None:
    return None


async def exists(call: Call, given: object) -> bool:
    return False


async def prove(call: Call, given: Attempt) -> Proof:
    return Proof(alias="a", shown_by="password", rules=TokenRules())


ROUTES = (
    Route(path="keys", summary="Names.", list=Endpoint(Page, serve)),
    Route(
        path="keys/{name}",
        summary="One key.",
        read=Endpoint(Named, serve, summary="Read it."),
        write=Endpoint(NewKey, serve),
        delete=Endpoint(Named, serve),
        exists=exists,
        sudo=True,
    ),
    Route(
        path="data/{path...}",
        summary="Data.",
        description="All that is kept.",
        read=Endpoint(AtPath, serve),
        list=Endpoint(Folder, serve),
        scan=Endpoint(Folder, serve),
        write=Endpoint(Body, serve),
        patch=Endpoint(Body, serve),
    ),
)
LOGIN = Login("login", Attempt, prove, lambda given: "a")
ENGINE = Described(path="team/demo/", kind="demo", routes=ROUTES, parameter="demo_mount_path")
METHOD = Described(
    path="auth/door/",
    kind="door",
    routes=Routes((), "door", LOGIN).routes,
    parameter="door_mount_path",
)


def made(*, generic: bool = False) -> dict[str, Any]:
    return document([ENGINE, METHOD], version="1.2.3", generic=generic)


def operations(of: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in of["paths"].items():
        for method in {"get", "post", "patch", "delete"} & item.keys():
            yield path, method, item[method]


class TestPaths:
    def test_a_mount_stands_at_its_path(self) -> None:
        assert set(made()["paths"]) == {
            "/team/demo/keys",
            "/team/demo/keys/{name}",
            "/team/demo/data/",
            "/team/demo/data/{path}",
            "/auth/door/login",
        }

    def test_a_generic_mount_is_a_parameter_with_its_place_as_default(self) -> None:
        paths = made(generic=True)["paths"]

        assert {"/{demo_mount_path}/keys/{name}", "/auth/{door_mount_path}/login"} <= set(paths)
        assert paths["/auth/{door_mount_path}/login"]["parameters"] == [
            {
                "name": "door_mount_path",
                "description": "Where it is mounted.",
                "in": "path",
                "schema": {"type": "string", "default": "door"},
                "required": True,
            }
        ]

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("secret/", "secret_mount_path"),
            ("auth/approle/", "approle_mount_path"),
            ("team-a/kv/", "team_a_kv_mount_path"),
        ],
    )
    def test_a_parameter_is_named_after_the_mount(self, path: str, name: str) -> None:
        assert parameter_for(path) == name

    def test_two_mounts_in_one_generic_place_are_described_once(self) -> None:
        twice = document([ENGINE, ENGINE], version="1", generic=True)

        assert twice["paths"] == document([ENGINE], version="1", generic=True)["paths"]


class TestOperations:
    def test_methods_are_those_of_the_route(self) -> None:
        found = {(path, method) for path, method, _ in operations(made())}

        assert found == {
            ("/team/demo/keys", "get"),
            ("/team/demo/keys/{name}", "get"),
            ("/team/demo/keys/{name}", "post"),
            ("/team/demo/keys/{name}", "delete"),
            ("/team/demo/data/", "get"),
            ("/team/demo/data/{path}", "get"),
            ("/team/demo/data/{path}", "post"),
            ("/team/demo/data/{path}", "patch"),
            ("/auth/door/login", "post"),
        }

    def test_a_list_is_asked_for_where_a_read_stands_too(self) -> None:
        paths = made()["paths"]

        def flags(path: str) -> dict[str, bool]:
            queries = paths[path]["get"]["parameters"]
            return {each["name"]: each.get("required", False) for each in queries}

        assert flags("/team/demo/keys") == {"list": True, "after": False, "limit": False}
        assert flags("/team/demo/data/{path}") == {
            "list": False,
            "scan": False,
            "version": False,
            "after": False,
            "limit": False,
        }

    def test_what_a_path_asks_for_is_marked_as_vault_marks_it(self) -> None:
        paths = made()["paths"]
        marks = {
            path: {key for key in item if key.startswith("x-vault")} for path, item in paths.items()
        }

        assert marks["/team/demo/keys/{name}"] == {"x-vault-sudo", "x-vault-createSupported"}
        assert marks["/auth/door/login"] == {"x-vault-unauthenticated"}
        assert marks["/team/demo/keys"] == set()

    def test_operation_ids_are_not_repeated(self) -> None:
        both = document([ENGINE, Described(path="b/", kind="demo", routes=ROUTES)], version="1")

        names = [each["operationId"] for _, _, each in operations(both)]

        assert len(set(names)) == len(names) == 16
        assert {"demo-read-keys-name", "demo-read-keys-name-2"} <= set(names)

    def test_every_field_of_a_path_is_a_parameter_of_it(self) -> None:
        for generic in (False, True):
            for path, item in made(generic=generic)["paths"].items():
                declared = [each["name"] for each in item.get("parameters", [])]
                assert sorted(declared) == sorted(re.findall(r"{(\w+)}", path))


class TestBodies:
    def test_a_body_is_a_reference_that_leads_somewhere(self) -> None:
        whole = made()
        references = re.findall(r'"#/components/schemas/(\w+)"', json.dumps(whole["paths"]))

        assert sorted(references) == sorted(whole["components"]["schemas"])

    def test_a_field_is_described_as_it_is_declared(self) -> None:
        schema = made()["components"]["schemas"]["DemoWriteKeysNameRequest"]

        assert schema["required"] == ["key"]
        assert schema["properties"] == {
            "key": {
                "type": "string",
                "format": "password",
                "description": "The key.",
                "minLength": 8,
            },
            "ttl": {
                "type": "integer",
                "format": "seconds",
                "description": "Life.",
                "default": 3600,
            },
            "lease": {
                "type": "integer",
                "format": "seconds",
                "description": "Life.",
                "default": 3600,
                "deprecated": True,
            },
            "digits": {
                "type": "integer",
                "format": "int64",
                "description": "Digits.",
                "enum": [6, 8],
                "default": 6,
            },
            "skew": {
                "type": "integer",
                "format": "int64",
                "description": "Periods.",
                "minimum": 0,
                "maximum": 1,
                "default": 1,
            },
            "size": {"type": "string", "enum": ["small", "large"], "default": "small"},
            "mode": {"type": "string", "enum": ["fast", "slow"], "default": "fast"},
            "names": {"type": "array", "items": {"type": "string"}, "description": "Names."},
            "pairs": {"type": "object", "additionalProperties": {"type": "string"}},
            "data": {"description": "Anything."},
            "options": {
                "type": "object",
                "properties": {
                    "cas": {
                        "type": "integer",
                        "format": "int64",
                        "description": "Version that must be there.",
                        "default": 0,
                    }
                },
            },
        }

    def test_a_body_that_is_kept_whole_takes_anything(self) -> None:
        schema = made()["components"]["schemas"]["DemoWriteDataPathRequest"]

        assert schema["additionalProperties"] is True
        assert set(schema["properties"]) == {"version"}

    def test_a_body_that_satisfies_its_schema_is_decoded(self) -> None:
        schema = made()["components"]["schemas"]["DemoWriteKeysNameRequest"]
        body = {"key": "12345678", "lease": 5, "size": "large", "options": {"cas": 3}, "data": [1]}
        jsonschema_rs.Draft4Validator(schema).validate(body)

        given = decoder(NewKey)({"name": "a"}, None, json.dumps(body).encode()).given

        assert (given.ttl, given.size, given.options.cas) == (timedelta(seconds=5), "large", 3)


def test_the_document_is_plain_json() -> None:
    whole = made(generic=True)

    assert json.loads(json.dumps(whole)) == whole
    assert whole["openapi"] == "3.0.2"
    assert whole["info"]["version"] == "1.2.3"
