"""Showing a factor that is there already, as forms ask for it and as the pipeline takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.base.errors import InputError
from strongroom.console.asking import FreshFactorError
from strongroom.console.visit import Visit
from strongroom.core.router import Operation


@dataclass(frozen=True, kw_only=True)
class Showing:
    """What a form offers: a code, or a security key by its challenge; neither where none is there.

    `request` is the challenge's id.
    """

    codes: bool
    key_options: str = ""
    request: str = ""

    @property
    def none(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.codes or self.key_options)


async def showing(visit: Visit) -> Showing:
    """Return what the visitor can show; a new challenge, where they have a key."""
    try:
        listed = await visit.asker.names("strongroom/factors")
        there = [each for each in listed.data.get("key_info", {}).values() if not each["disabled"]]
        kinds = {each["kind"] for each in there}
        codes = not kinds.isdisjoint({"totp", "recovery"})
        if "webauthn" not in kinds:
            return Showing(codes=codes)
        asked = await visit.asker.ask(Operation.WRITE, "strongroom/factors/challenge", {})
    except FreshFactorError:
        return Showing(codes=True)  # a rule covers even this: a code is all that can be asked for
    if not asked.ok:
        return Showing(codes=codes)
    options = json.dumps(asked.data["options"])
    return Showing(codes=codes, key_options=options, request=asked.data["challenge_id"])


def shown_in(form: Mapping[str, str]) -> dict[str, object]:
    """Return the part of a request that shows what a form holds; nothing for an empty one."""
    if answer := form.get("answer", ""):
        return {"challenge_id": form.get("request", ""), "answer": answer_of(answer)}
    code = form.get("code", "").strip()
    return {"code": code} if code else {}


def answer_of(text: str) -> object:
    """Read what a browser made of an authenticator's answer. InputError for what is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError("answer", "not what an authenticator answers")
    return found
