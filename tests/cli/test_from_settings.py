"""Commands made from settings classes, and the ranges that these state."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Optional

import pytest
import typer
from typer.testing import CliRunner, Result

from pptsn.cli.from_settings import from_settings
from pptsn.cli.lazy import LateHelpCommand
from pptsn.runtime.base.errors import UsageError
from pptsn.runtime.base.options import check_ranges, option


@dataclass(frozen=True, kw_only=True)
class Camera:
    """The settings of the commands here."""

    url: str = option("Where it is: [USER@]HOST.", metavar="URL")
    size_px: int = option("How wide.", "--size", default=640, panel="Picture", least=1, most=4096)
    fps: float | None = option("Frames a second.", default=None, least=0.5)
    wait_s: float = option("Patience.", "--wait-ms", default=0.25, most=2, scale=1000, unit="milliseconds")
    filters: tuple[str, ...] = option("What to leave out.", "--filter", "-f", default=())
    colours: tuple[str, ...] = option("What to show.", default=("red", "blue"))
    mirrored: bool = option("Turn it round.", "--mirrored", default=False)
    owner: str | None = option("Whose it is.", default=None, envvar="CAMERA_OWNER")
    note: str = "no option, for programs alone"

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Output:
    path: str = option("Where it goes.", "--output", "-o", default="-")


def made(function: Callable[..., Any], *arguments: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(cls=LateHelpCommand)(from_settings(function))
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def watch(*arguments: str) -> Camera:
    """Return the settings that a command is given."""
    seen: list[Camera] = []

    def command(camera: Camera) -> None:
        seen.append(camera)

    result = made(command, *arguments)
    assert result.exit_code == 0, result.output
    return seen[0]


def test_what_is_not_given_has_the_fields_default():
    assert watch("--url", "x") == Camera(url="x")


def test_every_field_has_an_option_of_its_type():
    camera = watch(
        *("--url", "x", "--size", "320", "--fps", "12.5", "--wait-ms", "5", "--mirrored"),
        *("--filter", "a", "-f", "b", "--colours", "green", "--owner", "me"),
    )
    assert camera == Camera(
        url="x",
        size_px=320,
        fps=12.5,
        wait_s=0.005,
        mirrored=True,
        filters=("a", "b"),
        colours=("green",),
        owner="me",
    )


def test_the_environment_gives_what_the_command_line_does_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CAMERA_OWNER", "from outside")
    assert watch("--url", "x").owner == "from outside"
    assert watch("--url", "x", "--owner", "given").owner == "given"


def test_help_tells_what_the_fields_say():
    def command(camera: Camera) -> None:
        """Watch a camera."""

    text = made(command, "--help").output
    for words in (
        "Watch a camera.",
        "Where it is: [USER@]HOST.",
        "URL",
        "[required]",
        "Picture",
        "[default: 640]",
    ):
        assert words in text
    assert "[default: 250.0]" in text  # in milliseconds, as the option
    assert "CAMERA_OWNER" in text
    assert "--no-mirrored" not in text
    assert "--note" not in text


def test_paragraphs_of_help_are_wrapped_by_the_terminal_and_examples_keep_their_lines():
    def command(camera: Camera) -> None: ...

    command.__doc__ = """Watch a camera.

        What is in one paragraph
        is no two lines.

        Examples:
        pptsn watch a
        pptsn watch b
        """
    lines = [line.strip() for line in made(command, "--help").output.splitlines()]
    assert "What is in one paragraph is no two lines." in lines
    assert {"Examples:", "pptsn watch a", "pptsn watch b"} <= set(lines)


def test_help_may_be_made_when_the_command_is():
    @dataclass(frozen=True)
    class Late:
        kind: str = option(lambda: "One of " + ", ".join(["a", "b"]) + ".", default="a")

    def command(late: Late) -> None:
        """Do it."""

    command.__annotations__["late"] = Late
    assert "One of a, b." in made(command, "--help").output


def test_a_missing_option_and_one_of_another_type_are_wrong_usage():
    def command(camera: Camera) -> None:
        raise AssertionError

    assert made(command).exit_code == 2
    assert made(command, "--url", "x", "--size", "wide").exit_code == 2
    assert made(command, "--url", "x", "--note", "y").exit_code == 2


def test_options_stand_where_the_settings_stand_among_the_parameters():
    seen: list[object] = []

    def command(
        name: Annotated[str, typer.Argument()],
        output: Output,
        camera: Camera,
        loud: Annotated[bool, typer.Option("--loud")] = False,
    ) -> None:
        seen.extend([name, output, camera, loud])

    result = made(command, "door", "-o", "out.txt", "--url", "x", "--loud")
    assert result.exit_code == 0, result.output
    assert seen == ["door", Output("out.txt"), Camera(url="x"), True]
    text = made(command, "--help").output
    assert text.index("--output") < text.index("--url") < text.index("--loud")


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_option_without_a_value_keeps_its_names(wrapped: bool):
    """Python 3.10 wraps what has the default None in an Optional, as is done here for the others."""
    seen: list[str | None] = []

    def command(camera: Camera, output=None) -> None:
        seen.append(output)

    option = Annotated[str | None, typer.Option("--output", "-o")]
    hint = Optional[option] if wrapped else option  # noqa: UP045 - `|` does not take it
    command.__annotations__ = {"camera": Camera, "output": hint}
    assert made(command, "--url", "a", "-o", "x").exit_code == 0
    assert made(command, "--url", "a").exit_code == 0
    assert seen == ["x", None]


def test_a_command_may_be_called_by_python():
    seen: list[Camera] = []

    def command(camera: Camera, loud: bool = False) -> None:
        seen.append(camera)

    from_settings(command)(url="x", size_px=320)
    assert seen == [Camera(url="x", size_px=320)]
    with pytest.raises(TypeError, match="url"):
        from_settings(command)(size_px=320)


def test_two_options_of_one_name_are_a_mistake_of_ours():
    def command(path: str, output: Output) -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="command: more than one option called path"):
        from_settings(command)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_px": 0}, "--size: expected 1 to 4096, got 0"),
        ({"size_px": 4097}, "--size: expected 1 to 4096, got 4097"),
        ({"fps": 0.25}, "--fps: expected 0.5 or more, got 0.25"),
        ({"fps": math.nan}, "--fps: expected 0.5 or more, got nan"),
        ({"fps": math.inf}, "--fps: expected 0.5 or more, got inf"),
        ({"wait_s": 2.5}, "--wait-ms: expected at most 2000 milliseconds, got 2500"),
    ],
)
def test_a_number_out_of_range_is_told_by_its_option_and_in_its_unit(changes: dict[str, Any], message: str):
    with pytest.raises(UsageError) as error:
        Camera(url="x", **changes)
    assert str(error.value) == message


def test_the_bounds_themselves_are_in_range():
    Camera(url="x", size_px=1, fps=0.5, wait_s=2)
    Camera(url="x", size_px=4096, fps=None, wait_s=-1)


def corners(text: str) -> tuple[int, int]:
    try:
        first, second = map(int, text.split(","))
    except ValueError:
        raise UsageError("--corner", f"{text!r} is none", "as in 1,2") from None
    return first, second


def names(texts: list[str]) -> tuple[str, ...]:
    return tuple(name for text in texts for name in text.split(","))


@dataclass(frozen=True)
class Region:
    corner: tuple[int, int] = option("X,Y.", default=(0, 0), read=corners, written="0,0")
    names: tuple[str, ...] = option("Names.", "--name", default=("all",), read=names)


def test_a_type_of_its_own_is_read_from_the_text() -> None:
    seen: list[Region] = []

    def command(region: Region) -> None:
        seen.append(region)

    for arguments in ([], ["--corner", "3,4"], ["--name", "a,b", "--name", "c"]):
        assert made(command, *arguments).exit_code == 0
    assert seen == [Region(), Region(corner=(3, 4)), Region(names=("a", "b", "c"))]
    assert "[default: 0,0]" in made(command, "--help").output
    error = made(command, "--corner", "3").exception
    assert isinstance(error, UsageError)
    assert str(error) == "--corner: '3' is none; as in 1,2"


def test_an_empty_text_is_read_as_any_other() -> None:
    def command(region: Region) -> None:
        raise AssertionError

    error = made(command, "--corner=").exception
    assert isinstance(error, UsageError)
    assert str(error) == "--corner: '' is none; as in 1,2"
