from __future__ import annotations

import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.training.network._paddle import nn, paddle
from pptsn.training.network.resnet_vd import PPTSN
from pptsn.training.ranks import batch_norm


def test_on_a_cpu_it_is_refused() -> None:
    with pytest.raises(UsageError, match=r"model\.sync_batch_norm: Paddle does it on GPUs alone; leave it out"):
        batch_norm.synchronised(PPTSN(18, 3))


def test_a_synchronised_network_has_the_same_state(monkeypatch: pytest.MonkeyPatch) -> None:
    model = PPTSN(18, 3)
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    monkeypatch.setattr(paddle, "get_device", lambda: "gpu:0")
    synchronised = batch_norm.synchronised(model)
    assert any(isinstance(layer, nn.SyncBatchNorm) for layer in synchronised.sublayers())
    after = synchronised.state_dict()
    assert after.keys() == before.keys()
    assert all((after[name].numpy() == before[name]).all() for name in before)
    assert {p.name for p in synchronised.parameters()} == {p.name for p in model.parameters()}
