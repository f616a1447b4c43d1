"""The published weights, by name, and where their publisher keeps them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from pptsn.runtime.base.errors import UsageError

_FILE_NAME = re.compile(r"[\w+-][\w.+-]{0,99}", re.ASCII)
SUFFIX = ".pdparams"


@dataclass(frozen=True)
class Weights:
    """Weights that can be fetched.  file: their name in the folder of weights.  about: what they are, or ""."""

    file: str
    url: str
    about: str = ""

    @property
    def name(self) -> str:
        """What they are called on the command line."""
        return self.file.removesuffix(SUFFIX)


PUBLISHED = (
    Weights(
        f"ppTSN_k400{SUFFIX}",
        "https://videotag.bj.bcebos.com/PaddleVideo-release2.2/ppTSN_k400.pdparams",
        "PP-TSN on Kinetics-400, 3 segments: 73.68 % top-1",
    ),
    Weights(
        f"ppTSN_k400_8{SUFFIX}",
        "https://videotag.bj.bcebos.com/PaddleVideo-release2.2/ppTSN_k400_8.pdparams",
        "PP-TSN on Kinetics-400 from a distilled backbone, 8 segments: 75.06 % top-1",
    ),
    Weights(
        f"ResNet50_vd_ssld_v2_pretrained{SUFFIX}",
        "https://videotag.bj.bcebos.com/PaddleVideo/PretrainModel/ResNet50_vd_ssld_v2_pretrained.pdparams",
        "the backbone that the published training begins with",
    ),
)


def published(name: str) -> Weights | None:
    """Return the published weights of that name, with or without its suffix; None where there are none."""
    plain = name.removesuffix(SUFFIX).lower()
    return next((weights for weights in PUBLISHED if weights.name.lower() == plain), None)


def weights_of(text: str) -> Weights:
    """Return what `text`, a published name or an http(s) address, stands for.

    Weights of any other address get a name that tells two addresses apart.
    Raises UsageError, which shows no credentials, for anything else.
    """
    found = published(text) or next((weights for weights in PUBLISHED if weights.url == text), None)
    if found is not None:
        return found
    names = ", ".join(weights.name for weights in PUBLISHED)
    if "://" not in text:
        raise UsageError(text, "is no published weights' name", f"name one of {names}, or an address")
    check_address(text)
    path = PurePosixPath(unquote(urlsplit(text).path))
    stem = path.stem if _FILE_NAME.fullmatch(path.name) else "weights"
    suffix = path.suffix if _FILE_NAME.fullmatch(path.name) else ""
    return Weights(f"{stem}-{hashlib.sha256(text.encode()).hexdigest()[:8]}{suffix}", text)


def check_address(url: str) -> None:
    """Raise UsageError, which shows no credentials, for what is no http(s) address of a file."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("address", "expected one of http:// or https://", "correct it")
    if parts.username is not None or parts.password is not None:
        raise UsageError(shown(url), "holds credentials", "fetch it with a program that takes them")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(shown(url), "is not percent-encoded", "write it as browsers copy it")


def shown(url: str) -> str:
    """Return what messages call an address: without credentials and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
