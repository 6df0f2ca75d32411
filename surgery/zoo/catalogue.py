"""The networks that can be opened by name. `scripts/zoo_catalogue.py` checks every figure against Keras."""

from __future__ import annotations

import dataclasses
import re

from surgery.core.errors import SurgeryError, nearest
from surgery.graph.preprocessing import MODES, Preprocessing


@dataclasses.dataclass(frozen=True, slots=True)
class Network:
    """One named network with its top.

    Args:
        name: what users type.
        keras_name: the function in `keras.applications`, or `None` for a network of this package.
        pixels: side of the images it was published for.
        calls: number of calls.
        params: number of parameters.
        paper: its source.
    """

    name: str
    keras_name: str | None
    pixels: int
    calls: int
    params: int
    paper: str

    @property
    def shipped(self) -> bool:
        """Whether its weights come with this package."""
        return self.name == "tinyvgg"

    @property
    def weights(self) -> str:
        """What `weights="pretrained"` means here."""
        if self.keras_name is not None:
            return "ImageNet, downloaded by Keras"
        return "digits 0-4, shipped" if self.shipped else "none published for Keras: weights=PATH"

    def preprocessing(self, included: bool = True) -> Preprocessing:
        """Returns what it expects of its images: what `preprocess_input` of its family in Keras does.

        Args:
            included: whether the layers that prepare images are in the network, where its family has such layers.
        """
        found = None if included else _first(_LEFT_OUT, self.name)
        return found or _first(_EXPECTED, self.name) or Preprocessing()


_EXPECTED = {
    r"alexnet|resnet\d+|squeezenet|vgg\d+": MODES["caffe"],
    r"densenet\d+": MODES["torch"],
    r"inception\w+|mobilenet(v2)?|nasnet\w+|resnet\d+v2|xception": MODES["tf"],
    r"convnext\w+|efficientnet\w+|mobilenetv3\w+": MODES["none"],  # their first layers do it
    r"tinyvgg": MODES["unit"],
}
_LEFT_OUT = {  # what these first layers do: with include_preprocessing=False it is left to the user
    r"convnext\w+|efficientnetv2b\d": MODES["torch"],
    r"mobilenetv3\w+": MODES["tf"],
    r"efficientnetv2[sml]": Preprocessing(128.0, (1.0,)),
}


def _first(table: dict[str, Preprocessing], name: str) -> Preprocessing | None:
    return next((one for pattern, one in table.items() if re.fullmatch(pattern, name)), None)


