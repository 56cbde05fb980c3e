"""The 32 classes of CamVid's colour masks, and their groups.

Names and colours are those of `label_colors.txt` of the data set; the 11 groups are
those that SegNet's authors made.
"""

from typing import NamedTuple


class MaskClass(NamedTuple):
    """One of the 32 classes that CamVid's colour masks were drawn with."""

    name: str
    color: tuple[int, int, int]
    group: str  # the class among the 11, "" for none


CAMVID_MASKS: tuple[MaskClass, ...] = (
    MaskClass("Animal", (64, 128, 64), "pedestrian"),
    MaskClass("Archway", (192, 0, 128), "building"),
    MaskClass("Bicyclist", (0, 128, 192), "bicyclist"),
    MaskClass("Bridge", (0, 128, 64), "building"),
    MaskClass("Building", (128, 0, 0), "building"),
    MaskClass("Car", (64, 0, 128), "car"),
    MaskClass("CartLuggagePram", (64, 0, 192), "pedestrian"),
    MaskClass("Child", (192, 128, 64), "pedestrian"),
    MaskClass("Column_Pole", (192, 192, 128), "pole"),
    MaskClass("Fence", (64, 64, 128), "fence"),
    MaskClass("LaneMkgsDriv", (128, 0, 192), "road"),
    MaskClass("LaneMkgsNonDriv", (192, 0, 64), "road"),
    MaskClass("Misc_Text", (128, 128, 64), "sign"),
    MaskClass("MotorcycleScooter", (192, 0, 192), "bicyclist"),
    MaskClass("OtherMoving", (128, 64, 64), "car"),
    MaskClass("ParkingBlock", (64, 192, 128), "pavement"),
    MaskClass("Pedestrian", (64, 64, 0), "pedestrian"),
    MaskClass("Road", (128, 64, 128), "road"),
    MaskClass("RoadShoulder", (128, 128, 192), "pavement"),
    MaskClass("SUVPickupTruck", (64, 128, 192), "car"),
    MaskClass("Sidewalk", (0, 0, 192), "pavement"),
    MaskClass("SignSymbol", (192, 128, 128), "sign"),
    MaskClass("Sky", (128, 128, 128), "sky"),
    MaskClass("TrafficCone", (0, 0, 64), "pole"),
    MaskClass("TrafficLight", (0, 64, 64), "sign"),
    MaskClass("Train", (192, 64, 128), "car"),
    MaskClass("Tree", (128, 128, 0), "tree"),
    MaskClass("Truck_Bus", (192, 128, 192), "car"),
    MaskClass("Tunnel", (64, 0, 64), "building"),
    MaskClass("VegetationMisc", (192, 192, 0), "tree"),
    MaskClass("Void", (0, 0, 0), ""),
    MaskClass("Wall", (64, 192, 0), "building"),
)
