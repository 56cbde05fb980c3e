"""Writes PaddleSeg's LRASPP as an ONNX file, with paddle2onnx.

    PYTHON benchmarks/inference_paddle.py FILE.onnx VARIANT HEIGHT WIDTH

PYTHON has paddlepaddle, paddleseg and paddle2onnx. The weights are random: time does
not depend on them. The file takes float pixels that are normalised already, and
returns logits of the image's size.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import paddle
from paddleseg.models import LRASPP
from paddleseg.models.backbones import mobilenetv3

BACKBONES = {
    "os8_global": ("MobileNetV3_large_x1_0_os8", True),
    "os8_large_kernel": ("MobileNetV3_large_x1_0_os8", False),
    "os32_global": ("MobileNetV3_large_x1_0", True),
}


def main() -> None:
    """Writes the file."""
    target, variant, height, width = sys.argv[1:]
    backbone, use_gap = BACKBONES[variant]
    network = LRASPP(19, getattr(mobilenetv3, backbone)(), use_gap=use_gap)
    network.eval()
    shape = [1, 3, int(height), int(width)]
    spec = paddle.static.InputSpec(shape, "float32", name="x")
    traced = paddle.jit.to_static(network, input_spec=[spec], full_graph=True)
    with tempfile.TemporaryDirectory() as folder:
        paddle.jit.save(traced, f"{folder}/model")
        command = [str(Path(sys.executable).parent / "paddle2onnx")]
        command += ["--model_dir", folder, "--model_filename", "model.json"]
        command += ["--params_filename", "model.pdiparams", "--save_file", target]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
