"""Parts that recipes put together: plain functions of tensors, to be grafted."""

from surgery.wiring.unet import unet_decoder

__all__ = ["unet_decoder"]
