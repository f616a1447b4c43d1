"""A camera that breaks on request: GStreamer's RTSP server, told over standard input what to do.

It is a program of its own for the system's Python, which has `gi`, and imports nothing of this project:

    /usr/bin/python3 server.py --port 8554 --mount /cam=plain --mount /locked=locked

One line of JSON comes in for each command and one goes out as its answer; the first line out, `{"ok": true}`, says
that it serves.  It ends with its standard input.  The commands:

    {"do": "set", "mount": "/cam", "lost": 1.0}   fields of Mount; with "for_s", back to what they were after that
    {"do": "cut"}                                 close all connections
    {"do": "count"}                               answers {"ok": true, "clients": 2}
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

# All that the pipelines below are made of.
ELEMENTS = (
    *("videotestsrc", "capsfilter", "identity", "breakmydata", "x264enc", "h264parse", "rtph264pay"),
    *("jpegenc", "rtpjpegpay", "audiotestsrc", "alawenc", "rtppcmapay"),
)

KINDS = ("plain", "bframes", "talking", "locked")
USER, PASSWORD = "camera", "s3cret"

# A key frame each 10 frames: who joins late waits no longer than that.  One slice a frame, so that nothing comes
# between the slices of one.
PROMPT = (
    "tune=zerolatency speed-preset=ultrafast sliced-threads=false threads=1 key-int-max=10 pass=quant quantizer=21"
)
# Frames leave this encoder late, and in another order than they are shown in, for which it needs the profile.
REORDERED = (
    "speed-preset=veryfast threads=1 key-int-max=30 bframes=4 b-adapt=false b-pyramid=true rc-lookahead=4"
    " sync-lookahead=0 ! video/x-h264,profile=high"
)
# The damage comes after the parser, which would mend it; `clock` is where timestamps are shifted.
H264 = (
    "x264enc {encoder} ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au"
    " ! breakmydata name=damage ! identity name=clock ! rtph264pay name=pay0 pt=96"
)
JPEG = "jpegenc ! breakmydata name=damage ! identity name=clock ! rtpjpegpay name=pay0 pt=26"
SOUND = "audiotestsrc is-live=true wave=ticks ! alawenc ! rtppcmapay name=pay1 pt=8"


@dataclass
class Mount:
    """What one mount point sends now, and to whoever connects later.

    kind: plain, bframes (frames out of order), talking (with a sound track) or locked (a password is needed).
    codec: h264 or jpeg, from the next connection on.  pattern: of videotestsrc; in "ball" something moves.
    rate: frames a second.
    lost: share of the encoded pictures that are dropped; at 1 the picture stalls while the connection stays.
    damaged: share of the bytes of the encoded pictures that are overwritten.  shift_s: added to the timestamps.
    """

    kind: str
    codec: str = "h264"
    pattern: str = "ball"
    width: int = 320
    height: int = 240
    rate: int = 25
    lost: float = 0.0
    damaged: float = 0.0
    shift_s: float = 0.0

    def launch(self) -> str:
        """Return the pipeline of a new connection, as gst-launch writes it."""
        track = (
            JPEG if self.codec == "jpeg" else H264.format(encoder=REORDERED if self.kind == "bframes" else PROMPT)
        )
        sound = SOUND if self.kind == "talking" else ""
        return f"( videotestsrc name=picture is-live=true ! capsfilter name=size ! {track} {sound} )"

    def apply(self, pipeline: Gst.Bin) -> None:
        """Make a running pipeline send what this mount should."""
        caps = f"video/x-raw,format=I420,width={self.width},height={self.height},framerate={self.rate}/1"
        pipeline.get_by_name("picture").set_property("pattern", self.pattern)
        pipeline.get_by_name("size").set_property("caps", Gst.Caps.from_string(caps))
        pipeline.get_by_name("damage").set_property("probability", self.damaged)
        clock = pipeline.get_by_name("clock")
        clock.set_property("drop-probability", self.lost)
        clock.get_static_pad("src").set_offset(int(self.shift_s * Gst.SECOND))


@dataclass
class Served:
    """A mount point, the factory that makes its pipelines, and the pipeline that runs, if any."""

    mount: Mount
    factory: GstRtspServer.RTSPMediaFactory
    pipeline: Gst.Bin | None = field(default=None, repr=False)

    def configure(self, _factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        """Take up a pipeline that was just made, and let go of it when its last client has left."""
        pipeline = media.get_element()
        media.connect("new-state", lambda _media, state: self.begin(pipeline, state))
        media.connect("unprepared", lambda _media: self.release(pipeline))
        self.pipeline = pipeline
        # A stream that loses all pictures from the first on could not even be described: these are let through.
        replace(self.mount, lost=0.0).apply(pipeline)

    def begin(self, pipeline: Gst.Bin, state: int) -> None:
        """Let a pipeline that has been described, and asked to play, do what this mount should."""
        hurry(pipeline)
        if state == Gst.State.PLAYING:
            self.mount.apply(pipeline)

    def release(self, pipeline: Gst.Bin) -> None:
        """Forget a pipeline that has ended, unless another has taken its place."""
        if self.pipeline is pipeline:
            self.pipeline = None

    def change(self, mount: Mount) -> bool:
        """Serve what `mount` says from now on.  Returns False: a timer that calls this does so once."""
        self.mount = mount
        self.factory.set_launch(mount.launch())
        if self.pipeline is not None:
            mount.apply(self.pipeline)
        return False


class Camera:
    """The server with its mount points.  All methods run in the thread of the main loop."""

    def __init__(self, port: int, kinds: dict[str, str]) -> None:
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service(str(port))
        self.server.set_auth(passwords())
        self.served = {path: self._serve(path, Mount(kind)) for path, kind in kinds.items()}
        if self.server.attach(None) == 0:
            raise OSError(f"port {port} is taken")

    def _serve(self, path: str, mount: Mount) -> Served:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(mount.launch())
        factory.set_shared(True)
        factory.set_latency(0)
        # Who may see a mount but not open it is asked for a password; who may not see it hears that it is absent.
        factory.add_role_from_structure(rights("user", opens=True))
        factory.add_role_from_structure(rights("anonymous", opens=mount.kind != "locked"))
        served = Served(mount, factory)
        factory.connect("media-configure", served.configure)
        self.server.get_mount_points().add_factory(path, factory)
        return served

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command and return what there is to say about it."""
        action = command.pop("do")
        if action == "set":
            self.set(self.served[command.pop("mount")], command)
        elif action == "cut":
            self.server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        elif action == "count":
            return {"clients": len(self.server.client_filter(None) or [])}
        else:
            raise ValueError(f"no such command: {action}")
        return {}

    def set(self, served: Served, fields: dict[str, Any]) -> None:
        """Change fields of a mount, for good or for some seconds."""
        for_s = fields.pop("for_s", None)
        before = {name: getattr(served.mount, name) for name in fields}
        served.change(replace(served.mount, **fields))
        if for_s is not None:
            GLib.timeout_add(int(1000 * for_s), lambda: served.change(replace(served.mount, **before)))


