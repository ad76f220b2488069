"""Documents that are written from live settings, as Markdown.

The same settings give the same text, so that a document which no longer equals them is noticed. No
time, no count of anything that only happens stands in one, and no secret value.

Trust   It says what is set. Whether that is what should be set is for whoever approves it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Final

from strongroom.base.duration import format_duration
from strongroom.core.server import Server
from strongroom.core.system.rotation import load
from strongroom.identity.admission import registering
from strongroom.identity.environments import read_environments
from strongroom.identity.factors.demands import NOTHING
from strongroom.identity.factors.records import FACTOR_RULES, FactorRule
from strongroom.identity.governance.records import ApprovalRule, Need
from strongroom.identity.governance.rules import FLOOR, read_rules
from strongroom.identity.groups import Graph
from strongroom.identity.records import Environment
from strongroom.identity.sign_ins import Limits, limits
from strongroom.identity.step_up import StepUpRule, read_step_up
from strongroom.storage.transaction import Transaction

EVERYBODY: Final = "Every registered person shows a second factor when they sign in."
Render = Callable[[Server, Transaction], Awaitable[str]]


async def access_control(server: Server, tx: Transaction) -> str:
    """Return the access control policy: boundaries, factors, sessions, approvals."""
    stored = await read_environments(tx)
    graph = await server.views.graph(tx)
    required = str(await registering(tx)) == "required"
    known = "Whoever a sign-in method knows; they can do nothing until a policy grants it."
    registered = "Only who was registered before, by another person's approval."
    factors = await tx.all(FACTOR_RULES, order="name")
    steps = sorted((await read_step_up(tx)).rules, key=lambda each: each.name)
    rules = sorted((await read_rules(tx)).rules, key=lambda each: each.name)
    environments = sorted(stored.sound, key=lambda each: each.name)
    return _text(
        "Access control policy",
        "Access is denied unless a policy grants it. What stands below no policy lifts.",
        ("Who is let in", [registered if required else known]),
        ("Environments", map(_environment, environments)),
        ("Second factors", [EVERYBODY, *(_factor_rule(each, graph) for each in factors)]),
        ("A fresh factor", map(_step_up_rule, steps)),
        ("Sessions", _session_limits(await limits(tx))),
        ("Approvals", [_floor(graph), *(_approval_rule(each, graph) for each in rules)]),
    )


def _environment(each: Environment) -> str:
    words = "Not protected"
    if each.protected:
        words = "Only identities that are bound to it get in"
        words += ", and those that are bound to none" if each.open else ""
    return f"**{each.name}**: {_code(each.paths)}. {words}."


def _factor_rule(each: FactorRule, graph: Graph) -> str:
    holders = [f"holds {_code(each.policies)}"] if each.policies else []
    holders += [f"is in {_groups(each.groups, graph)}"] if each.groups else []
    kinds = "nothing" if NOTHING in each.kinds else " or ".join(each.kinds)
    return f"**{each.name}**: who {' or '.join(holders)} shows {kinds}."


def _step_up_rule(each: StepUpRule) -> str:
    said = [
        ", ".join(each.operations) or "all operations",
        f"within {_time(each.within)}",
        " or ".join(each.kinds) or "any factor",
        *([f"in {', '.join(each.environments)}"] if each.environments else []),
        *([f"paths {_code(each.paths)}"] if each.paths else []),
    ]
    off = "" if each.enabled else " Switched off."
    return f"**{each.name}**: {_line(each.description)} ({'; '.join(said)}).{off}"


def _session_limits(found: Limits) -> list[str]:
    ends = f"A session ends after {_time(found.idle)} without use"
    return [
        f"{ends}, and after {_time(found.longest)} at the latest.",
        f"It is bound to: {found.bound}.",
    ]


def _floor(graph: Graph) -> str:
    needs = f"at least {_needs(FLOOR.needs, graph)}, never who asks"
    return f"Beneath every rule: {needs}; a grant lives {_time(FLOOR.longest)} at most."


def _approval_rule(each: ApprovalRule, graph: Graph) -> str:
    named = [
        _code(each.paths),
        ", ".join(each.environments),
        _groups(each.groups, graph),
        ", ".join(each.kinds),
    ]
    covers = "; ".join(filter(None, named)) or "every request"
    after = f"; it begins at once, and approval follows within {_time(each.afterwards)}"
    lives = f"a grant lives {_time(each.longest)} at most{after if each.afterwards else ''}"
    return f"**{each.name}**: {covers} needs {_needs(each.needs, graph)}; {lives}."


async def key_management(server: Server, tx: Transaction) -> str:
    """Return how keys are kept and rotated."""
    rotation = await load(tx)
    seal = server.seal.require()
    kept = f"The root key is kept by a seal of the type `{seal.type}`"
    if seal.type == "shamir":
        kept += f", in {seal.shares} shares, of which {seal.threshold} open it"
    rotated = f"after {rotation.max_operations:,} encryptions"
    if rotation.interval:
        rotated += f", or after {_time(rotation.interval)}"
    return _text(
        "Key management procedure",
        "What is stored is encrypted with AES-256-GCM, each value bound to its place.",
        ("The root key", [f"{kept}.", "It is never stored in clear."]),
        (
            "Barrier keys",
            [
                f"A new key is made by itself {rotated}."
                if rotation.enabled
                else "A new key is made only when somebody asks for one.",
                "Older keys only decrypt.",
            ],
        ),
    )


async def log_retention(server: Server, _tx: Transaction) -> str:
    """Return how the log is kept."""
    return _text(
        "Log retention policy",
        "Every request is an entry of the log, refused and failed ones included.",
        (
            "Keeping",
            [
                f"The log is `{server.settings.origin}`.",
                "Nothing of it is removed: this version has no way to do so.",
                "The database refuses to change or delete an entry.",
            ],
        ),
    )


SOURCES: Final[Mapping[str, Render]] = {
    "access-control": access_control,
    "key-management": key_management,
    "log-retention": log_retention,
}


async def rendered(server: Server, tx: Transaction, source: str) -> str:
    """Return what the live settings say."""
    return await SOURCES[source](server, tx)


def _text(title: str, words: str, *sections: tuple[str, Iterable[str]]) -> str:
    parts = [f"# {title}", words]
    for heading, lines in sections:
        parts += [f"## {heading}", "\n".join(f"- {line}" for line in lines) or "- None."]
    return "\n\n".join(parts) + "\n"


def _line(text: str) -> str:
    """Return a text that somebody wrote as one line, so that it adds none of its own."""
    return " ".join(text.split()) or "no description"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in names)


def _time(length: timedelta) -> str:
    return format_duration(length)


def _needs(needs: Iterable[Need], graph: Graph) -> str:
    return " and ".join(
        f"{each.count} of {_groups(each.groups, graph) or 'all who may approve'}" for each in needs
    )


def _groups(groups: Iterable[str], graph: Graph) -> str:
    there = graph.groups
    return ", ".join(there[id_].name if id_ in there else "a group that is gone" for id_ in groups)
