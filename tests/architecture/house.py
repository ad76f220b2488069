"""The layout of the source as data, and how a module is measured against it.

    floor  a folder imports only from floors below it
    plugin a folder or file of a family: imports the contracts, and itself
    grant  a named exception to one of these, with its reason

The rules hold for imports inside functions and for types alike: a lazy import is still an import.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "strongroom"

FLOORS = (
    ("base",),
    ("crypto", "sdk"),
    ("storage",),
    ("audit",),
    ("identity",),
    ("core",),
    ("inventory", "workflows", "scanning", "sharing", "monitoring"),
    ("evidence",),
    ("api", "console", "cli"),
)
PLUGINS = ("engines", "auth", "rotators", "discovery", "sinks", "controls")
CONTRACTS = frozenset({"base", "crypto", "sdk"})

# Folders whose imports are narrower than their floor would allow.
NARROWED = {
    "cli": frozenset({"base", "crypto"}),  # it speaks HTTP; a laptop needs no server
    "demo": frozenset({"base", "crypto", "cli"}),  # it uses the server as anybody else does
    "testing": CONTRACTS | {"storage", "core"},  # what authors of plugins are given
}

# Third-party packages of the folders that choose them closely; the others are free.
THIRD_PARTY = {
    "base": frozenset[str](),
    "sdk": frozenset[str](),
    "crypto": frozenset({"cryptography", "segno"}),
    "cli": frozenset({"click", "rich"}),
    "demo": frozenset({"cbor2", "cryptography", "hvac", "joserfc", "requests", "rich"}),
}

# The top: what alone may import everything, and what a `python -m` needs.
TOP = {"__init__", "__main__", "app"}


@dataclass(frozen=True, kw_only=True)
class Grant:
    """`module` (or what lies under it) may import `target`, and `reason` says why.

    What is `offline` imports no more than the module that it is granted to: it is the proof of a
    laptop against the server, so nothing of the server may stand behind it.
    """

    module: str
    target: str
    reason: str
    offline: bool = False


GRANTS = (
    Grant(module="__init__", target="base.version", reason="`strongroom.__version__`"),
    Grant(module="__main__", target="cli", reason="`python -m strongroom` is the CLI"),
    Grant(module="console", target="api.wire", reason="what the HTTP edge hands over and takes"),
    Grant(module="console", target="api.vault", reason="a path is judged here as on /v1/"),
    Grant(module="console", target="api.limits", reason="strangers are bounded here as on /v1/"),
    Grant(module="cli.server", target="app", reason="the command that is the server"),
    Grant(module="cli.policy", target="identity.policy", reason="`policy fmt|check` parse offline"),
    *(
        Grant(module="cli", target=target, offline=True, reason=f"{command} works without a server")
        for target, command in (
            ("audit.examination", "`log verify`"),
            ("audit.log_source", "`log verify`"),
            ("audit.reader", "`log verify`"),
            ("audit.witness_state", "`witness`"),
            ("evidence.verify", "`verify`"),
        )
    ),
)

# Time and randomness are arguments. These are where they come from.
CLOCKS = ("app", "base.clock", "cli", "demo.main", "testing")
AMBIENT = (
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    *("datetime.date.today", "time.time", "time.time_ns"),
    *("os.urandom", "os.getrandom", "secrets", "random", "uuid.uuid1", "uuid.uuid4"),
)
TALKING = ("print", "breakpoint", "input")
VAGUE = frozenset(
    {"util", "utils", "helper", "helpers", "common", "misc", "contrib", "manager", "managers"}
)


@dataclass(frozen=True)
class Module:
    """One file of the source; `name` is dotted, less `strongroom.`."""

    path: Path

    @property
    def name(self) -> str:
        """Return the dotted name; that of a package is its folder's."""
        parts = self.path.relative_to(SOURCE).with_suffix("").parts
        return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)

    @property
    def folder(self) -> str:
        """Return the first folder, or the module's own name at the top."""
        return self.name.split(".")[0]

    def tree(self) -> ast.Module:
        """Return the syntax tree."""
        return _tree(self.path)

    def __str__(self) -> str:
        return self.name


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def modules() -> list[Module]:
    """Return every module of the source."""
    return [Module(path) for path in sorted(SOURCE.rglob("*.py"))]


def plugins() -> list[str]:
    """Return each plugin as `family.name`."""
    found = {tuple(m.name.split(".")[:2]) for m in modules() if m.folder in PLUGINS}
    return sorted(".".join(parts) for parts in found if len(parts) == 2)


def within(name: str, prefix: str) -> bool:
    """Say whether a dotted name is `prefix`, or lies under it."""
    return f"{name}.".startswith(f"{prefix}.")


def imports(tree: ast.Module) -> Iterator[str]:
    """Give the absolute names that a module imports; `from a import b` gives `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def may_import(module: Module) -> frozenset[str]:
    """Return the parts of strongroom that a module may import, as dotted prefixes."""
    granted = {grant.target for grant in GRANTS if within(module.name, grant.module)}
    return frozenset(_by_layout(module) | granted)


def _by_layout(module: Module) -> frozenset[str]:
    folder = module.folder
    if folder == "app":
        return frozenset({""})
    if folder in TOP:
        return frozenset()
    if folder in NARROWED:
        return NARROWED[folder] | {folder}
    if folder in PLUGINS:
        return CONTRACTS | {".".join(module.name.split(".")[:2])}
    floor = next(number for number, names in enumerate(FLOORS) if folder in names)
    return frozenset({folder, *(name for below in FLOORS[:floor] for name in below)})


def upward(module: Module) -> list[str]:
    """Return the imports of a module that do not point down."""
    allowed = may_import(module)
    ours = [
        n.removeprefix("strongroom.") for n in imports(module.tree()) if within(n, "strongroom")
    ]
    wrong = [name for name in ours if not any(a == "" or within(name, a) for a in allowed)]
    return [name for name in wrong if name != "__version__"]


def beyond_offline(module: Module) -> list[str]:
    """Return what an offline module imports beyond the CLI's own rights; nothing if it is none."""
    targets = {grant.target for grant in GRANTS if grant.offline}
    if not any(within(module.name, target) for target in targets):
        return []
    allowed = NARROWED["cli"] | targets
    ours = [
        n.removeprefix("strongroom.") for n in imports(module.tree()) if within(n, "strongroom")
    ]
    strange = foreign(module) - {"cryptography"}
    return [n for n in ours if not any(within(n, a) for a in allowed)] + sorted(strange)


def foreign(module: Module) -> set[str]:
    """Return the third-party packages that a module imports."""
    roots = {name.split(".")[0] for name in imports(module.tree())}
    return roots - sys.stdlib_module_names - {"strongroom"}


def uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give the line and full name of each import and builtin where it is called or handed on."""
    known = {name: name for name in dir(builtins)} | _bindings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            name = ast.unparse(node)
            first, dot, rest = name.partition(".")
            if first in known:
                yield node.lineno, f"{known[first]}{dot}{rest}"


def _bindings(tree: ast.Module) -> dict[str, str]:
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound |= {(a.asname or a.name): a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            bound |= {(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names}
    return bound


def used(module: Module, names: tuple[str, ...]) -> list[str]:
    """Return where a module uses one of these names, as `line: name`."""
    return [
        f"{line}: {name}"
        for line, name in uses(module.tree())
        if any(within(name, banned) for banned in names)
    ]
