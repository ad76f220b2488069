"""Our replies beside OpenBao's, request by request.

What is compared is the status, the data (with every time reduced to whether there is one), and
where clients look at it the text of the error. Where we differ on purpose no request is here:
see docs/divergences.md.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import parse_qs, quote

import pytest

from strongroom.base.errors import (
    InputError,
    NotFoundError,
    StrongroomError,
    UnsupportedError,
)
from strongroom.core.router import Operation
from strongroom.engines.cubbyhole.engine import Cubbyhole
from strongroom.engines.kv.plain import PlainKv
from strongroom.engines.kv.versioned import VersionedKv
from strongroom.testing.mount import Mount, shown

STATUS: dict[type[StrongroomError], int] = {
    InputError: 400,
    NotFoundError: 404,
    UnsupportedError: 405,
}
OPERATION = {
    "GET": Operation.READ,
    "LIST": Operation.LIST,
    "SCAN": Operation.SCAN,
    "POST": Operation.WRITE,
    "PUT": Operation.WRITE,
    "PATCH": Operation.PATCH,
    "DELETE": Operation.DELETE,
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
SAME_TEXT = re.compile(r"check-and-set|metadata_cas|no data|number provided|missing data|ending in")
IMMEDIATELY = {"lease_duration": 0}

VERSION_2 = """
GET config
GET data/a
GET metadata/a
GET subkeys/a
LIST metadata
SCAN metadata
LIST detailed-metadata
POST data/a {"data":{"k":"v"}}
GET data/a
GET data/a?version=1
GET data/a?version=0
GET data/a?version=-1
GET data/a?version=2
GET data/a?version=x
GET data/a?version=99999999999999999999
GET metadata/a
GET data/a/b
GET data/
POST data/a/ {"data":{}}
PATCH data/a/ {"data":{}}
POST metadata/a/ {}
POST undelete/a/ {"versions":[1]}
POST data/b {}
POST data/b
POST data/b null
POST data/b {"options":{"cas":"x"}}
POST data/b {"data":"x"}
POST data/b {"data":1}
POST data/b [1]
POST data/b {
POST data/b {"data":{"x":1e400}}
POST data/b {"data":null}
GET data/b
POST data/b {"data":{}}
GET data/b
POST data/b {"data":{"b":1},"options":{"cas":0}}
POST data/b {"data":{"b":1},"options":{"cas":"1"}}
POST data/b {"data":{"b":1},"options":{"cas":null}}
POST data/b {"data":{"b":1},"options":{"cas":""}}
POST data/b {"data":{"b":1},"options":{"cas":true}}
POST data/b {"data":{"b":1},"options":{"cas":1.5}}
POST data/b {"data":{"b":1},"options":{"cas":"x"}}
POST data/b {"data":{"b":1},"options":{"cas":[]}}
POST data/b {"data":{"b":1},"options":{"cas":2}}
POST data/b {"data":{"b":2},"options":{"cas":"3"}}
POST data/b {"data":{"b":3},"options":null}
PUT data/b {"data":{"é":[1,null,{"x":true}],"b":{"c":{"d":1},"e":{}},"n":1.5}}
GET data/b
GET subkeys/b
GET subkeys/b?depth=1
GET subkeys/b?depth=2
GET subkeys/b?depth=-1
GET subkeys/b?depth=x
GET subkeys/b?version=4
GET subkeys/b?version=99
PATCH data/b {}
PATCH data/none {"data":{"a":1}}
PATCH data/b {"data":{"b":{"c":null,"f":2},"n":null,"new":{"gone":null}}}
GET data/b
PATCH data/b {"data":{"b":7},"options":{"cas":1}}
PATCH data/b {"data":{"b":7},"options":{"cas":7}}
GET data/b
DELETE data/b
DELETE data/b
DELETE data/none
GET data/b
GET data/b?version=8
GET subkeys/b
PATCH data/b {"data":{"b":7}}
PATCH data/b {"data":{"b":7},"options":{"cas":1}}
POST undelete/b {"versions":[8]}
GET data/b
POST undelete/b {"versions":[]}
POST delete/b {}
POST destroy/b {"versions":null}
POST delete/b {"versions":["x"]}
POST delete/b {"versions":[1.5]}
POST delete/b {"versions":{"a":1}}
POST delete/b {"versions":[99999999999999999999]}
POST delete/b {"versions":"6,7"}
POST delete/b {"versions":5}
POST delete/b {"versions":[0,-1,99]}
POST undelete/b {"versions":["7"]}
POST delete/none {"versions":[1]}
POST undelete/none {"versions":[1]}
POST destroy/none {"versions":[1]}
POST destroy/b {"versions":[4,5]}
PUT destroy/b {"versions":[4]}
POST undelete/b {"versions":[4]}
GET data/b?version=4
GET data/b?version=5
GET data/b?version=6
GET data/b?version=7
GET metadata/b
GET delete/b
DELETE undelete/b
LIST data/b
SCAN data
POST subkeys/b {}
GET detailed-metadata/b
PATCH config {}
DELETE config
POST config {"max_versions":3,"cas_required":true,"delete_version_after":"1h"}
GET config
POST config {}
POST config {"max_versions":"x"}
POST config {"cas_required":"maybe"}
POST config {"delete_version_after":"x"}
POST data/c {"data":{"c":1}}
PATCH data/a {"data":{"c":1}}
POST data/c {"data":{"c":1},"options":{"cas":0}}
GET data/c
GET metadata/c
POST config {"cas_required":null,"max_versions":null,"delete_version_after":"-1s"}
GET config
POST metadata/c {"delete_version_after":"30m","max_versions":2}
POST data/c {"data":{"c":2}}
POST config {"delete_version_after":"0s"}
POST data/c {"data":{"c":3}}
POST data/c {"data":{"c":4}}
GET data/c?version=1
GET metadata/c
DELETE data/c
POST undelete/c {"versions":[3,4]}
GET metadata/c
POST metadata/c {"max_versions":1}
POST config {"max_versions":2}
POST data/c {"data":{"c":5}}
GET metadata/c
POST config {"max_versions":0}
POST metadata/d {}
GET metadata/d
POST metadata/d {"max_versions":null}
GET metadata/d
GET data/d
DELETE data/d
PATCH data/d {"data":{}}
POST metadata/d {"custom_metadata":{"a":"b","n":1,"t":true,"f":1.5},"cas_required":"true"}
GET metadata/d
POST data/d {"data":{}}
POST data/d {"data":{},"options":{"cas":0}}
POST metadata/d {"cas_required":false,"delete_version_after":"-1s"}
POST metadata/d {"custom_metadata":{"a":""}}
POST metadata/d {"custom_metadata":{"":"a"}}
POST metadata/d {"custom_metadata":{"a":null}}
POST metadata/d {"custom_metadata":{"a":"\\t"}}
POST metadata/d {"custom_metadata":{"a":{"b":"c"}}}
POST metadata/d {"custom_metadata":"x"}
POST metadata/d {"max_versions":"x"}
POST metadata/d {"max_versions":99999999999999999999}
PATCH metadata/d {"custom_metadata":{"a":null,"new":"é"}}
GET data/d
PATCH metadata/d {"custom_metadata":{"new":null,"n":null,"t":null,"f":null}}
GET metadata/d
PATCH metadata/d {"custom_metadata":{"a":"b"}}
PATCH metadata/d {"custom_metadata":null}
PATCH metadata/d {}
PATCH metadata/d {"delete_version_after":"-1s"}
PATCH metadata/nothing {}
PATCH metadata/nothing {"unknown":1}
PATCH metadata/nothing {"max_versions":3}
PATCH metadata/nothing {"custom_metadata":{"a":1}}
PATCH metadata/nothing {"custom_metadata":{"a":{"b":"c"}}}
PATCH metadata/none {"max_versions":1}
GET metadata/d
POST metadata/d {"metadata_cas":99}
POST metadata/d {"metadata_cas":99,"max_versions":4}
PATCH metadata/d {"metadata_cas":null,"max_versions":4}
POST metadata/d {"metadata_cas":6,"max_versions":4}
POST metadata/d {"metadata_cas_required":true}
POST metadata/d {"metadata_cas":7,"metadata_cas_required":true}
POST metadata/d {"max_versions":5}
GET metadata/d
POST metadata/e {"metadata_cas":3,"max_versions":4}
POST metadata/e {"metadata_cas":0,"max_versions":4}
POST config {"metadata_cas_required":true}
POST metadata/f {"max_versions":4}
POST metadata/f {}
POST data/f {"data":{}}
GET config
POST data/l {"data":{"n":1}}
POST data/l/B {"data":{"n":1}}
POST data/l/a {"data":{"n":1}}
POST data/l/b/c {"data":{"n":1}}
POST data/l/b/d/e {"data":{"n":1}}
POST data/l/é {"data":{"n":1}}
POST data/l/a- {"data":{"n":1}}
POST data/l0 {"data":{"n":1}}
LIST metadata
LIST metadata/
LIST metadata/l
LIST metadata/l/
LIST metadata/l/b
LIST metadata/l/a
LIST metadata/none
LIST metadata/l?limit=2
LIST metadata/l?after=a
LIST metadata/l?after=b&limit=1
LIST metadata/l?after=b/
LIST metadata/l?limit=0
LIST metadata/l?limit=-5
LIST metadata/l?limit=x
LIST detailed-metadata/l?limit=2
LIST detailed-metadata/none
SCAN metadata
SCAN metadata/l
SCAN metadata/l/b/
SCAN metadata/none
SCAN detailed-metadata/l/b
SCAN detailed-metadata/none
DELETE metadata/b
GET metadata/b
GET data/b
DELETE metadata/b
POST data/b {"data":{"again":1}}
GET data/b
"""

VERSION_1 = """
LIST
GET nope
POST a {}
POST a
POST a null
POST a []
POST a {"a":1,"b":null,"c":{"d":[1.5,"é"]}}
GET a
POST a/ {"a":1}
GET a/
DELETE a/
GET a
PATCH a {"a":2}
POST t {"ttl":"1h"}
GET t
POST t {"ttl":90}
GET t
POST t {"ttl":"soon","lease":"2h"}
GET t
POST t {"lease":"2h"}
GET t
POST t {"ttl":null}
GET t
POST t {"ttl":"1.5h"}
GET t
POST t {"ttl":"-5s"}
GET t
POST t {"ttl":true}
GET t
POST p {"path":"x","after":"y","limit":3}
GET p
POST b/c {"x":1}
POST b/d/e {"x":1}
LIST
LIST b
LIST b/
LIST none
SCAN
SCAN b
SCAN none
DELETE p
DELETE p
GET p
"""

CUBBYHOLE = """
LIST
GET nope
POST a {"a":1,"ttl":"1h"}
GET a
POST a/ {"a":1}
GET a/
POST b/c {"a":1}
LIST
LIST b
LIST b/
LIST none
SCAN b
PATCH a {"a":2}
DELETE a
DELETE a
GET a
"""


def requests(script: str) -> list[tuple[str, str, str | None]]:
    found = []
    for line in script.strip().splitlines():
        method, _, rest = line.partition(" ")
        path, _, body = rest.partition(" ")
        found.append((method, path, body or None))
    return found


def timeless(value: Any) -> Any:
    """Return JSON with every time replaced, and the keys of scans in one order."""
    match value:
        case dict():
            return {key: timeless(each) for key, each in value.items()}
        case list():
            plain = [timeless(each) for each in value]
            return sorted(plain) if all(isinstance(each, str) for each in plain) else plain
        case str() if TIME.fullmatch(value):
            return "a time"
    return value


def said(errors: list[str]) -> str:
    """Return what an error says, if clients look at it."""
    text = errors[0] if errors else ""
    return text if SAME_TEXT.search(text) else ""


async def ours(mount: Mount, method: str, path: str, body: str | None) -> dict[str, Any]:
    path, _, query = path.partition("?")
    try:
        data = await mount.send(
            OPERATION[method],
            path,
            query=parse_qs(query),
            body=None if body is None else body.encode(),
        )
    except StrongroomError as error:
        missing = error.data if isinstance(error, NotFoundError) else None
        errors = [] if isinstance(error, NotFoundError) else [str(error).removeprefix("path: ")]
        return {"status": STATUS[type(error)], "data": timeless(missing), "said": said(errors)}
    reply = mount.reply
    return {
        "status": reply.status or (204 if reply.data is None else 200),
        "data": None if reply.data is None else timeless(shown(data)),
        "said": "",
        **(reply.fields or IMMEDIATELY),
    }


def theirs(oracle: Any, mount: str, method: str, path: str, body: str | None) -> dict[str, Any]:
    headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
    oracle.connection.request(
        method,
        quote(f"/v1/{mount}/{path}", safe="/?&="),
        body=None if body is None else body.encode(),
        headers={"X-Vault-Token": oracle.root_token, **headers},
    )
    response = oracle.connection.getresponse()
    raw = response.read()
    answer = json.loads(raw) if raw else {}
    served = response.status < 300
    return {
        "status": response.status,
        "data": timeless(answer.get("data")),
        "said": said(answer.get("errors") or []),
        **({"lease_duration": answer.get("lease_duration", 0)} if served else {}),
    }


def ready(oracle: Any, mount: str, options: dict[str, str]) -> None:
    """Mount the engine; version 2 answers 400 until it has set itself up."""
    made = oracle.ask("POST", f"sys/mounts/{mount}", {"type": "kv", "options": options})
    assert made.status == 204
    deadline = time.monotonic() + 10
    while oracle.ask("LIST", f"{mount}/metadata").status == 400:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("engine", "mount", "options", "script"),
    [
        pytest.param(VersionedKv, "beside-2", {"version": "2"}, VERSION_2, id="version 2"),
        pytest.param(PlainKv, "beside-1", {"version": "1"}, VERSION_1, id="version 1"),
        pytest.param(Cubbyhole, "cubbyhole", None, CUBBYHOLE, id="cubbyhole"),
    ],
)
async def test_we_answer_as_openbao_does(
    openbao: Any, engine: Any, mount: str, options: dict[str, str] | None, script: str
) -> None:
    if options is not None:
        ready(openbao, mount, options)
    beside = Mount(engine())
    differences = []
    for number, (method, path, body) in enumerate(requests(script), 1):
        expected = theirs(openbao, mount, method, path, body)
        found = await ours(beside, method, path, body)
        if found != expected:
            differences.append((number, f"{method} {path} {body or ''}", found, expected))

    assert differences == []
