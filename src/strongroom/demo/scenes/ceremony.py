"""The root token's only use: environments, ways in, policies, people, workloads; then revoked."""

from __future__ import annotations

from typing import Any

from strongroom.demo import company
from strongroom.demo.company import (
    ENVIRONMENTS,
    FOUNDERS,
    INES,
    INES_TOO,
    OPERATIONS,
    PEOPLE,
    WORKLOADS,
    Person,
    Workload,
)
from strongroom.demo.platforms import enable_platforms
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import refusal

FOR_A_DAY = {"token_ttl": "8h", "token_max_ttl": "12h"}
LIFE = {"token_max_ttl": "24h", "secret_id_ttl": "768h"}


def play(stage: Stage) -> None:
    """Set the company up, and give the root token back."""
    root = stage.vault.client(stage.root_token)
    with stage.step("Three environments and one to run them, each with its own store") as step:
        _environments(stage, root)
        step.detail = ", ".join((*ENVIRONMENTS, OPERATIONS))
    with stage.step("A policy for each task: nobody can do more than the work takes") as step:
        texts = company.policies()
        for name, text in texts.items():
            root.sys.create_or_update_acl_policy(name, text)
        stored = set(root.sys.list_policies()["data"]["policies"])
        step.expect(stored >= set(texts), f"missing: {sorted(set(texts) - stored)}")
        step.detail = f"{len(texts)} policies"
    with stage.step("People log in by password, developers bound to development") as step:
        _people(stage, root)
        step.detail = ", ".join(one.name for one in PEOPLE)
    with stage.step("Workloads log in by AppRole, each bound to its environment") as step:
        for workload in WORKLOADS:
            stage.credentials[workload.name] = _workload(root, workload)
        step.detail = f"{len(WORKLOADS)} workloads"
    with stage.step("A CI job shows its platform's token, a service its certificate") as step:
        enable_platforms(stage, root)
        stage.accessors = _accessors(root)
        step.detail = "no secret of ours to keep"
    with stage.step("Nobody gets in who is not registered; two people register the rest") as step:
        for person in FOUNDERS:
            stage.entities[person.name] = _founder(stage, root, person)
        founders = [stage.entities[person.name] for person in FOUNDERS]
        group = {"name": "reviewers", "member_entity_ids": founders}
        root.write_data("identity/group", data=group)
        _demand_factors(root)
        step.detail = ", ".join(one.name for one in FOUNDERS)
    with stage.step("The log's key and its first checkpoint are handed out, on paper") as step:
        status = root.read("strongroom/log/status")["data"]
        stage.log_key = status["key"]
        step.expect(bool(status["simulated_clock"]), "the log does not say that time is simulated")
        step.detail = f"{stage.log_key.partition('+')[0]}, clock: simulated"
    with stage.step("The auditor's witness learns the log's key, and answers from now on") as step:
        _start_witness(stage)
        step.detail = f"a process of its own, on {stage.witness_address}"
    with stage.step("The root token is revoked, and refused from then on") as step:
        root.auth.token.revoke_self()
        step.expect(refusal(root.auth.token.lookup_self) is not None, "it still works")
        stage.root_token = ""
        step.detail = "permission denied"


def _start_witness(stage: Stage) -> None:
    state = ("--state", str(stage.directory / "witness.state"))
    stage.shell.ok("witness", "add", "--log-vkey", stage.log_key, *state)
    listen = ("--listen", stage.witness_address)
    words = ("witness", "serve", *stage.witness_key_file, *state, *listen)
    stage.start("witness", words, "listening on")


def _environments(stage: Stage, root: Any) -> None:
    for name in (*ENVIRONMENTS, OPERATIONS):
        root.sys.enable_secrets_engine("kv", path=name, options={"version": "2"})
        words = (f"--paths={name}/*", "--protected", "--open")
        stage.shell.ok("environment", "write", name, *words, token=stage.root_token)


def _people(stage: Stage, root: Any) -> None:
    root.sys.enable_auth_method("userpass", path="userpass")
    bound = {"environment": "development"}
    root.sys.enable_auth_method("userpass", path="developers", options=bound)
    for person in (*PEOPLE, INES_TOO):
        stage.passwords[person.name] = stage.secret(6)
        root.auth.userpass.create_or_update_user(
            person.name,
            password=stage.passwords[person.name],
            mount_point=person.mount,
            token_policies=list(person.policies),
            **FOR_A_DAY,
        )

    for mount in ("userpass", "developers"):
        lock = {"lockout_threshold": 5, "lockout_duration": "30m"}
        root.write_data(f"sys/auth/{mount}/tune", data={"user_lockout_config": lock})


def _accessors(root: Any) -> dict[str, str]:
    mounts = root.sys.list_auth_methods()["data"]
    return {path.rstrip("/"): mount["accessor"] for path, mount in mounts.items()}


def _founder(stage: Stage, root: Any, person: Person) -> str:
    made = root.secrets.identity.create_or_update_entity(person.name)["data"]["id"]
    at = stage.accessors[person.mount]
    root.secrets.identity.create_or_update_entity_alias(person.name, made, at)
    if person == INES:  # who has a second name, at another way in
        at = stage.accessors[INES_TOO.mount]
        root.secrets.identity.create_or_update_entity_alias(INES_TOO.name, made, at)
    about = {"name": person.name.title(), "worker": "employee"}
    root.write_data(f"strongroom/people/{made}", data=about)
    return str(made)


def _demand_factors(root: Any) -> None:
    """Ask everybody for a factor, and those who decide for others for a key."""
    held = sorted({name for person in PEOPLE for name in person.policies})
    for name, policies, kinds in (
        ("people", held, ["webauthn", "totp"]),
        ("deciders", ["security"], ["webauthn"]),
    ):
        rule = {"policies": policies, "kinds": kinds}
        root.write_data(f"strongroom/factors/rules/{name}", data=rule)
    root.write_data("strongroom/identity/settings", data={"registration": "required"})


def _workload(root: Any, workload: Workload) -> dict[str, str]:
    _way_in(root, workload)
    role = {"token_policies": list(workload.policies), "token_ttl": workload.ttl, **LIFE}
    at = {"role_name": workload.name, "mount_point": workload.mount}
    root.auth.approle.create_or_update_approle(**at, **role)
    role_id = root.auth.approle.read_role_id(**at)["data"]["role_id"]
    secret_id = root.auth.approle.generate_secret_id(**at)["data"]["secret_id"]
    return {"role_id": role_id, "secret_id": secret_id}


def _way_in(root: Any, workload: Workload) -> None:
    if f"{workload.mount}/" in root.sys.list_auth_methods()["data"]:
        return
    bound = {"environment": workload.environment}
    root.sys.enable_auth_method("approle", path=workload.mount, options=bound)


SCENE = Scene(name="ceremony", title="The ceremony of the root token", play=play, essential=True)
