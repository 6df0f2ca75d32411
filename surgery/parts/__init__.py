"""Parts that recipes graft: decoders, heads, generators and discriminators as functions of tensors, with their losses.

No networks are opened here except by `encoder`, and none is trained. It may import core to training.
"""

from surgery.core.renames import former_names
from surgery.parts.adversarial import gan_players
from surgery.parts.alignment import crop_or_pad_to
from surgery.parts.deeplab import aspp, deeplab_decoder
from surgery.parts.detection import (
    anchor_free_head,
    anchor_points,
    decode_detections,
    detection_loss,
    detection_targets,
)
from surgery.parts.discriminators import dcgan_discriminator, patch_discriminator, projection_score
from surgery.parts.encoders import encoder
from surgery.parts.fcn import fcn_decoder
from surgery.parts.fpn import feature_pyramid, fpn_decoder
from surgery.parts.generators import dcgan_generator, image_translation_generator, super_resolution_generator
from surgery.parts.inception import inception_module
from surgery.parts.linknet import linknet_decoder
from surgery.parts.pyramid_pooling import pyramid_pooling_decoder
from surgery.parts.residual import zero_init_residual, zero_init_skip
from surgery.parts.style_losses import content_loss, gram_matrix, style_loss, total_variation
from surgery.parts.unet import unet_decoder
from surgery.training.boxes import average_precision, box_iou

__all__ = [
    "anchor_free_head",
    "anchor_points",
    "aspp",
    "average_precision",
    "box_iou",
    "content_loss",
    "crop_or_pad_to",
    "dcgan_discriminator",
    "dcgan_generator",
    "decode_detections",
    "deeplab_decoder",
    "detection_loss",
    "detection_targets",
    "encoder",
    "fcn_decoder",
    "feature_pyramid",
    "fpn_decoder",
    "gan_players",
    "gram_matrix",
    "image_translation_generator",
    "inception_module",
    "linknet_decoder",
    "patch_discriminator",
    "projection_score",
    "pyramid_pooling_decoder",
    "style_loss",
    "super_resolution_generator",
    "total_variation",
    "unet_decoder",
    "zero_init_residual",
    "zero_init_skip",
]
__getattr__ = former_names(
    __name__,
    "sg.parts",
    {
        "adversaries": "gan_players",
        "aligned": "crop_or_pad_to",
        "box_overlap": "box_iou",
        "content_distance": "content_loss",
        "decoded": "decode_detections",
        "gram": "gram_matrix",
        "places": "anchor_points",
        "roughness": "total_variation",
        "starting_at_zero": "zero_init_residual",
        "style_distance": "style_loss",
        "super_resolver": "super_resolution_generator",
        "translator": "image_translation_generator",
        "zero_skip": "zero_init_skip",
    },
)
