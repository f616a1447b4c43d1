import pytest

from pptsn.training.progress import epoch_line

RECORD = {
    "epoch": 2,
    "train_loss": 1.5,
    "val_loss": 1.25,
    "val_top1": 0.5,
    "val_averaged": False,
    "val_top5": 1.0,
    "duration_s": 61.2,
}


@pytest.mark.parametrize(
    ("epochs", "end"), [(2, "61.2 s"), (3, "61.2 s  0:01:01 to epoch 3"), (102, "61.2 s  1:42:00 to epoch 102")]
)
def test_the_line_of_an_epoch_tells_the_time_left(epochs, end):
    line = epoch_line(RECORD, epochs, 0)
    assert line.startswith(f"epoch   2/{epochs}  loss 1.500")
    assert line.endswith(end)


@pytest.mark.parametrize(("clips", "said"), [(1, "  1 clip unreadable"), (2, "  2 clips unreadable")])
def test_the_line_of_an_epoch_tells_the_clips_that_could_not_be_read(clips, said):
    assert epoch_line(RECORD, 2, clips).endswith(said)
