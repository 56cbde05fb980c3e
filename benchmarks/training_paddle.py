"""One contestant of `training.py`: PaddleSeg's LRASPP with cross entropy.

Its OHEM loss fails under paddle 3, so it trains with the cheaper plain loss.
"""

import training_clock as clock  # first: it starts the clock

flags = clock.arguments(__doc__)

import numpy as np
import paddle
from paddleseg.models import LRASPP
from paddleseg.models.backbones import mobilenetv3

BACKBONES = {
    8: mobilenetv3.MobileNetV3_large_x1_0_os8,
    32: mobilenetv3.MobileNetV3_large_x1_0,
}


def main() -> None:
    """Times the step."""
    model = LRASPP(19, BACKBONES[flags.output_stride](), use_gap=True)
    model.train()
    optimizer = paddle.optimizer.Momentum(
        0.005, 0.9, parameters=model.parameters(), weight_decay=5e-4
    )
    draw = np.random.default_rng(0)
    shape = (flags.batch, flags.height, flags.width)
    images = draw.uniform(-1, 1, (flags.batch, 3, *shape[1:])).astype("float32")
    images = paddle.to_tensor(images)
    labels = paddle.to_tensor(draw.integers(0, 19, shape, dtype="int64"))

    def step():
        logits = model(images)[0]
        loss = paddle.nn.functional.cross_entropy(
            logits, labels, axis=1, ignore_index=255
        )
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        return float(loss)

    clock.report(*clock.time_steps(step, flags.steps), flags.batch)


main()
