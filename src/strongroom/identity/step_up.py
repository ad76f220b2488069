"""Step-up: what asks a person for a fresh factor, however well they signed in this morning.

A rule names paths, or environments, and operations; whoever asks for such a thing must have shown
a factor within its time. What is built in holds until a row of the same name says otherwise, but
for what guards the rules themselves: that always holds.

Units   `within` is the age that a factor may have.
Trust   Guarded: who can write to the database can delete a row, so that what is built in holds
        again, or bring back an older one. Rules bind people, and whoever opened a session; a
        workload has no factor to show, and a root token no entity to show one for. So nobody can
        lock a server out of its rules where no person is registered yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.base.errors import DeniedError
from strongroom.identity.factors.records import RECOVERY, TOTP, WEBAUTHN
from strongroom.identity.policy.capability import Operation
from strongroom.identity.policy.pattern import Segment, Shape, shape
from strongroom.identity.sign_ins import SignIn
from strongroom.sdk.administration import ADMINISTRATION, APART
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

CHANGES: Final = ("create", "update", "patch", "delete")
SAID: Final = "a fresh factor is needed here: show one at strongroom/step-up, then ask again"
APPROVALS: Final = (
    "strongroom/break-glass/+/extend",
    "strongroom/break-glass/+/review",
    "strongroom/break-glass/+/waive",
    "strongroom/changes/+/approve",
    "strongroom/documents/proposals/+/approve",
    "strongroom/exceptions/proposals/+/approve",
    "strongroom/registrations/+/approve",
    "strongroom/requests/+/approve",
    "strongroom/reviews/+/sign-off",
    "sys/control-group/authorize",
)
NAMES: Final = {WEBAUTHN: "a security key", TOTP: "an app's code", RECOVERY: "a recovery code"}
TEN_MINUTES: Final = timedelta(minutes=10)
# What showing a factor, or leaving, goes through: these, and no more.
FREE: Final = frozenset(
    {
        "auth/token/revoke-self",
        "strongroom/factors",
        "strongroom/factors/challenge",
        "strongroom/sessions",
        "strongroom/step-up",
    }
)
SHARING: Final = "sys/wrapping/wrap"  # whatever is asked for wrapped is shared as by this
ENDING: Final = "strongroom/sessions/id/"  # and the id of one of one's own
CUSTODY: Final = ("sys/generate-root", "sys/rekey/")  # where nobody need have a token


class FactorNeededError(DeniedError):
    """Refused for want of a fresh factor; the reply says so, since only the person can mend it."""

    def __init__(self, rule: str, kinds: Collection[str] = ()) -> None:
        named = " or ".join(NAMES[kind] for kind in kinds)
        super().__init__(f"{SAID}; it must be {named}" if named else SAID)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class StepUpRule:
    """See the module. `operations` empty: all; `kinds` empty: any kind of factor.

    `apart` are paths that need none by this rule, though `paths` cover them.
    """

    name: str
    paths: tuple[str, ...]
    operations: tuple[str, ...]
    environments: tuple[str, ...] = ()
    within: timedelta = TEN_MINUTES
    kinds: tuple[str, ...] = ()
    enabled: bool = True
    description: str = ""
    apart: tuple[str, ...] | None = None
    entry: int | None = None


FIXED: Final = (
    StepUpRule(
        "rules",
        ("strongroom/step-up/rules/*", "strongroom/sessions/limits", "strongroom/factors/rules/*"),
        CHANGES,
        kinds=(WEBAUTHN,),
        description="Changes of what asks for factors. Cannot be changed itself.",
    ),
    StepUpRule(
        "break-glass",
        ("strongroom/break-glass",),
        CHANGES,
        kinds=(WEBAUTHN,),
        description="Opening a case of break-glass. Cannot be changed itself.",
    ),
)
BUILT_IN: Final = (
    StepUpRule(
        "policies",
        tuple(path for path in ADMINISTRATION if path not in APPROVALS),
        CHANGES,
        kinds=(WEBAUTHN,),
        description="Changes of policies, and of whatever else decides what others may do.",
        apart=APART,
    ),
    StepUpRule(
        "factors",
        (
            "strongroom/people/+/factors/*",
            "strongroom/factors/rules/*",
            "identity/mfa/*",
            "identity/entity*",
            "identity/alias*",
            "identity/persona*",
            "auth/+/users/*",
        ),
        CHANGES,
        description="Changes of other people's factors, and of what demands them.",
    ),
    StepUpRule(
        "approvals",
        APPROVALS,
        CHANGES,
        kinds=(WEBAUTHN,),
        description="Approvals.",
    ),
    StepUpRule(
        "exports",
        (
            "strongroom/evidence/pack",
            "strongroom/evidence/packs/*",
            "strongroom/log/entries",
            "strongroom/log/tile/entries/*",
        ),
        ("read", "create", "update"),
        description="What leaves the server as a whole.",
    ),
    StepUpRule(
        "sharing",
        (SHARING,),
        CHANGES,
        description="Wrapping for somebody else: a body, or the reply to any request.",
    ),
    StepUpRule(
        "sealing",
        ("sys/seal",),
        CHANGES,
        kinds=(WEBAUTHN,),
        description="Sealing, which ends the service for all.",
    ),
    StepUpRule(
        "reveals",
        (),
        ("read",),
        environments=("production",),
        description="Values of production.",
    ),
)
STEP_UP_RULES = Register("step_up_rule", StepUpRule, key=("name",), guarded=True)


class StepUp:
    """The rules in force, compiled; as of one generation."""

    def __init__(self, rules: Iterable[StepUpRule]) -> None:
        self.rules = tuple(rules)
        self._compiled = tuple(
            (rule, tuple(map(shape, rule.paths)), tuple(map(shape, rule.apart or ())))
            for rule in self.rules
            if rule.enabled
        )

    def asked(
        self,
        path: str,
        operation: Operation,
        environments: Collection[str],
        *,
        wrapped: bool = False,
    ) -> Sequence[StepUpRule]:
        """Return the rules that a request falls under. `environments` are those it reaches.

        One whose reply is to be `wrapped` falls under those of sharing, too.
        """
        if path in FREE or path.startswith(ENDING):
            return ()
        if wrapped and path != SHARING:
            own = self.asked(path, operation, environments)
            shares = self.asked(SHARING, Operation.UPDATE, ())
            return [*own, *(rule for rule in shares if rule not in own)]
        reached = Shape(tuple(Segment(part) for part in path.split("/")))
        return [
            rule
            for rule, shapes, apart in self._compiled
            if (not rule.operations or operation.value in rule.operations)
            and (
                (_meets(shapes, reached) and not _meets(apart, reached))
                or not set(rule.environments).isdisjoint(environments)
            )
        ]


def _meets(shapes: Iterable[Shape], reached: Shape) -> bool:
    return any(own.meet(reached) is not None for own in shapes)


def check(rules: Iterable[StepUpRule], sign_in: SignIn | None, now: datetime) -> None:
    """Raise FactorNeededError unless what each of the rules asks for was shown in time."""
    for rule in rules:
        fresh = sign_in is not None and sign_in.fresh(now, rule.within)
        kind = not rule.kinds or (
            sign_in is not None and not set(rule.kinds).isdisjoint(sign_in.factors)
        )
        if not (fresh and kind):
            raise FactorNeededError(rule.name, rule.kinds)


async def read_step_up(tx: Transaction) -> StepUp:
    """Return the rules in force. While a row is not as it was written, all needs a factor."""
    stored, broken = await tx.examine(STEP_UP_RULES)
    own = {rule.name: rule for rule in stored}
    for rule in FIXED:
        own.pop(rule.name, None)
    lost = [StepUpRule("a rule that was changed", ("*",), ())] if broken else []
    return StepUp((*FIXED, *(own.pop(each.name, each) for each in BUILT_IN), *own.values(), *lost))
