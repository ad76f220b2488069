"""What the first factor of a login was judged by, as a digest: it is compared before a token.

Trust  A login that waits is over once any of it is another: the password or the role's terms, the
       rules of its tokens, or the mount. A password that a directory or a provider keeps is theirs:
       that it was changed there is not seen before the next login.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import msgspec

from strongroom.core.views import Live
from strongroom.sdk.auth import Marking, TokenRules
from strongroom.sdk.engine import Call
from strongroom.storage.barrier import Barrier

LABEL: Final = "login-proven"
_RULES: Final = tuple(sorted(each.name for each in fields(TokenRules)))


async def proven(
    barrier: Barrier, live: Live, call: Call, subject: tuple[str, str], rules: TokenRules
) -> str:
    """Return the digest for a subject: the method's own name for it, and its alias.

    Raises DeniedError where the method does not know the subject any more.
    """
    method, row = live.plugin, live.row
    mark = await method.mark(call, *subject) if isinstance(method, Marking) else ""
    facts = (
        [row.uuid, row.path, row.kind, row.options, row.config, row.default_ttl, row.max_ttl],
        [getattr(rules, name) for name in _RULES],
        [*subject, mark],
    )
    return barrier.digest(LABEL, msgspec.json.encode(facts, order="sorted")).hex()
