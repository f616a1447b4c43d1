from pathlib import Path

import numpy as np
import pytest

from pptsn.runtime.base.errors import ModelError
from pptsn.runtime.model.spec import ModelSpec
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.network.starting import start_from
from pptsn.training.network.weights import save_weights, state_of, weights_digest
from tests.training.checkpoints import network_state

LABELS = ("run", "jump", "sit")


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    return network_state()


def _checkpoint(folder: Path, state: dict[str, np.ndarray], labels: tuple[str, ...] | None = None) -> Path:
    path = folder / "a.pdparams"
    save_weights(state, path)
    if labels is not None:
        spec = ModelSpec(depth=18, labels=labels, weights_digest=weights_digest(state))
        (folder / "a.spec.json").write_text(spec.to_json())
    return path


@pytest.mark.parametrize(
    ("known", "wanted", "kept", "said"),
    [
        (LABELS, LABELS, True, " (full)"),
        (
            None,
            LABELS,
            True,
            "; its classifier is kept: it has 3 classes, too, though no spec beside it names them",
        ),
        (LABELS, (*LABELS, "fall"), False, "; its classifier, of 3 classes, is replaced by a new one of 4"),
        (None, ("run", "jump"), False, "; its classifier, of 3 classes, is replaced by a new one of 2"),
        (
            LABELS,
            ("run", "sit", "jump"),
            False,
            "; its classifier, of other classes, is replaced by a new one of 3",
        ),
    ],
)
def test_the_classifier_is_kept_for_the_same_classes_alone(tmp_path, state, known, wanted, kept, said):
    model = PPTSN(18, len(wanted))
    before = state_of(model)
    line = start_from(model, _checkpoint(tmp_path, state, known), labels=wanted)
    after = state_of(model)
    for name in after:
        expected = before if name.startswith("head.") and not kept else state
        assert np.array_equal(after[name], expected[name]), name
    assert line.startswith(f"{tmp_path / 'a.pdparams'}: loaded ")
    assert line.endswith(said)


def test_what_a_backbone_file_has_besides_is_named(tmp_path, state):
    backbone = {name.removeprefix("backbone."): a for name, a in state.items() if name.startswith("backbone.")}
    path = _checkpoint(tmp_path, {**backbone, "out.bias": np.ones(1000, np.float32)})
    assert start_from(PPTSN(18, 2), path, labels=("a", "b")).endswith("(backbone), left out out.bias")


def test_a_spec_of_other_weights_is_refused(tmp_path, state):
    path = _checkpoint(tmp_path, state, LABELS)
    save_weights({name: array + 1 for name, array in state.items()}, path)
    with pytest.raises(ModelError, match=r"a\.spec\.json: describes other weights than a\.pdparams; fetch both"):
        start_from(PPTSN(18, 3), path, labels=LABELS)
