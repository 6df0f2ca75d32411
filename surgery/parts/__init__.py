"""Parts that recipes graft: decoders, heads, generators and discriminators as functions of tensors, with their losses.

No networks are opened here except by `encoder`, and none is trained. It may import core to training.
"""

from surgery.parts.alignment import aligned
from surgery.parts.deeplab import aspp, deeplab_decoder
from surgery.parts.detection import anchor_free_head, decoded, detection_loss, detection_targets, places
from surgery.parts.discriminators import dcgan_discriminator, patch_discriminator, projection_score
from surgery.parts.encoders import encoder
from surgery.parts.fcn import fcn_decoder
from surgery.parts.fpn import feature_pyramid, fpn_decoder
from surgery.parts.gan_players import adversaries
from surgery.parts.generators import dcgan_generator, super_resolver, translator
from surgery.parts.inception import inception_module
from surgery.parts.linknet import linknet_decoder
from surgery.parts.pyramid_pooling import pyramid_pooling_decoder
from surgery.parts.residual import starting_at_zero, zero_skip
from surgery.parts.style_losses import content_distance, gram, roughness, style_distance
from surgery.parts.unet import unet_decoder
from surgery.training.boxes import average_precision, box_overlap

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
