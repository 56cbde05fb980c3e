"""Batches of files that say which one they are, in the order they should have."""

import sys
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness import tiny
from harness.children import run_program
from harness.image_files import FAULTY, classes, dataset_of, noise, save, write
from keras_lraspp.data import (
    FileList,
    evaluation_batches,
    recipe_transform,
    training_batches,
)
from keras_lraspp.data.augmentation.recipe import compose, random_flip
from keras_lraspp.data.augmentation.scale_crop import random_scale_crop
from keras_lraspp.data.pipeline_errors import input_errors
from keras_lraspp.errors import InputError

# Cheaper to trace than the whole recipe.
CROP = compose(
    partial(random_scale_crop, crop_size=(8, 10), scales=(0.75, 1.0, 1.5)), random_flip
)


def numbered(root, count, *, size=(2, 3), **changes):
    """Image number i is a plain i, its label a plain i % 5."""
    images = [np.full((*size, 3), number, np.uint8) for number in range(count)]
    labels = [np.full(size, number % 5, np.uint8) for number in range(count)]
    return dataset_of(
        [save(root / f"{i}.png", image) for i, image in enumerate(images)],
        [save(root / f"{i}_label.png", label) for i, label in enumerate(labels)],
        **changes,
    )


def noisy(root, count, *, size=(12, 20)):
    """Different pictures, for transforms to work on."""
    return dataset_of(
        [save(root / f"{i}.png", noise(*size, seed=i)) for i in range(count)],
        [save(root / f"{i}_label.png", classes(*size, seed=i)) for i in range(count)],
    )


def unchanged(image, label, seed):
    return tf.ensure_shape(image, (2, 3, 3)), tf.ensure_shape(label, (2, 3))


def first(steps, batches):
    """The first batches, as NumPy arrays: images, labels."""
    images, labels = zip(*batches.take(steps).as_numpy_iterator(), strict=True)
    return np.stack(images), np.stack(labels)


