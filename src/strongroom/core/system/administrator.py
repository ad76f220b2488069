"""The policy `administrator` and the rule that whoever has it needs a key.

Trust   Broad, and not root: an administrator sees to the server, to policies, identities, mounts
        and evidence, and reads no secret. Whoever may write policies can give themselves more;
        that is an entry, and asks for a fresh factor (`identity.step_up`). Only root makes root
        tokens. It denies nothing, so it takes nothing from what other policies give.
"""

from __future__ import annotations

from typing import Final

from strongroom.core.request import SystemCall
from strongroom.identity.factors.records import FACTOR_RULES, WEBAUTHN, FactorRule
from strongroom.identity.records import POLICIES, POLICY_VERSIONS, PolicyVersion, StoredPolicy
from strongroom.storage.transaction import Transaction

ADMINISTRATOR: Final = "administrator"
RULE: Final = "administrators"
ALL: Final = '["create", "read", "update", "patch", "delete", "list"]'
WITH_SUDO: Final = '["create", "read", "update", "patch", "delete", "list", "sudo"]'
BROAD: Final = ("sys/*", "auth/*", "identity/*", "strongroom/*")
GUARDED: Final = (
    "sys/auth/+",
    "sys/auth/+/tune",
    "sys/remount",
    "sys/rotate",
    "sys/rotate/keyring",
    "sys/seal",
    "sys/leases",
    "sys/leases/lookup/*",
    "sys/leases/revoke-prefix/*",
    "sys/plugins/catalog",
    "auth/token/accessors",
    "auth/token/lookup-accessor",
    "strongroom/environments/+",
    "strongroom/factors/rules/+",
    "strongroom/identity/settings",
    "strongroom/sessions/limits",
    "strongroom/step-up/rules/+",
)


def policy_text() -> str:
    """Return the text of the policy."""
    lines = [
        "# What administrators may do: see to the server, and to who may do what. Secrets are not",
        "# among it.",
        *(f'path "{path}" {{ capabilities = {ALL} }}' for path in BROAD),
        "# Who sets policies sees audit devices, and does not change them.",
        'path "sys/audit" { capabilities = ["read", "list", "sudo"] }',
        "# What asks for sudo.",
        *(f'path "{path}" {{ capabilities = {WITH_SUDO} }}' for path in GUARDED),
    ]
    return "\n".join(lines) + "\n"


async def ever_written(tx: Transaction) -> bool:
    """Say whether there is, or ever was, a policy of this name."""
    return bool(await tx.all(POLICY_VERSIONS, name=ADMINISTRATOR))


def write_policy(call: SystemCall, by: str) -> None:
    """Store the policy, which nobody has written before."""
    tx, text = call.transaction, policy_text()
    tx.put(POLICIES, StoredPolicy(ADMINISTRATOR, 1, text, {}, call.now))
    tx.put(POLICY_VERSIONS, PolicyVersion(ADMINISTRATOR, 1, text, call.now, by))
    tx.changed(f"policy:{ADMINISTRATOR}")


def write_rule(call: SystemCall) -> None:
    """Store the rule: a key, and no provider's word instead."""
    rule = FactorRule(RULE, (ADMINISTRATOR,), (), (WEBAUTHN,), provider_factors=False)
    call.transaction.put(FACTOR_RULES, rule)
    call.transaction.changed(f"factor_rule:{RULE}")
