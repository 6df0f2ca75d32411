"""What the `fit` of several recipes share: small trainings on real data, honest baselines, measures, and images."""

from surgery.tasks.bars import EpochBar
from surgery.tasks.baselines import fresh
from surgery.tasks.classifying import accuracy, adapt_to_noise, check_classes
from surgery.tasks.drawing import chart, tiles
from surgery.tasks.explaining import gradcam
from surgery.tasks.feature_maps import feature_maps
from surgery.tasks.judging import Judge, judge, judged
from surgery.tasks.measures import overlap, psnr
from surgery.tasks.segmenting import segment

__all__ = [
    "EpochBar",
    "Judge",
    "accuracy",
    "adapt_to_noise",
    "chart",
    "check_classes",
    "feature_maps",
    "fresh",
    "gradcam",
    "judge",
    "judged",
    "overlap",
    "psnr",
    "segment",
    "tiles",
]
