"""Fuzz the decoders of bytes from outside: each target of fuzz/, for a while.

    python -m tools.fuzz [--seconds N] [NAME ...]

Under atheris where it is installed, so that coverage guides the inputs; else the seeds are mutated
blindly. Each target runs in a process of its own. A crashing input is left in fuzz/crashes/.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ROOT / "fuzz"
CRASHES = TARGETS / "crashes"
LONGEST_INPUT = 4_096


class Target(Protocol):
    """What a module of fuzz/ gives."""

    SEEDS: tuple[bytes, ...]
    target: Callable[[bytes], None]


def names() -> list[str]:
    """Return the names of all targets."""
    return sorted(path.stem for path in TARGETS.glob("*.py"))


def load(name: str) -> Target:
    """Import a target."""
    return cast("Target", importlib.import_module(f"fuzz.{name}"))


def mutated(seeds: tuple[bytes, ...], dice: random.Random) -> bytes:
    """Return one of the seeds, changed in a few places, or two of them spliced."""
    data = bytearray(dice.choice(seeds))
    if dice.random() < 0.2:
        other = dice.choice(seeds)
        data[dice.randint(0, len(data)) :] = other[dice.randint(0, len(other)) :]
    for _ in range(dice.randint(1, 4)):
        at = dice.randint(0, len(data))
        match dice.randrange(4):
            case 0:
                data[at:at] = dice.randbytes(dice.choice((1, 1, 2, 8)))
            case 1:
                del data[at : at + dice.choice((1, 1, 2, 8))]
            case 2:
                data[at : at + 1] = dice.choice((b"\x00", b"\xff", b'"', b"{", b"%", b"/", b"9"))
            case _:
                data[at : at + 1] = dice.randbytes(1)
    return bytes(data[:LONGEST_INPUT])


def blindly(target: Target, seconds: float, dice: random.Random) -> tuple[int, bytes | None]:
    """Run a target on mutated seeds; return how often, and the input that crashed it."""
    deadline, runs = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        data = mutated(target.SEEDS, dice) if runs >= len(target.SEEDS) else target.SEEDS[runs]
        try:
            target.target(data)
        except Exception:  # noqa: BLE001  whatever a target raises is the finding
            return runs, data
        runs += 1
    return runs, None


def guided(name: str, seconds: int) -> None:
    """Run a target under atheris, which ends the process."""
    import atheris  # noqa: PLC0415  not every platform has it

    with atheris.instrument_imports(include=["strongroom"]):
        target = load(name)
    CRASHES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for seed in target.SEEDS:
            Path(corpus, hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", "-verbosity=0"]
        keep = f"-artifact_prefix={CRASHES / name}-"
        atheris.Setup([name, *limits, keep, corpus], target.target)
        atheris.Fuzz()


def run_one(name: str, seconds: int) -> int:
    """Run one target in this process; return its exit status."""
    if importlib.util.find_spec("atheris") is not None:
        guided(name, seconds)
    start = random.SystemRandom().getrandbits(32)
    runs, crash = blindly(load(name), seconds, random.Random(start))  # noqa: S311  not for keys
    print(f"{runs} inputs, from {start}")
    if crash is None:
        return 0
    CRASHES.mkdir(exist_ok=True)
    kept = CRASHES / f"{name}-{hashlib.sha256(crash).hexdigest()[:16]}"
    kept.write_bytes(crash)
    print(f"crashed by {crash!r}, kept as {kept.relative_to(ROOT)}", file=sys.stderr)
    return 1


def main(arguments: list[str]) -> int:
    """Run the named targets, or all."""
    parser = argparse.ArgumentParser(prog="tools.fuzz", description="Fuzz the decoders.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if unknown := sorted({*given.names} - {*names()}):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(names())}")
    if given.one:
        return max(run_one(name, given.seconds) for name in given.names)
    crashed = []
    for name in given.names or names():
        print(f"{name}: ", end="", flush=True)
        again = [sys.executable, "-m", "tools.fuzz", "--one", f"--seconds={given.seconds}", name]
        done = subprocess.run(again, check=False, capture_output=True, text=True, cwd=ROOT)
        lines = (done.stdout + done.stderr).strip().splitlines()
        summary = [line for line in lines if re.match(r"Done \d+ runs|\d+ inputs", line)]
        print("\n".join(lines[-30:] if done.returncode else summary or ["nothing found"]))
        crashed += [name] if done.returncode else []
    print(f"{len(crashed)} crashed" + (f": {', '.join(crashed)}" if crashed else ""))
    return bool(crashed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
