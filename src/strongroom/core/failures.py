"""What each error means to a caller: a status, and words. The one place that decides it.

Vault  Statuses are those that its clients know. The pipeline writes the status down before the
       reply leaves, so this is here; `api` only adds the form (Vault's `errors`, RFC 9457).
Trust  Anything that is no `StrongroomError` is a defect: 500, and no word of it to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.audit.log import LogDamagedError
from strongroom.base.errors import (
    ConflictError,
    DeniedError,
    InputError,
    LimitError,
    MediaTypeError,
    NotFoundError,
    PreconditionError,
    RefusedError,
    SealedError,
    StrongroomError,
    UnavailableError,
    UnsupportedError,
    UpstreamError,
)

STATUSES: dict[type[StrongroomError], int] = {
    InputError: 400,
    DeniedError: 403,
    NotFoundError: 404,
    UnsupportedError: 405,
    ConflictError: 409,
    PreconditionError: 400,
    MediaTypeError: 415,
    UpstreamError: 502,
    SealedError: 503,
    UnavailableError: 503,
    LogDamagedError: 500,  # with words: what is missing is no secret, and somebody has to look
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A refused or failed request, as the caller is told."""

    status: int
    messages: tuple[str, ...]
    reason: str  # for the entry; holds no value
    data: object = None
    retry_after: int | None = None


def failure_of(error: Exception) -> Failure:
    """Return what to tell the caller of this error."""
    if isinstance(error, NotFoundError):
        text = str(error)
        reason = error.logged or text or "not found"
        return Failure(404, (text,) if text else (), reason, error.data)
    if isinstance(error, LimitError):
        status = 413 if error.retry_after is None else 429
        return Failure(status, (str(error),), str(error), retry_after=error.retry_after)
    if isinstance(error, RefusedError):
        return Failure(error.status, (str(error),), str(error))
    if isinstance(error, InputError):
        return Failure(STATUSES[InputError], (str(error),), error.logged or str(error))
    if isinstance(error, DeniedError):
        return Failure(STATUSES[DeniedError], (str(error),), error.logged or str(error))
    for kind, status in STATUSES.items():
        if isinstance(error, kind):
            return Failure(status, (str(error),), str(error))
    return Failure(500, ("internal error",), f"internal error: {type(error).__name__}")
