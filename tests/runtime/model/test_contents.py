"""What is refused in a model file before any library sees it, varied from none to far beyond the bound."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model import contents
from pptsn.runtime.model.contents import unfit_content
from pptsn.runtime.model.file import ModelFile, sealed
from pptsn.runtime.model.protobuf import bytes_field
from tests.models import tiny_network, tiny_spec, write_tiny_model

FOREIGN = "the content of another file"


def _tensor(*, external: str | None = None, located: bool = True, claims: int | None = None) -> TensorProto:
    """Return a tensor of 8 numbers; external: the file that is to have them; claims: how many there are to be."""
    tensor = numpy_helper.from_array(np.zeros(8, np.float32), "extra")
    if claims is not None:
        tensor.dims[:] = [claims]
    if external is not None:
        tensor.ClearField("raw_data")
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", external
        if located:
            tensor.data_location = TensorProto.EXTERNAL
    return tensor


def _subgraph(tensor: TensorProto) -> onnx.GraphProto:
    return helper.make_graph([helper.make_node("Identity", ["extra"], ["given"])], "inner", [], [], [tensor])


def _put(model: onnx.ModelProto, tensor: TensorProto, place: str) -> None:
    """Put `tensor` somewhere in `model`."""
    if place == "initializer":
        model.graph.initializer.append(tensor)
    elif place == "constant":
        model.graph.node.append(helper.make_node("Constant", [], ["extra"], value=tensor))
    elif place == "list":
        node = model.graph.node.add(op_type="Constant", output=["extra"])
        node.attribute.add(name="values", type=onnx.AttributeProto.TENSORS).tensors.append(tensor)
    elif place == "subgraph":
        node = model.graph.node.add(op_type="If", output=["extra"])
        node.attribute.append(helper.make_attribute("then_branch", _subgraph(tensor)))
    else:
        model.training_info.add().initialization.CopyFrom(_subgraph(tensor))


PLACES = ("initializer", "constant", "list", "subgraph", "training")


def _model(folder: Path, change) -> Path:  # type: ignore[no-untyped-def]
    """Write the tiny model with a `change` made to it, sealed like any other."""
    path = write_tiny_model(folder / "m.onnx")
    model = onnx.load(str(path), load_external_data=False)
    change(model)
    path.write_bytes(sealed(model.SerializeToString(), tiny_spec(mirror=True)))
    return path


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("claims", [0, 8, 64, 10**6, 10**12, 2**62, -1])
def test_a_tensor_is_as_large_as_its_bytes(tmp_path: Path, place: str, claims: int) -> None:
    path = _model(tmp_path, lambda model: _put(model, _tensor(claims=claims), place))
    if 0 <= claims <= 64:
        assert ModelFile.open(path).spec == tiny_spec(mirror=True)
        return
    with pytest.raises(ModelError, match=r"has a tensor that claims \d+ values in \d+ bytes.*pptsn convert onnx"):
        ModelFile.open(path)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("located", [True, False])
def test_tensors_in_other_files_are_refused_everywhere(tmp_path: Path, place: str, located: bool) -> None:
    (tmp_path / "secret").write_text(FOREIGN)
    (tmp_path / "weights.bin").symlink_to(tmp_path / "secret")
    path = _model(tmp_path, lambda model: _put(model, _tensor(external="weights.bin", located=located), place))
    with pytest.raises(ModelError, match="keeps tensors in other files"):
        ModelFile.open(path)


@pytest.mark.parametrize(
    "command", [("classify", "clip.mp4", "--model"), ("convert", "check"), ("convert", "fp16"), ("verify",)]
)
def test_every_command_refuses_them(tmp_path: Path, run, command: tuple[str, ...]) -> None:
    (tmp_path / "weights.bin").write_text(FOREIGN)
    path = _model(tmp_path, lambda model: _put(model, _tensor(external="weights.bin"), "initializer"))
    output = ("-o", tmp_path / "out.onnx") if command[-1] == "fp16" else ()
    ending = run(*command, path, *output)
    assert ending.code == 1
    assert "keeps tensors in other files" in ending.err
    assert FOREIGN not in ending.out + ending.err
    assert not (tmp_path / "out.onnx").exists()


def test_sparse_tensors_are_refused(tmp_path: Path) -> None:
    def add(model: onnx.ModelProto) -> None:
        model.graph.sparse_initializer.add().dims[:] = [10**12]

    with pytest.raises(ModelError, match="holds sparse tensors"):
        ModelFile.open(_model(tmp_path, add))


def _constant(**value: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["extra"], **value)


def _twice_named(*numbers: int) -> onnx.NodeProto:
    """Return a Cast to each of `numbers`, of which readers take the last, or the last of the right kind."""
    node = helper.make_node("Cast", ["crops"], ["extra"])
    written = b"".join(bytes_field(1, b"to") + (bytes((3 << 3, number))) for number in numbers)
    return onnx.NodeProto.FromString(node.SerializeToString() + bytes_field(5, written + bytes_field(3, b"\x01")))


@pytest.mark.parametrize(
    ("node", "is_text"),
    [
        (_constant(value=_tensor()), False),
        (_constant(value=helper.make_tensor("t", TensorProto.STRING, [1], [b"aa"])), True),
        (_constant(value_string="aa"), True),
        (_constant(value_strings=["aa", "b"]), True),
        (_constant(value_int=TensorProto.STRING), False),
        (_constant(value_floats=[1.0]), False),
        (helper.make_node("Cast", ["crops"], ["extra"], to=TensorProto.FLOAT), False),
        (helper.make_node("Cast", ["crops"], ["extra"], to=TensorProto.STRING), True),
        (_twice_named(TensorProto.STRING), True),
        (_twice_named(TensorProto.STRING, TensorProto.STRING), True),
        (_twice_named(TensorProto.FLOAT), False),
        (helper.make_node("Conv", ["x", "w"], ["extra"], auto_pad="SAME_UPPER", group=8), False),
    ],
)
def test_text_is_refused_as_no_bound_holds_for_it(tmp_path: Path, node: onnx.NodeProto, is_text: bool) -> None:
    path = _model(tmp_path, lambda model: model.graph.node.append(node))
    if not is_text:
        assert ModelFile.open(path).spec == tiny_spec(mirror=True)
        return
    with pytest.raises(ModelError, match=r"holds text where numbers belong, as no model of PP-TSN does; convert"):
        ModelFile.open(path)


@pytest.mark.parametrize("levels", [0, 1, 30])
def test_functions_that_call_functions_are_refused(tmp_path: Path, levels: int) -> None:
    def add(model: onnx.ModelProto) -> None:
        for level in range(levels):
            calls = [helper.make_node(f"f{level - 1}" if level else "Relu", ["a"], ["b"]) for _ in range(10)]
            model.functions.append(helper.make_function("d", f"f{level}", ["a"], ["b"], calls, []))

    path = _model(tmp_path, add)
    if not levels:
        assert ModelFile.open(path).spec == tiny_spec(mirror=True)
        return
    with pytest.raises(ModelError, match="defines functions, as no model of PP-TSN does"):
        ModelFile.open(path)


@pytest.mark.parametrize("depth", [0, 1, 5, 7, 50, 2000])
def test_graphs_in_graphs_are_bounded(depth: int) -> None:
    graph = b""
    for _ in range(depth):
        attribute = bytes_field(6, graph)
        graph = bytes_field(1, bytes_field(5, attribute))
    wrong = unfit_content(memoryview(bytes_field(7, graph)))
    assert (wrong or "").startswith("nests graphs") is (depth > 6)


@pytest.mark.parametrize("parts", [0, 900, 1100, 200_000])
@pytest.mark.parametrize("where", ["model", "graph", "tensor", "attribute"])
def test_parts_are_counted(monkeypatch: pytest.MonkeyPatch, parts: int, where: str) -> None:
    monkeypatch.setattr(contents, "MOST_FIELDS", 1000)
    content = b"\x20\x01" * parts  # field 4, a number
    if where == "tensor":
        content = bytes_field(5, content)
    if where == "attribute":
        content = bytes_field(1, bytes_field(5, content))
    if where != "model":
        content = bytes_field(7, content)
    tracemalloc.start()
    wrong = unfit_content(memoryview(content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (wrong or "").startswith("has more than 1000 parts") is (parts > 1000)
    assert peak < 1_000_000


def test_a_large_model_takes_no_longer_for_its_size() -> None:
    # Its weights are skipped, not read: a hundred times the bytes are as many parts.
    def seconds(size: int) -> float:
        model = helper.make_model(tiny_network().graph)
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(size, np.float32), "large"))
        serialized = memoryview(model.SerializeToString())
        started = time.process_time()
        for _ in range(50):
            assert unfit_content(serialized) is None
        return time.process_time() - started

    assert seconds(2_000_000) < 20 * seconds(20_000) + 0.5


def test_the_crafted_files_beside_the_project_are_one_line_or_right(shared_dir: Path, tmp_path: Path, run) -> None:
    folder = shared_dir / "faults" / "hostile" / "onnx"
    if not folder.is_dir():
        pytest.skip(f"{folder}: no crafted models")
    clip = shared_dir / "clips" / "decoders" / "exo_sample.mp4"
    for name in ("nan", "fixedbatch", "expand", "quant_list", "ext_passwd", "crop_huge"):
        path = folder / f"{name}.onnx"
        ending = run(
            "classify", clip, "--segments", 2, "--views", "center", "--model", path, "-o", tmp_path / "o.jsonl"
        )
        assert ending.code == 1, name
        assert "pptsn: error: " in ending.err, name
        assert "Traceback" not in ending.err, name
        written = (tmp_path / "o").read_text() if (tmp_path / "o").exists() else ""
        assert "NaN" not in written, name
