"""A data set written as shards by the run, and a training from them."""

from functools import partial

import numpy as np
import pytest

from harness import tiny
from keras_lraspp import config
from keras_lraspp.data import Cityscapes, FileList, Shards
from keras_lraspp.data.health_report import check
from keras_lraspp.data.shards.writer import shards
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.report.build import report
from keras_lraspp.run_dir.record import RUN_RECORD, read_run_record
from keras_lraspp.training.multihost import Hosts
from keras_lraspp.training.train import Training

TINY = partial(FileList, num_classes=3, name="tiny")
write = partial(shards, progress=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def root(scenes_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "shards"
    write(dataset=Cityscapes, data_root=scenes_root, output_dir=folder)
    return folder


def test_it_says_what_it_wrote_and_how_to_train_from_it(pictures, tmp_path, capsys):
    folder = tmp_path / "shards"
    manifest = write(dataset=TINY, data_root=pictures, output_dir=folder, workers=1)
    said = capsys.readouterr().out.splitlines()
    for line, split, count in zip(said, ("train", "val"), (6, 2), strict=False):
        (size,) = [path.stat().st_size for path in folder.glob(f"*-{split}.*")]
        assert line == f"{split}: {count} samples in 1 files, {size / 1e6:.1f} MB"
        assert len(manifest.splits[split]) == len(Shards(folder, split)) == count
    assert said[2:] == [
        f'train from them with --gin_bindings="DATASET = @Shards" --data_root={folder}'
    ]


BINDINGS = (
    "train.iterations = 3",
    "train.batch_size = 2",
    "train.eval_interval = 3",
    "train.seed = 5",
    "WarmupPolynomial.warmup_steps = 1",
    "recipe_transform.crop_size = (32, 48)",
)


def trained(output, *bindings, data_root=None):
    """Trains by a shipped configuration, but a smaller network; its weights."""
    config.load_config(["quickstart.gin"], [*BINDINGS, *bindings])
    result = config.call(
        "train", model=tiny.network, output_dir=output, data_root=data_root
    )
    assert result.step == 3
    network = tiny.network(num_classes=19)
    load_weights(network, output / "checkpoints" / "step_00000003.keras")
    return network.get_weights(), result


def test_the_training_from_them_is_bit_for_bit_that_from_the_tree(
    scenes_root, root, tmp_path
):
    from_tree, scores = trained(
        tmp_path / "tree", "DATASET = @Cityscapes", data_root=scenes_root
    )
    weights, own_scores = trained(
        tmp_path / "shards", "DATASET = @Shards", f"Shards.root = '{root}'"
    )
    for own, expected in zip(weights, from_tree, strict=True):
        np.testing.assert_array_equal(own, expected)
    assert own_scores.best_miou == scores.best_miou
    validation = read_run_record(tmp_path / "shards" / RUN_RECORD).validation
    assert validation.name == "cityscapes" and len(validation) == 4
    assert "shards-val.tfrecord-00000-of-00001 record 3" in str(validation.images[3])
    page = tmp_path / "shards" / "report.html"
    pictures = page.read_text().count("<img")
    assert pictures == (tmp_path / "tree/report.html").read_text().count("<img") > 4
    page.unlink()
    report(run=tmp_path / "shards", model=partial(tiny.network, num_classes=19))
    assert page.read_text().count("<img") == pictures


def test_the_doctor_finds_the_same_in_them(scenes_root, root, tmp_path):
    found = [
        check(dataset=dataset, data_root=folder, progress=False)
        for dataset, folder in ((Cityscapes, scenes_root), (Shards, root))
    ]
    for own, expected in zip(found[1].splits, found[0].splits, strict=True):
        np.testing.assert_array_equal(own.pixels, expected.pixels)
        assert own.sizes == expected.sizes
    np.testing.assert_array_equal(found[1].weights, found[0].weights)


def test_shards_may_be_written_anew(root, tmp_path):
    """From PNG tiles in TFRecord files to JPEG tiles in ArrayRecord files."""
    folder = tmp_path / "anew"
    write(
        dataset=Shards,
        data_root=root,
        output_dir=folder,
        splits=("val",),
        encoding="jpeg",
        file_format="array_record",
    )
    first, second = Shards(root, "val"), Shards(folder, "val")
    assert len(second) == 4 and second.classes == first.classes
    for index in range(4):
        image, label = second.load(index)
        expected, expected_label = first.load(index)
        np.testing.assert_array_equal(label, expected_label)
        assert np.abs(np.asarray(image, int) - np.asarray(expected)).mean() < 3
    with pytest.raises(InputError, match="has the splits .*val.*, not 'train'"):
        Shards(folder)


def test_parts_are_not_divided_again(root):
    training = Training(**tiny.settings(root, root))
    with pytest.raises(InputError, match="leave out Shards.hosts"):
        training.open_batches(
            None, Shards(root, hosts=2), devices=1, hosts=Hosts(count=2)
        )


def test_a_url_to_write_to_is_refused(pictures):
    with pytest.raises(InputError, match="not to gs://bucket/shards; name a folder"):
        write(dataset=TINY, data_root=pictures, output_dir="gs://bucket/shards")


def test_a_missing_split_leaves_nothing(pictures, tmp_path):
    with pytest.raises(InputError, match=r"test\.txt"):
        write(
            dataset=TINY,
            data_root=pictures,
            output_dir=tmp_path / "new" / "shards",
            splits=("train", "test"),
        )
    assert not (tmp_path / "new").exists()
