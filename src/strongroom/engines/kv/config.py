"""Version 2's rules of the whole mount."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

from strongroom.engines.kv import replies
from strongroom.engines.kv.inputs import NewConfig
from strongroom.engines.kv.records import CONFIG, NEVER, Config
from strongroom.sdk.engine import Call, Nothing, Reply

_NAMES = frozenset(each.name for each in fields(Config))


async def configured(call: Call) -> Config:
    """Return the mount's rules."""
    held = await call.store.find(CONFIG, Config)
    return Config() if held is None else held.value


async def read(call: Call, given: Nothing) -> Reply:  # noqa: ARG001  takes no input
    """Give the mount's rules."""
    return Reply(replies.configuration(await configured(call)))


async def write(call: Call, given: NewConfig) -> None:
    """Change the rules that were sent; null sets one back."""
    changes = {name: getattr(given, name) for name in given.sent & _NAMES}
    if changes.get("delete_version_after", timedelta(0)) < timedelta(0):
        changes["delete_version_after"] = NEVER
    if changes:
        await call.store.put(CONFIG, replace(await configured(call), **changes))
