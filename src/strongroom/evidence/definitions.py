"""What a control test is, exactly: its texts, parameters and source, under one digest.

A verdict is worth what its definition is. The digest goes into the entry of each run, so that a
test that was made easier shows as another one.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from hashlib import sha256

from strongroom.evidence.canonical import canonical, digest
from strongroom.sdk.control import ControlTest


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition in its written form, and the version that names it."""

    written: bytes
    version: str


def definition_of(control: ControlTest) -> Definition:
    """Return what defines a test; the source is that of the module that evaluates it."""
    module = inspect.getmodule(control.evaluate)
    assert module is not None
    source = inspect.getsource(module)
    written = canonical(
        {
            "id": control.id,
            "title": control.title,
            "kind": control.kind.value,
            "population": control.population,
            "procedure": control.procedure,
            "holds_when": control.holds_when,
            "limits": control.limits,
            "parameters": dict(control.parameters),
            "source_sha256": sha256(source.encode()).hexdigest(),
            "source": source,
        }
    )
    return Definition(written, digest(written))
