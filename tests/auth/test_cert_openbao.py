"""The cert method beside OpenBao: the same statuses and data, but where we say otherwise."""

from __future__ import annotations

import pytest

from strongroom.auth.cert import Cert
from strongroom.testing.mount import Mount
from tests.auth.issuing import CLIENT, NOW, SERVER, alone, root, text
from tests.auth.side_by_side import Ours, Step, Theirs, compared
from tests.oracles.openbao import OpenBao

pytestmark = pytest.mark.slow

WEB = "certs/Web"
ROOT = root()
NO_GUESS = "what is missing is 404, what is wrong is 400"

SCRIPT = (
    Step("LIST", "certs"),
    Step("GET", WEB),
    Step("POST", WEB, {}),
    Step("POST", WEB, {"certificate": "junk"}),
    Step("POST", WEB, {"certificate": alone("x", SERVER).pem}),
    Step("POST", WEB, {"certificate": ROOT.pem, "policies": "a,B", "ttl": "5m"}),
    Step("GET", WEB),
    Step("LIST", "certs"),
    Step(
        "POST",
        WEB,
        {
            "allowed_names": "a,b*",
            "allowed_common_names": ["x"],
            "allowed_dns_sans": "d",
            "allowed_email_sans": "e",
            "allowed_uri_sans": "spiffe://td/*",
            "allowed_organizational_units": "o",
            "required_extensions": "1.2.3:x",
            "allowed_metadata_extensions": "1.2.3",
            "display_name": "shown",
            "max_ttl": "10m",
            "period": 60,
            "bound_cidrs": "127.0.0.1/32",
        },
    ),
    Step("GET", WEB),
    Step("POST", WEB, {"token_type": "batch", "token_num_uses": 2}),
    Step("POST", WEB, {"token_ttl": "2h", "token_max_ttl": "1h"}),
    Step("POST", WEB, {"token_bound_cidrs": "nonsense"}),
    Step("POST", "certs/own", {"certificate": alone("own", CLIENT).pem}),
    Step("GET", "certs/own"),
    Step("DELETE", "certs/own"),
    Step("DELETE", "certs/own"),
    Step("GET", "certs/own"),
    Step("LIST", "crls"),
    Step("GET", "crls/none", ours=404, because=NO_GUESS),
    Step("DELETE", "crls/none", ours=404, because=NO_GUESS),
    Step("POST", "crls/one", {}),
    Step("POST", "crls/one", {"crl": "junk"}),
    Step("POST", "crls/one", {"crl": ROOT.revoke(ROOT.issue("x"))}),
    Step("LIST", "crls"),
    Step("DELETE", "crls/one"),
    Step("POST", "config", {"disable_binding": True}),
    Step("POST", "login", {}, login=True),
    Step("POST", "login", {"name": "web"}, login=True),
)


async def test_cert_answers_as_openbao_does(openbao: OpenBao) -> None:
    theirs = Theirs(openbao, "cert", "side-by-side-cert")

    await compared(theirs, Ours(Mount(Cert(), address="127.0.0.1")), SCRIPT)


async def test_a_list_is_shown_with_more_than_openbao_says(openbao: OpenBao) -> None:
    theirs, mount = Theirs(openbao, "cert", "side-by-side-crl"), Mount(Cert())
    sent = {"crl": ROOT.revoke(ROOT.issue("x", text("1.2.3", "a"), ends=NOW))}

    theirs.do(Step("POST", "crls/one", sent))
    await mount.write("crls/one", **sent)

    shown = theirs.do(Step("GET", "crls/one")).data
    ours = await mount.read("crls/one")
    assert {name: ours[name] for name in shown} == shown
