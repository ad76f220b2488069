"""Programs that keep no secret: a CI job with a token of its platform, a service by certificate."""

from __future__ import annotations

from typing import Any

import hvac

from strongroom.demo.company import RELEASES, REPORTS, SOFIA
from strongroom.demo.platforms import CERT_MOUNT, CI_MOUNT, job_token, service_files
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import TIMEOUT_SECONDS, read, refusal


def play(stage: Stage) -> None:
    """Let the job and the service in, and refuse what only looks like them."""
    with stage.step("A CI job gets in with the token that its platform signed") as step:
        job = stage.vault.client()
        auth = _by_token(job, job_token(stage))["auth"]
        job.token = auth["client_token"]
        found = read(job, "staging", "shop/database")
        step.expect("password" in found["data"], "nothing was read")
        step.detail = f"for {auth['lease_duration'] // 60} minutes; nothing to keep"
    with stage.step("A job of another repository, and a forged token, are refused alike") as step:
        client = stage.vault.client()
        other = job_token(stage, subject="repository:elsewhere/shop:release")
        denied = refusal(lambda: _by_token(client, other))
        forged = refusal(lambda: _by_token(client, job_token(stage, forged=True)))
        step.expect(denied is not None, "another repository got in")
        step.expect(forged is not None, "a forged token got in")
        step.expect(denied == forged, "they are refused in different words")
        step.detail = denied or ""
    with stage.step("A service gets in with its TLS certificate") as step:
        service = hvac.Client(
            stage.address,
            cert=service_files(stage),
            verify=str(stage.authority),
            timeout=TIMEOUT_SECONDS,
        )
        at = f"/v1/auth/{CERT_MOUNT}/login"
        auth = service.adapter.post(at, json={"name": REPORTS})["auth"]
        service.token = auth["client_token"]
        found = read(service, "production", "payments/database")
        step.expect("password" in found["data"], "nothing was read")
        step.detail = f"for {auth['lease_duration'] // 60} minutes, and only with the certificate"
    with stage.step("… and without it, not") as step:
        bare = stage.vault.client()
        denied = refusal(lambda: bare.adapter.post(at, json={"name": REPORTS}))
        step.expect(denied is not None, "it got in without a certificate")
        step.detail = denied or ""


def retire(stage: Stage) -> None:
    """Decommission the job: what its platform signs is worth nothing from then on."""
    with stage.step("The CI job is decommissioned: it loses everything at once") as step:
        job = stage.vault.client()
        job.token = _by_token(job, job_token(stage))["auth"]["client_token"]
        at = f"strongroom/workloads/{stage.entities[RELEASES]}/decommission"
        stage.logged_in(SOFIA).write_data(at, data={"reason": "the shop moved to another CI"})
        denied = refusal(lambda: read(job, "staging", "shop/database"))
        step.expect(denied is not None, "its token still works")
        again = refusal(lambda: _by_token(job, job_token(stage)))
        step.expect(again is not None, "it gets in again")
        step.detail = f"{denied}; {again}"


def _by_token(client: Any, token: str) -> Any:
    given = {"role": RELEASES, "jwt": token}
    return client.adapter.post(f"/v1/auth/{CI_MOUNT}/login", json=given)


RETIRED = Scene(name="no-secret", title="A job that is no more", play=retire)
SCENE = Scene(name="no-secret", title="Programs without a secret", play=play)
