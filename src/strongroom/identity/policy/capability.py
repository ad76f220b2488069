"""What a rule can grant, and what a request can do.

Vault  The names are Vault's and OpenBao's (`scan` is OpenBao's). `ROOT` is no rule's: it is
       what the policy `root` gives.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum


class Capability(IntFlag):
    """What is granted on a path. `DENY` takes everything else away."""

    NONE = 0
    CREATE = 1
    READ = 2
    UPDATE = 4
    DELETE = 8
    LIST = 16
    PATCH = 32
    SCAN = 64
    SUDO = 128
    DENY = 256
    ROOT = 512


class Operation(StrEnum):
    """What a request does to its path."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    LIST = "list"
    PATCH = "patch"
    SCAN = "scan"


BY_NAME = {
    flag.name.lower(): flag
    for flag in Capability
    if flag.name and flag not in (Capability.NONE, Capability.ROOT)
}
EVERYTHING = Capability(255)  # all but DENY and ROOT

LEGACY = {
    "deny": Capability.DENY,
    "read": Capability.READ | Capability.LIST,
    "write": Capability.CREATE
    | Capability.READ
    | Capability.UPDATE
    | Capability.DELETE
    | Capability.LIST,
    "sudo": Capability.CREATE
    | Capability.READ
    | Capability.UPDATE
    | Capability.DELETE
    | Capability.LIST
    | Capability.SUDO,
}


def asks(flag: Capability) -> Operation:
    """Return the operation that a capability is for; sudo is asked of a path as it stands."""
    return Operation.READ if flag is Capability.SUDO else Operation[str(flag.name)]


def names(capabilities: Capability) -> tuple[str, ...]:
    """Return the names as `sys/capabilities` gives them: sorted, or `deny` alone, or `root`."""
    if capabilities & Capability.ROOT:
        return ("root",)
    if capabilities & Capability.DENY or not capabilities:
        return ("deny",)
    return tuple(sorted(name for name, flag in BY_NAME.items() if capabilities & flag))
