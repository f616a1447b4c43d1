"""What FFmpeg's refusals mean to a user.  Its own messages may hold the URL, so only their kind is looked at."""

from __future__ import annotations

import errno

import av.error

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources.base import AnyKind, SourceUri
from pptsn.runtime.video.web.words import of_connection, of_status, silent_for

# The status of HTTP by the class of FFmpeg's error.
_HTTP_STATUS: dict[type[Exception], int | str] = {
    av.error.HTTPBadRequestError: 400,
    av.error.HTTPUnauthorizedError: 401,
    av.error.HTTPForbiddenError: 403,
    av.error.HTTPNotFoundError: 404,
    av.error.HTTPOtherClientError: "4xx",
    av.error.HTTPServerError: "5xx",
}
# By the class of the error: the cause and the remedy.  The first that fits counts.
_CONTENT: tuple[tuple[type[Exception], str, str], ...] = (
    (av.error.InvalidDataError, "holds no video that can be read", "check that it is a video"),
    (av.error.DecoderNotFoundError, "is in a video codec that this FFmpeg does not know", "send H.264"),
    (av.error.ProtocolNotFoundError, "this FFmpeg does not speak its protocol", "install PyAV from PyPI"),
    (MemoryError, "out of memory", "send smaller pictures"),
    (EOFError, "ended before a picture came", "check that the source runs"),
)


def is_timeout(error: Exception) -> bool:
    """Return whether `error` is what PyAV or the system raise when a time is over."""
    return isinstance(error, av.error.ExitError | TimeoutError) or getattr(error, "errno", None) in (
        errno.ETIMEDOUT,
        errno.EAGAIN,
    )


def refusal(kind: AnyKind, uri: SourceUri, error: Exception, *, timeout_s: float) -> InputError:
    """Return the InputError for what opening `uri`, a source of that `kind`, raised."""
    if is_timeout(error):
        return InputError(uri.display, f"timed out after {timeout_s:g} s", kind.silence_remedy)
    status = _HTTP_STATUS.get(type(error))
    if status is not None:
        return InputError(uri.display, *of_status(status, thing="stream", address=uri.target))
    known = of_connection(error)
    if known is not None:
        return InputError(uri.display, *known)
    for error_class, cause, remedy in _CONTENT:
        if isinstance(error, error_class):
            return InputError(uri.display, cause, remedy)
    return InputError(uri.display, f"{kind.unopened} ({_words(error)})", kind.unopened_remedy)


def failure(kind: AnyKind, uri: SourceUri, error: Exception, *, timeout_s: float) -> InputError:
    """Return the InputError for what reading on from an open `uri` raised."""
    if is_timeout(error):
        return InputError(uri.display, silent_for(timeout_s), kind.silence_remedy)
    known = of_connection(error)
    if known is not None:
        return InputError(uri.display, *known)
    return InputError(uri.display, f"failed while it was read ({_words(error)})")


def _words(error: Exception) -> str:
    """Return FFmpeg's or the system's fixed words for the kind of `error`: never its message."""
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