_ALL = (
    Network("alexnet", None, 227, 17, 60_965_224, "Krizhevsky et al. 2012, NeurIPS"),
    Network("squeezenet", None, 227, 41, 1_248_424, "Iandola et al. 2016, arXiv:1602.07360"),
    Network("tinyvgg", None, 32, 23, 128_981, "after Simonyan & Zisserman 2014, arXiv:1409.1556"),
    Network("convnextbase", "ConvNeXtBase", 224, 297, 88_591_464, "Liu et al. 2022, arXiv:2201.03545"),
    Network("convnextlarge", "ConvNeXtLarge", 224, 297, 197_767_336, "Liu et al. 2022, arXiv:2201.03545"),
    Network("convnextsmall", "ConvNeXtSmall", 224, 297, 50_223_688, "Liu et al. 2022, arXiv:2201.03545"),
    Network("convnexttiny", "ConvNeXtTiny", 224, 153, 28_589_128, "Liu et al. 2022, arXiv:2201.03545"),
    Network("convnextxlarge", "ConvNeXtXLarge", 224, 297, 350_196_968, "Liu et al. 2022, arXiv:2201.03545"),
    Network("densenet121", "DenseNet121", 224, 429, 8_062_504, "Huang et al. 2017, arXiv:1608.06993"),
    Network("densenet169", "DenseNet169", 224, 597, 14_307_880, "Huang et al. 2017, arXiv:1608.06993"),
    Network("densenet201", "DenseNet201", 224, 709, 20_242_984, "Huang et al. 2017, arXiv:1608.06993"),
    Network("efficientnetb0", "EfficientNetB0", 224, 240, 5_330_571, "Tan & Le 2019, arXiv:1905.11946"),
    Network("efficientnetb1", "EfficientNetB1", 240, 342, 7_856_239, "Tan & Le 2019, arXiv:1905.11946"),
    Network("efficientnetb2", "EfficientNetB2", 260, 342, 9_177_569, "Tan & Le 2019, arXiv:1905.11946"),
    Network("efficientnetb3", "EfficientNetB3", 300, 387, 12_320_535, "Tan & Le 2019, arXiv:1905.11946"),
    Network("efficientnetb4", "EfficientNetB4", 380, 477, 19_466_823, "Tan & Le 2019, arXiv:1905.11946"),
    Network("efficientnetb5", "EfficientNetB5", 456, 579, 30_562_527, "Tan & Le 2019, arXiv:1905.11946"),
    Network("efficientnetb6", "EfficientNetB6", 528, 669, 43_265_143, "Tan & Le 2019, arXiv:1905.11946"),
    Network("efficientnetb7", "EfficientNetB7", 600, 816, 66_658_687, "Tan & Le 2019, arXiv:1905.11946"),
    Network("efficientnetv2b0", "EfficientNetV2B0", 224, 273, 7_200_312, "Tan & Le 2021, arXiv:2104.00298"),
    Network("efficientnetv2b1", "EfficientNetV2B1", 240, 337, 8_212_124, "Tan & Le 2021, arXiv:2104.00298"),
    Network("efficientnetv2b2", "EfficientNetV2B2", 260, 352, 10_178_374, "Tan & Le 2021, arXiv:2104.00298"),
    Network("efficientnetv2b3", "EfficientNetV2B3", 300, 412, 14_467_622, "Tan & Le 2021, arXiv:2104.00298"),
    Network("efficientnetv2l", "EfficientNetV2L", 480, 1_031, 119_027_848, "Tan & Le 2021, arXiv:2104.00298"),
    Network("efficientnetv2m", "EfficientNetV2M", 480, 743, 54_431_388, "Tan & Le 2021, arXiv:2104.00298"),
    Network("efficientnetv2s", "EfficientNetV2S", 384, 516, 21_612_360, "Tan & Le 2021, arXiv:2104.00298"),
    Network("inceptionresnetv2", "InceptionResNetV2", 299, 782, 55_873_736, "Szegedy et al. 2016, arXiv:1602.07261"),
    Network("inceptionv3", "InceptionV3", 299, 313, 23_851_784, "Szegedy et al. 2015, arXiv:1512.00567"),
    Network("mobilenet", "MobileNet", 224, 91, 4_253_864, "Howard et al. 2017, arXiv:1704.04861"),
    Network("mobilenetv2", "MobileNetV2", 224, 156, 3_538_984, "Sandler et al. 2018, arXiv:1801.04381"),
    Network("mobilenetv3large", "MobileNetV3Large", 224, 210, 5_507_432, "Howard et al. 2019, arXiv:1905.02244"),
    Network("mobilenetv3small", "MobileNetV3Small", 224, 182, 2_554_968, "Howard et al. 2019, arXiv:1905.02244"),
    Network("nasnetlarge", "NASNetLarge", 331, 1_041, 88_949_818, "Zoph et al. 2018, arXiv:1707.07012"),
    Network("nasnetmobile", "NASNetMobile", 224, 771, 5_326_716, "Zoph et al. 2018, arXiv:1707.07012"),
    Network("resnet101", "ResNet101", 224, 347, 44_707_176, "He et al. 2015, arXiv:1512.03385"),
    Network("resnet101v2", "ResNet101V2", 224, 379, 44_675_560, "He et al. 2016, arXiv:1603.05027"),
    Network("resnet152", "ResNet152", 224, 517, 60_419_944, "He et al. 2015, arXiv:1512.03385"),
    Network("resnet152v2", "ResNet152V2", 224, 566, 60_380_648, "He et al. 2016, arXiv:1603.05027"),
    Network("resnet50", "ResNet50", 224, 177, 25_636_712, "He et al. 2015, arXiv:1512.03385"),
    Network("resnet50v2", "ResNet50V2", 224, 192, 25_613_800, "He et al. 2016, arXiv:1603.05027"),
    Network("vgg16", "VGG16", 224, 23, 138_357_544, "Simonyan & Zisserman 2014, arXiv:1409.1556"),
    Network("vgg19", "VGG19", 224, 26, 143_667_240, "Simonyan & Zisserman 2014, arXiv:1409.1556"),
    Network("xception", "Xception", 299, 134, 22_910_480, "Chollet 2017, arXiv:1610.02357"),
)

NETWORKS: dict[str, Network] = {network.name: network for network in sorted(_ALL, key=lambda network: network.name)}


def find(name: str) -> Network:
    """Returns a network by name; case does not matter.

    Raises:
        SurgeryError: there is none of that name; the message names the nearest.
    """
    if name.lower() not in NETWORKS:
        raise SurgeryError(
            f"no network or file called {name!r}.{nearest(name, NETWORKS)} `surgery zoo` lists all {len(NETWORKS)}."
        )
    return NETWORKS[name.lower()]


def published(preprocessing: str | Preprocessing) -> Preprocessing:
    """Returns a preprocessing of images by its name in Keras, or by that of a network that expects it.

    Raises:
        SurgeryError: there is none of that name.
    """
    if isinstance(preprocessing, Preprocessing):
        return preprocessing
    name = preprocessing.lower() if isinstance(preprocessing, str) else ""
    if name in MODES:
        return MODES[name]
    if name in NETWORKS:
        return NETWORKS[name].preprocessing()
    known = [*MODES, *NETWORKS]
    raise SurgeryError(
        f"no preprocessing {preprocessing!r}: {', '.join(MODES)}, or the name of a network.{nearest(name, known)}"
    )
