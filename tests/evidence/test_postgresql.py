"""Evidence over PostgreSQL: the same controls, the same pack."""

from __future__ import annotations

from pathlib import Path

from strongroom.controls import CONTROLS
from strongroom.evidence.pack import Packs
from strongroom.evidence.run import ControlRuns
from strongroom.evidence.verify import verify_pack
from tests import servers
from tests.evidence.playing import company, quarter


async def test_every_control_and_the_pack_work_there_too(
    postgresql_ready: servers.Database, tmp_path: Path
) -> None:
    async with company(tmp_path, url=postgresql_ready.url) as lent:
        await quarter(lent)
        runs = ControlRuns(server=lent.server, controls=CONTROLS, surroundings=lent.surroundings)

        rows = await runs.run(lent.period())

        made = await Packs(server=lent.server, runs=runs).make(lent.period())
        vkey = lent.server.log.verifier_key
    off = {row.control: row.verdict for row in rows if row.verdict != "effective"}
    nobody = (
        *("T06", "T07", "T08", "T09", "T16", "T20", "T23", "T25", "T26", "T27", "T28"),
        *(
            "T21",
            "T22",
            "T33",
            "T37",
            "T38",
            "T39",
            "T40",
            "T41",
            "T42",
            "T43",
            "T44",
            "T80",
            "T81",
        ),
        *("T89", "T90", "T91", "T92"),
    )
    assert off == {
        "T05": "inconclusive",
        "T10": "exceptions",  # its programs' tokens live for weeks
        **dict.fromkeys(nobody, "not exercised"),  # nobody is registered here
    }
    assert verify_pack(made.path, vkey, lambda _: None).ok
