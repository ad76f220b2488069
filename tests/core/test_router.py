"""Which endpoint serves a path, and what the path says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.base.errors import InputError, NotFoundError, UnsupportedError
from strongroom.core.router import Match, Operation, Routes
from strongroom.sdk.auth import Login, Proof, TokenRules
from strongroom.sdk.engine import Call, Endpoint, Named, Nothing, Page, Reply, Route


@dataclass(frozen=True, kw_only=True)
class AtPath:
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Folder(Page, AtPath):
    pass


@dataclass(frozen=True, kw_only=True)
class Part:
    name: str
    part: str


async def serve(call: Call, given: object) -> Reply | None:
    return None


NOTHING, NAMED, PAGE = Endpoint(Nothing, serve), Endpoint(Named, serve), Endpoint(Page, serve)
AT_PATH, FOLDER, PART = Endpoint(AtPath, serve), Endpoint(Folder, serve), Endpoint(Part, serve)
ROUTES = Routes(
    (
        Route(path="{path...}", summary="Any.", read=AT_PATH, list=FOLDER, delete=AT_PATH),
        Route(path="keys", summary="Names.", list=PAGE),
        Route(path="keys/{name}", summary="One.", read=NAMED, write=NAMED, patch=NAMED),
        Route(path="keys/config", summary="Settings.", read=NOTHING),
        Route(path="keys/{name}/{part}", summary="A part.", read=PART),
        Route(path="keys/{name}/config", summary="Its settings.", read=NAMED),
        Route(path="data/{path...}", summary="Data.", read=AT_PATH, list=FOLDER, scan=FOLDER),
        Route(path="mounts/{path...}/tune", summary="Tuning.", read=AT_PATH),
        Route(path="mounts/{path...}", summary="A mount.", read=AT_PATH),
        Route(path="{name}/tail", summary="By its end.", read=Endpoint(Named, serve, "tail.cut")),
    ),
    "demo",
)


def where(path: str, operation: Operation = Operation.READ) -> tuple[str, dict[str, str]]:
    match = ROUTES.match(path, operation)
    return match.bound.route.path, match.fields


class TestMatching:
    @pytest.mark.parametrize(
        ("path", "route", "fields"),
        [
            ("keys/alice", "keys/{name}", {"name": "alice"}),
            ("keys/config", "keys/config", {}),
            ("keys/alice/config", "keys/{name}/config", {"name": "alice"}),
            ("keys/config/config", "keys/{name}/config", {"name": "config"}),
            ("keys/alice/rest", "keys/{name}/{part}", {"name": "alice", "part": "rest"}),
            ("keys/a/b/c", "{path...}", {"path": "keys/a/b/c"}),
            ("data/x", "data/{path...}", {"path": "x"}),
            ("data/x/y/z", "data/{path...}", {"path": "x/y/z"}),
            ("data/tail", "{name}/tail", {"name": "data"}),  # as much text, and no rest
            ("dat/tail", "{name}/tail", {"name": "dat"}),
            ("mounts/a/b/tune", "mounts/{path...}/tune", {"path": "a/b"}),
            ("mounts/tune/tune", "mounts/{path...}/tune", {"path": "tune"}),
            ("mounts/tune", "mounts/{path...}", {"path": "tune"}),
            ("mounts/tune/a", "mounts/{path...}", {"path": "tune/a"}),
            ("other", "{path...}", {"path": "other"}),
            ("dataset/x", "{path...}", {"path": "dataset/x"}),
        ],
    )
    def test_the_route_with_more_literal_text_wins(
        self, path: str, route: str, fields: dict[str, str]
    ) -> None:
        assert where(path) == (route, fields)

    def test_a_path_that_nothing_fits_is_not_found(self) -> None:
        routes = Routes((Route(path="keys/{name}", summary="One.", read=NAMED),))

        for path in ("", "keys", "keys/", "keys/a/b", "other/a", "/a", "keys//"):
            with pytest.raises(NotFoundError, match="unsupported path"):
                routes.match(path, Operation.READ)

    def test_a_route_without_the_operation_hides_those_that_fit_less(self) -> None:
        with pytest.raises(UnsupportedError, match="unsupported operation"):
            where("keys/alice", Operation.DELETE)
        with pytest.raises(UnsupportedError):
            where("keys")

    def test_help_is_found_and_never_matched(self) -> None:
        with pytest.raises(UnsupportedError):
            where("keys/alice", Operation.HELP)
        assert ROUTES.find("keys/alice").summary == "One."
        assert ROUTES.find("keys/").summary == "Names."


class TestTrailingSlashes:
    @pytest.mark.parametrize("path", ["data", "data/"])
    def test_a_list_may_be_of_the_top(self, path: str) -> None:
        assert where(path, Operation.LIST) == ("data/{path...}", {"path": ""})
        assert where(path, Operation.SCAN) == ("data/{path...}", {"path": ""})

    @pytest.mark.parametrize("path", ["data/a/b", "data/a/b/"])
    def test_a_list_is_of_a_folder_with_or_without_its_slash(self, path: str) -> None:
        assert where(path, Operation.LIST) == ("data/{path...}", {"path": "a/b"})

    def test_the_whole_mount_can_be_listed(self) -> None:
        assert where("", Operation.LIST) == ("{path...}", {"path": ""})

    def test_a_read_of_the_top_is_not_found(self) -> None:
        routes = Routes((Route(path="data/{path...}", summary="Data.", read=AT_PATH),))

        for path in ("data/", "data", ""):
            with pytest.raises(NotFoundError):
                routes.match(path, Operation.READ)

    def test_a_read_keeps_its_slash_since_policy_was_asked_with_it(self) -> None:
        assert where("data/a/") == ("data/{path...}", {"path": "a/"})
        assert where("keys/alice/") == ("{path...}", {"path": "keys/alice/"})

    @pytest.mark.parametrize("operation", [Operation.WRITE, Operation.PATCH])
    def test_nothing_is_written_to_a_folder(self, operation: Operation) -> None:
        with pytest.raises(InputError, match="cannot write to a path ending in '/'"):
            where("keys/alice/", operation)


class TestWhatIsBound:
    def test_an_event_is_named_after_engine_and_operation(self) -> None:
        def event(path: str, operation: Operation) -> str:
            return ROUTES.match(path, operation).bound.event

        assert event("keys/alice", Operation.PATCH) == "demo.patch"
        assert event("x/tail", Operation.READ) == "tail.cut"

    def test_a_match_decodes_what_its_endpoint_takes(self) -> None:
        bound, fields = ROUTES.match("keys/alice", Operation.WRITE)

        assert bound.decode(fields, None, b"{}").given == Named(name="alice")

    def test_a_login_is_an_open_write(self) -> None:
        async def prove(call: Call, given: Named) -> Proof:
            return Proof(alias=given.name, shown_by="name", rules=TokenRules())

        login = Login("login/{name}", Named, prove, lambda given: given.name)

        bound, fields = Routes((), "demo", login).match("login/alice", Operation.WRITE)

        assert (bound.login, bound.event, bound.route.open) == (login, "demo.login", True)
        assert fields == {"name": "alice"}


class TestContradictions:
    @pytest.mark.parametrize(
        "routes",
        [
            pytest.param(
                [Route(path="{path...}/{name}", summary="", read=AT_PATH)], id="rest inside"
            ),
            pytest.param([Route(path="{a...}/{b...}", summary="", read=AT_PATH)], id="two rests"),
            pytest.param([Route(path="a/x{name}", summary="", read=NAMED)], id="part of a segment"),
            pytest.param([Route(path="a//b", summary="", read=NOTHING)], id="empty segment"),
            pytest.param([Route(path="{}", summary="", read=NOTHING)], id="no name"),
            pytest.param([Route(path="{name}", summary="", read=NOTHING)], id="field has no place"),
            pytest.param([Route(path="{name}/{name}", summary="", read=NAMED)], id="name twice"),
            pytest.param(
                [
                    Route(path="{name}", summary="", read=NAMED),
                    Route(path="{path}", summary="", read=AT_PATH),
                ],
                id="two routes of one shape",
            ),
        ],
    )
    def test_they_are_found_when_the_engine_is_mounted(self, routes: list[Route]) -> None:
        with pytest.raises(TypeError):
            Routes(routes)


SEGMENT = st.sampled_from(["keys", "data", "config", "mounts", "tune", "tail", "a", ""])


@given(st.lists(SEGMENT, max_size=6).map("/".join), st.sampled_from(Operation))
def test_what_a_path_captures_is_the_path(path: str, operation: Operation) -> None:
    """A route filled with what it captured gives the path back."""
    try:
        match = ROUTES.match(path, operation)
    except (NotFoundError, UnsupportedError, InputError):
        return

    assert _filled(match) in {path, path + "/", path.removesuffix("/")}


def _filled(match: Match) -> str:
    path = match.bound.route.path
    for name, text in match.fields.items():
        path = path.replace(f"{{{name}}}", text).replace(f"{{{name}...}}", text)
    return path
