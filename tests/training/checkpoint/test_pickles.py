import contextlib
import os
import pickle
import struct
import zlib
from collections import OrderedDict
from shlex import quote

import numpy as np
import pytest

from pptsn.runtime.base.errors import InputError, ModelError
from pptsn.training.checkpoint.pickles import read_pickle
from pptsn.training.network._paddle import paddle

ARRAYS = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">f4"),
    "half": np.ones(2, np.float16),
    "empty": np.zeros((0, 4), np.float32),
    "scalar": np.float64(0.5),
    "zero_d": np.array(3, np.int32),
}


def _write(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("container", [dict, OrderedDict])
def test_arrays_come_back_in_every_protocol(tmp_path, protocol, container):
    read = read_pickle(_write(tmp_path / "a.pdparams", container(ARRAYS), protocol))
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert np.array_equal(read[name], array)
        assert read[name].shape == np.shape(array)
        assert read[name].flags.writeable


def test_old_and_new_module_names_of_numpy_are_read(tmp_path):
    new = pickle.dumps(ARRAYS, 2)
    old = new.replace(b"numpy._core.", b"numpy.core.")
    for name, content in (("new", old.replace(b"numpy.core.", b"numpy._core.")), ("old", old)):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(read_pickle(tmp_path / name)["weight"], ARRAYS["weight"])


def test_what_paddle_saves_is_read(tmp_path):
    layer = paddle.nn.Linear(3, 2)
    nested = {"tensor": layer.weight, "again": [layer.bias][0]}
    for name, content in (("state", layer.state_dict()), ("tensors", nested)):
        for protocol in (2, 4):
            path = tmp_path / f"{name}-{protocol}.pdparams"
            paddle.save(content, str(path), protocol=protocol)
            read = read_pickle(path)
            assert set(read) == set(content)
            for key, value in content.items():
                assert np.array_equal(read[key], value.numpy())


def test_tensors_written_as_pairs_of_name_and_array_are_read(tmp_path):
    path = _write(tmp_path / "a.pdparams", {"weight": ("linear_0.w_0", ARRAYS["weight"])})
    assert np.array_equal(read_pickle(path)["weight"], ARRAYS["weight"])


def test_arrays_that_paddle_sliced_are_joined(tmp_path):
    content = {
        "w@@.0": np.arange(4.0),
        "w@@.1": np.arange(4.0, 6.0),
        "UnpackBigParamInfor@@": {"w": {"OriginShape": (2, 3), "slices": ["w@@.0", "w@@.1"]}},
        "StructuredToParameterName@@": {"w": "linear_0.w_0"},
    }
    read = read_pickle(_write(tmp_path / "a.pdparams", content))
    assert list(read) == ["w"]
    assert np.array_equal(read["w"], np.arange(6.0).reshape(2, 3))
    content["UnpackBigParamInfor@@"]["w"]["slices"][1] = "absent"
    with pytest.raises(ModelError, match="sliced arrays do not fit"):
        read_pickle(_write(tmp_path / "a.pdparams", content))


class _Runs:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, eval, exec, os.makedirs], ids=lambda f: f.__name__)
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, function, protocol):
    made = tmp_path / "made"
    argument = {
        os.system: f"touch {quote(str(made))}",
        eval: f"open({str(made)!r}, 'w')",
        exec: f"open({str(made)!r}, 'w')",
        os.makedirs: str(made),
    }[function]
    path = _write(tmp_path / "evil.pdparams", {"weight": _Runs(function, argument)}, protocol)
    pickle.loads(path.read_bytes())
    assert made.exists(), "the payload is no payload"
    made.rmdir() if made.is_dir() else made.unlink()
    with pytest.raises(ModelError, match=rf"refused: it holds \w+\.{function.__name__}, expected arrays"):
        read_pickle(path)
    assert not made.exists()


