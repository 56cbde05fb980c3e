"""What strangers send to a served model, below the checks that Python makes itself.

A process of its own takes all of it: what is tested for would abort it.
"""

import re

import pytest

from harness.children import run_program

PROGRAM = """
    import json, resource, struct, sys, time, zlib
    import numpy as np
    import tensorflow as tf
    from PIL import Image
    from harness.image_files import claiming_jpeg, encoded, noise, png_bytes, png_chunk
    from harness.served import ServedModel
    from harness.trained_like import trained_like
    from keras_lraspp.classes import generic_class_set
    from keras_lraspp.export.graph import inference_graph
    from keras_lraspp.export.saved_model import signatures

    folder, network = sys.argv[1], trained_like()
    run = inference_graph(network, "tensorflow", ("labels", "logits"))
    functions = signatures(
        lambda image: run(image)["labels"],
        lambda image: run(image)["logits"],
        generic_class_set(5).palette,
        smallest_side=2,
    )
    tf.saved_model.save(tf.Module(), folder, signatures=functions)
    served, loaded = ServedModel(folder), tf.saved_model.load(folder)

    imported = tf.Graph()  # in which nothing is known of the input
    with imported.as_default():
        anything = tf.compat.v1.placeholder(tf.uint8)
        row = served.signatures["serving_default"]
        (answer,) = tf.import_graph_def(
            served.session.graph.as_graph_def(),
            input_map={row.inputs["image"].name: anything},
            return_elements=[row.outputs["labels"].name],
        )
    importing = tf.compat.v1.Session(graph=imported)

    def session(signature, value):
        return served.unchecked(signature, value)[0]

    def eager(signature, value):
        function = loaded.signatures[signature]
        found = function._call_flat([tf.constant(value)], function.captured_inputs)
        return found[0] if isinstance(found, (list, tuple)) else [*found.values()][0]

    def imported_graph(signature, value):
        return importing.run(answer, {anything: value})

    def result_of(way, signature, value):
        try:
            return list(np.shape(way(signature, value)))
        except tf.errors.InvalidArgumentError as error:
            return error.message

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    def moving_png():
        first, second = (Image.fromarray(noise(6, 8, seed)) for seed in (0, 1))
        return encoded(first, "PNG", save_all=True, append_images=[second])

    def with_scans(count):
        picture = encoded(noise(64, 64), "JPEG", progressive=True)
        last = picture[picture.rindex(b"\\xff\\xda") : -2]
        return picture[:-2] + last * count + picture[-2:]

    def png_of(mode):
        return encoded(Image.fromarray(noise(16, 16)).convert(mode), "PNG")

    def jpeg_of(mode):
        return encoded(Image.fromarray(noise(16, 16)).convert(mode), "JPEG")

    png, jpeg = png_of("RGB"), jpeg_of("RGB")
    comment = png_chunk(b"zTXt", b"a\\0\\0" + zlib.compress(bytes(7_900_000), 9))
    other = png_chunk(b"abCd", struct.pack(">II", 8, 8) + bytes(5))
    large = png_bytes(20_000, 20_000, 8, 2, bytes(10**6))
    interlaced = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    widths = (1, 1, 2, 2, 2, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8)
    rows = b"".join(b"\\0" + bytes(width) for width in widths)

    shapes = {
        "an image": (2, 9, 14, 3),
        "a strip": (1, 8, 4000, 3),
        "rank 0": (),
        "rank 1": (3,),
        "rank 2": (8, 3),
        "rank 3": (8, 8, 3),
        "rank 5": (1, 1, 8, 8, 3),
        "rank 6": (1, 1, 1, 8, 8, 3),
        "1 channel": (1, 8, 8, 1),
        "4 channels": (1, 8, 8, 4),
        "no channel": (1, 8, 8, 0),
        "no rows": (1, 0, 8, 3),
        "no columns": (1, 8, 0, 3),
        "no image": (0, 8, 8, 3),
        "too small": (1, 8, 1, 3),
        "too large": (1, 4096, 4097, 3),
        "too long": (1, 2, 2**17 + 1, 3),
        "too many": (1025, 2, 2, 3),
    }
    files = {
        "a PNG": [png],
        "a JPEG": [jpeg],
        "a progressive JPEG": [with_scans(0)],
        "a CMYK JPEG": [jpeg_of("CMYK")],
        "a grey JPEG": [jpeg_of("L")],
        "a grey PNG": [png_of("L")],
        "a palette PNG": [png_of("P")],
        "a PNG with alpha": [png_of("LA")],
        "a PNG of 16 bits": [png_bytes(8, 8, 16, 2, bytes(8 * 49))],
        "a PNG of 1 bit": [png_bytes(8, 8, 1, 0, bytes(16))],
        "an interlaced PNG": [
            png[:8] + png_chunk(b"IHDR", interlaced)
            + png_chunk(b"IDAT", zlib.compress(rows)) + png[-12:]
        ],
        "a large flat PNG": [png_bytes(1024, 1024, 1, 0, bytes(1024 * 129))],
        "rank 0": png,
        "rank 2": [[png]],
        "no file": [],
        "no bytes": [b""],
        "no bytes behind a PNG": [png, b""],
        "a GIF": [encoded(noise(8, 8), "GIF")],
        "a BMP": [encoded(noise(8, 8), "BMP")],
        "a WebP": [encoded(noise(8, 8), "WEBP")],
        "a moving PNG": [moving_png()],
        "too small": [encoded(noise(9, 1), "PNG")],
        "too large": [png_bytes(4097, 4096, 1, 0, bytes(4096 * 514))],
        "too many": [png] * 1025,
        "too many together": [png_bytes(4096, 2100, 1, 0, bytes(2100 * 513))] * 2,
        "a PNG that claims much": [png_bytes(4000, 4000, 8, 2, bytes(10**5))],
        "a JPEG that claims much": [claiming_jpeg(4000, 4000)],
        "a PNG that claims most": [png_bytes(2**32 - 1, 2**32 - 1, 8, 2, b"")],
        "another chunk first": [large[:8] + other + large[8:]],
        "a cut PNG": [png[:-300]],
        "a cut JPEG": [jpeg[:400]],
        "a header only": [png[:33]],
        "no such kind of PNG": [png_bytes(8, 8, 8, 7, bytes(100))],
        "comments": [png[:33] + comment * 100 + png[33:]],
        "comments behind": [png[:-12] + comment * 100 + png[-12:]],
        "scans": [with_scans(10_000)],
    }
    found = {}
    for signature in ("serving_default", "logits"):
        for name, shape in shapes.items():
            value = np.zeros(shape, np.uint8)
            found[f"{signature}, {name}"] = result_of(session, signature, value)
            if signature == "serving_default":
                found[f"eager, {name}"] = result_of(eager, signature, value)
                found[f"imported, {name}"] = result_of(imported_graph, signature, value)
    for signature in ("serve_bytes", "serve_png"):
        for name, value in files.items():
            value = np.array(value, object)
            found[f"{signature}, {name}"] = result_of(session, signature, value)
            if name in ("rank 0", "no file", "scans"):
                found[f"eager bytes, {name}"] = result_of(eager, signature, value)
            if name == "a large flat PNG":
                before, started = peak(), time.time()
        found[f"{signature} megabytes"] = peak() - before
        found[f"{signature} seconds"] = time.time() - started
    floats = np.zeros((1, 8, 8, 3), np.float32)
    found["serving_default, floats"] = result_of(session, "serving_default", floats)
    print(json.dumps(found))
"""

