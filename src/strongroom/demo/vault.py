"""`hvac`, the client that Python programs have for Vault, used unchanged against our server.

What a directory says over SCIM goes by plain HTTP.

All clients share one connection and differ in their token. What a client is refused is an
answer that the story asks for, so `refusal` makes a value of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hvac
import requests
from hvac.exceptions import VaultError

from strongroom.demo.record import Counts

TIMEOUT_SECONDS = 60
SCIM = "application/scim+json"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Vault:
    """One server, asked by many."""

    def __init__(self, address: str, authority: Path, counts: Counts) -> None:
        self.address = address
        self._counts = counts
        self._session = requests.Session()
        self._session.verify = str(authority)
        self._session.trust_env = False  # neither a proxy nor another authority
        self._session.hooks["response"].append(self._count)

    def client(self, token: str = "") -> Any:
        """Return a client of hvac's with this token, or with none."""
        return hvac.Client(
            self.address,
            token=token,
            timeout=TIMEOUT_SECONDS,
            session=self._session,
        )

    def log_file(self, path: str) -> bytes:
        """Return a file of the published log that is open to everybody."""
        answer = self._session.get(f"{self.address}/log/{path}", timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return bytes(answer.content)

    def deactivate(self, entity: str, token: str) -> dict[str, Any]:
        """Say over SCIM that somebody is active no more, as a directory does it."""
        operation = {"op": "replace", "path": "active", "value": False}
        answer = self._session.patch(
            f"{self.address}/scim/v2/Users/{entity}",
            data=json.dumps({"schemas": [PATCH], "Operations": [operation]}),
            headers={"Authorization": f"Bearer {token}", "Content-Type": SCIM},
            timeout=TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _count(self, answer: requests.Response, **_: Any) -> None:
        self._counts.requests += 1
        self._counts.refused += answer.status_code in {400, 403, 503}


def refusal(act: Callable[[], object]) -> str | None:
    """Return what a request was refused with, None if it was served."""
    try:
        act()
    except VaultError as refused:
        return " ".join(str(error) for error in refused.errors or ["refused"])
    return None


def read(client: Any, environment: str, path: str) -> Any:
    """Return the newest version of a secret, with its metadata."""
    found = client.secrets.kv.v2.read_secret_version(
        path=path, mount_point=environment, raise_on_deleted_version=True
    )
    return found["data"]
