"""What the `fit` of several recipes share: small trainings on real data, honest baselines, measures, and images."""

from surgery.core.renames import former_names
from surgery.recipe.tasks.classifying import accuracy, adapt_to_noise, check_classes
from surgery.recipe.tasks.gradcam import gradcam
from surgery.recipe.tasks.judging import DigitScorer, digit_scorer, score_samples
from surgery.recipe.tasks.segmenting import segment
from surgery.training.baselines import reinitialized
from surgery.training.epoch_bar import EpochBar
from surgery.training.metrics import mask_iou, psnr
from surgery.view.charts import bar_chart, image_grid
from surgery.view.feature_maps import feature_maps

__all__ = [
    "DigitScorer",
    "EpochBar",
    "accuracy",
    "adapt_to_noise",
    "bar_chart",
    "check_classes",
    "digit_scorer",
    "feature_maps",
    "gradcam",
    "image_grid",
    "mask_iou",
    "psnr",
    "reinitialized",
    "score_samples",
    "segment",
]
__getattr__ = former_names(
    __name__,
    "sg.tasks",
    {
        "Judge": "DigitScorer",
        "chart": "bar_chart",
        "fresh": "reinitialized",
        "judge": "digit_scorer",
        "judged": "score_samples",
        "overlap": "mask_iou",
        "tiles": "image_grid",
    },
)
