"""`pptsn stream` on broken videos: as files, from a server that ends, and from one that is live and never does."""

from __future__ import annotations

import functools
import http.server
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.mutation.mutants import mutant
from tools.mutation.program import run_bounded

# Streams of one run of the command; of those that are live each has a process of its own, all at once.
FILES_AT_ONCE, LIVE_AT_ONCE = 25, 8
_BOUND_S, _LIVE_S = 300.0, 15.0


def try_streams(sources: Sequence[Path], model: Path, folder: Path, *, count: int, seed: int) -> Iterator[str]:
    """Yield a line for each fault found in `count` mutants of `sources`, a third of them live.

    folder: takes the mutants of one run at a time, and its outputs.
    """
    live = count // 3
    groups = [(FILES_AT_ONCE, range(live, count)), (LIVE_AT_ONCE, range(live))]
    for at_once, numbers in groups:
        for first in range(0, len(numbers), at_once):
            batch = numbers[first : first + at_once]
            yield from _try_batch(sources, model, folder, batch, seed=seed, live=at_once == LIVE_AT_ONCE)


def _try_batch(
    sources: Sequence[Path], model: Path, folder: Path, numbers: range, *, seed: int, live: bool
) -> Iterator[str]:
    mutants = folder / "mutants"
    mutants.mkdir(exist_ok=True)
    rows = folder / "rows.jsonl"
    rows.unlink(missing_ok=True)
    with _serving(mutants) as host:
        texts = {}
        for number in numbers:
            source = sources[number % len(sources)]
            # What is called .ts has no end, to a stream: it is opened again and again.
            path = mutants / (f"{number}.ts" if live else f"{number}{source.suffix}")
            path.write_bytes(mutant(source, number, seed=seed))
            served = live or (number % 2 and path.suffix != ".ts")
            text = f"http://{host}/{path.name}?name=s{number}" if served else f"{path}?name=s{number}"
            texts[f"s{number}"] = text
        command = [sys.executable, "-m", "pptsn", "stream", *texts.values()]
        command += ["--model", str(model), "-o", str(rows), "--window", "0.4", "--segments", "4", "--timeout", "2"]
        done = run_bounded(command, folder / "errors", bound_s=_BOUND_S, stop_s=_LIVE_S if live else None)
    which = f"streams {numbers[0]} to {numbers[-1]}"
    yield from (f"{which}: {fault}" for fault in [*done.faults(), *faults_of_rows(rows, list(texts))])
    for path in mutants.iterdir():
        path.unlink()
    print(f"{which}: code {done.code}, {done.peak_mb:.0f} MB", file=sys.stderr)


def faults_of_rows(rows: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the rows of a run: broken ones, gaps in their numbers, streams without an end."""
    try:
        found = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        yield f"rows cannot be read: {error}"
        return
    numbers: dict[str, list[int]] = {}
    ends: Counter[str] = Counter()
    for row in found:
        if row["type"] == "prediction":
            numbers.setdefault(row["stream"], []).append(row["number"])
        ends[row["stream"]] += row["type"] == "notice" and row["state"] in ("ended", "failed")
    for stream, given in numbers.items():
        if given != list(range(len(given))):
            yield f"{stream}: predictions are missing"
    for name in names:
        if ends[name] != 1:
            yield f"{name}: {ends[name]} ends are told"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, told to nobody."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    with _Server(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
