"""What the controls say, in words for somebody who has never met one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PLAIN: Final[Mapping[str, str]] = {
    "T02": "Everything that is stored is encrypted",
    "T03": "A secret written anywhere is found nowhere in clear",
    "T05": "Connections use TLS 1.2 or better, with a valid certificate",
    "T06": "Everybody has a second factor",
    "T07": "Nobody logged in by a password alone",
    "T08": "Who decides for others logs in by a security key",
    "T09": "No code is sent by SMS or e-mail",
    "T10": "Programs keep no password, and nothing that lasts",
    "T11": "No token lives for ever",
    "T12": "No root token is left",
    "T16": "Sensitive changes took a fresh factor; idle sessions ended",
    "T17": "Nothing outside production may reach production: by the rules",
    "T18": "Nothing outside production can reach production: tried",
    "T20": "Nobody got in before another person approved it",
    "T21": "Nobody approved what they asked for",
    "T22": "Each approval was by as many people as its rule asks for",
    "T23": "Every program has an owner who is there",
    "T25": "Whoever left lost everything at once",
    "T26": "What leavers had read was written anew",
    "T27": "Programs that are no more lost everything at once",
    "T28": "What contractors are given has an end",
    "T33": "Each quarter somebody looks at what programs hold, and signs",
    "T34": "Who may do what is what the policies say",
    "T35": "Who was granted nothing can do nothing",
    "T36": "Nobody is granted more than a task takes",
    "T37": "Nobody holds much more than they use",
    "T38": "Each quarter somebody else looks at what people hold, and signs",
    "T39": "What a review took away is gone: tried",
    "T40": "Nobody can read production whenever they like",
    "T41": "Behind each read of production by a person there is a grant",
    "T42": "What was granted for a while has ended",
    "T43": "Who broke the glass answered for it, and what they saw was written anew",
    "T44": "Breaking the glass works: tried",
    "T45": "Who sets the rules does not keep the log, and nobody can delete it",
    "T80": "What change rules cover was changed as somebody else approved",
    "T81": "Each emergency change was approved within three business days",
    "T50": "Wrong passwords lock a name out: tried",
    "T62": "No entry of the log is missing or changed",
    "T63": "The log has as many entries as the server counted",
    "T64": "Each entry says who, what, when, from where and how it ended",
    "T67": "The log reaches back to the beginning of the period",
    "T89": "Whoever can reach secrets has learned how to handle them",
    "T90": "Policies were approved by another, and everybody said that they know them",
    "T91": "Whose products work here is known, and was looked at",
    "T92": "Vendors who left lost everything within a day",
}


def in_plain_words(control: str, title: str) -> str:
    """Return what a control says; its own title where nothing plainer is known."""
    return PLAIN.get(control, title)