def numbers_of(dataset, samples, *, batch_size, **settings):
    """Which files come first, one number per sample."""
    batches = training_batches(
        dataset, transform=unchanged, batch_size=batch_size, **settings
    )
    images, labels = first(-(-samples // batch_size), batches)
    numbers = images[..., 0, 0, 0].ravel().astype(int)
    # Every pixel is the file's, and the label is that of the image.
    np.testing.assert_array_equal(images.reshape(-1, 18).T, np.tile(numbers, (18, 1)))
    wanted = np.tile(numbers % 5, (6, 1))
    np.testing.assert_array_equal(labels.reshape(-1, 6).T, wanted)
    return numbers[:samples]


def test_each_epoch_is_a_permutation_of_its_own(tmp_path):
    dataset = numbered(tmp_path, 12)
    epochs = numbers_of(dataset, 72, batch_size=4).reshape(6, 12)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(range(12), (6, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 6
    assert tuple(range(12)) not in {tuple(epoch) for epoch in epochs}


def test_orders_do_not_come_again(tmp_path):
    """Of 40 320 orders, 300 epochs should see 299 different ones."""
    epochs = numbers_of(numbered(tmp_path, 8), 2400, batch_size=8).reshape(300, 8)
    assert len({tuple(epoch) for epoch in epochs}) >= 296
    # Each file is as often at each place: 37.5 times, give or take 5.7.
    counts = np.stack([np.bincount(column, minlength=8) for column in epochs.T])
    assert np.square(counts - 37.5).sum() / 37.5 < 49 + 4 * 98**0.5  # chi-square


def test_the_last_partial_batch_is_dropped_a_different_one_each_time(tmp_path):
    epochs = numbers_of(numbered(tmp_path, 11), 80, batch_size=4).reshape(10, 8)
    left_out = [set(range(11)) - set(epoch) for epoch in epochs.tolist()]
    assert {len(files) for files in left_out} == {3}  # nothing comes twice
    assert set().union(*left_out) == set(range(11))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_batch_larger_than_the_data_set_takes_several_epochs(tmp_path, count):
    numbers = numbers_of(numbered(tmp_path, count), 12, batch_size=6)
    epochs = np.sort(numbers.reshape(-1, count))
    np.testing.assert_array_equal(epochs, np.tile(range(count), (12 // count, 1)))


def test_the_order_follows_from_the_seed(tmp_path):
    dataset = numbered(tmp_path, 12)
    seeds = (0, 1, 2, 2**31, 2**32 - 1)
    orders = [tuple(numbers_of(dataset, 24, batch_size=4, seed=s)) for s in seeds]
    again = [tuple(numbers_of(dataset, 24, batch_size=4, seed=s)) for s in seeds]
    assert orders == again and len(set(orders)) == len(seeds)


@pytest.mark.parametrize("start_step", [1, 2, 3, 5])
def test_starting_later_is_skipping(tmp_path, start_step):
    """Five files in batches of two: steps 2 and 4 begin an epoch."""
    dataset = noisy(tmp_path, 5)
    settings = {"transform": CROP, "batch_size": 2}
    whole = first(7, training_batches(dataset, **settings, seed=3))
    batches = training_batches(dataset, **settings, seed=3, start_step=start_step)
    images, labels = first(7 - start_step, batches)
    np.testing.assert_array_equal(images, whole[0][start_step:])
    np.testing.assert_array_equal(labels, whole[1][start_step:])


def test_the_stream_does_not_depend_on_parallelism(tmp_path):
    dataset = noisy(tmp_path, 7)
    transform = recipe_transform(crop_size=(8, 10))
    streams = []
    for threads in (1, 4):
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        options.threading.max_intra_op_parallelism = threads
        batches = training_batches(dataset, transform=transform, batch_size=3, seed=1)
        streams.append(first(6, batches.with_options(options)))
    np.testing.assert_array_equal(streams[0][0], streams[1][0])
    np.testing.assert_array_equal(streams[0][1], streams[1][1])


def test_every_sample_is_augmented_its_own_way(tmp_path):
    dataset = noisy(tmp_path, 1)
    settings = {"transform": CROP, "batch_size": 4}
    images, _ = first(3, training_batches(dataset, **settings, seed=1))
    other, _ = first(3, training_batches(dataset, **settings, seed=2))
    pictures = [image.tobytes() for batch in (*images, *other) for image in batch]
    assert len(set(pictures)) > 20  # two may have scale, offset and flip in common


@pytest.mark.parametrize(
    ("num_classes", "ignore_label", "dtype"),
    [(5, 255, np.uint8), (5, None, np.uint8), (257, 65535, np.int32)],
)
def test_bytes_come_out(tmp_path, num_classes, ignore_label, dtype):
    changes = {"num_classes": num_classes, "ignore_label": ignore_label}
    dataset = numbered(tmp_path, 4, **changes)
    batches = training_batches(dataset, transform=unchanged, batch_size=2)
    assert batches.element_spec == (
        tf.TensorSpec((2, 2, 3, 3), tf.uint8),
        tf.TensorSpec((2, 2, 3), dtype),
    )
    images, labels = first(2, batches)
    assert (images.dtype, labels.dtype) == (np.uint8, dtype)
    assert sorted(labels[..., 0, 0].ravel()) == [0, 1, 2, 3]
    _, labels = first(4, evaluation_batches(dataset))
    assert labels.dtype == dtype


def test_evaluation_is_every_file_once_in_order_at_its_size(tmp_path):
    sizes = [(3, 5), (8, 2), (1, 1), (31, 33)]
    dataset = dataset_of(
        [save(tmp_path / f"{h}.png", noise(h, w)) for h, w in sizes],
        [save(tmp_path / f"{h}_label.png", classes(h, w)) for h, w in sizes],
    )
    batches = list(evaluation_batches(dataset))
    assert len(batches) == 4
    for (image, label), size in zip(batches, sizes, strict=True):
        np.testing.assert_array_equal(image, noise(*size)[None])
        np.testing.assert_array_equal(label, classes(*size)[None])


def test_the_last_batch_of_evaluation_may_be_smaller(tmp_path):
    batches = list(evaluation_batches(numbered(tmp_path, 7), batch_size=3))
    numbers = [image[:, 0, 0, 0].numpy().tolist() for image, _ in batches]
    assert numbers == [[0, 1, 2], [3, 4, 5], [6]]


def test_keras_evaluates_the_batches_of_evaluation(tmp_path):
    batches = evaluation_batches(numbered(tmp_path, 3), batch_size=2)
    image, label = batches.element_spec
    assert image.shape.as_list() == [None, None, None, 3] and label.shape.rank == 3
    model = keras.Sequential([keras.layers.Conv2D(1, 1, kernel_initializer="ones")])
    model.compile(loss=lambda label, value: keras.ops.mean(value))
    # Three channels of 0, 1 and 2; the second batch has one image.
    assert model.evaluate(batches, verbose=0) == pytest.approx(3 * (0 + 1 + 2) / 3)


def test_batches_of_evaluation_need_one_size(tmp_path):
    dataset = dataset_of(
        [save(tmp_path / f"{h}.png", noise(h, 4)) for h in (3, 5)],
        [save(tmp_path / f"{h}_label.png", classes(h, 4)) for h in (3, 5)],
    )
    with pytest.raises(InputError, match="3.png 3x4, .*5.png 5x4; .* batch size of 1"):
        evaluation_batches(dataset, batch_size=2)


@pytest.mark.parametrize("make", ["training", "evaluation"])
def test_a_split_without_labels_is_refused(tmp_path, make):
    dataset = dataset_of(numbered(tmp_path, 2).images, split="test")
    with pytest.raises(InputError, match="tiny test has no labels; choose another"):
        if make == "training":
            training_batches(dataset, transform=unchanged, batch_size=1)
        else:
            evaluation_batches(dataset)


def sentence_of(dataset):
    with pytest.raises(InputError) as caught, input_errors():
        list(evaluation_batches(dataset))
    in_evaluation = str(caught.value)
    batches = training_batches(dataset, transform=unchanged, batch_size=1)
    with pytest.raises(InputError) as caught, input_errors():
        list(batches.take(len(dataset)))
    assert str(caught.value) == in_evaluation
    return in_evaluation


@pytest.mark.parametrize("fault", FAULTY, ids=lambda fault: fault.name)
@pytest.mark.parametrize("place", ["images", "labels"])
def test_rows_16_to_19_a_faulty_file_is_named_while_iterating(tmp_path, fault, place):
    dataset = numbered(tmp_path / "größe", 1)
    path = write(tmp_path / "größe" / fault.name, fault.content())
    dataset = dataset_of(**{**files_of(dataset), place: (path,)})
    sentence = sentence_of(dataset)
    assert str(path) in sentence and "\n" not in sentence


def files_of(dataset):
    return {"images": dataset.images, "labels": dataset.labels}


def test_row_5_a_label_beyond_the_classes_is_named_while_iterating(tmp_path):
    sentence = sentence_of(numbered(tmp_path, 5, num_classes=4))
    assert sentence.startswith("Label values 4 are neither a class (0..3) nor ignored")
    assert str(tmp_path / "4_label.png") in sentence


def test_row_11_another_size_is_named_while_iterating(tmp_path):
    dataset = numbered(tmp_path, 1)
    save(dataset.labels[0], classes(3, 2))
    sentence = sentence_of(dataset)
    assert f"{dataset.images[0]} is 2x3" in sentence
    assert f"{dataset.labels[0]} is 3x2; labels are never resized" in sentence


def test_row_21_a_crop_larger_than_the_image_while_iterating(tmp_path):
    dataset = numbered(tmp_path, 2)
    crop = partial(random_scale_crop, crop_size=(4, 6), scales=(1.0,))
    settings = {"batch_size": 2, "transform": crop}
    images, labels = first(1, training_batches(dataset, **settings))
    inside = np.zeros((4, 6), bool)
    inside[:2, :3] = True
    assert set(labels[0, :, ~inside].ravel()) == {255}
    assert set(images[0, :, ~inside].ravel()) == {127}
    assert set(labels[0, :, inside].ravel()) == {0, 1}
    settings["transform"] = partial(crop, ignore_label=None)
    with pytest.raises(InputError, match="crop of 4x6 .*; set ignore_label"):
        with input_errors():
            first(1, training_batches(dataset, **settings))


def batches_of(root, host, **position):
    dataset = FileList(root, num_classes=3, name="tiny")
    stream = partial(
        training_batches, dataset, transform=recipe_transform(crop_size=(16, 16))
    )
    batches = stream(batch_size=4, seed=3, host=host, **position)
    return [(images.numpy(), labels.numpy()) for images, labels in batches.take(5)]


def test_hosts_share_each_training_batch(tmp_path):
    root = tiny.write_pictures(tmp_path)
    # Six images: a batch of four is an epoch, and the order differs in each.
    whole = batches_of(root, (0, 1), start_step=2)
    for hosts in (2, 4):
        parts = [batches_of(root, (i, hosts), start_step=2) for i in range(hosts)]
        for step, batch in enumerate(whole):
            for kind, values in enumerate(batch):
                own = [part[step][kind] for part in parts]
                assert {len(share) for share in own} == {4 // hosts}
                np.testing.assert_array_equal(np.concatenate(own), values)
    assert any((whole[0][0] != later[0]).any() for later in whole[1:])


def test_hosts_share_the_images_of_an_evaluation(tmp_path):
    dataset = FileList(
        tiny.write_pictures(tmp_path, val_images=5), "val", num_classes=3, name="tiny"
    )
    whole = [labels.numpy()[0] for _, labels in evaluation_batches(dataset)]
    for index in range(3):
        batches = evaluation_batches(dataset, batch_size=2, host=(index, 3))
        own = np.concatenate([labels.numpy() for _, labels in batches])
        np.testing.assert_array_equal(own, whole[index::3])
    # More hosts than images.
    assert list(evaluation_batches(dataset, host=(6, 7))) == []


PROGRAM = """
    import json, resource
    from keras_lraspp.data.pipeline import keep_freed_memory

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        b"x" * (40 * 2**20)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    left = faults()
    assert keep_freed_memory()
    faults()
    print(json.dumps([left, faults()]))
    """


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_the_second_image_takes_the_memory_of_the_first():
    left, kept = run_program(PROGRAM)
    assert left > 1000  # 40 MiB are 10240 pages of 4 KiB
    assert kept < 50
