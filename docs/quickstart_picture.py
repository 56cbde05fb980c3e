"""Draws docs/quickstart.jpg: what the quickstart finds in scenes it has not seen.

python train.py --gin_file=gin_configs/quickstart.gin
python docs/quickstart_picture.py output/quickstart/best.keras
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp import Segmenter
from keras_lraspp.inference import picture_palette, with_legend

SCENES = Path("data/scenes/leftImg8bit/val/inkstadt")
SHOWN = (14, 15)  # of the 50, chosen as many vehicles are in them


def main(weights: str) -> None:
    """Writes the picture of a trained model's file."""
    segmenter = Segmenter(weights)
    images = [SCENES / f"inkstadt_{n:06}_000019_leftImg8bit.png" for n in SHOWN]
    results = segmenter.predict(images)
    picture = np.concatenate(
        [np.concatenate([one.image, one.overlay()], axis=1) for one in results]
    )
    labels = np.stack([one.labels for one in results])
    classes = segmenter.classes
    whole = with_legend(picture, labels, classes.names, picture_palette(classes))
    target = Path(__file__).with_name("quickstart.jpg")
    Image.fromarray(whole).save(target, quality=85, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
