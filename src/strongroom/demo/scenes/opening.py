"""A new server: started with TLS, initialized with five key shares, opened by three of them."""

from __future__ import annotations

import json
from http import HTTPStatus

from strongroom.crypto.shamir import split
from strongroom.demo.command_line import CommandLine
from strongroom.demo.configuration import write_configuration
from strongroom.demo.stage import Scene, Stage
from strongroom.demo.vault import Vault, refusal

SHARES, THRESHOLD = 5, 3


def play(stage: Stage) -> None:
    """Start, initialize, unseal."""
    stage.home.mkdir(mode=0o700)
    stage.shell = CommandLine(stage.home, stage.address, stage.authority)
    with stage.step("The auditor makes the key of a witness; the server is told of it") as step:
        words = ("witness", "keygen", "auditors.example/witness", *stage.witness_key_file)
        stage.witness_key = stage.shell.ok(*words).out.strip()
        step.detail = stage.witness_key.partition("+")[0]
    with stage.step("The server starts, with a certificate of its own") as step:
        _start(stage)
        step.detail = stage.address
    with stage.step("It is new, and serves nothing yet") as step:
        status = stage.vault.client().sys.read_health_status(method="GET").status_code
        step.expect(status == HTTPStatus.NOT_IMPLEMENTED, f"it answered {status}")
        step.detail = "status 501, not initialized"
    with stage.step("Its key is split into five shares, of which any three open it") as step:
        words = ("init", f"--shares={SHARES}", f"--threshold={THRESHOLD}", "--format", "json")
        made = json.loads(stage.shell.ok(*words).out)
        stage.shares, stage.root_token = made["unseal_keys_hex"], made["root_token"]
        step.expect(len(stage.shares) == SHARES, f"{len(stage.shares)} shares came")
        step.detail = "strongroom init"
    _unseal(stage)


def _unseal(stage: Stage) -> None:
    system = stage.vault.client().sys
    with stage.step("A share of another server is refused; those given before still count") as step:
        system.submit_unseal_key(stage.shares[0])
        foreign = split(stage.entropy(32), SHARES, THRESHOLD, stage.entropy)[0].hex()
        step.expect(refusal(lambda: system.submit_unseal_key(foreign)) is not None, "it was taken")
        progress = system.read_seal_status()["progress"]
        step.expect(progress == 1, f"{progress} shares are kept, not 1")
        step.detail = f"{progress} of {THRESHOLD} kept"
    with stage.step("Two more shares open it") as step:
        answers = [system.submit_unseal_key(share) for share in stage.shares[1:THRESHOLD]]
        step.expect(not answers[-1]["sealed"], "it is still sealed")
        step.detail = stage.shell.ok("status").out.splitlines()[0]


def _start(stage: Stage) -> None:
    witness = f"{stage.witness_key} http://{stage.witness_address}"
    config = write_configuration(stage.directory, stage.port, witness)
    stage.start("server", ("server", "--config", str(config)), "listens on")
    stage.vault = Vault(stage.address, stage.authority, stage.record.counts)


SCENE = Scene(name="opening", title="A new server", play=play, essential=True)
