"""Environments as they are stored: a row each, and a roll of them all.

The roll is a sealed setting with what every row says, written in the same commits. So a row that
was deleted, changed or brought back is noticed whenever boundaries are read: the environment is
*lost*, and what the roll and the row say of its paths is closed (`core.guardrails`).

Trust  Whoever can write to the database can delete the roll: then nothing is known of any
       boundary, and everything is closed. They can bring back an older roll with the rows of that
       time; control T17 holds both against the log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgspec

from strongroom.identity.records import ENVIRONMENTS, Environment
from strongroom.storage.barrier import TamperedError
from strongroom.storage.records import SETTINGS, Setting
from strongroom.storage.transaction import Transaction

ROLL: Final = "environments"
Roll = dict[str, Environment]


@dataclass(frozen=True, slots=True)
class Lost:
    """An environment that is not stored as it was written, as far as it is known."""

    environment: Environment
    problem: str


@dataclass(frozen=True, slots=True)
class Environments:
    """What is stored. `problem` says why the roll itself is none: then no boundary is known."""

    sound: tuple[Environment, ...]
    lost: tuple[Lost, ...] = ()
    problem: str = ""

    def find(self, name: str) -> Environment | Lost | None:
        """Return the environment of this name; one that is lost as the roll knows it, if it does.

        Where there is no roll, every one is lost.
        """
        lost = next((each for each in self.lost if each.environment.name == name), None)
        sound = next((each for each in self.sound if each.name == name), None)
        if lost is None and sound is not None and self.problem:
            return Lost(sound, self.problem)
        return lost or sound


async def read_environments(tx: Transaction) -> Environments:
    """Compare the rows with the roll."""
    rows, broken = await tx.examine(ENVIRONMENTS)
    roll = await _roll(tx)
    problems = {each.name: each.problem for each in broken}
    if isinstance(roll, str):
        unknown = (Lost(_closed(name), problem) for name, problem in problems.items())
        return Environments(tuple(rows), tuple(unknown), roll)
    as_rolled = [row for row in rows if roll.get(row.name) == replace(row, entry=None)]
    there = {row.name for row in as_rolled}
    gone = [
        Lost(each, problems.pop(name, f"a row of environment is missing or older: {name!r}"))
        for name, each in roll.items()
        if name not in there
    ]
    older = [
        Lost(row, f"a row of environment was brought back: {row.name!r}")
        for row in rows
        if row.name not in there
    ]
    strange = [Lost(_closed(name), problem) for name, problem in problems.items()]
    return Environments(tuple(as_rolled), (*gone, *older, *strange))


async def put_environment(tx: Transaction, environment: Environment) -> None:
    """Write an environment, and its place on the roll."""
    roll = await _roll_to_change(tx)
    put_roll(tx, {**roll, environment.name: replace(environment, entry=None)})
    tx.put(ENVIRONMENTS, environment)
    tx.changed("environment")


async def drop_environment(tx: Transaction, name: str) -> None:
    """Delete an environment, and its place on the roll."""
    roll = await _roll_to_change(tx)
    put_roll(tx, {key: each for key, each in roll.items() if key != name})
    tx.delete(ENVIRONMENTS, name)
    tx.changed("environment")


def put_roll(tx: Transaction, roll: Roll) -> None:
    """Write the roll; with nothing on it at `sys/init`."""
    tx.put(SETTINGS, Setting(ROLL, msgspec.json.encode([roll[name] for name in sorted(roll)])))


async def _roll(tx: Transaction) -> Roll | str:
    """Return the roll by name, or say why there is none to go by."""
    try:
        row = await tx.get(SETTINGS, ROLL)
    except TamperedError:
        return f"the roll of environments is not as it was written: table setting, row {ROLL!r}"
    if row is None:
        return f"the roll of environments is missing: table setting, row {ROLL!r}"
    return {each.name: each for each in msgspec.json.decode(row.value, type=list[Environment])}


async def _roll_to_change(tx: Transaction) -> Roll:
    """Return the roll; where there is none, one of the rows that are as they were written."""
    roll = await _roll(tx)
    if not isinstance(roll, str):
        return roll
    rows, _ = await tx.examine(ENVIRONMENTS)
    return {row.name: replace(row, entry=None) for row in rows}


def _closed(name: str) -> Environment:
    return Environment(name, (), protected=True, open=False, description="")