def _opcode(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("attribute of an admitted module", _opcode("numpy", "load")),
        ("dotted name", b"\x8c\x05numpy\x8c\x0endarray.tofile\x93"),
        ("import by numpy", _opcode("numpy.core.multiarray", "set_string_function")),
        ("getattr", _opcode("builtins", "getattr")),
        ("codecs with another codec", _opcode("_codecs", "encode") + b"(Vx\nVrot13\ntR"),
        ("state for a function", _opcode("numpy", "dtype") + b"}Vfunction\nK\x01sb"),
        ("slots of a function", _opcode("numpy", "dtype") + b"N}V_function\nK\x01s\x86b"),
        ("class instance", b"\x80\x02" + _opcode("numpy", "ndarray") + b"(K\x01t\x81"),
        ("array made directly", _opcode("numpy", "ndarray") + b"(K\x01tR"),
        ("persistent id", b"Pnumpy\n"),
        ("extension code", b"\x82\x01"),
        ("tuple of a string", _opcode("builtins", "tuple") + b"(Vabc\ntR"),
    ],
)
def test_ways_around_the_list_of_names_are_refused(tmp_path, name, payload):
    """Refused for what they ask, not for being malformed."""
    (tmp_path / "a.pdparams").write_bytes(b"}Vweight\n" + payload + b"s.")
    with pytest.raises(ModelError, match=r"refused: it holds|must be a type, not|unregistered extension"):
        read_pickle(tmp_path / "a.pdparams")


@pytest.mark.parametrize("dtype", ["O", "V8", "U3", "M8[s]", [("a", "f4")]])
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, dtype):
    path = _write(tmp_path / "a.pdparams", {"weight": np.zeros(2, dtype)})
    with pytest.raises(ModelError, match="an array of type"):
        read_pickle(path)


def test_bytes_cannot_be_taken_for_object_pointers(tmp_path):
    """A number type turned into objects by its state, with the flags cleared that protect pointers."""
    plain = np.dtype("i8").__reduce__()
    forged = (3, "|", None, None, None, -1, -1, 0)

    class _Forged:
        def __reduce__(self):
            return (plain[0], ("O8", False, True), forged)

    class _Array:
        def __reduce__(self):
            reconstruct, arguments, _ = np.zeros(1).__reduce__()
            return (reconstruct, arguments, (1, (1,), _Forged(), False, b"\x41" * 8))

    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"weight": _Array()}))
    with pytest.raises(ModelError, match="an array of type 'O8'"):
        read_pickle(path)


@pytest.mark.parametrize("shape", [(10**12,), (-1,), (2, 4), "ab"])
def test_a_shape_that_its_bytes_do_not_fill_is_refused(tmp_path, shape):
    class _Array:
        def __reduce__(self):
            reconstruct, arguments, _ = np.zeros(1).__reduce__()
            return (reconstruct, arguments, (1, shape, np.dtype("f8"), False, b"\0" * 8))

    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({"weight": _Array()}))
    with pytest.raises(ModelError, match="shape"):
        read_pickle(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list, expected parameters by name"),
        ({"weight": "text"}, "its entry 'weight' is a str, expected an array"),
        ({"weight": {"deep": np.zeros(2)}}, "its entry 'weight' is a dict"),
        ({"weight": np.dtype("f4")}, "its entry 'weight' is an array's type without the array"),
        ({"weight": np.ndarray}, "its entry 'weight' is a function"),
        ({"weight": None}, "its entry 'weight' is empty"),
        ({3: np.zeros(2)}, "the name of an entry is a number, expected text"),
        (np.zeros(2), "holds an array, expected parameters by name"),
    ],
)
def test_content_that_is_no_set_of_arrays_is_refused(tmp_path, content, message):
    with pytest.raises(ModelError, match=message):
        read_pickle(_write(tmp_path / "a.pdparams", content))


def test_a_truncated_file_is_one_line(tmp_path):
    whole = pickle.dumps(ARRAYS, 4)
    path = tmp_path / "a.pdparams"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="no readable pickle") as caught:
            read_pickle(path)
        assert "\n" not in str(caught.value)


def test_garbage_is_one_line_whatever_it_is(tmp_path):
    rng = np.random.default_rng(5)
    whole = bytearray(pickle.dumps(ARRAYS, 2))
    path = tmp_path / "a.pdparams"
    for _ in range(300):
        damaged = whole.copy()
        for place in rng.integers(len(whole), size=3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(ModelError):  # nothing else, and sometimes the damage cannot be seen
            read_pickle(path)
    for content in (b"", b"no pickle", zlib.compress(whole), struct.pack("<q", 5) * 30):
        path.write_bytes(content)
        with pytest.raises(ModelError):
            read_pickle(path)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_pickle(tmp_path / "absent.pdparams")
