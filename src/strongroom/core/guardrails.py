"""Guardrails: refusals that no policy can lift. Asked after policy has allowed.

Environment isolation  A path belongs to an environment if one of its patterns matches it. An
        identity that is bound to another environment is refused there, whatever its policies
        say; one that is bound to none is refused where the environment is not `open`. One that
        is bound to several is inside none of them.
Reach   A list is of what lies behind a slash: it is judged as if it had one. A scan shows all
        that lies below its path: it is refused where any of that is out of reach. A list from
        above the boundary shows the name of a folder at most, and is allowed.
People by grant  Where an environment says so (`people` is "granted"), policies alone let in
        registered, active workloads and nobody else: a person, a root token, whoever is not
        registered is served there by a grant, for as long as it lasts. What changes a whole
        mount that holds such paths takes a grant that covers all of the mount.
Lost    An environment whose row is not as it was written, or gone, is closed to everybody until
        it is written anew or deleted; without the roll of them all, so is whatever is not the
        server's own. An identity that is bound to an environment which is lost, or of which there
        is none, is refused everywhere.
Trust   Who may write environments can move the boundary, and who may make identities can make
        one that is bound to none; each such act is an entry. What no longer lies under a
        pattern is no longer protected, so a mount is moved only where its environments reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from strongroom.base.errors import DeniedError
from strongroom.identity.environments import Lost
from strongroom.identity.policy.acl import Acl
from strongroom.identity.policy.capability import EVERYTHING, Capability, Operation, asks
from strongroom.identity.policy.pattern import Segment, Shape, shape
from strongroom.identity.records import Environment
from strongroom.identity.sessions import Session

OWN = ("sys/", "auth/token/", "identity/", "strongroom/", "cubbyhole/")  # no boundary crosses them
REMEMBERED = 2048
STANDING, GRANTED = "standing", "granted"  # what lets people into an environment
_LISTS = (Operation.LIST, Operation.SCAN)


class GuardrailError(DeniedError):
    """A handler met a guardrail, which the entry names and the reply does not."""

    def __init__(self, guardrail: str) -> None:
        super().__init__()
        self.guardrail = guardrail


@dataclass(frozen=True, slots=True)
class Boundary:
    """One environment, its patterns compiled. `problem` says why it is lost, if so."""

    environment: Environment
    shapes: tuple[Shape, ...]
    problem: str = ""

    def meets(self, reached: Shape) -> bool:
        """Say whether anything of a set of paths belongs to it."""
        return any(own.meet(reached) is not None for own in self.shapes)

    def admits(self, bound: frozenset[str]) -> bool:
        """Say whether an identity bound to these environments may go in."""
        if self.problem:
            return False
        if not self.environment.protected:
            return True
        return bound == {self.environment.name} or (not bound and self.environment.open)


class Guardrails:
    """All of them, as of one generation. `problem` says why no boundary is known, if so."""

    def __init__(
        self, environments: Iterable[Environment], lost: Iterable[Lost] = (), problem: str = ""
    ) -> None:
        sound = [(each, "") for each in environments]
        self.problem = problem
        self.names = frozenset(each.name for each, _ in sound)
        self.boundaries = tuple(
            Boundary(e, tuple(shape(p) for p in e.paths), why)
            for e, why in (*sound, *((each.environment, each.problem) for each in lost))
        )
        self.by_grant = tuple(b for b in self.boundaries if b.environment.people == GRANTED)

    def environments_of(
        self, path: str, operation: Operation = Operation.READ
    ) -> tuple[Environment, ...]:
        """Return the environments that a request reaches into."""
        reached = reach(path, operation)
        return tuple(b.environment for b in self.boundaries if b.meets(reached))

    def refusal(
        self, bound: frozenset[str], path: str, operation: Operation = Operation.READ
    ) -> str | None:
        """Say which guardrail refuses an identity bound to these environments, or None."""
        return self.refusal_within(bound, reach(path, operation))

    def refusal_within(self, bound: frozenset[str], reached: Shape) -> str | None:
        """Say which guardrail refuses an identity somewhere in a set of paths, or None."""
        for boundary in self.boundaries:
            if not boundary.admits(bound) and boundary.meets(reached):
                why = f": {boundary.problem}" if boundary.problem else ""
                return f"environment:{boundary.environment.name}{why}"
        if self.problem and not any(below(own).covers(reached) for own in OWN):
            return f"environment: {self.problem}"
        for name in sorted(bound - self.names):
            return f"environment:{name}: there is none of this name as it was written"
        return None

    def granted_only(self, path: str, operation: Operation = Operation.READ) -> str | None:
        """Name an environment that a request reaches into, where people need a grant; or None."""
        if not self.by_grant:
            return None
        reached = reach(path, operation)
        return next((b.environment.name for b in self.by_grant if b.meets(reached)), None)

    def left_to_people(self, path: str, held: Capability, granted: Capability) -> Capability:
        """Return what of some capabilities is left to a person, of whom some were granted."""
        if not self.by_grant:
            return held
        kept = Capability.NONE
        for flag in EVERYTHING & held:
            if flag & granted or self.granted_only(path, asks(flag)) is None:
                kept |= flag
        if kept == held & EVERYTHING:
            return held
        return Capability.DENY if kept in (Capability.NONE, Capability.SUDO) else kept

    def left(self, bound: frozenset[str], path: str, held: Capability) -> Capability:
        """Return what of some capabilities is left on a path; DENY where that is nothing.

        Each is judged as the request that it is for: a scan may be refused where a read is not.
        """
        refused = {
            each: self.refusal(bound, path, each) is not None
            for each in (Operation.READ, *_LISTS)  # what is no list is judged like a read
        }
        if not any(refused.values()):
            return held
        kept = Capability.NONE
        for flag in EVERYTHING & held:
            asked = asks(flag)
            if not refused[asked if asked in _LISTS else Operation.READ]:
                kept |= flag
        return Capability.DENY if kept in (Capability.NONE, Capability.SUDO) else kept

    def admits(self, bound: frozenset[str], name: str) -> bool | None:
        """Say whether an identity may go into an environment; None if there is no such one."""
        for boundary in self.boundaries:
            if boundary.environment.name == name:
                return boundary.admits(bound)
        return None

    def left_behind(self, source: str, target: str) -> str | None:
        """Name an environment that would lose paths it protects if a mount moved, or None."""
        for boundary in self.boundaries:
            if not boundary.environment.protected and boundary.environment.people != GRANTED:
                continue
            moved = (moved_shape(own, source, target) for own in boundary.shapes)
            for there in moved:
                if there is not None and not any(own.covers(there) for own in boundary.shapes):
                    return boundary.environment.name
        return None

    def check(
        self, session: Session, path: str, operation: Operation = Operation.READ
    ) -> str | None:
        """`refusal` for a session, remembered there."""
        if not (self.boundaries or self.problem or session.environments):
            return None
        known = session.guarded
        key = f"{operation}:{path}" if operation in _LISTS else path
        if key not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[key] = self.refusal(session.environments, path, operation)
        return known[key]

    def check_granted(
        self, session: Session, path: str, operation: Operation = Operation.READ
    ) -> str | None:
        """`granted_only` for a session, remembered there."""
        if not self.by_grant or session.workload:
            return None
        known = session.guarded
        key = f"granted:{operation}:{path}"
        if key not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[key] = self.granted_only(path, operation)
        return known[key]

    def check_granted_whole(self, session: Session, mount: str, operation: Operation) -> str | None:
        """Name an environment in a mount where people need a grant, unless one covers the mount.

        A grant on some paths of a mount is none of what changes them all.
        """
        if not self.by_grant or session.workload:
            return None
        reached = below(mount)
        if _covered(session.acl.granted, reached, operation):
            return None
        return next((b.environment.name for b in self.by_grant if b.meets(reached)), None)


def reach(path: str, operation: Operation) -> Shape:
    """Return what a request can see or change: a path, a folder, or all that lies below one."""
    if operation not in _LISTS:
        return _exact(path)
    folder = _exact(path if path.endswith("/") else path + "/")
    if operation is Operation.LIST:
        return folder
    return Shape((*folder.segments[:-1], Segment("", open_=True)), tail=True)


def below(prefix: str) -> Shape:
    """Return everything under a mount's path."""
    return reach(prefix, Operation.SCAN)


def _covered(granted: Acl | None, reached: Shape, operation: Operation) -> bool:
    """Say whether one pattern that was granted covers a set of paths with an operation."""
    wanted, rules = Capability[operation.name], granted.merged if granted is not None else {}
    return any(
        said.capabilities & wanted and shape(pattern).covers(reached)
        for pattern, said in rules.items()
    )


def moved_shape(own: Shape, source: str, target: str) -> Shape | None:
    """Return where those paths of a shape that lie under one mount path would be under another."""
    met = own.meet(below(source))
    if met is None:
        return None
    depth = source.rstrip("/").count("/") + 1
    head = tuple(Segment(part) for part in target.rstrip("/").split("/"))
    return Shape((*head, *met.segments[depth:]), met.tail)


def _exact(path: str) -> Shape:
    return Shape(tuple(Segment(part) for part in path.split("/")))


def describe(environments: Sequence[Environment]) -> list[dict[str, object]]:
    """Return environments as plain data, for replies and evidence."""
    return [
        {
            "name": e.name,
            "paths": list(e.paths),
            "protected": e.protected,
            "open": e.open,
            "people": e.people or STANDING,
            "description": e.description,
        }
        for e in environments
    ]
