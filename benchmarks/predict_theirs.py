"""What the predict commands of fastseg and PaddleSeg do, with random weights.

    PYTHON benchmarks/predict_theirs.py fastseg|paddleseg PHOTOS OUTPUT

PYTHON has torch and fastseg, or paddlepaddle and paddleseg. fastseg's package has no
command: this is the loop of its repository's `infer.py`, which writes the colours and
the blended picture of each image as PNGs. PaddleSeg's is `paddleseg.core.predict`.
"""

import sys
from pathlib import Path


def main() -> None:
    """Segments all photographs of a folder."""
    peer, photos, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    output.mkdir(parents=True, exist_ok=True)
    (_by_fastseg if peer == "fastseg" else _by_paddleseg)(
        sorted(photos.iterdir()), output
    )


def _by_fastseg(photos: list[Path], output: Path) -> None:
    import geffnet.mobilenetv3
    from fastseg import MobileV3Large
    from fastseg.image import blend, colorize
    from PIL import Image

    # It would download the backbone's weights.
    geffnet.mobilenetv3.load_pretrained = lambda *_, **__: None
    network = MobileV3Large(19, num_filters=128).eval()
    for path in photos:
        image = Image.open(path)
        colors = colorize(network.predict_one(image))
        colors.save(output / f"{path.stem}_colorized.png")
        blend(image, colors).save(output / f"{path.stem}_composited.png")


def _by_paddleseg(photos: list[Path], output: Path) -> None:
    import paddle
    from paddleseg import transforms
    from paddleseg.core import predict
    from paddleseg.models import LRASPP
    from paddleseg.models.backbones import mobilenetv3

    network = LRASPP(19, mobilenetv3.MobileNetV3_large_x1_0_os8(), use_gap=True)
    weights = output / "model.pdparams"
    paddle.save(network.state_dict(), str(weights))
    predict(
        network,
        model_path=str(weights),
        transforms=transforms.Compose([transforms.Normalize()]),
        image_list=[str(path) for path in photos],
        save_dir=str(output),
    )


if __name__ == "__main__":
    main()
