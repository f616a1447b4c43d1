"""A capture process's line to its supervisor."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from pptsn.runtime.stream.capture.protocol import Answered, FromCapture, Progress, Stop, WantPictures
from pptsn.runtime.stream.recording.annotated_video import AnnotatedVideo
from pptsn.runtime.stream.recording.overlay import Overlay

_EXCUSE_S = 0.5


class Control(threading.Thread):
    """Listens to the supervisor, and says what the capture has to tell.

    stop: set when the capture is to finish.  wants_pictures: whether somebody looks at them.
    annotated: the video that shows what the frames do, if there is one.  excuse: what to say regularly while the
    capture waits for something and is all right; None while it is not known to be.  still_excused: what excuses it
    while `excuse` is None.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(name="control", daemon=True)
        self._connection = connection
        self._sending = threading.Lock()
        self.stop = threading.Event()
        self.wants_pictures = False
        self.annotated: AnnotatedVideo | None = None
        self.excuse: Progress | None = None
        self.still_excused: Callable[[], Progress | None] = lambda: None

    def run(self) -> None:
        """Listen until the supervisor hangs up; then the process ends."""
        while True:
            try:
                if self._connection.poll(_EXCUSE_S):
                    self._heed(self._connection.recv())
                elif (excuse := self.excuse or self.still_excused()) is not None:
                    self.send(excuse)
                if self.stop.is_set() and self.annotated is not None:
                    self.annotated.answered(float("inf"))  # nothing more is waited for
            except Exception:  # the line is cut: nobody is left to work for, and the capture may hang in a decoder
                os._exit(1)

    def send(self, message: FromCapture) -> None:
        """Send `message`; a supervisor that has gone is noticed by `run`."""
        with self._sending, suppress(OSError):
            self._connection.send(message)

    def _heed(self, message: Any) -> None:
        if isinstance(message, Stop):
            self.stop.set()
        elif isinstance(message, WantPictures):
            self.wants_pictures = message.wanted
        elif self.annotated is not None and isinstance(message, Overlay):
            self.annotated.show(message)
        elif self.annotated is not None and isinstance(message, Answered):
            self.annotated.answered(message.time_s)
