"""The parts of the documents that the code has said already: collected, written, compared.

    python -m tests.docs.generated    write them anew

A part stands between two comments, `<!-- generated: NAME -->` and `<!-- end: NAME -->`. What is
between them is never edited; `test_generated.py` fails where it is not what the code says.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import pkgutil
import re
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import strongroom.controls
from strongroom.app import ENGINES, METHODS, build_server
from strongroom.audit.entry import class_of
from strongroom.base.clock import MovableClock
from strongroom.core.router import ENDPOINTS, Routes
from strongroom.core.server import Settings
from strongroom.core.system.assembly import system_mounts
from strongroom.evidence.populations import POPULATIONS
from strongroom.sdk.control import ControlTest
from strongroom.storage.opening import open_database
from tests.api.test_vault_wire_openbao import DIFFERENT

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = ROOT / "src" / "strongroom"
CLASSES = {
    3002: "Authentication",
    3004: "Entity Management",
    6002: "Application Lifecycle",
    6003: "API Activity",
}
_CODE = re.compile(r"[a-z][a-z_]*(\.[a-z_]+)+")


# -- what each module says of trust, and of where it differs from OpenBao


def paragraph(docstring: str, word: str) -> str:
    """Return what a module's docstring says under a word such as `Trust`, on one line."""
    lines = docstring.splitlines()
    found: list[str] = []
    for line in lines:
        if found and (not line.strip() or not line.startswith(" ")):
            break
        if found or re.match(rf"{word} {{1,}}\S", line):
            found.append(line.strip() if found else line.removeprefix(word).strip())
    return " ".join(found)


def said_by_modules(word: str) -> Iterator[tuple[str, str]]:
    """Give each module that has a paragraph of this word, and the paragraph."""
    for path in sorted(CODE.rglob("*.py")):
        said = paragraph(ast.get_docstring(ast.parse(path.read_text())) or "", word)
        if said:
            parts = path.relative_to(CODE).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), said


def trust() -> str:
    """Return the `Trust` paragraphs of all modules, by folder."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for name, said in said_by_modules("Trust"):
        by_folder[name.partition(".")[0]].append(f"- `{name}`: {said}")
    return "\n\n".join(
        f"### {folder}\n\n" + "\n".join(lines) for folder, lines in sorted(by_folder.items())
    )


def differs() -> str:
    """Return the `Differs` paragraphs of all modules."""
    return "\n".join(f"- `{name}`: {said}" for name, said in said_by_modules("Differs"))


def wire() -> str:
    """Return the requests that the wire's tests send to both sides, where the answers differ."""
    lines = ["| case | OpenBao | strongroom | why |", "|---|---|---|---|"]
    for name, (_, theirs, ours, why) in sorted(DIFFERENT.items()):
        lines.append(f"| {name} | {theirs} | {ours} | {why} |")
    return "\n".join(lines)


# -- what the log calls what


