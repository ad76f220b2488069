"""Every four weeks the programs get new secret ids, before the old ones end."""

from __future__ import annotations

from strongroom.demo.company import INES, WORKLOADS
from strongroom.demo.stage import Scene, Stage


def play(stage: Stage) -> None:
    """Hand every program a new secret id; the next login shows that it works."""
    with stage.step("Ines hands every program a new secret id, in time") as step:
        ines = stage.logged_in(INES)
        for workload in WORKLOADS:
            at = {"role_name": workload.name, "mount_point": workload.mount}
            made = ines.auth.approle.generate_secret_id(**at)["data"]
            stage.credentials[workload.name]["secret_id"] = made["secret_id"]
        step.detail = f"{len(WORKLOADS)} programs"


SCENE = Scene(name="renewal", title="New secret ids", play=play)
