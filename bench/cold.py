"""How long a command of the CLI takes from nothing to its answer: a new process each time."""

from __future__ import annotations

import os
import subprocess
import time
from statistics import median

from bench.servers import PROGRAMS, Running

SEALED = 2  # the exit status of `status` on a sealed server, as Vault has it


def status_seconds(server: Running, times: int) -> float:
    """Return the median time of `strongroom status` against a running server."""
    address = f"http://{server.address}"
    command = [str(PROGRAMS / "strongroom"), "status"]
    environment = {**os.environ, "VAULT_ADDR": address, "STRONGROOM_ADDR": address}
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        taken.append(time.perf_counter() - before)
        if done.returncode not in (0, SEALED):
            raise RuntimeError(f"strongroom status: {done.stderr.decode(errors='replace')}")
    return median(taken)
