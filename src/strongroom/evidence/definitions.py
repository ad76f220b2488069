"""What a control test is, exactly: its texts, parameters and sources, under one digest.

A verdict is worth what its definition is. The digest goes into the entry of each run, so that a
test that was made easier shows as another one, also where what was changed is not the test's own
module but what it takes its facts from.

Form    `source` is the module that evaluates. `shared` are the digests of the other files that
        verdicts depend on (`sources.SHARED`), by their paths. What is tested, the server itself,
        is not among them: the build of a pack has it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from strongroom.evidence.canonical import canonical, digest
from strongroom.evidence.sources import installed, shared
from strongroom.sdk.control import ControlTest


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition in its written form, and the version that names it."""

    written: bytes
    version: str


def definition_of(control: ControlTest, sources: Mapping[str, str] | None = None) -> Definition:
    """Return what defines a test; `sources` are the program's, those installed if not given."""
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
            "shared": shared(installed() if sources is None else sources),
        }
    )
    return Definition(written, digest(written))
