"""The other side of `peers.py`: torchvision's, fastseg's and mmsegmentation's networks.

    PYTHON benchmarks/peers_theirs.py save|check PEER FOLDER
    PYTHON benchmarks/peers_theirs.py backbones FOLDER
    PYTHON benchmarks/peers_theirs.py onnx FOLDER HEIGHTxWIDTH ...

PYTHON has the peers. `save` writes files of random networks as their checkpoints are,
with the logits of FOLDER/image.npy; `check` loads files as the peers load theirs;
`backbones` writes torchvision's classifiers and their features; `onnx` exports its
network. The last line printed is JSON.
"""

import argparse
import importlib
import json
import sys
import types
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch

warnings.simplefilter("ignore")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FASTSEG = {
    "fastseg_large_f256": ("MobileV3Large", 256),
    "fastseg_large_f128": ("MobileV3Large", 128),
    "fastseg_small_f256": ("MobileV3Small", 256),
    "fastseg_small_f128": ("MobileV3Small", 128),
    "fastseg_small_f64": ("MobileV3Small", 64),
}
MMSEG = {
    "mmseg_large": "mobilenet-v3-d8_lraspp_4xb4-320k_cityscapes-512x1024",
    "mmseg_small": "mobilenet-v3-d8-s_lraspp_4xb4-320k_cityscapes-512x1024",
}


class Torchvision:
    """`lraspp_mobilenet_v3_large`; its training script keeps more than the weights."""

    variants = ("torchvision_large_voc",)

    def build(self, variant: str) -> torch.nn.Module:
        """Builds the network with 21 classes."""
        from torchvision.models.segmentation import lraspp_mobilenet_v3_large

        return lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)

    def logits(self, network, image: np.ndarray) -> torch.Tensor:
        """Runs a uint8 image."""
        return network(normalized(image))["out"]

    def published(self, network) -> dict:
        """What the published file has."""
        return network.state_dict()

    def trained(self, network) -> dict:
        """What `references/segmentation/train.py` saves."""
        state = {"model": network.state_dict(), **optimizer_state(network)}
        return {
            **state,
            "epoch": 1,
            "args": argparse.Namespace(lr=0.01, dataset="coco"),
        }

    def load(self, network, path: Path):
        """Loads a file of weights, all of them."""
        network.load_state_dict(torch.load(path))
        return network


class Fastseg:
    """`MobileV3Large` and `MobileV3Small`; saved from `DataParallel`."""

    variants = tuple(FASTSEG)

    def __init__(self):
        import fastseg
        import geffnet.mobilenetv3

        # Its constructor always asks for ImageNet weights.
        geffnet.mobilenetv3.load_pretrained = lambda *_, **__: None
        self.package = fastseg

    def build(self, variant: str) -> torch.nn.Module:
        """Builds the network with 19 classes."""
        name, filters = FASTSEG[variant]
        return getattr(self.package, name)(19, num_filters=filters)

    def logits(self, network, image: np.ndarray) -> torch.Tensor:
        """Runs a uint8 image by the network's own normalisation."""
        return torch.from_numpy(network.predict([image], return_prob=True))

    def published(self, network) -> dict:
        """What `load_checkpoint` takes."""
        state = network.state_dict()
        weights = {f"module.{name}": value for name, value in state.items()}
        return {"num_classes": 19, "state_dict": weights}

    def trained(self, network) -> dict:
        """With an optimizer beside it."""
        rest = optimizer_state(network)
        return {**self.published(network), "epoch": 1, "command": "train", **rest}

    def load(self, network, path: Path):
        """Loads a file by `from_pretrained`."""
        filters = network.last.in_channels
        return type(network).from_pretrained(str(path), num_filters=filters)


