import json
import math

import pytest

from pptsn.runtime.stream.sinks.text import (
    duration_text,
    file_name_of,
    json_text,
    news_line,
    topic_level_of,
    utc_text,
)
from tests.runtime.stream.sinks.samples import event, notice, prediction


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (7500, "2 h 5 min"),
        (187_500, "2 d 4 h"),
        (math.nan, "?"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_events_and_notices_read_as_one_line() -> None:
    assert news_line(event()) == "door: dancing started (score 0.95)"
    assert news_line(event(ended=True)) == "door: dancing ended after 12 s (peak 0.95, mean 0.80)"
    assert news_line(notice()) == "door: retrying: connection refused"
    assert news_line(notice(detail="", state="live")) == "door: live"


def test_times_are_in_utc() -> None:
    assert utc_text(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"


def test_json_is_valid_whatever_comes() -> None:
    odd = prediction(stream="caf\udce9", scores=(math.nan, 0.5, 0.2))
    fields = json.loads(json_text(odd.to_dict(top=3)), parse_constant=lambda name: pytest.fail(name))
    assert fields["stream"] == "caf\\xe9"
    assert None in [entry["score"] for entry in fields["top"]]
    assert "\n" not in json_text(notice(detail="two\nlines").to_dict(top=1))


def test_names_are_escaped_so_that_different_ones_stay_different() -> None:
    assert topic_level_of("front/door +#1") == "front%2Fdoor %2B%231"
    assert topic_level_of("a%2Fb") == "a%252Fb"
    assert topic_level_of("Küche 射") == "Küche 射"
    assert topic_level_of("a\0b\n") == "a%00b%0A"
    assert file_name_of("..") == "%2E."
    assert file_name_of("") == topic_level_of("") == "%"


def test_json_has_nothing_that_ends_a_line_or_turns_it_around() -> None:
    value = {"b": "a\x9b2J\u202e\u2028 射"}
    assert json_text(value).isprintable()
    assert "射" in json_text(value)
    assert json.loads(json_text(value)) == value


def test_json_for_browsers_is_one_line_of_ascii_and_has_no_number_that_json_lacks() -> None:
    value = {"a": [float("inf"), (float("nan"), 1.5)], "b": "two\nlines \u2028", "c": "\udcff"}
    text = json_text(value, compact=True)
    assert text.isascii()
    assert "\n" not in text
    assert text.startswith('{"a":[null,[null,1.5]],')
