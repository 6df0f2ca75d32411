"""Parts that recipes put together: plain functions of tensors, to be grafted, and the losses that go with them."""

from surgery.wiring.adversaries import adversaries
from surgery.wiring.boxes import average_precision, box_overlap
from surgery.wiring.deeplab import aspp, deeplab_decoder
from surgery.wiring.detection import (
    anchor_free_head,
    decoded,
    detection_loss,
    detection_targets,
    places,
)
from surgery.wiring.discriminators import dcgan_discriminator, patch_discriminator, projection_score
from surgery.wiring.encoders import encoder
from surgery.wiring.fcn import fcn_decoder
from surgery.wiring.fpn import feature_pyramid, fpn_decoder
from surgery.wiring.generators import dcgan_generator, super_resolver, translator
from surgery.wiring.inception import inception_module
from surgery.wiring.linknet import linknet_decoder
from surgery.wiring.pyramid_pooling import pyramid_pooling_decoder
from surgery.wiring.residual import starting_at_zero, zero_skip
from surgery.wiring.sizes import aligned
from surgery.wiring.style import content_distance, gram, roughness, style_distance
from surgery.wiring.unet import unet_decoder

__all__ = [
    "adversaries",
    "aligned",
    "anchor_free_head",
    "aspp",
    "average_precision",
    "box_overlap",
    "content_distance",
    "dcgan_discriminator",
    "dcgan_generator",
    "decoded",
    "deeplab_decoder",
    "detection_loss",
    "detection_targets",
    "encoder",
    "fcn_decoder",
    "feature_pyramid",
    "fpn_decoder",
    "gram",
    "inception_module",
    "linknet_decoder",
    "patch_discriminator",
    "places",
    "projection_score",
    "pyramid_pooling_decoder",
    "roughness",
    "starting_at_zero",
    "style_distance",
    "super_resolver",
    "translator",
    "unet_decoder",
    "zero_skip",
]
