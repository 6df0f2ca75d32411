"""What is known of each class of `keras.layers`: the one table that all rooms ask.

A new layer of Keras is one row here. A test builds every class of `keras.layers` and compares its row with what Keras
does. What has no row, a custom layer for instance, has no traits, and its shapes and variables are not known.
"""

from __future__ import annotations

from surgery.layers import count_rules as counts
from surgery.layers import shape_rules as shapes
from surgery.layers import variable_sizes as sizes
from surgery.layers.facts import Config, Facts, Trait, rows
from surgery.layers.operations import OPERATIONS

T = Trait
_CHEAP = T.NO_PRODUCTS
_EACH = T.ELEMENTWISE | _CHEAP
_SAME = _EACH | T.SAME_VALUES | T.KEEPS_ORDER
_HEADS = (
    "query/kernel query/bias?use_bias key/kernel key/bias?use_bias value/kernel value/bias?use_bias "
    "attention_output/kernel attention_output/bias?use_bias"
)
_IN_IMAGES = T.RANDOM | T.ON_GRID | T.IMAGE_TO_IMAGE | _CHEAP
_SEQUENCE = T.RECURRENT | T.MIXING | T.ON_GRID | T.TAKES_MASK
_CONVOLUTION = T.CONVOLUTION | T.WINDOWED | T.FUSES_ACTIVATION | T.ENDS_MASK
_ATTENTION = T.ATTENTION | T.MIXING | T.ON_GRID | T.TAKES_MASK
_MERGE = _EACH | T.MERGES_MASKS

