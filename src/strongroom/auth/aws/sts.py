"""AWS STS, asked with a request that a client signed, who that is.

Specs   STS `GetCallerIdentity`, whose answer is XML; three elements of it are read, each once.
Units   STS has `PATIENCE` for its answer, and `LARGEST` bytes.
Trust   The answer is that of the host that was asked over TLS. No XML parser sees it: what is
        looked for holds no markup, and whatever is not just there is no answer.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from strongroom.auth.aws.principals import Principal, PrincipalError, principal_of
from strongroom.auth.aws.signed import Signed
from strongroom.base.errors import UpstreamError
from strongroom.sdk.web import Question, Response, Web

PATIENCE: Final = timedelta(seconds=5)
LARGEST: Final = 16 * 1024
_ANSWER: Final = re.compile(
    r"\s*(?:<\?xml [^<>]{0,100}\?>\s*)?"
    r"<GetCallerIdentityResponse(?:\s[^<>]{0,200})?>\s*"
    r"<GetCallerIdentityResult>(?P<result>(?:\s*<[A-Za-z]{1,16}>[^<>]{0,1024}</[A-Za-z]{1,16}>){3})\s*"
    r"</GetCallerIdentityResult>"
    r"(?:\s*<ResponseMetadata>\s*<RequestId>[^<>]{0,128}</RequestId>\s*</ResponseMetadata>)?"
    r"\s*</GetCallerIdentityResponse>\s*",
    re.ASCII,
)
_FIELDS: Final = {
    name: re.compile(rf"<{name}>([^<>&]{{1,1024}})</{name}>", re.ASCII)
    for name in ("Arn", "UserId", "Account")
}


async def caller(web: Web, url: str, request: Signed) -> Principal:
    """Send the request to STS at `url`, and return who signed it.

    Raises PrincipalError where STS says nobody did, UpstreamError where it says nothing.
    """
    answer = await web.ask(
        Question(
            url=url,
            method="POST",
            headers=request.headers,
            body=request.body,
            within=PATIENCE,
            most=LARGEST,
        )
    )
    return principal_in(answer)


def principal_in(answer: Response) -> Principal:
    """Read an answer of STS."""
    if answer.status >= 500:
        raise UpstreamError(f"STS answered {answer.status}")
    if answer.status != 200:
        raise PrincipalError(f"STS refused the request with {answer.status}")
    try:
        found = _ANSWER.fullmatch(answer.body.decode("ascii"))
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise PrincipalError("an answer that is not one of GetCallerIdentity")
    values = {name: pattern.findall(found["result"]) for name, pattern in _FIELDS.items()}
    if any(len(each) != 1 for each in values.values()):
        raise PrincipalError("an answer that is not one of GetCallerIdentity")
    arn, user_id, account = (values[name][0] for name in ("Arn", "UserId", "Account"))
    return principal_of(arn, user_id, account)
