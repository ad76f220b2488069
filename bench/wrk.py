"""The same load driven by wrk, where it is installed.

wrk stops by time alone; the bound on requests is ours only. Its connections cycle through the
requests together, since it runs one thread.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.load import Bounds, Measured, Request

SCRIPT = """
local requests, at = {}, 0
init = function(args)
  for line in io.lines(args[1]) do
    local raw = line:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    requests[#requests + 1] = raw
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
done = function(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"microseconds":%d,"status":%d,"broken":%d,"p50":%f,"p99":%f}\\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def installed() -> bool:
    """Say whether wrk is here."""
    return shutil.which("wrk") is not None


def drive(address: str, requests: Sequence[Request], bounds: Bounds) -> Measured:
    """Put a load on a server, and measure it; raises RuntimeError where connections broke."""
    with tempfile.TemporaryDirectory() as folder:
        script, lines = Path(folder, "load.lua"), Path(folder, "requests")
        script.write_text(SCRIPT)
        lines.write_text("".join(f"{escaped(r.raw(address))}\n" for r in requests))
        seconds = max(1, round(bounds.seconds))
        options = ["-t1", f"-c{bounds.connections}", f"-d{seconds}s", "-s", str(script)]
        command = ["wrk", *options, f"http://{address}/", "--", str(lines)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return read(done.stdout)


def read(printed: str) -> Measured:
    """Read what our script printed at the end."""
    seen = json.loads(printed.rstrip().rpartition("\n")[2])
    if seen["broken"]:
        raise RuntimeError(f"wrk: {seen['broken']} connections broke")
    return Measured(
        requests=seen["requests"],
        seconds=seen["microseconds"] / 1e6,
        failed=seen["status"],
        p50=seen["p50"] / 1e3,
        p99=seen["p99"] / 1e3,
    )


def escaped(raw: bytes) -> str:
    """Return bytes as one line of ASCII, for the script to undo."""
    return "".join(chr(b) if 32 <= b < 127 and b != 0x25 else f"%{b:02x}" for b in raw)