LAYERS = rows(
    {
        # ---- products with a kernel ----
        "Dense": Facts(
            T.FUSES_ACTIVATION | T.PASSES_MASK,
            shapes.dense,
            variables="kernel bias?use_bias",
            sizes=sizes.dense,
            kernel="in0 out0",
            outputs={"kernel": -1, "bias": -1},
        ),
        "EinsumDense": Facts(T.FUSES_ACTIVATION, shapes.einsum, variables="kernel bias?bias_axes"),
        "Conv1D Conv2D Conv3D": Facts(
            _CONVOLUTION,
            shapes.convolution,
            variables="kernel bias?use_bias",
            sizes=sizes.convolution,
            kernel="convolution",
            outputs={"kernel": -1, "bias": -1},
        ),
        "DepthwiseConv1D DepthwiseConv2D": Facts(
            _CONVOLUTION,
            shapes.convolution,
            variables="kernel bias?use_bias",
            sizes=sizes.depthwise,
            kernel="depthwise convolution",
        ),
        "SeparableConv1D SeparableConv2D": Facts(
            _CONVOLUTION,
            shapes.convolution,
            variables="depthwise_kernel pointwise_kernel bias?use_bias",
            sizes=sizes.separable,
            outputs={"pointwise_kernel": -1, "bias": -1},
        ),
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose": Facts(
            T.CONVOLUTION | T.UPSAMPLING | T.FUSES_ACTIVATION | T.ENDS_MASK,
            shapes.transposed,
            variables="kernel bias?use_bias",
            sizes=sizes.transposed,
            kernel="transposed convolution",
            outputs={"kernel": -2, "bias": -1},
        ),
        "LocallyConnected1D LocallyConnected2D": Facts(T.ENDS_MASK),  # of Keras 2
        "Embedding": Facts(
            T.ENDS_MASK | _CHEAP,
            shapes.embedding,
            variables="embeddings",
            sizes=sizes.embedding,
            outputs={"embeddings": 0},
        ),
        "ReversibleEmbedding": Facts(outputs={"embeddings": 0, "reverse_embeddings": -1}),
        # ---- each number alone ----
        "Activation ELU LeakyReLU ReLU ThresholdedReLU": Facts(_EACH | T.PASSES_MASK, shapes.same, variables=""),
        "PReLU": Facts(_EACH | T.PASSES_MASK, shapes.same, variables="alpha", sizes=sizes.slopes),
        "ActivityRegularization AlphaDropout GaussianDropout SpatialDropout1D SpatialDropout3D": Facts(
            _SAME | T.PASSES_MASK, shapes.same, variables=""
        ),
        "Dropout GaussianNoise SpatialDropout2D": Facts(
            _SAME | T.PASSES_MASK | T.IMAGE_TO_IMAGE, shapes.same, variables=""
        ),
        "Identity": Facts(_SAME | T.SAME_DTYPE | T.IMAGE_TO_IMAGE, shapes.same, variables=""),
        "Masking": Facts(T.ALONG_AXIS | _CHEAP, shapes.same, variables=""),
        "Rescaling": Facts(_EACH | T.ENDS_MASK, shapes.same, variables=""),
        "LayerScale StochasticDepth": Facts(_EACH),
        "Add Maximum Minimum Multiply Subtract": Facts(_MERGE, shapes.broadcast, variables=""),
        "Average": Facts(_MERGE, shapes.average, variables=""),
        # ---- statistics ----
        "BatchNormalization FixedBatchNormalization": Facts(
            _EACH | T.PASSES_MASK | T.TAKES_MASK,
            shapes.same,
            variables="gamma?scale beta?center moving_mean! moving_variance!",
            sizes=sizes.normalization,
        ),
        "Normalization": Facts(_EACH, shapes.same, variables="mean! variance! count!"),
        "GroupNormalization": Facts(
            T.MIXING | T.ON_GRID | _CHEAP,
            shapes.same,
            variables="gamma?scale beta?center",
            sizes=sizes.normalization,
        ),
        "LayerNormalization": Facts(
            T.ALONG_AXIS | T.PASSES_MASK | _CHEAP,
            shapes.same,
            variables="gamma?scale beta?center",
            sizes=sizes.normalization,
        ),
        "RMSNormalization": Facts(T.ALONG_AXIS | _CHEAP, shapes.same, variables="scale", sizes=sizes.normalization),
        "UnitNormalization": Facts(T.ALONG_AXIS | T.PASSES_MASK | _CHEAP, shapes.same, variables=""),
        "Softmax": Facts(
            T.ALONG_AXIS | T.PASSES_MASK | T.TAKES_MASK | T.FLOATING | T.KEEPS_ORDER | _CHEAP,
            shapes.same,
            variables="",
        ),
        "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D": Facts(
            T.POOLING | T.WINDOWED | T.ENDS_MASK | _CHEAP, shapes.pooling, variables=""
        ),
        "GlobalAveragePooling1D": Facts(
            T.MIXING | T.TAKES_MASK | T.ENDS_MASK | _CHEAP, shapes.global_pooling, variables=""
        ),
        "GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D": Facts(
            T.MIXING | T.ENDS_MASK | _CHEAP, shapes.global_pooling, variables=""
        ),
        "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D "
        "AdaptiveMaxPooling2D AdaptiveMaxPooling3D": Facts(_CHEAP, variables=""),
        # ---- the order of numbers ----
        "Concatenate": Facts(T.ALONG_AXIS | T.MERGES_MASKS | _CHEAP, shapes.concatenate, variables=""),
        "Dot": Facts(T.ENDS_MASK, shapes.dot, variables=""),
        "Flatten": Facts(T.MIXING | T.SAME_DTYPE | T.SAME_VALUES | T.ENDS_MASK | _CHEAP, shapes.flatten, variables=""),
        "Reshape": Facts(T.SAME_DTYPE | T.SAME_VALUES | T.ENDS_MASK | _CHEAP, shapes.reshape, variables=""),
        "Permute": Facts(T.MOVING | T.SAME_DTYPE | T.ENDS_MASK | _CHEAP, shapes.permute, variables=""),
        "RepeatVector": Facts(T.SAME_DTYPE | T.ENDS_MASK | _CHEAP, shapes.repeat_vector, variables=""),
        "Cropping1D Cropping3D ZeroPadding1D ZeroPadding3D": Facts(
            T.SAME_DTYPE | T.ENDS_MASK | _CHEAP, shapes.padding, variables=""
        ),
        "Cropping2D ZeroPadding2D": Facts(
            T.SAME_DTYPE | T.ENDS_MASK | T.IMAGE_TO_IMAGE | _CHEAP, shapes.padding, variables=""
        ),
        "UpSampling1D UpSampling2D UpSampling3D": Facts(
            T.UPSAMPLING | T.ENDS_MASK | _CHEAP, shapes.upsampling, variables=""
        ),
        "InputLayer": Facts(T.ENDS_MASK | _CHEAP, variables=""),
        # ---- sequences and sets ----
        "GRU LSTM SimpleRNN": Facts(
            _SEQUENCE | T.GATED | T.PARTS_IN_ORDER,
            shapes.recurrent,
            variables="kernel recurrent_kernel bias?use_bias",
            sizes=sizes.recurrent,
        ),
        "GRUCell LSTMCell SimpleRNNCell": Facts(
            T.GATED, variables="kernel recurrent_kernel bias?use_bias", kernel="gates"
        ),
        "ConvLSTM1D ConvLSTM2D ConvLSTM3D": Facts(
            T.RECURRENT | T.GATED | T.PARTS_IN_ORDER | T.TAKES_MASK,
            shapes.convolutional_lstm,
            variables="kernel recurrent_kernel bias?use_bias",
            sizes=sizes.convolutional_lstm,
        ),
        "ConvLSTM1DCell ConvLSTM2DCell ConvLSTM3DCell": Facts(
            T.GATED, variables="kernel recurrent_kernel bias?use_bias"
        ),
        "RNN": Facts(_SEQUENCE, count=counts.of_cells),
        "Bidirectional": Facts(_SEQUENCE | T.PARTS_IN_ORDER, shapes.bidirectional),
        "TimeDistributed": Facts(T.PARTS_IN_ORDER | T.PASSES_MASK),  # its shape is that of what it wraps, at each step
        "Attention AdditiveAttention": Facts(_ATTENTION, shapes.attention, variables="scale?use_scale"),
        "MultiHeadAttention": Facts(
            _ATTENTION | T.PASSES_MASK | T.PARTS_IN_ORDER,
            shapes.multi_head,
            variables=_HEADS,
            sizes=sizes.heads,
        ),
        "GroupQueryAttention": Facts(
            _ATTENTION | T.PASSES_MASK | T.PARTS_IN_ORDER,
            shapes.same,
            variables=_HEADS,
            sizes=sizes.grouped_heads,
        ),
        # ---- preparing data ----
        "Resizing CenterCrop": Facts(T.IMAGE_TO_IMAGE | _CHEAP, shapes.resizing, variables=""),
        "RandomCrop": Facts(_IN_IMAGES, shapes.resizing, variables=""),
        "RandomBrightness RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom": Facts(
            _IN_IMAGES, shapes.same, variables=""
        ),
        "RandomColorDegeneration RandomColorJitter RandomErasing RandomGrayscale RandomHeight RandomHue RandomInvert "
        "RandomPerspective RandomPosterization RandomSaturation RandomShear RandomWidth": Facts(
            _IN_IMAGES, variables=""
        ),
        "RandomElasticTransform RandomGaussianBlur RandomSharpness": Facts(
            T.RANDOM | T.ON_GRID | T.IMAGE_TO_IMAGE, variables=""
        ),
        "AugMix AutoContrast CutMix MixUp Pipeline RandAugment": Facts(T.RANDOM | T.IMAGE_TO_IMAGE),
        "CategoryEncoding Discretization HashedCrossing Hashing": Facts(_CHEAP, variables=""),
        "IntegerLookup StringLookup TextVectorization": Facts(T.LOOKUP | _CHEAP, variables=""),
        # ---- code of its own ----
        "FlaxLayer JaxLayer Lambda TFSMLayer TorchModuleWrapper": Facts(T.CODE),
        # ---- not known here, on purpose: bases to inherit from, wrappers seen through elsewhere, and preparing of data
        # that is rare inside of a network ----
        "ContrastLimitedAdaptiveHistogramEqualization Equalization Layer MaxNumBoundingBoxes MelSpectrogram "
        "Solarization STFTSpectrogram SpectralNormalization StackedRNNCells Wrapper": Facts(),
    }
)
TABLE = {**OPERATIONS, **LAYERS}
_UNKNOWN = Facts()


def facts(kind: str) -> Facts:
    """Returns what is known of a class, as `classes.kind_of` names it; of a custom one nothing."""
    return TABLE.get(kind, _UNKNOWN)


def has(kind: str, trait: Trait) -> bool:
    """Whether a class has a trait, or one of several that are joined by `|`."""
    return bool(facts(kind).traits & trait)


def own_variables(kind: str, config: Config) -> list[tuple[str, bool]] | None:
    """Returns (name, whether training moves it) of the variables that a layer makes, in order; `None` if not known."""
    names = facts(kind).variables
    if names is None:
        return None
    found = []
    for word in names.split():
        name, _, key = word.rstrip("!").partition("?")
        if not key or config.get(key, True):
            found.append((name, not word.endswith("!")))
    return found
