"""Every error that crosses a folder boundary.

    StrongroomError
    ├── InputError         the caller's input is wrong; changing it may help        400
    ├── DeniedError        the caller may not do this, or may not know              403
    ├── NotFoundError      nothing is stored there                                  404
    ├── UnsupportedError   the path is there, but not for this operation            405
    ├── ConflictError      someone else wrote first                                 409
    ├── PreconditionError  the state that the request relies on is not there (yet)  412
    ├── MediaTypeError     the body is of a type that is not taken here             415
    ├── LimitError         too much, or too often                                   413, 429
    ├── RefusedError       what came was no HTTP request that can be taken          400 … 431
    ├── UpstreamError      another system did not answer; trying again may help     502
    ├── SealedError        the server holds no key to open its storage              503
    └── UnavailableError   the server cannot commit now (disk full, database away)  503

Only `strongroom.api.errors` turns one of these into an HTTP status and a body. Any other
exception is a defect: it becomes a bare 500, and its text goes to the operator's log alone.
"""

from __future__ import annotations


class StrongroomError(Exception):
    """The base of all of them; never raised itself."""


class InputError(StrongroomError):
    """The input named by `field` cannot be used.

    `logged` is what the log says instead, where the problem repeats what the caller sent.
    """

    def __init__(self, field: str, problem: str, *, logged: str = "") -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem
        self.logged = logged


class DeniedError(StrongroomError):
    """Refused. The message never says whether the thing exists.

    `logged` is what the log says instead, where the caller is not told why.
    """

    def __init__(self, message: str = "permission denied", *, logged: str = "") -> None:
        super().__init__(message)
        self.logged = logged


class NotFoundError(StrongroomError):
    """Nothing is stored at this path.

    Vault answers some of these with a body (a deleted version of a secret, for one): `data`
    is that body, and None means `{"errors": []}`. `logged` is what the log says instead, where
    the message repeats what the caller sent.
    """

    def __init__(self, message: str = "", data: object = None, *, logged: str = "") -> None:
        super().__init__(message)
        self.data = data
        self.logged = logged


class UnsupportedError(StrongroomError):
    """The path exists, but not for this operation."""


class ConflictError(StrongroomError):
    """Someone else wrote first."""


class PreconditionError(StrongroomError):
    """The state that the request relies on is not there."""


class MediaTypeError(StrongroomError):
    """The body is of a type that is not taken here."""


class LimitError(StrongroomError):
    """Too large (`retry_after` is None) or too often (seconds until it may be tried again)."""

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(StrongroomError):
    """The HTTP edge refused, with `status`, what had not become a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class VisitRefusedError(RefusedError):
    """The console refused a visit before it asked anything; `kind` is what others are alike in."""

    def __init__(self, status: int, message: str, kind: str) -> None:
        super().__init__(status, message)
        self.kind = kind


class UpstreamError(StrongroomError):
    """Another system did not answer in time."""


class SealedError(StrongroomError):
    """The server holds no key to open its storage."""


class UnavailableError(StrongroomError):
    """The server cannot commit now; nothing was changed."""