class Mmseg:
    """The networks of its configurations, with their own normalisation."""

    variants = tuple(MMSEG)

    def __init__(self):
        try:
            import mmcv.ops  # noqa: F401
        except ModuleNotFoundError:  # mmcv-lite; LR-ASPP needs none of them
            sys.modules["mmcv.ops"] = AnyOperation("mmcv.ops")
        import mmseg.models
        from mmengine.registry import init_default_scope

        init_default_scope("mmseg")
        self.configs = Path(mmseg.__file__).parent / ".mim/configs/mobilenet_v3"

    def build(self, variant: str) -> torch.nn.Module:
        """Builds the network with 19 classes."""
        from mmengine.config import Config
        from mmengine.model import revert_sync_batchnorm
        from mmseg.registry import MODELS

        config = Config.fromfile(self.configs / f"{MMSEG[variant]}.py").model
        config.pretrained = None
        return revert_sync_batchnorm(MODELS.build(config))

    def logits(self, network, image: np.ndarray) -> torch.Tensor:
        """Runs a uint8 image through its preprocessor, which takes BGR."""
        bgr = torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())
        network.data_preprocessor.size = image.shape[:2]
        from mmseg.structures import SegDataSample

        meta = {"img_shape": image.shape[:2], "ori_shape": image.shape[:2]}
        sample = SegDataSample(metainfo={**meta, "pad_shape": image.shape[:2]})
        data = {"inputs": [bgr], "data_samples": [sample]}
        inputs = network.data_preprocessor(data)["inputs"]
        return network.encode_decode(inputs, [sample.metainfo])

    def published(self, network) -> dict:
        """What the published files have."""
        meta = {
            "mmseg_version": "0.9.0",
            "CLASSES": ["road"],
            "PALETTE": [[128, 64, 128]],
        }
        return {"meta": {**meta, "iter": 320000}, "state_dict": network.state_dict()}

    def trained(self, network) -> dict:
        """What its runner saves, the history of the loss among it."""
        from mmengine.logging import MessageHub

        hub = MessageHub.get_instance("train")
        for step in range(3):
            hub.update_scalar("train/loss", 1.0 / (1 + step))
        state = {**self.published(network), "message_hub": hub.state_dict()}
        return {**state, **optimizer_state(network)}

    def load(self, network, path: Path):
        """Loads a file as its tools do, but strictly."""
        from mmengine.runner import load_checkpoint

        load_checkpoint(network, str(path), "cpu", strict=True)
        return network


class AnyOperation(types.ModuleType):
    """A module in which everything is found, and is nothing."""

    def __getattr__(self, name: str):
        """Returns an empty class."""
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


PEERS = {"torchvision": Torchvision, "fastseg": Fastseg, "mmseg": Mmseg}


def normalized(image: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) as float (1, 3, H, W) with ImageNet's mean and deviation."""
    pixels = (image / np.float32(255) - np.float32(MEAN)) / np.float32(DEVIATION)
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype("float32"))


def optimizer_state(network) -> dict:
    """The state of SGD after a step, on a few of the weights."""
    weights = list(network.parameters())[:4]
    optimizer = torch.optim.SGD(weights, 0.0, momentum=0.9)
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    return {"optimizer": optimizer.state_dict()}


