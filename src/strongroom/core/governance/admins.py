"""Which duties rules give: those that one person should not have together (`sdk.duties`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from strongroom.identity.policy.capability import Capability
from strongroom.identity.policy.pattern import Shape, shape
from strongroom.sdk.duties import AREAS, AUDIT

CHANGES: Final = Capability.CREATE | Capability.UPDATE | Capability.PATCH | Capability.DELETE
_AREAS: Final[dict[str, tuple[Shape, ...]]] = {
    duty: tuple(map(shape, paths)) for duty, paths in AREAS.items()
}
Rules = Iterable[tuple[str, Capability]]


def duties_by(rules: Rules) -> dict[str, tuple[str, ...]]:
    """Return the duties that these rules give, each with the patterns that do."""
    held = list(rules)
    found = {
        duty: tuple(path for path, each in held if duty in duties_of([(path, each)]))
        for duty in AREAS
    }
    return {duty: paths for duty, paths in found.items() if paths}


def duties_of(rules: Rules) -> frozenset[str]:
    """Return the duties that these rules give; a rule that others hide in part gives them, too."""
    changing = [(shape(path), held) for path, held in rules if held & CHANGES]
    return frozenset(
        duty
        for duty, areas in _AREAS.items()
        for own, held in changing
        if (duty != AUDIT or held & Capability.SUDO)  # whose paths ask for it
        if any(own.meet(area) is not None for area in areas)
    )
