"""The log read back, against sums done by hand."""

import numpy as np

from keras_lraspp.run_dir.log import (
    Series,
    downsample,
    read_log,
    smooth,
    training_seconds,
)


def test_a_log_that_is_still_written_to(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "step,loss,learning_rate,images_per_second,miou,pixel_accuracy\n"
        "2,1.5,0.1,,,\n"
        "4,nan,0.2,8.0,,\n"
        "4,,,,0.25,0.5\n"
        "x,3.0,,,,,,surplus\n"
        "6,0.5,0.0"
    )
    found = {name: [*map(list, series)] for name, series in read_log(path).items()}
    assert found == {
        "loss": [[2, 6], [1.5, 0.5]],
        "learning_rate": [[2, 4, 6], [0.1, 0.2, 0.0]],
        "images_per_second": [[4], [8.0]],
        "miou": [[4], [0.25]],
        "pixel_accuracy": [[4], [0.5]],
    }
    assert read_log(tmp_path / "none.csv") == {}


def test_smoothing_is_a_mean_that_stays_in_the_middle():
    values = np.random.default_rng(0).normal(size=100)
    found = smooth(Series(np.arange(100.0), values))
    for place, value in enumerate(found.values):
        reach = min(3, place, 99 - place)  # 100 // 15 points: 3 to either side
        expected = values[place - reach : place + reach + 1].mean()
        np.testing.assert_allclose(value, expected, atol=1e-12)


def test_a_long_series_is_thinned_to_means():
    series = Series(np.arange(1000.0), np.arange(1000.0) ** 2)
    found = downsample(series, most=250)
    assert found.steps.tolist() == [4 * n + 1.5 for n in range(250)]
    expected = [np.mean([(4 * n + k) ** 2 for k in range(4)]) for n in range(250)]
    np.testing.assert_allclose(found.values, expected)
    assert downsample(series, most=1000) is series


def test_training_time_from_the_rates():
    # 10 steps of 4 images at 2 images/s, then 10 at 8: 20 s and 5 s.
    rates = Series(np.array([10.0, 20.0]), np.array([2.0, 8.0]))
    assert training_seconds(rates, batch_size=4) == 25.0