@torch.no_grad()
def shake(network, seed: int, pixels: torch.Tensor) -> None:
    """Gives a network random weights, and the batch norms statistics of an image.

    Unlike with random statistics, signals are then as large as in a trained network,
    and rounding errors do not grow from layer to layer.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.named_parameters():
        value = torch.randn(tensor.shape, generator=generator)
        if tensor.ndim == 4:
            value *= (2 / tensor[0].numel()) ** 0.5
        else:  # the scales of batch norms are near one
            value = 0.1 * value + name.endswith("weight")
        tensor.copy_(value)
    norms = [layer for layer in network.modules() if hasattr(layer, "running_var")]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches, here of one
    network.train()(pixels)
    network.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def built(peer, variant: str, image: np.ndarray, seed: int | None = None):
    """A variant for inference; `seed` is of its random weights."""
    network = peer.build(variant)
    seed = zlib.crc32(variant.encode()) if seed is None else seed
    shake(network, seed, normalized(image))
    return network


@torch.no_grad()
def run(peer, network, image: np.ndarray, path: Path) -> None:
    """Writes logits (H, W, classes) of an image."""
    np.save(path, peer.logits(network, image)[0].permute(1, 2, 0).numpy())


def save(name: str, folder: Path) -> dict[str, int]:
    """Writes each variant of a peer in three forms, and returns their parameters."""
    peer, image, parameters = PEERS[name](), np.load(folder / "image.npy"), {}
    for variant in peer.variants:
        network = built(peer, variant, image)
        torch.save(peer.published(network), folder / f"{variant}.zip.pth")
        legacy = folder / f"{variant}.legacy.pth"
        torch.save(
            peer.published(network), legacy, _use_new_zipfile_serialization=False
        )
        run(peer, network, image, folder / f"{variant}.npy")
        parameters[variant] = sum(value.numel() for value in network.parameters())
        torch.save(peer.trained(network), folder / f"{variant}.training.pth")
    return parameters


def check(name: str, folder: Path) -> dict[str, str]:
    """Loads VARIANT.back.pth where it is; returns what went wrong, or nothing."""
    peer, image, failures = PEERS[name](), np.load(folder / "image.npy"), {}
    for variant in peer.variants:
        path = folder / f"{variant}.back.pth"
        if not path.exists():
            continue
        try:
            network = peer.load(built(peer, variant, image, seed=1), path).eval()
            run(peer, network, image, folder / f"{variant}.back.npy")
        except Exception as error:
            failures[variant] = f"{type(error).__name__}: {error}"[:1000]
    return failures


@torch.no_grad()
def backbones(folder: Path) -> dict[str, int]:
    """Writes torchvision's classifiers, with the features at the strides 2 to 32."""
    from torchvision.models import mobilenet_v3_large, mobilenet_v3_small

    pixels = normalized(np.load(folder / "image.npy"))
    builders = {"large": mobilenet_v3_large, "small": mobilenet_v3_small}
    for variant, build in builders.items():
        network = build()
        shake(network, 2, pixels)
        torch.save(network.state_dict(), folder / f"backbone_{variant}.pth")
        features, x = {}, pixels
        for layer in network.features:
            x = layer(x)
            stride = 2 ** round(np.log2(pixels.shape[-1] / x.shape[-1]))
            if layer is network.features[-1] or getattr(layer, "_is_cn", not features):
                features[f"stride_{stride}"] = x[0].permute(1, 2, 0).numpy()
        np.savez(folder / f"backbone_{variant}.npz", **features)
    return {}


def onnx(folder: Path, sizes: list[str]) -> dict[str, str]:
    """Exports torchvision's network of `save` at each size by both exporters."""
    peer, failures = Torchvision(), {}
    variant = peer.variants[0]
    network = built(peer, variant, np.load(folder / "image.npy"))
    for size in sizes:
        sample = torch.zeros(1, 3, *map(int, size.split("x")))
        for kind, dynamo in (("dynamo", True), ("script", False)):
            path = folder / f"{kind}.{size}.onnx"
            try:
                torch.onnx.export(Logits(network), (sample,), path, dynamo=dynamo)
            except Exception as error:
                failures[path.name] = f"{type(error).__name__}: {error}"[:1000]
    return failures


class Logits(torch.nn.Module):
    """A network without the dictionary around its output."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Returns the logits."""
        return self.network(pixels)["out"]


def main() -> None:
    """Does what is asked; says it in one line of JSON."""
    task, *rest = sys.argv[1:]
    if task == "onnx":
        done = onnx(Path(rest[0]), rest[1:])
    elif task == "backbones":
        done = backbones(Path(rest[0]))
    else:
        name, folder = rest
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(json.dumps({"missing": str(error)}))
            return
        done = {"save": save, "check": check}[task](name, Path(folder))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
