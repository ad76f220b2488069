"""The house rules that a reviewer should not have to remember."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture import house
from tests.architecture.house import Module

MODULES = house.modules()
every_module = pytest.mark.parametrize("module", MODULES, ids=str)


def module_of(source: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Return a module that is not there, with this source."""
    module = Module(house.SOURCE.joinpath(*name.split(".")).with_suffix(".py"))
    monkeypatch.setattr(Module, "tree", lambda _: ast.parse(source))
    return module


class TestEachModule:
    @every_module
    def test_belongs_to_a_floor_a_family_or_the_top(self, module: Module) -> None:
        floors = {name for names in house.FLOORS for name in names}

        assert module.folder in floors | {*house.PLUGINS, *house.TOP, "demo", "testing"}

    @every_module
    def test_imports_only_from_below(self, module: Module) -> None:
        assert house.upward(module) == []

    @every_module
    def test_works_offline_if_the_cli_relies_on_that(self, module: Module) -> None:
        assert house.beyond_offline(module) == []

    @every_module
    def test_takes_only_the_third_parties_of_its_folder(self, module: Module) -> None:
        foreign = house.foreign(module)

        assert foreign - house.THIRD_PARTY.get(module.folder, foreign) == set()

    @every_module
    def test_says_what_it_is(self, module: Module) -> None:
        assert ast.get_docstring(module.tree())

    @every_module
    def test_has_a_name_that_says_something(self, module: Module) -> None:
        words = {word for part in module.name.split(".") for word in part.split("_")}

        assert words & house.VAGUE == set()

    @every_module
    def test_has_no_class_named_after_a_drawer(self, module: Module) -> None:
        classes = [n.name for n in ast.walk(module.tree()) if isinstance(n, ast.ClassDef)]

        assert [name for name in classes if re.search(r"(Manager|Helper|Utils?)$", name)] == []

    @every_module
    def test_takes_time_and_randomness_as_arguments(self, module: Module) -> None:
        if not any(house.within(module.name, source) for source in house.CLOCKS):
            assert house.used(module, house.AMBIENT) == []

    @every_module
    def test_does_not_talk_to_a_terminal(self, module: Module) -> None:
        if module.folder != "cli":
            assert house.used(module, house.TALKING) == []


@pytest.mark.parametrize("plugin", house.plugins())
def test_a_plugin_has_tests_of_its_own(plugin: str) -> None:
    family = plugin.partition(".")[0]
    tests = [*(house.ROOT / "tests" / family).rglob("test_*.py")]

    assert [t for t in tests if re.search(rf"\bstrongroom\.{plugin}\b", t.read_text())] != []


@pytest.mark.parametrize("grant", house.GRANTS, ids=lambda grant: f"{grant.module}-{grant.target}")
def test_each_exception_gives_its_reason(grant: house.Grant) -> None:
    assert len(grant.reason) > 10


class TestTheRulesThemselves:
    """Each rule finds what it is there to find."""

    @pytest.mark.parametrize(
        ("name", "source", "found"),
        [
            ("base.time", "import strongroom.crypto.aead", ["crypto.aead"]),
            ("sdk.engine", "from strongroom.crypto import aead", ["crypto.aead"]),
            ("storage.sqlite", "def f():\n  from strongroom.core import seal", ["core.seal"]),
            ("engines.kv.engine", "import strongroom.storage.store", ["storage.store"]),
            ("engines.kv.engine", "import strongroom.engines.totp.codes", ["engines.totp.codes"]),
            ("engines.kv.engine", "import strongroom.engines.kv.paths", []),
            ("controls.t02", "import strongroom.controls.t03", ["controls.t03"]),
            ("core.router", "import strongroom.engines.kv.engine", ["engines.kv.engine"]),
            ("cli.kv", "import strongroom.core.seal", ["core.seal"]),
            ("cli.kv", "import strongroom.app", ["app"]),
            ("cli.server", "import strongroom.app", []),
            ("scanning.runs", "import strongroom.sharing.links", ["sharing.links"]),
            ("app", "import strongroom.engines.kv.engine", []),
        ],
    )
    def test_an_import_that_points_up_is_named(
        self, name: str, source: str, found: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert house.upward(module_of(source, name, monkeypatch)) == found

    @pytest.mark.parametrize(
        "source",
        [
            "from datetime import datetime\nx = datetime.now()",
            "import datetime as d\nx = d.datetime.now()",
            "import time\nclock = time.time",
            "from secrets import token_bytes\nx = token_bytes(1)",
            "from os import urandom as noise\nx = noise(1)",
            "import uuid\nx = uuid.uuid4()",
        ],
    )
    def test_a_hidden_clock_or_die_is_found(
        self, source: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert house.used(module_of(source, "core.x", monkeypatch), house.AMBIENT) != []

    def test_an_offline_verifier_that_needs_the_server_is_found(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = "import msgspec\nfrom strongroom.storage import store\nimport strongroom.base.ids"

        found = house.beyond_offline(module_of(source, "evidence.verify", monkeypatch))

        assert found == ["storage.store", "msgspec"]

    def test_a_duration_is_no_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = "import time\nfrom datetime import timedelta\nx = time.monotonic()"

        assert house.used(module_of(source, "core.x", monkeypatch), house.AMBIENT) == []

    def test_a_variable_is_no_module(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = "def f(secrets, random):\n  return secrets.names, random.choice"

        assert house.used(module_of(source, "core.x", monkeypatch), house.AMBIENT) == []

    def test_a_third_party_is_told_from_the_standard_library(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = "import json, msgspec\nimport strongroom.base.errors"

        assert house.foreign(module_of(source, "sdk.x", monkeypatch)) == {"msgspec"}
