"""What is asked of both servers: the same mounts, policy, token and requests.

The token is not root, and its policy is of the kind that grows in a company: more rules than
match, globs, single-segment wildcards, a denial and a constraint on parameters.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from bench import driver
from bench.client import Client, RefusedError
from bench.load import Bounds, Request, as_json

SECRETS = 1_000
READ, WRITE, LOGIN, JWT_LOGIN = "kv-read", "kv-write", "approle-login", "jwt-login"
PASSWORD = "correct horse battery staple"
USERS = 50
TOKEN_SECONDS = 12 * 60 * 60

POLICY = """
path "secret/data/bench/*" { capabilities = ["create", "update", "read"] }
path "secret/metadata/bench/*" { capabilities = ["read", "list"] }
path "secret/data/production/+/database" { capabilities = ["read"] }
path "secret/data/production/payments/*" { capabilities = ["deny"] }
path "secret/data/staging/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "secret/delete/staging/*" { capabilities = ["update"] }
path "secret/data/shared/+/+/readers" { capabilities = ["read"] }
path "secret/data/limited/*" {
  capabilities = ["create", "update"]
  allowed_parameters = { "data" = [], "options" = [] }
  denied_parameters = { "force" = [] }
}
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
"""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A server with everything in place that the workloads need."""

    token: str
    workloads: dict[str, tuple[Request, ...]]


def value(number: int) -> dict[str, Any]:
    """Return what is stored: a credential of ordinary size."""
    return {
        "username": f"service-{number:06}",
        "password": f"{number * 2_654_435_761 % 2**64:016x}" * 3,
        "host": "db.internal.example",
        "port": 5432,
        "note": "rotated by schedule; owner platform",
    }


def name(number: int) -> str:
    """Return where a secret is."""
    return f"secret/data/bench/team-{number % 20}/app-{number}"


def prepare(client: Client) -> Prepared:
    """Set up a server that was initialised just now; `client` acts as its root."""
    client.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    client.ask("POST", "sys/policies/acl/bench", {"policy": POLICY})
    client.ask("POST", "sys/auth/approle", {"type": "approle"})
    token = new_token(client, ["bench"])
    writes = tuple(_write(token, number) for number in range(SECRETS))
    client.patiently("POST", name(0), {"data": value(0)})
    store(client.address, writes)
    role = "auth/approle/role/bench"
    settings = {"token_policies": "bench", "token_ttl": "1h", "secret_id_num_uses": 0}
    client.patiently("POST", role, settings)
    role_id = client.ask("GET", f"{role}/role-id")["data"]["role_id"]
    secret_id = client.ask("POST", f"{role}/secret-id", {})["data"]["secret_id"]
    login = as_json({"role_id": role_id, "secret_id": secret_id})
    return Prepared(
        token=token,
        workloads={
            READ: reads(token, range(SECRETS)),
            WRITE: writes,
            LOGIN: (Request(method="POST", path="/v1/auth/approle/login", body=login),),
            JWT_LOGIN: (jwt_login(client),),
        },
    )


def jwt_login(client: Client) -> Request:
    """Return a login with a token of a CI job, signed by RS256; sets up what takes it."""
    key = RSAKey.generate_key(2048, {"kid": "bench"})
    config = {"jwt_validation_pubkeys": [key.as_pem(private=False).decode()]}
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": "bench",
        "bound_claims": {"repository": "acme/app", "environment": "production"},
        "claim_mappings": {"repository": "repository", "ref": "ref"},
        "token_policies": "bench",
        "token_ttl": "1h",
    }
    client.ask("POST", "sys/auth/jwt", {"type": "jwt"})
    client.ask("POST", "auth/jwt/config", config)
    client.patiently("POST", "auth/jwt/role/bench", role)
    now = int(time.time())
    claims = {
        "iss": "https://ci.example",
        "sub": "repo:acme/app:environment:production",
        "aud": "bench",
        "repository": "acme/app",
        "environment": "production",
        "ref": "refs/heads/main",
        "run_id": "1234567890",
        "iat": now - 5,
        "exp": now + TOKEN_SECONDS,
    }
    token = jwt.encode({"alg": "RS256", "kid": "bench"}, claims, key)
    body = as_json({"role": "bench", "jwt": token})
    return Request(method="POST", path="/v1/auth/jwt/login", body=body)


def password_logins(client: Client) -> tuple[Request, ...]:
    """Return a login by password of each of some users; sets up what takes it."""
    client.ask("POST", "sys/auth/userpass", {"type": "userpass"})
    body = as_json({"password": PASSWORD})
    for number in range(USERS):
        user = {"password": PASSWORD, "token_policies": "bench", "token_ttl": "1h"}
        client.patiently("POST", f"auth/userpass/users/user-{number}", user)
    paths = [f"/v1/auth/userpass/login/user-{number}" for number in range(USERS)]
    return tuple(Request(method="POST", path=path, body=body) for path in paths)


def new_token(client: Client, policies: Sequence[str]) -> str:
    """Return a token that holds these policies and the default one."""
    made = client.ask("POST", "auth/token/create", {"policies": list(policies), "ttl": "12h"})
    token: str = made["auth"]["client_token"]
    return token


def store(address: str, writes: Sequence[Request]) -> None:
    """Send each of these writes once; raises RefusedError if one was refused."""
    done = driver.drive(address, writes, Bounds(seconds=300, requests=len(writes)))
    if done.failed or done.requests < len(writes):
        raise RefusedError(f"{done.requests - done.failed} of {len(writes)} secrets were stored")


def reads(token: str, numbers: Sequence[int]) -> tuple[Request, ...]:
    """Return a read of each of these secrets, in an order that jumps."""
    stride = 7_919  # a prime: it meets each number once before it comes round
    return tuple(
        Request(
            method="GET",
            path=f"/v1/{name(numbers[at * stride % len(numbers)])}",
            headers={"X-Vault-Token": token},
        )
        for at in range(len(numbers))
    )


def _write(token: str, number: int) -> Request:
    return Request(
        method="POST",
        path=f"/v1/{name(number)}",
        headers={"X-Vault-Token": token, "Content-Type": "application/json"},
        body=as_json({"data": value(number)}),
    )
