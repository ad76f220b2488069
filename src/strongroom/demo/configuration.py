"""The configuration that the demo writes for its server, and the ports that it finds."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Final

from strongroom.base.clock import rfc3339
from strongroom.demo.company import EVE

ORIGIN: Final = "tidewater.example/log"
USUAL_PORT: Final = 8200


def free_port(wanted: int = 0) -> int:
    """Return a loopback port that nobody listens on now; `wanted` if that is one."""
    for port in dict.fromkeys((wanted, 0)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no port is free")


def console_of(port: int) -> str:
    """Return the origin that security keys are bound to."""
    return f"https://localhost:{port}"


def write_configuration(directory: Path, port: int, witness: str) -> Path:
    """Write the server's TOML; `witness` is the key and the address of one."""
    data = json.dumps(str(directory / "data"))
    text = f"""# Written by `strongroom demo`. A server for people has no [clock].
cluster_name = "tidewater"
data_dir = {data}

[[listener]]
address = "127.0.0.1:{port}"
names = ["localhost", "127.0.0.1"]
request_client_certificate = true

[console]
url = "{console_of(port)}"

[log]
origin = "{ORIGIN}"
checkpoint_interval = "250ms"
witnesses = ["{witness}"]

[clock]
simulated = true
start = "{rfc3339(EVE)}"
"""
    path = directory / "server.toml"
    path.write_text(text)
    return path
