"""Who tries one token after the other is slowed down, and nobody else."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Iterator

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.stream.sinks.web import guesses as module
from pptsn.runtime.stream.sinks.web.guesses import FREE, WAITING, Guesses
from pptsn.runtime.stream.sinks.web.server import WebSink
from tests.runtime.stream.sinks.web.clients import EVERYWHERE, TOKEN, ask
from tests.runtime.stream.sinks.web.fake_pipeline import FakePipeline

PAUSE_S = 0.2
# What nobody waits for who is not held up, however busy the machine.
LONG_S = 30.0


@pytest.fixture
def locked(pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebSink]:
    monkeypatch.setattr(module, "PAUSE_S", PAUSE_S)
    with WebSink("127.0.0.1", 0, view=pipeline, token=TOKEN) as sink:
        sink.open()
        yield sink


def show(sink: WebSink, token: object, *, way: str) -> int:
    if way == "address":
        return ask(sink, f"/?token={token}").status
    if way == "bearer":
        return ask(sink, "/api/streams", Authorization=f"Bearer {token}").status
    return ask(sink, "/api/streams", Cookie=f"pptsn_{sink.address.port}={token}").status


@pytest.mark.parametrize("way", ["address", "bearer", "cookie"])
@pytest.mark.parametrize("number", [0, 1, FREE, FREE + 3])
def test_the_sixth_wrong_token_and_all_after_it_wait(locked: WebSink, way: str, number: int) -> None:
    began_s = time.monotonic()
    assert [show(locked, guess, way=way) for guess in range(number)] == [401] * number
    took_s = time.monotonic() - began_s
    # The first that waits has its turn at once.
    assert took_s >= PAUSE_S * max(0, number - FREE - 1)


def test_the_right_token_waits_as_well_but_gets_in(locked: WebSink) -> None:
    for guess in range(FREE + 1):
        show(locked, guess, way="bearer")
    began_s = time.monotonic()
    assert show(locked, TOKEN, way="bearer") == 200
    assert time.monotonic() - began_s >= PAUSE_S / 2  # else it would answer a guess


def test_who_has_shown_the_token_before_is_not_held_up(locked: WebSink, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> int:
        connection.request("GET", "/api/streams", headers={"Authorization": f"Bearer {TOKEN}"})
        with connection.getresponse() as response:
            response.read()
            return response.status

    connection = http.client.HTTPConnection("127.0.0.1", locked.address.port, timeout=10)
    assert asked() == 200
    monkeypatch.setattr(module, "PAUSE_S", LONG_S)
    for guess in range(FREE + 1):  # the last takes its turn
        show(locked, guess, way="bearer")
    began_s = time.monotonic()
    assert asked() == 200
    assert time.monotonic() - began_s < LONG_S
    connection.close()


def test_a_wrong_token_shown_again_and_again_is_no_guess(locked: WebSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", LONG_S)
    began_s = time.monotonic()
    assert {show(locked, "of-last-year", way="cookie") for _ in range(4 * FREE)} == {401}
    assert [show(locked, TOKEN, way="bearer") for _ in range(3)] == [200] * 3
    assert time.monotonic() - began_s < LONG_S


def test_health_is_told_meanwhile_and_who_shows_nothing_is_not_held_up(
    locked: WebSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", LONG_S)
    for guess in range(FREE):
        show(locked, guess, way="bearer")
    began_s = time.monotonic()
    for _ in range(10):
        assert ask(locked, "/healthz").status == 200
        assert ask(locked, "/api/streams").status == 401
    assert time.monotonic() - began_s < LONG_S


def guess_at_once(guesses: Guesses, places: list[str]) -> list[bool]:
    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*map(guesses.turn, places))

    return asyncio.run(all_at_once())


@pytest.fixture
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.001)


def guesses_of(*places: str) -> Guesses:
    guesses = Guesses()
    for place in places:
        for number in range(FREE):
            guesses.add(place, str(number))
    return guesses


@pytest.mark.usefixtures("in_haste")
@pytest.mark.parametrize("number", [1, WAITING, WAITING + 1, 100])
def test_few_may_wait_at_one_place(number: int) -> None:
    let = guess_at_once(guesses_of("a"), ["a"] * number)
    assert sum(let) == min(number, WAITING)


@pytest.mark.usefixtures("in_haste")
def test_few_may_wait_in_all_and_other_places_need_not() -> None:
    places = [str(number) for number in range(40)]
    let = guess_at_once(guesses_of(*places), [*places, "another"])
    assert sum(let) == 16 + 1
    assert let[-1]


def test_what_is_remembered_is_bounded() -> None:
    guesses = Guesses()
    for number in range(3000):
        guesses.add("one", str(number))
        guesses.add(f"place {number}", "x")
    assert len(guesses._guessers) == 1024
    assert len(guesses._guessers["one"].wrong) == 64
    assert guesses.known_wrong("one", "2999")
    assert not guesses.known_wrong("one", "0")


@pytest.mark.usefixtures("in_haste")
def test_guesses_are_forgiven_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    guesses = guesses_of("a")
    assert guess_at_once(guesses, ["a"] * 9).count(False) == 9 - WAITING
    monkeypatch.setattr(module, "_FORGIVEN_S", 0.0)
    assert all(guess_at_once(guesses, ["a"] * 9))


@pytest.mark.parametrize("length", [1, 8, 15])
@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.1", "camera-box.local"])
def test_a_short_token_is_refused_where_others_guess(pipeline: FakePipeline, host: str, length: int) -> None:
    told = rf"has {length} characters; .* fewer than 16; let `openssl rand"
    with pytest.raises(UsageError, match=told) as refused:
        WebSink(host, 8080, view=pipeline, token="a" * length)
    assert "aaa" not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(("host", "length"), [(EVERYWHERE, 16), ("::", 40), ("127.0.0.1", 1), ("localhost", 15)])
def test_a_token_that_is_long_enough_is_taken_and_on_this_machine_any(
    pipeline: FakePipeline, host: str, length: int
) -> None:
    WebSink(host, 8080, view=pipeline, token="a" * length)
