"""Input pipelines (tf.data) of training and evaluation, with exact resume."""

import ctypes
import sys

import tensorflow as tf

from keras_lraspp.data.augmentation.recipe import Transform
from keras_lraspp.data.dataset import SegmentationDataset, channels_of
from keras_lraspp.data.label_spec import label_dtype
from keras_lraspp.data.pipeline_errors import mark_sentence
from keras_lraspp.data.window import CropFirst, RegionReadable, Window
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.parallel import processors

_ORDER, _AUGMENTATION = 0, 1  # what a seed is for
_PREFETCHED = 2  # batches; bounds the memory, as reading one sample per processor does
_SIZE = (tf.TensorSpec((), tf.int32),) * 2  # height and width
# For `keep_freed_memory`: parameters of glibc's mallopt.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK = 2**28  # bytes; decoded images are smaller
_KEPT = 2**30  # bytes at the end of the heap


def training_batches(
    dataset: SegmentationDataset,
    *,
    transform: Transform,
    batch_size: int,
    seed: int = 0,
    start_step: int = 0,
    host: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Batches of augmented samples without end.

    The stream follows from `seed` and `batch_size` alone: each sample's position in the
    stream gives its file and the seed of its augmentation. So it is the same on any
    machine and however many samples are read at a time, and starting at a later step
    costs nothing. Each epoch has an order of its own; the last partial batch of an
    epoch is dropped (a data set smaller than a batch fills it with several epochs).

    Args:
        dataset: Images with labels.
        transform: Maps an image uint8 (height, width, channels), a label (height,
            width) and an integer seed (2,) to an image and a label of fixed size.
        batch_size: Samples in a batch, over all hosts.
        seed: Of order and augmentation.
        start_step: Number of batches to leave out, to go on where a run stopped.
        host: Index and number of the hosts that share each batch. They read equal
            parts that together, in the order of the hosts, are the batch of one.

    Returns:
        Pairs of uint8 (samples, height, width, channels) and uint8 or int32 (samples,
        height, width), where samples are `batch_size` divided by the number of hosts.

    Raises:
        InputError: If the data set has no labels. Errors in files are raised while
            iterating; `pipeline_errors.input_errors` makes them readable.
    """
    augmented = _augmented_loader(dataset, transform)
    shuffled_index = _shuffle(len(dataset), batch_size, seed)
    index, hosts = host
    own = batch_size // hosts

    def sample(number):  # of those of this host
        position = number + number // own * (batch_size - own) + index * own
        own_seed = tf.random.fold_in([seed, _AUGMENTATION], position)
        return augmented(shuffled_index(position), own_seed)

    batches = tf.data.Dataset.counter(start_step * own)
    batches = batches.map(sample, processors(), deterministic=True)
    batches = batches.batch(own, drop_remainder=True)
    return batches.prefetch(_PREFETCHED)


def evaluation_batches(
    dataset: SegmentationDataset, *, batch_size: int = 1, host: tuple[int, int] = (0, 1)
) -> tf.data.Dataset:
    """Every sample once, at full size, in the data set's order.

    Args:
        dataset: Images with labels.
        batch_size: Samples in a batch; the last one may be smaller. More than one needs
            images of one size.
        host: Index and number of the hosts that share the samples: of n hosts, host i
            reads every n-th sample, the i-th first.

    Returns:
        Pairs of uint8 (batch, height, width, channels) and uint8 or int32
        (batch, height, width).

    Raises:
        InputError: If the data set has no labels, or sizes differ within a batch.
    """
    if batch_size > 1:
        _check_one_size(dataset)
    index, hosts = host
    samples = tf.data.Dataset.range(index, len(dataset), hosts)
    samples = samples.map(_loader(dataset), processors(), deterministic=True)
    return samples.batch(batch_size).prefetch(_PREFETCHED)


def _shuffle(count: int, batch_size: int, seed: int):
    """Function from a sample's position in the stream to its index in the data set."""
    per_epoch = count - count % batch_size if count >= batch_size else count

    def shuffled_index(position):
        epoch_seed = tf.random.fold_in([seed, _ORDER], position // per_epoch)
        # Of a small number index_shuffle takes one byte: every 256th epoch would be
        # the same.
        order_seed = tf.random.stateless_uniform([2], epoch_seed, None, None, tf.int64)
        return tf.random.experimental.index_shuffle(
            position % per_epoch, order_seed, tf.constant(count - 1, tf.int64)
        )

    return shuffled_index


def _augmented_loader(dataset: SegmentationDataset, transform: Transform):
    """Function from a sample's index and seed to the augmented sample.

    Where the transform needs a region of the image only, and the data set can decode
    regions, nothing else is decoded.
    """
    _check_labelled(dataset)
    if not (isinstance(transform, CropFirst) and isinstance(dataset, RegionReadable)):
        load = _loader(dataset)
        return lambda index, seed: transform(*load(index), seed)
    size = _in_python(lambda index: dataset.size(int(index)), _SIZE)
    load_window = _in_python(
        lambda index, window: dataset.load_window(
            int(index), Window(*map(int, window))
        ),
        _sample_spec(dataset),
    )

    def augmented(index, seed):
        window = transform.window(*size(index), seed)
        image, label = load_window(index, tf.stack(window))
        return transform(image, label, seed, window=window)

    return augmented


def _loader(dataset: SegmentationDataset):
    """Function from an index to image and label, for use inside tf.data."""
    _check_labelled(dataset)
    return _in_python(lambda index: dataset.load(int(index)), _sample_spec(dataset))


def _in_python(read, types):
    """Function that calls `read` in Python, for use inside tf.data."""

    def readable(*arguments):
        try:
            return read(*(argument.numpy() for argument in arguments))
        except InputError as error:
            # TensorFlow keeps only the text of an error.
            raise InputError(mark_sentence(str(error))) from None

    def call(*arguments):
        # Python only decides how to read a file; decoding releases its lock, so files
        # are read in parallel.
        values = tf.py_function(readable, arguments, types)
        for value, spec in zip(values, types, strict=True):
            value.set_shape(spec.shape)  # which py_function leaves unknown
        return values

    return call


def _sample_spec(dataset: SegmentationDataset) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Types of an image and its label."""
    label = tf.as_dtype(label_dtype(dataset))
    image = tf.TensorSpec((None, None, channels_of(dataset)), tf.uint8)
    return image, tf.TensorSpec((None, None), label)


def _check_labelled(dataset: SegmentationDataset) -> None:
    if not dataset.labelled:
        raise InputError(
            f"{dataset.name} {dataset.split} has no labels; choose another split."
        )


def _check_one_size(dataset: SegmentationDataset) -> None:
    sizes = {}
    for index in range(len(dataset)):
        sizes.setdefault(dataset.size(index), dataset.source(index))
    if len(sizes) > 1:
        examples = (f"{source} {h}x{w}" for (h, w), source in sizes.items())
        raise InputError(
            f"Images of {dataset.name} {dataset.split} have {len(sizes)} sizes: "
            f"{abbreviate(examples)}; evaluate with a batch size of 1."
        )


def keep_freed_memory() -> bool:
    """Makes glibc's malloc keep freed memory, so that one image reuses another's.

    By default glibc gives blocks of megabytes back to the system, and gets them anew
    for the next image, page by page: a sixth of the time of reading training images.
    What is kept is bounded by the most that was ever in use.

    Returns:
        Whether there was something to set; elsewhere than on glibc there is not.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK)
    library.mallopt(_TRIM_THRESHOLD, _KEPT)
    return True