async def _routed() -> dict[str, list[str]]:
    """Return the places of each event code that a route has."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind, engine in ENGINES.items():
        _note(found, Routes(engine.routes(), engine.kind), engine.kind, f"{kind}: ")
    for kind, method in METHODS.items():
        _note(found, Routes(method.routes(), method.kind), method.kind, f"{kind}: ")
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(f"sqlite://{folder}/strongroom.db")
        try:
            clock = MovableClock(datetime(2026, 1, 1, tzinfo=UTC))
            server = await build_server(database, Settings(), clock, lambda size: b"\1" * size)
            for path, live in sorted(system_mounts(server).items()):
                _note(found, live.routes, live.row.kind, path)
        finally:
            await database.close()
    return found


def _note(found: dict[str, list[str]], routes: Routes, kind: str, prefix: str) -> None:
    for route in routes.routes:
        for operation, pick in ENDPOINTS.items():
            endpoint = pick(route)
            if endpoint is not None:
                code = endpoint.event or f"{kind}.{operation}"
                found[code].append(f"{operation} `{prefix}{route.path}`")


def written_out() -> Iterator[str]:
    """Give the event codes that stand in the code as text, beside those of routes."""
    for path in sorted(CODE.rglob("*.py")):
        if "cli" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for value in _code_values(node):
                if isinstance(value, ast.Constant) and _CODE.fullmatch(str(value.value)):
                    yield str(value.value)


def _code_values(node: ast.AST) -> Iterator[ast.expr | None]:
    match node:
        case ast.keyword(arg="code"):
            yield node.value
        case ast.Assign(targets=[ast.Attribute(attr="code")], value=ast.IfExp()):
            yield node.value.body
        case ast.Assign(targets=[ast.Attribute(attr="code")]):
            yield node.value
        case ast.AnnAssign(target=ast.Name(id="code")):
            yield node.value
        case ast.Call(func=ast.Attribute(attr="event"), args=[first, *_]):
            yield first


def events() -> str:
    """Return the table of event codes."""
    routed = asyncio.run(_routed())
    lines = ["| event code | OCSF class | what it is written for |", "|---|---|---|"]
    for code in sorted({*routed, *written_out()}):
        places = sorted(set(routed.get(code, [])))
        more = f" and {len(places) - 2} more" if len(places) > 2 else ""
        shown = "; ".join(places[:2]) + more or "the server itself, see the text"
        lines.append(f"| `{code}` | {CLASSES[class_of(code)[0]]} | {shown} |")
    return "\n".join(lines)


# -- what each control says of itself


def controls() -> str:
    """Return what an auditor is told of each control test."""
    names = sorted(module.name for module in pkgutil.iter_modules(strongroom.controls.__path__))
    modules = [importlib.import_module(f"strongroom.controls.{name}") for name in names]
    tests = {module.CONTROL.id: module.CONTROL for module in modules}
    return "\n\n".join(_control(tests[each]) for each in sorted(tests))


def _control(test: ControlTest) -> str:
    rows = {
        "Kind": test.kind.value,
        "Population": test.population,
        "Procedure": test.procedure,
        "Holds when": test.holds_when,
        "Does not show": test.limits,
    }
    return f"### {test.id} {test.title}\n\n" + "\n".join(f"- {k}: {v}" for k, v in rows.items())


# -- what is listed, and what it is mapped to


def populations() -> str:
    """Return the table of populations."""
    lines = ["| id | what it lists | rows | read by |", "|---|---|---|---|"]
    for each in sorted(POPULATIONS, key=lambda found: found.id):
        source = "entries of the log" if each.codes else "the state when the pack was made"
        feeds = ", ".join(each.feeds)
        lines.append(f"| {each.id} | {each.title}: {each.words} | {source} | {feeds} |")
    return "\n".join(lines)


def criteria() -> str:
    """Return which control tests speak to which criterion, by framework."""
    lines = ["| framework | criterion | subject | tests |", "|---|---|---|---|"]
    for path in sorted((CODE / "evidence" / "frameworks").glob("*.toml")):
        found = tomllib.loads(path.read_text())
        for each in found["criterion"]:
            tests = ", ".join(f"{test['id']} ({test['shows']})" for test in each["tests"])
            name = found["framework"]["id"]
            lines.append(f"| {name} | {each['id']} | {each['subject']} | {tests} |")
    return "\n".join(lines)


# -- in the documents

PARTS = {
    "docs/threat-model.md": {"trust": trust},
    "docs/log.md": {"events": events},
    "docs/divergences.md": {"wire": wire, "differs": differs},
    "docs/evidence.md": {
        "controls": controls,
        "populations": populations,
        "criteria": criteria,
    },
}


def marked(name: str) -> re.Pattern[str]:
    """Return what finds a part in its document: before, between, after."""
    begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    return re.compile(rf"({re.escape(begin)}\n\n)(.*?)(\n\n{re.escape(end)})", re.DOTALL)


def standing(document: str, name: str) -> str:
    """Return the part as the document has it; raises ValueError where it has none."""
    found = marked(name).search((ROOT / document).read_text())
    if found is None:
        raise ValueError(f"{document} has no part {name}")
    return found[2]


def write() -> None:
    """Write every part into its document."""
    for document, parts in PARTS.items():
        path = ROOT / document
        text = path.read_text()
        for name, collect in parts.items():
            said = collect()
            text = marked(name).sub(lambda m, said=said: m[1] + said + m[3], text)
        path.write_text(text)


if __name__ == "__main__":
    write()
