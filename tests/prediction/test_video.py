"""Videos through `predict`: each frame, its time, and what a broken file leaves."""

import re
import struct
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.images import DamagedFileError
from keras_lraspp.prediction import video as video_writing
from keras_lraspp.prediction.predict import predict
from keras_lraspp.prediction.segmenter import Segmenter
from keras_lraspp.prediction.video import read_video, video_writer

av = pytest.importorskip("av")

RATE = Fraction(30000, 1001)
SIZE = (48, 64)
GREY = [20 + 10 * index for index in range(20)]  # a frame's brightness says which it is
PALETTE = CLASS_SETS["camvid"].palette


def picture(value, size=SIZE):
    """Grey `value`, with a dark stripe at the top and a bright one at the left."""
    pixels = np.full((*size, 3), value, np.uint8)
    pixels[:, :16] = 250
    pixels[:16] = 5
    return pixels


def make(path, values=GREY, *, size=SIZE, codec="libx264", format="yuv420p", noise=0):
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream(codec, rate=RATE, options={"crf": "1"})
        stream.height, stream.width = size
        stream.pix_fmt = format
        for value in values:
            pixels = picture(value, size)
            pixels[: int(noise)] = rng.integers(0, 256, (int(noise), size[1], 3))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decode(path):
    """Frames as RGB, their times, and the stream's rate and codec."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [*container.decode(stream)]
        pixels = [frame.to_ndarray(format="rgb24") for frame in frames]
        times = [frame.pts * frame.time_base for frame in frames]
        return pixels, times, stream.average_rate, stream.codec_context.name


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    model = pixel_model(11, seed=3)
    path = tmp_path_factory.mktemp("trained") / "best.keras"
    model.save(path)
    return model, path


def run(trained, source, target, **arguments):
    return predict(
        model=lambda num_classes: pixel_model(num_classes, seed=99),
        weights=trained[1],
        input_path=source,
        output_dir=target,
        **{"classes": "camvid", **arguments},
    )[0]


def brightness(pixels):
    return [float(frame[20:40, 24:56].mean()) for frame in pixels]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.webm"])
def test_an_overlay_has_the_frames_size_and_times_of_the_video(trained, tmp_path, name):
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    source = make(tmp_path / name, codec=codec)
    job = run(trained, source, tmp_path / "out", opacity=0.0)
    assert job.results == {"overlay": tmp_path / "out" / "a_overlay.mp4"}
    shown, times, _, _ = decode(source)
    pixels, new_times, rate, encoder = decode(job.overlay)
    assert len(pixels) == 20 and pixels[0].shape == (*SIZE, 3)
    assert encoder == "h264" and rate == RATE
    expected = [index / RATE for index in range(20)]
    assert np.abs(np.array(new_times, float) - np.array(expected, float)).max() < 1e-3
    np.testing.assert_allclose(brightness(pixels), brightness(shown), atol=4)


def test_labels_and_probabilities_of_each_frame(trained, tmp_path):
    source = make(tmp_path / "a.mp4", GREY[:5])
    kinds = ["labels", "color", "overlay", "probabilities"]
    job = run(trained, source, tmp_path / "out", outputs=kinds)
    pixels = decode(source)[0]
    files = [f"{index:06}" for index in range(5)]
    assert sorted(path.stem for path in job.labels.iterdir()) == files
    assert sorted(path.stem for path in job.probabilities.iterdir()) == files
    colored = decode(job.color)[0]
    for index, frame in enumerate(pixels):
        labels = expected_labels(trained[0], frame)
        with Image.open(job.labels / f"{files[index]}.png") as written:
            np.testing.assert_array_equal(written, labels)
        with np.load(job.probabilities / f"{files[index]}.npz") as archive:
            assert archive["probabilities"].shape == (*SIZE, 11)
        color = np.array(PALETTE)[labels]
        assert np.abs(colored[index].astype(int) - color).mean() < 20  # 4:2:0, lossy


MATRICES = {0: (1, 0, 0, 1), -90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 90: (0, -1, 1, 0)}


@pytest.mark.parametrize("turn", MATRICES)
def test_a_phones_video_is_turned_upright(trained, tmp_path, turn):
    source = make(tmp_path / "a.mp4", GREY[8:11])
    content = bytearray(source.read_bytes())
    a, b, c, d = (value << 16 for value in MATRICES[turn])
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = matrix
    source.write_bytes(content)
    job = run(trained, source, tmp_path / "out", opacity=0.0, outputs=["overlay"])
    upright = np.rot90(picture(GREY[8]), turn // 90)
    shown = decode(job.overlay)[0][0].astype(int)
    assert shown.shape == upright.shape
    assert np.abs(shown - upright).mean() < 12


def test_odd_sides_are_padded_and_a_legend_is_put_below(trained, tmp_path):
    source = make(
        tmp_path / "a.mkv",
        GREY[:3],
        size=(47, 63),
        codec="libvpx-vp9",
        format="yuv444p",
    )
    job = run(trained, source, tmp_path / "out", outputs=["overlay", "labels"])
    assert decode(job.overlay)[0][0].shape == (48, 64, 3)
    with Image.open(job.labels / "000000.png") as labels:
        assert labels.size == (63, 47)
    job = run(trained, source, tmp_path / "legend", legend=True)
    height, width, _ = decode(job.overlay)[0][0].shape
    assert height > 47 + 11 * 20 and width >= 64  # a row for each of eleven names


def test_variable_times_are_kept(trained, tmp_path):
    steps = [0, 1, 2, 10, 11, 30]
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for index, step in enumerate(steps):
            frame = av.VideoFrame.from_ndarray(picture(GREY[index]), format="rgb24")
            frame.pts, frame.time_base = step, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    job = run(trained, tmp_path / "a.mkv", tmp_path / "out")
    times = np.array(decode(job.overlay)[1], float)
    rate = float(read_video(tmp_path / "a.mkv").rate)
    np.testing.assert_allclose(times, np.array(steps) / 30, atol=0.07 / rate + 1e-3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_row_16_of_a_video_that_is_cut_the_frames_before_are_kept(
    trained, tmp_path, name
):
    source = make(tmp_path / name, noise=16)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 6 // 10])
    said = rf"{name} is damaged .* The (\d+) frames before are in .*\.mp4"
    with pytest.raises(InputError, match=said) as caught:
        run(trained, source, tmp_path / "out", opacity=0.0)
    kept = int(re.search(said, str(caught.value))[1])
    assert 3 <= kept < 20
    pixels = decode(tmp_path / "out" / "a_overlay.mp4")[0]
    assert len(pixels) == kept
    # The last one may be half there.
    np.testing.assert_allclose(brightness(pixels)[:-1], GREY[: kept - 1], atol=8)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not a video that can be read"),
        (b"<!DOCTYPE html>" * 99, "is not a video that can be read"),
        (
            b"#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/a.ts\n",
            "is not a video that can be read",
        ),
    ],
)
def test_rows_16_and_17_what_is_no_video(trained, tmp_path, content, says):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"a.mp4 {says} \(.*\); replace it"):
        run(trained, tmp_path / "a.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile 'secret.mp4'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
    ids=["ffconcat", "hls", "sdp"],
)
@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_a_list_of_other_files_is_no_video(tmp_path, content, suffix):
    make(tmp_path / "secret.mp4")
    path = tmp_path / f"a{suffix}"
    path.write_text(content)
    with pytest.raises(DamagedFileError, match="is not a video that can be read"):
        [*read_video(path).frames()]


def test_frames_that_grow_are_refused_before_they_are_decoded(trained, tmp_path):
    parts = [
        make(tmp_path / f"{index}.ts", size=size).read_bytes()
        for index, size in enumerate([(48, 64), (96, 160)])
    ]
    (tmp_path / "a.ts").write_bytes(parts[0] * 8 + parts[1])
    says = r"a.ts claims 96x160 pixels, more than the limit of 5000 \(--max_pixels\)"
    with pytest.raises(InputError, match=rf"{says} .* The \d+ frames before are in"):
        run(trained, tmp_path / "a.ts", tmp_path / "out", max_pixels=5000)
    with pytest.raises(InputError, match="claims 48x64 pixels, .* limit of 3071"):
        run(trained, tmp_path / "a.ts", tmp_path / "out", max_pixels=3071)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), "fltp", "mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="a.mp4 has no pictures"):
        read_video(tmp_path / "a.mp4")


def test_without_pyav_one_sentence_says_what_to_install(trained, tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r'PyAV.*not installed; run `pip install "av'):
        run(trained, tmp_path / "a.mp4", tmp_path / "out")


def test_a_trimmed_video_is_whole(tmp_path):
    source = make(tmp_path / "a.mp4")
    content = bytearray(source.read_bytes())
    at = content.index(b"elst") + 12  # duration in milliseconds
    content[at : at + 4] = struct.pack(">I", 300)
    source.write_bytes(content)
    assert 8 <= len([*read_video(source).frames()]) <= 10


def test_ctrl_c_keeps_the_frames_so_far(trained, tmp_path, monkeypatch):
    calls = []

    def interrupted(self, pixels):
        calls.append(pixels)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return np.zeros(pixels.shape[:2], np.uint8)

    monkeypatch.setattr(Segmenter, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(trained, make(tmp_path / "a.mp4"), tmp_path / "out")
    assert len(decode(tmp_path / "out" / "a_overlay.mp4")[0]) == 4
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_overlay.mp4"]


def test_after_an_error_no_file_is_left(tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        video_writer(tmp_path / "a.mp4", RATE) as write,
    ):
        write(picture(9), None)
        raise ZeroDivisionError
    with video_writer(tmp_path / "a.mp4", RATE):
        pass  # no frame, no file
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "a.mp4"
    with pytest.raises(StorageError, match="Cannot write .*a.mp4: File exists"):
        with video_writer(path, RATE) as write:
            write(picture(9), None)


def test_other_encoders_where_there_is_no_x264(tmp_path, monkeypatch):
    available = {name for name in av.codecs_available if "264" not in name}
    monkeypatch.setattr(av, "codecs_available", available)
    with video_writer(tmp_path / "a.mp4", RATE) as write:
        for index, value in enumerate(GREY):
            write(picture(value), index / RATE)
    pixels, times, rate, encoder = decode(tmp_path / "a.mp4")
    assert encoder == "mpeg4" and len(pixels) == 20
    assert abs(rate - RATE) < 0.01 and abs(times[-1] - 19 / RATE) < 1e-3
    assert video_writing.ENCODERS.keys() - av.codecs_available


def test_after_a_damaged_video_the_others_and_the_images_are_done(trained, tmp_path):
    cut, good = make(tmp_path / "cut.mkv", noise=16), make(tmp_path / "b.mp4", GREY[:4])
    content = cut.read_bytes()
    cut.write_bytes(content[: len(content) * 6 // 10])
    Image.fromarray(picture(90)).save(tmp_path / "a.png")
    (tmp_path / "c.png").write_bytes(b"no image")
    given = [cut, good, tmp_path / "a.png", tmp_path / "c.png"]
    said = r"cut.mkv is damaged .*frames before .* 1 of 2 images failed"
    with pytest.raises(InputError, match=said):
        run(trained, given, tmp_path / "out")
    assert len(decode(tmp_path / "out" / "b_overlay.mp4")[0]) == 4
    assert (tmp_path / "out" / "a_overlay.png").is_file()


def test_two_videos_of_one_name_are_refused(trained, tmp_path):
    (tmp_path / "other").mkdir()
    given = [make(tmp_path / name, GREY[:2]) for name in ("a.mp4", "other/a.mkv")]
    with pytest.raises(InputError, match="a.mp4 and .*other/a.mkv would have the same"):
        run(trained, given, tmp_path / "out")
    assert not (tmp_path / "out").exists()
