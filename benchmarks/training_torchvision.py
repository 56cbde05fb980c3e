"""One contestant of `training.py`: torchvision's LR-ASPP, channels last.

Its output stride is 16, whatever is asked. Plain cross entropy.
"""

import training_clock as clock  # first: it starts the clock

flags = clock.arguments(__doc__)

import torch

if "+cpu" in torch.__version__:
    # The compiled operations of torchvision do not load beside such a torch.
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision.models.segmentation import lraspp_mobilenet_v3_large


def main() -> None:
    """Times the step."""
    model = lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=19
    ).to(memory_format=torch.channels_last)
    model.train()
    optimizer = torch.optim.SGD(
        model.parameters(), 0.005, momentum=0.9, weight_decay=5e-4
    )
    shape = (flags.batch, flags.height, flags.width)
    images = torch.rand(flags.batch, 3, *shape[1:]) * 2 - 1
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 19, shape)

    def step():
        logits = model(images)["out"]
        loss = torch.nn.functional.cross_entropy(logits, labels, ignore_index=255)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    clock.report(*clock.time_steps(step, flags.steps), flags.batch)


main()
