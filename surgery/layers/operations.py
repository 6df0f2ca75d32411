"""What is known of Keras' raw operations, `keras.ops`: rows of the table in `table.py`, by the name of the class."""

from __future__ import annotations

import dataclasses

from surgery.layers import count_rules as counts
from surgery.layers.facts import Facts, Trait, rows
from surgery.layers.shape_rules import broadcast, same

T = Trait
_CHEAP = T.NO_PRODUCTS
_EACH = T.ELEMENTWISE | _CHEAP

_ROWS = rows(
    {
        # ---- each number alone ----
        "Elu Gelu HardSigmoid HardSilu HardSwish Mish Relu Relu6 Selu Silu Softsign Swish StopGradient "
        "Abs Absolute Cast Ceil Clip Floor Negative Round Sign Square": Facts(_EACH, same),
        "Softplus Tanh Cos Exp Log Reciprocal Rsqrt Sin Sqrt": Facts(_EACH | T.FLOATING, same),
        "Sigmoid": Facts(_EACH | T.FLOATING | T.KEEPS_ORDER, same),
        "Mod Power Where": Facts(_EACH, broadcast),
        "Divide TrueDivide": Facts(_EACH | T.FLOATING, broadcast),
        "Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr LogicalXor NotEqual": Facts(
            _EACH | T.COMPARING, broadcast, variables=""
        ),
        "Celu Expm1 HardTanh LeakyRelu Log1p": Facts(_EACH),
        "BitwiseAnd BitwiseInvert BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor Cosh DivideNoNan "
        "Erf FloorDivide HardShrink Isfinite Isinf Isnan Log10 Log2 LogSigmoid Logaddexp Sinh SoftShrink SparsePlus "
        "SparseSigmoid Squareplus Tan TanhShrink Threshold": Facts(_CHEAP),
        # ---- along axes ----
        "LogSoftmax": Facts(T.ALONG_AXIS | T.KEEPS_ORDER | _CHEAP, same),
        "Amax Amin Max Mean Min Prod Std Sum Var": Facts(T.REDUCING | _CHEAP),
        "AdaptiveAveragePool AdaptiveMaxPool All Any Argmax Argmin Argsort BatchNorm Cumprod Cumsum Glu LayerNorm "
        "Logsumexp Median Normalize RMSNorm Sparsemax": Facts(_CHEAP),
        "Moments": Facts(_CHEAP, count=2),
        # ---- the order of numbers ----
        "Flip Moveaxis Roll Swapaxes Transpose": Facts(T.MOVING | _CHEAP),
        "Fliplr Flipud Rot90": Facts(T.MOVING),
        "BroadcastTo Copy DepthToSpace Dstack ExpandDims Full FullLike GetItem Hstack OneHot OnesLike Pad Ravel "
        "Rearrange Repeat Resize Slice SpaceToDepth Squeeze Stack Take TakeAlongAxis Tile Tril Triu Vstack "
        "ZerosLike": Facts(_CHEAP),
        "Split": Facts(_CHEAP, count=counts.of_split),
        "Unstack": Facts(_CHEAP, count=counts.of_unstack),
        "ArraySplit Dsplit Hsplit Vsplit": Facts(count=counts.of_split),
        "Meshgrid": Facts(count=counts.of_meshgrid),
        "Nonzero": Facts(count=counts.of_nonzero),
        "UnravelIndex": Facts(count=counts.of_unravel_index),
        # ---- products ----
        "Conv DepthwiseConv SeparableConv": Facts(T.WINDOWED | T.CONVOLUTION),
        "ConvTranspose": Facts(T.UPSAMPLING | T.CONVOLUTION),
        "AveragePool MaxPool": Facts(T.WINDOWED | T.POOLING | _CHEAP),
        "Einsum Inner Matmul Tensordot": Facts(),
        "GaussianBlur": Facts(output=same),
        # ---- several tensors: a complex number is two ----
        "CTCDecode Eig Eigh FFT FFT2 Histogram IFFT2 LuFactor Qr RFFT STFT Slogdet TopK": Facts(count=2),
        "SVD": Facts(count=counts.of_svd),
        # ---- not known here, on purpose: rare in networks, or no rule holds for all their arguments ----
        "AffineTransform AllClose Angle Append Arange Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh "
        "Argpartition Array AssociativeScan BinaryCrossentropy Bincount CDist CTCLoss CategoricalCrossentropy Cbrt "
        "Cholesky CholeskyInverse Cond Conj Conjugate ConvertToTensor Corrcoef Correlate CountNonzero CropImages "
        "Cross Deg2rad Det Diag Diagflat Diagonal Diff Digitize DotProductAttention ElasticTransform EmptyLike "
        "Erfc Erfinv Exp2 ExtractPatches ExtractSequences Fabs Fmax Fmin Fmod Fold ForiLoop Function Gcd Geomspace "
        "HSVToRGB Heaviside Hypot I0 IRFFT ISTFT Imag InTopK Inv IsIn Isclose Isneginf Isposinf Isreal JVP Kron "
        "Lcm Ldexp LeftShift Linspace Logaddexp2 Logdet Logspace Lstsq Map MapCoordinates MatrixRank MultiHot "
        "NanToNum Nanargmax Nanargmin Nancumprod Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod "
        "Nanquantile Nanstd Nansum Nanvar Ndim Nextafter Norm Outer PSNR PadImages Percentile PerspectiveTransform "
        "Pinv Polar Ptp Quantile RGBToGrayscale RGBToHSV Rad2deg Real RightShift SSIM SaturateCast "
        "ScaleAndTranslate Scan Scatter ScatterUpdate SearchSorted SegmentMax SegmentMin SegmentProd "
        "SegmentReduction SegmentSum Select Signbit Sinc Size SliceUpdate SobelEdges Solve SolveTriangular Sort "
        "SparseCategoricalCrossentropy Switch Trace Trapezoid Trunc Unfold Unique Vander Vdot VectorizedMap View "
        "ViewAsComplex ViewAsReal WhileLoop": Facts(),
    }
)
OPERATIONS = {name: dataclasses.replace(row, variables="") for name, row in _ROWS.items()}