def hurry(pipeline: Gst.Bin) -> None:
    """Let the sinks send at once what comes: where timestamps jump ahead they would wait for that time."""
    top = pipeline
    while top.get_parent() is not None:
        top = top.get_parent()
    sinks = top.iterate_sinks()
    for result, sink in iter(sinks.next, None):
        if result != Gst.IteratorResult.OK:
            break
        if sink.find_property("sync") is not None:
            sink.set_property("sync", False)


def passwords() -> GstRtspServer.RTSPAuth:
    """Return who may do what: role `user` with the password, by Digest, and role `anonymous` without."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(USER, PASSWORD, token("user"))
    auth.set_default_token(token("anonymous"))
    return auth


def rights(role: str, *, opens: bool) -> Gst.Structure:
    """Return what a role may do with a mount: see that it is there, and open it."""
    structure = Gst.Structure.new_empty(role)
    structure.set_value(GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
    structure.set_value(GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, opens)
    return structure


def token(role: str) -> GstRtspServer.RTSPToken:
    """Return the token of those who may do what the role may."""
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, role)
    return token


def answer(camera: Camera, line: str) -> bool:
    """Carry out the command in a line and print its answer.  Returns False: GLib is to call this once."""
    try:
        say({"ok": True, **camera.do(json.loads(line))})
    except (KeyError, TypeError, ValueError) as error:
        say({"ok": False, "error": repr(error)})
    return False


def say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def missing_elements() -> list[str]:
    """Return the GStreamer elements that this program needs and this machine lacks."""
    return [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]


def serve(port: int, kinds: dict[str, str]) -> None:
    """Serve until standard input ends."""
    loop = GLib.MainLoop()
    try:
        camera = Camera(port, kinds)
    except OSError as error:
        say({"ok": False, "error": str(error)})
        return

    def listen() -> None:
        for line in sys.stdin:
            GLib.idle_add(answer, camera, line)
        GLib.idle_add(loop.quit)

    threading.Thread(target=listen, daemon=True).start()
    say({"ok": True})
    loop.run()


def main() -> int:
    """Serve, or say with --check what is missing for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument(
        "--mount", action="append", default=[], metavar="PATH=KIND", help="one of: " + ", ".join(KINDS)
    )
    parser.add_argument("--check", action="store_true", help="say which GStreamer elements are missing, and end")
    options = parser.parse_args()
    Gst.init(None)
    missing = missing_elements()
    if options.check or missing:
        print(" ".join(missing))
        return 1 if missing else 0
    serve(options.port, dict(mount.split("=", 1) for mount in options.mount))
    return 0


if __name__ == "__main__":
    sys.exit(main())
