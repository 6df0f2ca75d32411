"""What the `fit` of several recipes share: small trainings on real data, honest baselines, measures, and images."""

from surgery.recipe.tasks.classifying import accuracy, adapt_to_noise, check_classes
from surgery.recipe.tasks.gradcam import gradcam
from surgery.recipe.tasks.judging import Judge, judge, judged
from surgery.recipe.tasks.segmenting import segment
from surgery.training.baselines import fresh
from surgery.training.epoch_bar import EpochBar
from surgery.training.metrics import overlap, psnr
from surgery.view.charts import chart, tiles
from surgery.view.feature_maps import feature_maps

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
