"""An evaluation on two devices, which two logical CPUs stand in for."""

from harness import tiny
from harness.children import run_program

PROGRAM = """
    import json, pathlib, sys
    from functools import partial
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    from harness import tiny
    from keras_lraspp.data import FileList
    from keras_lraspp.evaluation.evaluate import evaluate
    from keras_lraspp.devices import device_scopes

    root = pathlib.Path(sys.argv[1])
    network = tiny.network(3)
    network.save(root / "model.keras")
    common = dict(
        model=tiny.network, weights=root / "model.keras", data_root=root,
        dataset=partial(FileList, num_classes=3, name="tiny"),
    )
    both = ("CPU:0", "CPU:1")
    scores = [evaluate(**common, devices=devices) for devices in (both, ("CPU:0",))]
    compiled, used = tf.function(lambda images: network(images)), []
    for scope in device_scopes(both):
        with scope():
            used.append(compiled(tf.zeros((1, 8, 8, 3))).device[-5:])
    print(json.dumps([used, *(score["class_iou"] for score in scores)]))
"""


def test_two_devices_score_as_one_does(tmp_path):
    root = tiny.write_pictures(tmp_path / "pictures", train_images=1, val_images=5)
    used, two, one = run_program(PROGRAM, root)
    assert used == ["CPU:0", "CPU:1"]
    assert two == one and len(one) == 3
