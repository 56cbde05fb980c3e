"""Several hosts: what they read together is what one would."""

from functools import partial

import numpy as np

from harness import tiny
from keras_lraspp.data import (
    FileList,
    evaluation_batches,
    recipe_transform,
    training_batches,
)


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
