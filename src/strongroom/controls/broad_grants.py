"""T36: no rule grants more than its purpose can need.

Population  Every rule of every stored policy; everybody who can read a secret of a protected
            environment with eight or more by a rule with a wildcard.
Holds when  The rules of its policy do not cover a protected environment together, it grants no
            name whatever at the root of one, in any folder that its mount or its patterns have
            there, it is no wildcard over everything, it does not change anything whatever that the
            server has of its own, it does not grant sudo on a wildcard, and it does not let its
            holder take rights that no policy gave: by a wildcard where others are administered, or
            by sudo where tokens are made; or the policy is on the list of approved ones. Nobody
            reads more than half of the secrets of a protected environment by wildcards, of
            whatever policies they hold together.
Not judged  Nothing.
Trust       The policy root is no stored policy: T12 tells of it. What a rule grants that a denial
            of its own policy takes back whole counts as not granted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.sdk.administration import ADMINISTRATION, APART, NO_GAIN
from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.access import RuleFact, ShareFact
from strongroom.sdk.facts.period import Period

APPROVED: tuple[str, ...] = ()
MOST_PERCENT = 50  # of the secrets of a protected environment, for one holder, by wildcards
FEWEST = 8  # secrets of an environment of which a share says anything


async def evaluate(_: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each rule, and for each holder and environment that wildcards open."""
    async for rule in evidence.access.rules():
        yield _judge(rule)
    async for share in evidence.access.shares():
        if share.secrets >= FEWEST:
            yield _share(share)


def _share(share: ShareFact) -> Item:
    percent = share.readable * 100 // share.secrets
    because = f"reads {share.readable} of {share.secrets} secrets there by wildcards, {percent} %"
    held = share.readable * 100 <= MOST_PERCENT * share.secrets
    return Item(f"{share.holder}: {share.environment}", held, because)


def _judge(rule: RuleFact) -> Item:
    subject = f"{rule.policy}: {rule.pattern}"
    proof = () if rule.entry is None else (rule.entry,)
    granted = [c for c in rule.capabilities if c != "deny"]
    if not granted:
        return Item(subject, True, "grants nothing", proof)
    if problem := rule.broad:
        if rule.policy in APPROVED:
            return Item(subject, True, f"{problem}; approved", proof)
        return Item(subject, False, problem, proof)
    return Item(subject, True, ", ".join(granted), proof)


CONTROL = ControlTest(
    id="T36",
    title="No grant is over-broad",
    kind=Kind.POP,
    population=(
        "Every rule of every stored policy, and everybody who can read a secret of a protected "
        "environment with eight or more by a wildcard, as of the run"
    ),
    procedure=(
        "Compared the set of paths that the rules of each policy grant together with those of each "
        "protected environment, and each rule with the roots of those: where the last wildcard of "
        "each of its patterns stands, below any folder, and where each mount in it begins to name "
        "something. Looked for wildcards over everything, for changes of anything that the server "
        "has of its own, for sudo on wildcards, and for changes by a wildcard where others are "
        "administered: policies, mounts, auth methods, users, roles, identities, rules. Asked the "
        "rules of everybody who can act now for each secret stored in a protected environment, and "
        "counted those that a rule with a wildcard lets them read."
    ),
    holds_when=(
        "No policy covers a protected environment, and no rule grants whatever name at the root "
        "of one; none covers everything, or changes anything of the server's own; none has sudo on "
        "a wildcard; none lets its holder take any rights there are. "
        "Nobody reads more than half of an environment's secrets by wildcards."
    ),
    limits=(
        "It judges the shape of rules, not whether their holders need them: a policy that names "
        "each secret of an environment is narrow here, and so is one for some of the mounts that "
        "lie in one pattern of it, until somebody reads more than half of what is stored there. Of "
        "the shape of rules, policies of one holder are not joined, and denials of another policy "
        "are not counted. The policy `administrator` of `strongroom/bootstrap` is broad, "
        "and is an exception."
    ),
    parameters={
        "approved_policies": list(APPROVED),
        "administration": list(ADMINISTRATION),
        "no_gain": [*APART, *NO_GAIN],
        "most_percent": MOST_PERCENT,
        "fewest_secrets": FEWEST,
    },
    evaluate=evaluate,
)
