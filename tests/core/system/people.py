"""People with second factors, for tests: who logs in, enrols and shows them."""

from __future__ import annotations

import json
from base64 import b32decode
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from strongroom.base.secret import Secret
from strongroom.crypto.totp import Algorithm, hotp
from tests.core.system.authenticator import Authenticator
from tests.core.system.room import Answer, Room

OWN = """
path "strongroom/factors" { capabilities = ["list"] }
path "strongroom/factors/*" { capabilities = ["create", "update"] }
path "identity/mfa/method/totp/generate" { capabilities = ["update"] }
path "strongroom/step-up" { capabilities = ["update"] }
"""
PASSWORD = "right"


@dataclass(kw_only=True)
class Person:
    """Somebody with a password at `auth/up/`, and what they have enrolled."""

    room: Room
    name: str
    password: str = PASSWORD
    token: str = ""
    entity: str = ""
    secret: bytes = b""
    keys: list[Authenticator] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    async def log_in(self, **headers: str) -> Answer:
        """Show the password, and factors in headers if there are any."""
        path = f"auth/up/login/{self.name}"
        return await self.room.ask(
            "POST", path, {"password": self.password}, token="", headers=headers
        )

    async def must_log_in(self) -> Answer:
        """Log in by the password alone, and keep the token."""
        answer = await self.log_in()
        assert answer.status == 200, answer
        assert answer.auth["mfa_requirement"] is None, answer
        self.token, self.entity = answer.auth["client_token"], answer.auth["entity_id"]
        return answer

    async def must_show_code(self) -> Answer:
        """Log in by the password and the next code of one's app, and keep the token."""
        answer = await validate(self.room, await self.log_in(), totp=self.next_code())
        assert answer.status == 200, answer
        self.token = answer.auth["client_token"]
        return answer

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask for something with one's own token."""
        return await self.room.ask(method, path, body, token=self.token)

    def code(self, drift: int = 0) -> str:
        """Return the code that one's app shows, some periods from now."""
        step = int(self.room.clock.now().timestamp()) // 30 + drift
        return hotp(step, Secret(self.secret), 6)

    def next_code(self) -> str:
        """Move the clock on by a period, and return the code of then."""

        self.room.clock.advance(timedelta(seconds=30))
        return self.code()

    async def enrol_totp(self, **proof: object) -> Answer:
        """Enrol an app."""
        begun = await self.ask("POST", "strongroom/factors/totp/begin", {"name": "app", **proof})
        assert begun.status == 200, begun
        self.secret = secret_of(begun.data["url"])
        given = {"id": begun.data["id"], "code": self.code()}
        done = await self.ask("POST", "strongroom/factors/totp/confirm", given)
        assert done.status == 200, done
        self.ids["totp"] = done.data["factor_id"]
        return done

    async def enrol_key(self, key: Authenticator | None = None, **proof: object) -> Authenticator:
        """Enrol a security key."""
        key = key or Authenticator()
        begun = await self.ask(
            "POST", "strongroom/factors/webauthn/begin", {"name": "key", **proof}
        )
        assert begun.status == 200, begun
        made = key.create(begun.data["options"])
        given = {"id": begun.data["id"], "credential": made}
        done = await self.ask("POST", "strongroom/factors/webauthn/finish", given)
        assert done.status == 200, done
        self.keys.append(key)
        self.ids["webauthn"] = done.data["factor_id"]
        return key

    async def enrol_recovery(self, **proof: object) -> list[str]:
        """Make recovery codes."""
        made = await self.ask("POST", "strongroom/factors/recovery", proof)
        assert made.status == 200, made
        self.codes = made.data["codes"]
        self.ids["recovery"] = made.data["factor_id"]
        return self.codes

    async def assertion(self, key: Authenticator | None = None) -> dict[str, Any]:
        """Return the fields that show one's key, to a challenge that is asked for now."""
        asked = await self.ask("POST", "strongroom/factors/challenge")
        assert asked.status == 200, asked
        answer = (key or self.keys[-1]).get(asked.data["options"])
        return {"challenge_id": asked.data["challenge_id"], "answer": answer}


def secret_of(url: str) -> bytes:

    text = parse_qs(urlsplit(url).query)["secret"][0]
    return b32decode(text + "=" * (-len(text) % 8))


def code_of(room: Room, secret: bytes, *, drift: int = 0, digits: int = 6) -> str:
    step = int(room.clock.now().timestamp()) // 30 + drift
    return hotp(step, Secret(secret), digits, Algorithm.SHA1)


async def person(
    room: Room, name: str, *policies: str, mount: dict[str, object] | None = None
) -> Person:
    """Make a user who may see to their own factors."""
    if (await room.ask("GET", "sys/auth")).data.get("up/") is None:
        await room.ask("POST", "sys/auth/up", {"type": "userpass", **(mount or {})})
        await room.policy("own-factors", OWN)
    given = {"password": PASSWORD, "policies": ["own-factors", *policies]}
    made = await room.ask("POST", f"auth/up/users/{name}", given)
    assert made.status == 204, made
    return Person(room=room, name=name)


def requirement(answer: Answer) -> dict[str, Any]:
    """Return what a login that waits must show."""
    assert answer.status == 200, answer
    assert not answer.auth["client_token"], answer
    return dict(answer.auth["mfa_requirement"])


def options_of(answer: Answer) -> dict[str, Any]:
    """Return what a login that waits asks an authenticator."""
    constraints = requirement(answer)["mfa_constraints"]
    [options] = [
        way["options"] for each in constraints.values() for way in each["any"] if "options" in way
    ]
    return dict(options)


async def validate(room: Room, answer: Answer, **shown: object) -> Answer:
    """Show factors, by the id of their method, for a login that waits."""
    payload = {
        name.replace("_", "-"): [value if isinstance(value, str) else json.dumps(value)]
        for name, value in shown.items()
    }
    given = {"mfa_request_id": requirement(answer)["mfa_request_id"], "mfa_payload": payload}
    return await room.ask("POST", "sys/mfa/validate", given, token="")
