import numpy as np
import pytest

from pptsn.runtime.classify.lists import Sample
from pptsn.runtime.model.spec import IMAGENET_MEAN, IMAGENET_STD
from pptsn.training.data.loader import Batch
from pptsn.training.learning.losses import cross_entropy
from pptsn.training.network._paddle import paddle
from pptsn.training.network.pixels import network_input
from pptsn.training.progress import Display
from pptsn.training.validation import validate

# (label, answer) of the clips that can be read; with two more that cannot.
ANSWERS = [(0, 0), (1, 1), (2, 7), (3, 3), (4, 9)]
CLASSES = 10


class _Oracle(paddle.nn.Layer):
    """Answers what its input says: the class in the first pixel; lower classes come next."""

    def forward(self, crops):
        reds = crops[:, 0, 0, 0, 0].numpy() * IMAGENET_STD[0] + IMAGENET_MEAN[0]
        answers = np.rint(255 * reds).astype(int)
        logits = -np.tile(np.arange(CLASSES, dtype=np.float32), (len(answers), 1))
        logits[np.arange(len(answers)), answers] = 5
        return paddle.to_tensor(logits)


class _Loader:
    def batches(self, samples, *, mode):
        assert mode == "val"
        for rows, unreadable in (([0, 1, 2], ["bad one"]), ([3, 4], []), ([], ["bad two"])):
            crops = np.zeros((len(rows), 2, 4, 4, 3), np.uint8)
            crops[:, 0, 0, 0, 0] = [ANSWERS[row][1] for row in rows]
            labels = np.array([ANSWERS[row][0] for row in rows], np.int64)
            yield Batch(crops, labels, np.array(rows, np.int64), unreadable)

    def unreadable_of_all(self, own, samples, ranks):
        return [line for lines in ranks.gather(own) for line in lines]


@pytest.fixture
def validation():
    model = _Oracle()
    model.train()
    result = validate(model, _Loader(), [Sample("clip", 0)] * 7, display=Display())
    assert not model.training
    return result


def test_unreadable_clips_are_wrong_and_named(validation):
    assert validation.unreadable == ("bad one", "bad two")
    assert validation.top1 == pytest.approx(3 / 7)
    # Of the two wrong answers, label 2 comes fourth and label 4 sixth.
    assert validation.top5 == pytest.approx(4 / 7)


def test_the_loss_is_the_mean_over_the_clips_that_could_be_read(validation):
    labels, answers = (np.array(column) for column in zip(*ANSWERS, strict=True))
    crops = np.zeros((len(answers), 1, 1, 1, 3), np.uint8)
    crops[:, 0, 0, 0, 0] = answers
    expected = cross_entropy(_Oracle()(network_input(crops)), paddle.to_tensor(labels))
    assert validation.loss == pytest.approx(float(expected), rel=1e-5)
