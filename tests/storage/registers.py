"""Every register that the source defines."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import strongroom
from strongroom.storage.register import Register

SOURCE = Path(strongroom.__file__).parent


def registers() -> dict[str, Register[Any]]:
    """Return every register that a module of the source defines."""
    found: dict[str, Register[Any]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if " = Register(" not in path.read_text():
            continue
        name = ".".join(("strongroom", *path.relative_to(SOURCE).with_suffix("").parts))
        module = importlib.import_module(name)
        found |= {r.name: r for r in vars(module).values() if isinstance(r, Register)}
    return found


REGISTERS = registers()
