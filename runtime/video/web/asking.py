"""What web servers say now of files that were read before, without their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from pptsn.runtime.base.errors import InputError
from pptsn.runtime.video.web.address import WebFile
from pptsn.runtime.video.web.exchange import BrokenOffError, Server
from pptsn.runtime.video.web.served import Served

_AT_A_TIME = 16
# So often a host may fail, as long as it has not told of any file.
_PATIENCE = 3


def ask_servers(files: Iterable[WebFile]) -> list[Served | None]:
    """Return what is said of each of `files`, in their order; None of one of which not all is told.

    A host that fails for its first files is not asked for the others, each of which might be waited for.
    """
    hosts = _Hosts()
    asking = ThreadPoolExecutor(_AT_A_TIME, "web")
    try:
        return list(asking.map(hosts.ask, files))
    finally:
        asking.shutdown(wait=False, cancel_futures=True)


class _Hosts:
    def __init__(self) -> None:
        self._failed: Counter[str] = Counter()
        self._told: set[str] = set()

    def ask(self, file: WebFile) -> Served | None:
        host = urlsplit(file.url).netloc
        if host not in self._told and self._failed[host] >= _PATIENCE:
            return None
        try:
            with Server(file).request(0, 1) as response:
                self._told.add(host)
                return response.served
        except (InputError, BrokenOffError):
            self._failed[host] += 1
            return None
