"""Layers and operations that sum no products, by the convention of `macs.py`: they count as 0."""

from surgery.layers.families import ACTIVATIONS, ARITHMETIC, COMPARING, MERGING, PASSING

_ON_EACH = (
    r"Any|All|Arg(max|min|sort)|Bitwise\w+|Celu|Cosh|DivideNoNan|Erf|Expm1|FloorDivide|Glu|HardShrink|HardTanh|"
    r"Is(finite|inf|nan)|LayerScale|LeakyRelu|Log(1p|2|10|addexp)|LogSigmoid|LogSoftmax|ReLU6|Sinh|SoftShrink|Softmax|"
    r"Sparse(Plus|Sigmoid|max)|Squareplus|Tan|TanhShrink|Threshold"
)
_MOVING = (
    r"BroadcastTo|Concatenate|Cropping[123]D|CenterCrop|Copy|DepthToSpace|ExpandDims|Flatten|Flip|Full(Like)?|GetItem|"
    r"Moveaxis|OnesLike|Pad|Permute|Ravel|Rearrange|Repeat|RepeatVector|Reshape|Roll|Slice|SpaceToDepth|Split|Squeeze|"
    r"Stack|Swapaxes|Take(AlongAxis)?|Tile|Transpose|Unstack|ZeroPadding[123]D|ZerosLike|Hstack|Vstack|Dstack|OneHot|"
    r"Tril|Triu|Embedding"
)
_STATISTICS = (
    r"GroupNormalization|LayerNormalization|RMSNormalization|UnitNormalization|(Batch|Layer|RMS)Norm|Normalize|Moments|"
    r"Amax|Amin|Cumprod|Cumsum|Logsumexp|Max|Mean|Median|Min|Prod|Std|Sum|Var|(Adaptive)?(Max|Average)Pool(ing[123]D)?|"
    r"Adaptive(Max|Average)Pooling[123]D|Global(Max|Average)Pooling[123]D"
)
_PREPARING = (
    r"UpSampling[123]D|Resizing|Resize|InputLayer|Random(Brightness|Contrast|Crop|Flip|Rotation|Translation|Zoom|"
    r"Erasing|Invert|Grayscale|Posterization|Shear)|CategoryEncoding|Discretization|Hashing|HashedCrossing|"
    r"IntegerLookup|StringLookup|TextVectorization"
)
COSTLESS = "|".join((ACTIVATIONS, PASSING, ARITHMETIC, MERGING, COMPARING, _ON_EACH, _MOVING, _STATISTICS, _PREPARING))
