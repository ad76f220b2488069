"""Made-up policies and paths, small enough that they meet often."""

from __future__ import annotations

import json
from random import Random

SEGMENTS = ("a", "b", "ab", "+", "", "a+", "*a", "+b", "c")
CAPABILITIES = ("create", "read", "update", "delete", "list", "patch", "scan", "sudo", "deny")


def pattern(random: Random) -> str:
    """Return a pattern; some hold `+` and `*` where they mean nothing, or are no patterns."""
    choices = SEGMENTS[:4] if random.random() < 0.7 else SEGMENTS
    segments = (random.choice(choices) for _ in range(random.randint(1, 4)))
    return "/".join(segments) + random.choice(("", "", "*", "/*", "/"))


def path(random: Random) -> str:
    """Return a path as a client may ask for it."""
    choices = ("a", "b", "ab") if random.random() < 0.7 else ("a", "abc", "", "a+", "*a", "+", "*")
    segments = (random.choice(choices) for _ in range(random.randint(1, 4)))
    return ("/".join(segments) + random.choice(("", "", "/"))).lstrip("/") or "a"


def paths(random: Random, number: int) -> list[str]:
    """Return so many paths, or fewer where some are the same."""
    return sorted({path(random) for _ in range(number)})


def policy(random: Random) -> str:
    """Return the text of a policy of a few rules."""
    rules = []
    for _ in range(random.randint(1, 6)):
        some = CAPABILITIES if random.random() < 0.2 else CAPABILITIES[:-1]
        granted = json.dumps(random.sample(some, random.randint(0, 3)))
        rules.append(f'path "{pattern(random)}" {{ capabilities = {granted} }}')
    return "\n".join(rules)
