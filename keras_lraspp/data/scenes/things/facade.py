"""One side of a building, painted in its own coordinates."""

import math
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.canvas import Canvas, along, facing
from keras_lraspp.data.scenes.picture.light import Colour


class Facade(NamedTuple):
    """One side of a building, with its own coordinates (metres along, metres up)."""

    canvas: Canvas
    at: float
    is_along: bool

    def span(self) -> tuple[float, float]:
        """The part of the facade that can be in the picture and is not too far."""
        camera, width = self.canvas.camera, self.canvas.label_image.size[0]
        if not self.is_along:
            return (
                -camera.centre / camera.focal * self.at,
                (width - camera.centre) / camera.focal * self.at,
            )
        edge = camera.centre if self.at < 0 else width - camera.centre
        # Beyond the far end, a window is narrower than one sample.
        return (
            abs(self.at) * camera.focal / edge,
            math.sqrt(1.2 * abs(self.at) * camera.focal),
        )

    def board(self, left, right, low, high, colour: Colour, texture="plain"):
        """Paints a rectangle of the facade in a colour that is lit already."""
        if self.is_along:
            corners = ((self.at, low, left), (self.at, low, right),
                       (self.at, high, right), (self.at, high, left))  # fmt: skip
            plane = along(self.at)
        else:
            corners = ((left, low, self.at), (right, low, self.at),
                       (right, high, self.at), (left, high, self.at))  # fmt: skip
            plane = facing(self.at)
        return self.canvas.face(corners, colour, plane, texture)

    def lit(self, colour: Colour) -> Colour:
        """A colour under the light that falls on this side."""
        normal = (-math.copysign(1.0, self.at), 0, 0) if self.is_along else (0, 0, -1)
        return self.canvas.light.lit(colour, normal)
