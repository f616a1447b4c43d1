from __future__ import annotations

from dataclasses import dataclass

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import number, one_of, option, options_of, parse_options, switch, whole

HIDDEN = "s3cr3t"


@dataclass(frozen=True)
class Settings:
    rate_fps: float = option("Frames a second.", name="fps", default=25.0, parse=number(0.01, 1000))
    count: int | None = option("How many.", default=None, parse=whole(1, 64))
    title: str = option("What it is called.", default="")
    live: bool = option("Whether it happens now.", default=False, parse=switch)
    pattern: str = option("What to see.", default="bars", parse=one_of(("bars", "noise")))
    internal: int = 7


@dataclass(frozen=True)
class Sizes:
    size: int = option("How large.", default=0, parse=lambda text: int(text, 16), expected="a number in hex")
    seconds: float = option("How long.", default=1.0, parse=number(0, 60, "seconds"))


@dataclass(frozen=True)
class Nothing:
    """Settings without options."""


def parsed(*parts: str, may_be_secret: bool = False) -> Settings:
    return parse_options(Settings, parts, thing="x.mp4", may_be_secret=may_be_secret)


def message(*parts: str, may_be_secret: bool = False) -> str:
    with pytest.raises(UsageError) as caught:
        parsed(*parts, may_be_secret=may_be_secret)
    assert caught.value.__cause__ is None  # it would show the text
    return str(caught.value)


def test_what_is_not_named_has_its_default() -> None:
    assert parsed() == Settings()
    assert parsed("fps=12.5", "live=1") == Settings(rate_fps=12.5, live=True)


def test_values_are_unquoted_and_may_hold_an_equals_sign() -> None:
    assert parsed("title=front%20door=1").title == "front door=1"
    assert parse_options(Settings, ["title=a+b"], thing="x", unquote=lambda text: text[::-1]).title == "b+a"


def test_fields_that_are_no_options_cannot_be_set() -> None:
    assert "internal" not in options_of(Settings)
    assert message("internal=1") == (
        "x.mp4: unknown option 'internal'; expected one of count, fps, live, pattern, title"
    )


def test_a_field_is_known_by_its_name_in_a_query_alone() -> None:
    field, about = options_of(Settings)["fps"]
    assert (field.name, about.help) == ("rate_fps", "Frames a second.")
    assert "unknown option 'rate_fps'" in message("rate_fps=1")


@pytest.mark.parametrize("part", ["nonsense=1", "nonsense", "=1", "FPS=1"])
def test_a_name_that_there_is_not_is_told_with_those_that_there_are(part: str) -> None:
    name = part.partition("=")[0]
    assert message(part) == f"x.mp4: unknown option {name!r}; expected one of count, fps, live, pattern, title"


def test_settings_without_options_take_none() -> None:
    with pytest.raises(UsageError, match=r"^x: unknown option 'a'; it takes none$"):
        parse_options(Nothing, ["a=1"], thing="x")


def test_an_option_is_given_once() -> None:
    assert message("fps=1", "fps=1") == "x.mp4: the option fps is given twice; give it once"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("fps=0", "0.01 to 1000"),
        ("fps=1001", "0.01 to 1000"),
        ("fps=nan", "0.01 to 1000"),
        ("fps=inf", "0.01 to 1000"),
        ("fps=fast", "0.01 to 1000"),
        ("fps=", "0.01 to 1000"),
        ("fps", "0.01 to 1000"),
        ("count=0", "1 to 64"),
        ("count=65", "1 to 64"),
        ("count=-1", "1 to 64"),
        ("count=1.5", "1 to 64"),
        ("count=1_0", "1 to 64"),
        ("count=\N{ARABIC-INDIC DIGIT FIVE}", "1 to 64"),
        ("count=" + "9" * 5000, "1 to 64"),
        ("live=yes", "0 or 1"),
        ("live=2", "0 or 1"),
        ("pattern=disco", "bars, noise"),
        ("pattern=", "bars, noise"),
    ],
)
def test_a_value_that_makes_no_sense_is_told_with_what_would(part: str, expected: str) -> None:
    text = message(part)
    assert text.endswith(f" is out of range; expected {expected}")
    assert text.startswith(f"x.mp4: {part if '=' in part else part + '='} is")


@pytest.mark.parametrize(("part", "expected"), [("size=x", "a number in hex"), ("seconds=61", "0 to 60 seconds")])
def test_what_makes_sense_is_in_the_options_own_words_or_in_its_parsers(part: str, expected: str) -> None:
    with pytest.raises(UsageError, match=f"expected {expected}$"):
        parse_options(Sizes, [part], thing="x")
    assert parse_options(Sizes, ["size=ff", "seconds=60"], thing="x") == Sizes(255, 60)


def test_bounds_belong_to_the_range() -> None:
    assert parsed("fps=0.01", "count=64") == Settings(rate_fps=0.01, count=64)
    assert parsed("fps=1000", "count=1") == Settings(rate_fps=1000.0, count=1)


@pytest.mark.parametrize("part", [HIDDEN, f"{HIDDEN}@host/", f"{HIDDEN}=1", f"a/{HIDDEN}=1", "w0rd=1"])
def test_what_may_be_a_piece_of_a_password_is_not_shown(part: str) -> None:
    assert message(part, may_be_secret=True) == (
        "x.mp4: its options are malformed; expected one of count, fps, live, pattern, title"
    )
    assert repr(part.partition("=")[0]) in message(part)


def test_a_plain_name_is_shown_all_the_same() -> None:
    assert "unknown option 'nonsense'" in message("nonsense=1", may_be_secret=True)
