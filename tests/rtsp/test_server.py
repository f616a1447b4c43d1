"""The RTSP server that breaks on request does break, and in the way that its name says: seen by PyAV alone."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import av
import numpy as np
import pytest

from tests.rtsp.client import PASSWORD, USER, RtspServer
from tests.rtsp.silent import ENDLESS, HTML, SilentListener
from tests.servers import free_port

pytestmark = pytest.mark.servers

READ_TIMEOUT_S = 0.7


def connect(url: str, transport: str = "tcp") -> av.container.InputContainer:
    """Open a stream without looking at more of it than needed."""
    options = {"rtsp_transport": transport, "probesize": "32", "analyzeduration": "0", "flags": "low_delay"}
    return av.open(url, options=options, timeout=(2, READ_TIMEOUT_S))


def frames(container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    """Yield frames, passing over packets that cannot be decoded."""
    for packet in container.demux(video=0):
        try:
            yield from packet.decode()
        except av.InvalidDataError:
            continue


def take(container: av.container.InputContainer, count: int) -> list[av.VideoFrame]:
    """Return the next frames, as many as there are up to `count`."""
    return list(itertools.islice(frames(container), count))


def wait_for(container: av.container.InputContainer, wanted: Callable[[av.VideoFrame], bool]) -> av.VideoFrame:
    """Return the first frame that is as wanted, of the next 100."""
    for frame in itertools.islice(frames(container), 100):
        if wanted(frame):
            return frame
    raise AssertionError("none of 100 frames is as wanted")


def moves(container: av.container.InputContainer) -> bool:
    """Whether the last ten of the next 20 frames differ from each other."""
    pictures = [frame.to_ndarray(format="gray") for frame in take(container, 20)[10:]]
    return any(not np.array_equal(a, b) for a, b in itertools.pairwise(pictures))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_serves_a_moving_picture(rtsp_server: RtspServer, transport: str) -> None:
    with connect(rtsp_server.url(), transport) as container:
        seen = take(container, 10)
        assert [(frame.width, frame.height) for frame in seen] == [(320, 240)] * 10
        times = [frame.time for frame in seen[1:]]
        assert np.allclose(np.diff(times), 0.04, atol=0.001)
        assert moves(container)


def test_the_first_picture_comes_soon(rtsp_server: RtspServer) -> None:
    for _ in range(3):
        start_s = time.monotonic()
        with connect(rtsp_server.url()) as container:
            assert take(container, 1)[0].key_frame
        assert time.monotonic() - start_s < 5  # 0.4 s on a machine that is not busy


def test_a_stall_stops_the_pictures_and_keeps_the_connection(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.stall()
        with pytest.raises(av.ExitError):
            take(container, 100)
        assert rtsp_server.clients() == 1
        rtsp_server.resume()
        assert len(take(container, 10)) == 10


def test_a_stall_holds_for_later_connections(rtsp_server: RtspServer) -> None:
    rtsp_server.stall()
    with pytest.raises(av.FFmpegError), connect(rtsp_server.url()) as container:
        assert len(take(container, 25)) < 25
    rtsp_server.resume()
    with connect(rtsp_server.url()) as container:
        assert take(container, 1)


def test_sound_goes_on_while_the_picture_stalls(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url("/talking")) as container:
        take(container, 5)
        rtsp_server.stall("/talking")
        start_s = time.monotonic()
        for packet in container.demux():
            if packet.stream.type == "audio" and time.monotonic() - start_s > 2 * READ_TIMEOUT_S:
                break


def test_a_frozen_picture_stays_the_same(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.freeze()
        assert not moves(container)
        rtsp_server.thaw()
        assert moves(container)


def test_the_size_changes_within_a_session(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.resize(640, 360)
        wait_for(container, lambda frame: (frame.width, frame.height) == (640, 360))
        rtsp_server.resize(320, 240)
        wait_for(container, lambda frame: (frame.width, frame.height) == (320, 240))


def test_the_frame_rate_changes_within_a_session(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.set_rate(10)
        times = [frame.time for frame in take(container, 15)]
        assert np.allclose(np.diff(times)[-5:], 0.1, atol=0.001)


def test_a_cut_ends_the_connection_and_not_the_server(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.cut()
        assert len(take(container, 100)) < 10
    assert rtsp_server.clients() == 0
    with connect(rtsp_server.url()) as container:
        assert len(take(container, 5)) == 5


def test_a_killed_server_refuses_until_it_starts_again_on_its_port(rtsp_server: RtspServer) -> None:
    rtsp_server.resize(160, 120)
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.kill()
        assert len(take(container, 100)) < 10
    with pytest.raises(ConnectionRefusedError):
        connect(rtsp_server.url())
    rtsp_server.start_again()
    with connect(rtsp_server.url()) as container:
        assert take(container, 1)[0].width == 160


def test_a_hanging_server_says_nothing_until_it_goes_on(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.hang()
        with pytest.raises(av.ExitError):
            take(container, 100)
        rtsp_server.go_on()
        assert len(take(container, 10)) == 10


def test_damage_is_seen_and_ends_in_time(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.corrupt(0.6)
        broken = 0
        for packet in itertools.islice(container.demux(video=0), 15):
            try:
                broken += sum(frame.is_corrupt for frame in packet.decode())
            except av.InvalidDataError:
                broken += 1
        assert broken
        take(container, 20)
        assert not any(frame.is_corrupt for frame in take(container, 10))


def test_lost_pictures_leave_gaps(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.lose(0.5)
        times = [frame.time for frame in take(container, 20)]
        assert np.diff(times).max() > 0.07


def test_timestamps_jump_an_hour_and_back(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        take(container, 5)
        rtsp_server.shift(3600)
        wait_for(container, lambda frame: frame.time > 3600)
        rtsp_server.shift(0)
        wait_for(container, lambda frame: frame.time < 60)


def test_frames_come_out_of_order_on_the_mount_with_b_frames(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url("/bframes")) as container:
        seen, arrived = [], []
        for packet in itertools.islice(container.demux(video=0), 40):
            arrived.append(packet.pts)
            seen += packet.decode()
    assert any(frame.pict_type == av.video.frame.PictureType.B for frame in seen)
    assert arrived[1:] != sorted(arrived[1:])
    times = [frame.time for frame in seen[1:]]
    assert times == sorted(times)


def test_the_codec_changes_for_the_next_connection(rtsp_server: RtspServer) -> None:
    with connect(rtsp_server.url()) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        rtsp_server.change_codec("jpeg")
        take(container, 100)
    with connect(rtsp_server.url()) as container:
        assert container.streams.video[0].codec_context.name == "mjpeg"
        assert moves(container)


def test_the_locked_mount_wants_the_password(rtsp_server: RtspServer) -> None:
    for credentials in ("", f"{USER}:wrong"):
        with pytest.raises(av.HTTPUnauthorizedError):
            connect(rtsp_server.url("/locked", credentials))
    with connect(rtsp_server.url("/locked", f"{USER}:{PASSWORD}")) as container:
        assert take(container, 1)


def test_an_absent_mount_is_not_found(rtsp_server: RtspServer) -> None:
    with pytest.raises(av.HTTPNotFoundError):
        connect(rtsp_server.url("/nosuch"))


def test_what_it_does_not_know_is_refused(rtsp_server: RtspServer) -> None:
    with pytest.raises(RuntimeError, match="nosuch"):
        rtsp_server.stall("/nosuch")
    assert rtsp_server.clients() == 0


def test_an_ended_server_is_gone(rtsp_server: RtspServer) -> None:
    rtsp_server.hang()
    rtsp_server.close()
    assert not rtsp_server.running
    with pytest.raises(ConnectionRefusedError):
        connect(rtsp_server.url())
    rtsp_server.close()


def test_ports_are_not_those_of_outgoing_connections() -> None:
    assert all(1024 < free_port() < 32768 for _ in range(10))


@pytest.mark.parametrize("arguments", [{}, {"greeting": ENDLESS, "trickle_s": 0.2}])
def test_what_accepts_and_never_answers_is_given_up(arguments: dict) -> None:
    with SilentListener(**arguments) as listener:
        start_s = time.monotonic()
        with pytest.raises(av.FFmpegError):
            av.open(listener.url(), options={"rtsp_transport": "tcp"}, timeout=(1, 1))
        assert listener.accepted == 1
        assert 0.8 < time.monotonic() - start_s < 5


def test_a_page_is_no_video() -> None:
    with SilentListener(HTML, hang_up=True) as listener, pytest.raises(av.FFmpegError):
        av.open(listener.url("http"), timeout=(2, 2))
