"""What works with requirements-core.txt and JAX or PyTorch; run in a new folder."""

import contextlib
import importlib
import io
import os
import sys

import keras
import numpy as np
from PIL import Image

import keras_lraspp
from keras_lraspp import LRASPP, Segmenter, losses, metrics, visualize
from keras_lraspp.__main__ import COMMANDS, main
from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import MissingPackageError
from keras_lraspp.inference import label_function
from keras_lraspp.metrics import ImageConfusion

CLASSES = ClassSet(("road", "car", "sky"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
# Commands that are tried, and what they say they need.
NEEDS = {
    "train --gin_file=quickstart.gin": "tensorflow",
    "train --gin_file=quickstart.gin --dry_run": "tensorflow",
    "evaluate --weights=folder --dataset=Scenes": "tensorflow",
    "predict street.png --weights=model.onnx": "onnxruntime",
    "predict street.png --weights=model.tflite": "ai-edge-litert",
    "predict street.mp4 --weights=folder": "av>=",
    "predict street.png --weights=hf://user/name": "huggingface_hub",
    "export --weights=folder --output_dir=exported": "tensorflow",
    "demo --weights=folder": "tensorflow",
    "benchmark --variants=os32_global": "tensorflow",
    "report --output_dir=.": "tensorflow",
    "data check --gin_file=quickstart.gin": "tensorflow",
    "data show --gin_file=quickstart.gin": "tensorflow",
    "data shards --gin_file=quickstart.gin --output_dir=shards": "tensorflow",
    "data prepare coco --data_root=. --annotations=a.json": "pycocotools",
}
WORKING = {
    "predict street.png --weights=folder --output_dir=pictures --legend",
    "predict street.png --weights=model.keras --output_dir=other",
    "convert model.keras copy.keras",
    "presets",
}
# Of commands in commands, for which one of those above stands.
TRIED = {line.split()[0] for line in (*NEEDS, *WORKING)}


def _train_and_save(images, labels):
    model = LRASPP(3, "small", 0.35, 32)
    model.classes = CLASSES
    model.compile(
        "sgd", losses.CrossEntropy(ignore_label=255), metrics=[metrics.MeanIoU(3)]
    )
    history = model.fit(images, labels, batch_size=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and 0 <= history["miou"][0] <= 1
    logits = generator.normal(0, 1, (1, 4, 4, 3)).astype("float32")
    for loss in (losses.OhemCrossEntropy, losses.DiceLoss, losses.LovaszSoftmax):
        value = loss(ignore_label=255)(labels[:1, 6:10, :4], logits)
        assert np.isfinite(keras.ops.convert_to_numpy(value))
    model.save("model.keras")
    model.save_to_preset("folder")
    return model


def _use(model, images, labels):
    expected = model.predict_on_batch(images).argmax(-1)
    for source in ("model.keras", "folder"):
        restored = LRASPP.from_preset(source)
        for ours, theirs in zip(
            model.get_weights(), restored.get_weights(), strict=True
        ):
            assert np.array_equal(ours, theirs)
    segmenter = Segmenter("folder")
    assert segmenter.classes == CLASSES
    assert np.array_equal(segmenter(images), expected)
    Image.fromarray(images[0]).save("street.png")
    segmenter.overlay("street.png", legend=True)
    visualize.overlay(images[0], expected[0], CLASSES.palette)

    confusion = ImageConfusion(3, ignore_label=255)
    predict = label_function(model)
    for truth, prediction in zip(labels, predict(images), strict=True):
        confusion.update(truth, prediction)
    counted = labels != 255
    pairs = np.int64(labels[counted]) * 3 + expected[counted]
    counts = np.bincount(pairs, minlength=9).reshape(3, 3)
    assert np.array_equal(confusion.counts, counts)


def _try_commands():
    for name in ("model.onnx", "model.tflite", "street.mp4"):
        with open(name, "wb") as file:
            file.write(b"a file" * 100)
    for line in (*WORKING, *NEEDS):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = main(line.split())
        text = said.getvalue().strip()
        needs = NEEDS.get(line)
        assert code == (2 if needs else 0), (line, text)
        if needs:
            assert text.count("\n") == 0 and text.startswith("error: "), (line, text)
            assert f"pip install {needs}" in text.replace('"', ""), (line, text)
    assert TRIED >= {command.name for command in COMMANDS}, TRIED
    assert len(os.listdir("pictures")) == 3


def _try_public_names():
    """Each is there, or says the package that it needs."""
    missing = set()
    for module in (keras_lraspp, keras_lraspp.data, keras_lraspp.training):
        for name in module.__all__:
            try:
                getattr(module, name)
            except MissingPackageError as error:
                assert "`pip install tensorflow`" in str(error)
                missing.add(name)
    assert "training_batches" in missing
    assert not missing & {*keras_lraspp.__all__, *losses.__all__, "SGD", "FileList"}


generator = np.random.default_rng(0)
IMAGES = generator.integers(0, 256, (2, 64, 96, 3), "uint8")
LABELS = generator.integers(0, 3, (2, 64, 96), "uint8")
LABELS[:, :8] = 255
_use(_train_and_save(IMAGES, LABELS), IMAGES, LABELS)
_try_commands()
_try_public_names()
for module in ("tensorflow", "onnx", "matplotlib"):
    assert module not in sys.modules, module
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(module)
        raise AssertionError(f"{module} is installed")
version = sys.version.split()[0]
print(f"all without TensorFlow on {keras.backend.backend()}, Python {version}")