# What each refusal says.
SHAPES = {
    "rank [0-6]|[14] channels?": r"tensor .*image_1 \[.*\] is not .* \[\?,\?,\?,3\]",
    "no (rows|columns|image)": r"image is empty, of the shape\] \[[018] [08] [08] 3\]",
    "no channel": "image is empty|image_1 .* is not compatible",
    "too small": r"smallest side of an image is 2, not of\] \[\[8 1\]\]",
    "too (large|long|many)": r"at most 16777216 pixels.* not\] \[167[789][0-9]+\]",
    "floats": "to be uint8 but float is provided",
}
FILES = {
    "rank [02]": r"tensor .*image_bytes_1 \[.*\] is not .* \[\?\]",
    "no file": "image_bytes is empty",
    "no bytes.*|a (GIF|BMP|WebP)|another chunk first": "neither a JPEG nor a PNG",
    "a moving PNG": "is animated",
    "too small": r"smallest side of an image is 2, not of\] \[\[9 1\]\]",
    "too large": r"at most 16777216 pixels.* not\] \[16781312\]",
    "too many together": r"at most 16777216 pixels.* not\] \[17203200\]",
    "too many": r"at most 1024 images, not\] \[1025\]",
    "a (PNG|JPEG) that claims (much|most)": "fewer bytes than its pixels need",
    "a cut PNG|a header only": "Invalid PNG",
    "a cut JPEG": "Invalid JPEG",
    "no such kind of PNG": "7 is not in",
    "comments.*": r"too many compressed comments:\] \[100\]",
    "scans": r"too many scans:\] \[10010\]",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return run_program(PROGRAM, tmp_path_factory.mktemp("requests") / "served")


@pytest.mark.parametrize(
    "signatures, refusals, accepted",
    [
        (("serving_default", "eager", "imported", "logits"), SHAPES, 2 * 4),
        (("serve_bytes", "serve_png", "eager bytes"), FILES, 12 * 2),
    ],
    ids=["images", "files"],
)
def test_the_graph_itself_refuses(found, signatures, refusals, accepted):
    good = 0
    for case, result in found.items():
        signature, _, name = case.partition(", ")
        if signature not in signatures:
            continue
        if isinstance(result, list):
            good += 1
            continue
        said = [text for kind, text in refusals.items() if re.fullmatch(kind, name)]
        assert len(said) == 1 and re.search(said[0], result), (case, result)
    assert good == accepted


def test_small_files_take_neither_memory_nor_time(found):
    for signature in ("serve_bytes", "serve_png"):
        assert found[f"{signature} megabytes"] < 100
        assert found[f"{signature} seconds"] < 60  # of one alone it would be 10 minutes
