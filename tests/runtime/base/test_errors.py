import pickle

from pptsn.runtime.base.errors import InputError, MissingDependencyError, PptsnError, UsageError, install_command


def test_an_error_is_one_line_with_thing_cause_and_remedy() -> None:
    error = InputError("clip.mp4", "has no\nvideo stream", "name a video")
    assert str(error) == "clip.mp4: has no video stream; name a video"
    assert str(InputError("clip.mp4", "is empty")) == "clip.mp4: is empty"


def test_exit_codes() -> None:
    assert [kind.exit_code for kind in (PptsnError, InputError, UsageError, MissingDependencyError)] == [
        1,
        1,
        2,
        3,
    ]


def test_errors_survive_a_trip_between_processes() -> None:
    error = pickle.loads(pickle.dumps(UsageError("--views", "unknown", "choose ten")))
    assert isinstance(error, UsageError)
    assert (error.thing, error.cause, error.remedy) == ("--views", "unknown", "choose ten")


def test_install_commands_name_the_extra() -> None:
    assert install_command("gpu") == "pip install 'pptsn[gpu]'"
