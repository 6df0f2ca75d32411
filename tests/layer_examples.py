"""Every class of `keras.layers` made once: its arguments, and the shapes that it is given, without the batch."""

import inspect
import re

import keras

L = keras.layers

VECTOR, SEQUENCE, MAP1, MAP2, MAP3, IMAGE = (6,), (5, 4), (8, 4), (8, 8, 4), (6, 6, 6, 2), (16, 16, 3)
TOKENS = (5,)
# class -> (arguments, shapes given; None: it is not called by itself); the first pattern that fits a name as a whole
EXAMPLES = {
    "Activation": (["relu"], VECTOR),
    "ActivityRegularization": ([0.1], VECTOR),
    "AlphaDropout|Dropout|GaussianDropout|GaussianNoise": ([0.3], VECTOR),
    "AugMix|AutoContrast|CutMix|MixUp|RandAugment|Equalization|Solarization|Contrast\\w+": ([], IMAGE),
    "Bidirectional": ([L.LSTM(3, return_sequences=True)], SEQUENCE),
    "CategoryEncoding": ([5], TOKENS),
    "CenterCrop|RandomCrop|Resizing": ([6, 7], IMAGE),
    "Cropping2D": ([((1, 2), (0, 3))], MAP2),
    "ZeroPadding2D": ([((1, 2), (0, 3))], MAP2),
    "Dense": ([7], VECTOR),
    "Discretization": ([[0.0, 0.5]], VECTOR),
    "Dot": ([1], [VECTOR, VECTOR]),
    "EinsumDense": (["abc,cd->abd", (5, 3), None, "d"], SEQUENCE),
    "Embedding|ReversibleEmbedding": ([11, 3], TOKENS),
    "GroupNormalization": ([2], MAP2),
    "GroupedQueryAttention": ([8, 4, 2], [(5, 8), (5, 8)]),
    "HashedCrossing": ([7], [(1,), (1,)]),
    "Hashing": ([7], TOKENS),
    "InputLayer": ([VECTOR], None),
    "IntegerLookup": ([None, 1, None, -1, [1, 2, 3]], TOKENS),
    "MaxNumBoundingBoxes": ([4], None),
    "MelSpectrogram": ([], (4096,)),
    "MultiHeadAttention": ([2, 3], [(5, 8), (5, 8)]),
    "PReLU": ([], MAP2),
    "Permute": ([(2, 1)], SEQUENCE),
    "Pipeline": ([[L.RandomFlip()]], IMAGE),
    "RNN": ([L.GRUCell(3)], SEQUENCE),
    "RepeatVector": ([3], VECTOR),
    "Rescaling": ([0.5], VECTOR),
    "Reshape": ([(3, -1)], VECTOR),
    "STFTSpectrogram": ([], (4096, 1)),
    "SpatialDropout1D": ([0.3], MAP1),
    "SpatialDropout2D": ([0.3], MAP2),
    "SpatialDropout3D": ([0.3], MAP3),
    "SpectralNormalization": ([L.Dense(3)], VECTOR),
    "StackedRNNCells": ([[L.GRUCell(3)]], None),
    "StringLookup|TextVectorization": ([], None),
    "TimeDistributed": ([L.Dense(3)], SEQUENCE),
    "FlaxLayer|JaxLayer|Lambda|Layer|TFSMLayer|TorchModuleWrapper|Wrapper": None,  # code, or a base to inherit from
    "(Additive)?Attention": ([], [SEQUENCE, SEQUENCE]),
    "Add|Average|Concatenate|Maximum|Minimum|Multiply|Subtract": ([], [VECTOR, VECTOR]),
    "ConvLSTM1D": ([3, 3], (4, 8, 2)),
    "ConvLSTM2D": ([3, 3], (4, 6, 6, 2)),
    "ConvLSTM3D": ([3, 3], (2, 4, 4, 4, 2)),
    "(GRU|LSTM|SimpleRNN)Cell": ([3], None),
    "GRU|LSTM|SimpleRNN": ([3], SEQUENCE),
    "(Separable)?Conv1D(Transpose)?": ([6, 3], MAP1),
    "(Separable)?Conv2D(Transpose)?": ([6, 3], MAP2),
    "Conv3D(Transpose)?": ([6, 3], MAP3),
    "Adaptive\\w+1D": ([3], MAP1),
    "Adaptive\\w+2D": ([3], MAP2),
    "Adaptive\\w+3D": ([3], MAP3),
    "AveragePooling1D|MaxPooling1D|DepthwiseConv1D": ([3], MAP1),
    "AveragePooling2D|MaxPooling2D|DepthwiseConv2D": ([3], MAP2),
    "AveragePooling3D|MaxPooling3D": ([3], MAP3),
    "Flatten": ([], MAP2),
    "\\w+1D": ([], MAP1),
    "\\w+2D": ([], MAP2),
    "\\w+3D": ([], MAP3),
    "RandomPosterization": ([4], IMAGE),
    "RandomShear": ([(0.0, 0.3)], IMAGE),
    "RandomTranslation": ([0.2, 0.2], IMAGE),
    "Random(Brightness|Contrast|Rotation|Zoom|ColorDegeneration|Hue|Saturation|Sharpness)": ([0.3], IMAGE),
    "Random\\w+": ([], IMAGE),
    "Masking": ([], SEQUENCE),
    "\\w+": ([], VECTOR),
}
INTEGERS = re.compile(r"Embedding|ReversibleEmbedding|IntegerLookup|CategoryEncoding|Hash\w+")
CLASSES = {
    cls.__name__: cls for cls in vars(L).values() if inspect.isclass(cls) and issubclass(cls, L.Layer)
}  # some are there under several names


def example(name):
    """Returns a layer of a class of `keras.layers`, and the inputs that it is called with; `None` for what is not."""
    found = next(made for pattern, made in EXAMPLES.items() if re.fullmatch(pattern, name))
    if found is None:
        return None
    arguments, shapes = found
    cls = CLASSES[name]
    arguments = [one.from_config(one.get_config()) if isinstance(one, L.Layer) else one for one in arguments]
    layer = cls(*arguments)
    if shapes is None:
        return layer, None
    dtype = "int32" if INTEGERS.fullmatch(name) else "float32"
    return layer, [keras.Input(shape, dtype=dtype) for shape in (shapes if isinstance(shapes, list) else [shapes])]


def called(layer, inputs):
    """Returns what a layer makes of some tensors; attention names them, all others take a list."""
    several = "query" in inspect.signature(layer.call).parameters
    return layer(*inputs) if several else layer(inputs if len(inputs) > 1 else inputs[0])
