"""The clusters' examples type commands that exist, and name a place that works."""

import re
import shlex
from pathlib import Path

import pytest

from keras_lraspp.__main__ import _parser
from keras_lraspp.training.multihost import AUTO, ProcessSpec, resolve_process

EXAMPLES = Path(__file__).parents[2] / "examples"


def slurm() -> list[str]:
    script = (EXAMPLES / "slurm" / "train.sbatch").read_text()
    return shlex.split(re.search(r"^srun keras-lraspp (.*)$", script, re.M)[1])


def kubernetes() -> list[str]:
    text = (EXAMPLES / "kubernetes" / "train.yaml").read_text()
    command = re.search(r"command:\n((?: +- .*\n)+)", text)[1]
    words = re.findall(r"- (.*)\n", command)
    assert words.pop(0) == "keras-lraspp"
    assert words.count("--process=$(JOB_COMPLETION_INDEX)") == 1
    return [word.replace("$(JOB_COMPLETION_INDEX)", "1") for word in words]


@pytest.mark.parametrize(
    ("words", "process"),
    [
        (slurm(), ProcessSpec(None, None, None)),
        (kubernetes(), ProcessSpec("lraspp-0.lraspp:1234", 2, 1)),
    ],
    ids=["slurm", "kubernetes"],
)
def test_the_command_is_one(words, process):
    flags = _parser().parse_args(words)
    assert flags.resume and flags.data_root and flags.output_dir
    found = resolve_process(
        flags.coordinator, flags.processes, flags.process, environment={}
    )
    assert found == process
    assert (flags.coordinator == AUTO) == (process.coordinator is None)
    variables = (EXAMPLES / "slurm" / "train.sbatch").read_text()
    assert "KERAS_BACKEND=jax" in variables


def test_the_pods_of_the_job_are_as_many_as_the_processes():
    text = (EXAMPLES / "kubernetes" / "train.yaml").read_text()
    numbers = re.findall(r"(?:completions|parallelism|--processes)[:=] ?(\d+)", text)
    assert numbers == ["2", "2", "2"]
    assert text.count("name: KERAS_BACKEND\n              value: jax") == 1
