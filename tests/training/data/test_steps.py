import pytest

from pptsn.runtime.base.errors import UsageError
from pptsn.training.data.steps import plan_steps
from pptsn.training.sections import OptimizerSection


@pytest.mark.parametrize(
    ("options", "clips", "ranks", "made"),
    [
        ({"batch_size": 8}, 28, 1, (8, 1, 3)),
        ({"batch_size": 8, "accumulate": 3}, 28, 1, (8, 3, 1)),
        ({"batch_size": 8, "accumulate": 4}, 28, 1, (8, 3, 1)),
        ({"batch_size": 32}, 28, 1, (28, 1, 1)),
        ({"batch_size": 32, "clips_per_step": 256}, 28, 1, (28, 1, 1)),
        ({"batch_size": 32, "clips_per_step": 256}, 100, 1, (32, 3, 1)),
        ({"batch_size": 32}, 28, 3, (9, 1, 1)),
        ({"batch_size": 4, "accumulate": 8}, 28, 3, (4, 2, 1)),
        ({"batch_size": 8}, 1, 1, (1, 1, 1)),
    ],
)
def test_an_epoch_has_a_step_however_few_its_clips_are(options, clips, ranks, made):
    steps = plan_steps(OptimizerSection(**options), clips, ranks=ranks)
    assert (steps.batch_size, steps.batches, steps.per_epoch) == made
    assert 0 < steps.per_epoch * steps.clips <= clips


@pytest.mark.parametrize(
    ("batch_size", "clips", "said"),
    [
        (4, 8, "8 clips to train on: 2 steps of 4 an epoch"),
        (4, 9, "9 clips to train on: 2 steps of 4 an epoch; 1 is left out of each epoch, drawn anew"),
        (8, 15, "15 clips to train on: 1 step of 8 an epoch; 7 are left out of each epoch, drawn anew"),
        (
            32,
            15,
            "15 clips to train on: 1 step of 15 an epoch, as they are fewer than the 32 a step of the recipe",
        ),
    ],
)
def test_what_a_step_sees_and_an_epoch_leaves_out_is_said(batch_size, clips, said):
    options = OptimizerSection(batch_size=batch_size)
    assert plan_steps(options, clips).line(options) == said


def test_fewer_clips_than_ranks_are_refused():
    with pytest.raises(UsageError, match="training list: has 2 clips for 3 ranks; start fewer ranks"):
        plan_steps(OptimizerSection(), 2, ranks=3)
