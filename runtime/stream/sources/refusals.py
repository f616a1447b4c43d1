"""What FFmpeg's refusals mean to a user.  Its own messages may hold the URL, so only their kind is looked at."""

from __future__ import annotations

import errno

import av.error

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.stream.sources.base import AnyKind, SourceUri

# By the class of the error: the cause and the remedy.  The first that fits counts.
_HTTP_STATUS: tuple[tuple[type[Exception], str, str], ...] = (
    (av.error.HTTPForbiddenError, "the server forbids it (403)", "check what this user may see"),
    (av.error.HTTPNotFoundError, "the server has no such stream (404)", "check the path of the URL"),
    (av.error.HTTPBadRequestError, "the server does not understand the request (400)", "check the URL"),
    (av.error.HTTPOtherClientError, "the server refuses the request (4xx)", "check the URL"),
    (av.error.HTTPServerError, "the server failed (5xx)", "look at the server's own log"),
)
_CONNECTION: tuple[tuple[type[Exception], str, str], ...] = (
    (ConnectionRefusedError, "connection refused", "check the port and that the server runs"),
    (ConnectionResetError, "the connection was reset", "look at the server's own log"),
    (ConnectionAbortedError, "the connection was aborted", "look at the server's own log"),
    (BrokenPipeError, "the connection was closed", "look at the server's own log"),
)
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
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return _unauthorized(uri)
    for error_class, cause, remedy in _HTTP_STATUS + _CONNECTION + _CONTENT:
        if isinstance(error, error_class):
            return InputError(uri.display, cause, remedy)
    return InputError(uri.display, f"{kind.unopened} ({_words(error)})", kind.unopened_remedy)


def failure(kind: AnyKind, uri: SourceUri, error: Exception, *, timeout_s: float) -> InputError:
    """Return the InputError for what reading on from an open `uri` raised."""
    if is_timeout(error):
        return InputError(uri.display, f"sent nothing for {timeout_s:g} s", kind.silence_remedy)
    for error_class, cause, remedy in _CONNECTION:
        if isinstance(error, error_class):
            return InputError(uri.display, cause, remedy)
    return InputError(uri.display, f"failed while it was read ({_words(error)})")


def _unauthorized(uri: SourceUri) -> InputError:
    scheme = uri.target.partition(":")[0]
    if "@" in uri.target.partition("://")[2].partition("/")[0]:
        return InputError(uri.display, "wrong user name or password (401)", "check them")
    return InputError(
        uri.display, "asks for a user name and password (401)", f"write {scheme}://USER:PASSWORD@HOST/..."
    )


def _words(error: Exception) -> str:
    """Return FFmpeg's or the system's fixed words for the kind of `error`: never its message."""
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
