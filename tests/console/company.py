"""A small company on a running server, as pages show it: people, a workload, groups, a request."""

from __future__ import annotations

from dataclasses import dataclass

from tests.servers import Strongroom

PASSWORD = "marmalade-Tuesday-orbit"
ADMIN = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'


@dataclass(frozen=True, kw_only=True)
class Company:
    """Ids of what is there. Ada and Bob are administrators; Bob asked to register Carol."""

    ada: str
    bob: str
    deploy: str
    group: str
    request: str


def founded(server: Strongroom) -> Company:
    """Make it."""

    def did(method: str, path: str, body: object, token: str | None = None) -> dict[str, str]:
        got = server.ask(method, path, body, token=token)
        assert got.status in (200, 204), (path, got.raw)
        return dict((got.body or {}).get("data") or {})

    did("POST", "sys/auth/userpass", {"type": "userpass"})
    did("PUT", "sys/policies/acl/admin", {"policy": ADMIN})
    did("POST", "strongroom/environments/production", {"paths": ["secret/prod/*"]})
    loose = {"policies": ["admin"], "kinds": ["none"]}  # who has no factor signs in without
    did("POST", "strongroom/factors/rules/loose", loose)
    mounts = server.ask("GET", "sys/auth").body["data"]
    accessor = mounts["userpass/"]["accessor"]
    ids = {}
    for name in ("ada", "bob"):
        user = {"password": PASSWORD, "token_policies": ["admin"]}
        did("POST", f"auth/userpass/users/{name}", user)
        made = did("POST", "identity/entity", {"name": name})["id"]
        alias = {"name": name, "canonical_id": made, "mount_accessor": accessor}
        did("POST", "identity/entity-alias", alias)
        person = {"name": f"{name.title()} <b>Example</b>", "email": f"{name}@example.test"}
        did("POST", f"strongroom/people/{made}", person)
        ids[name] = made
    deploy = did("POST", "identity/entity", {"name": "deploy"})["id"]
    workload = {
        "owner": ids["ada"],
        "justification": "Deploys the shop",
        "environment": "production",
        "vendor": "",
    }
    did("POST", f"strongroom/workloads/{deploy}", workload)
    members = {"name": "operators", "policies": ["admin"], "member_entity_ids": [ids["ada"]]}
    group = did("POST", "identity/group", members)["id"]
    request = asked_by_bob(server)
    return Company(ada=ids["ada"], bob=ids["bob"], deploy=deploy, group=group, request=request)


def asked_by_bob(server: Strongroom, name: str = "carol") -> str:
    """Let Bob ask that somebody be registered; return the request's id."""
    login = server.ask("POST", "auth/userpass/login/bob", {"password": PASSWORD}, token="")
    asked = {
        "kind": "person",
        "entity_name": name,
        "reason": "Joins the shop",
        "name": f"{name.title()} Example",
        "worker": "contractor",
        "contract": "C-17",
        "ends_at": "2100-01-31T00:00:00Z",
        "policies": ["admin"],
        "groups": ["operators"],
    }
    token = login.body["auth"]["client_token"]
    made = server.ask("POST", "strongroom/registrations", asked, token=token)
    return str(made.body["data"]["id"])
