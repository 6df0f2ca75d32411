"""The names of layers and operations that work on each number alone, wherever it is: what several rooms must agree on.

Each is a pattern of alternatives, to be put into a larger one. What moves numbers, or looks at several, is in none.
"""

ACTIVATIONS = (
    r"Activation|ELU|Elu|Gelu|HardSigmoid|HardSilu|HardSwish|LeakyReLU|Mish|PReLU|ReLU|Relu6?|Selu|Sigmoid|Silu|Softplus|"
    r"Softsign|Swish|Tanh|ThresholdedReLU"
)
PASSING = (
    r"ActivityRegularization|AlphaDropout|BatchNormalization|Dropout|GaussianDropout|GaussianNoise|Identity|Masking|"
    r"Normalization|Rescaling|SpatialDropout[123]D|StopGradient"
)
ARITHMETIC = r"Abs|Absolute|Cast|Ceil|Clip|Cos|Exp|Floor|Log|Negative|Reciprocal|Round|Rsqrt|Sign|Sin|Sqrt|Square"
MERGING = r"Add|Average|Divide|Maximum|Minimum|Mod|Multiply|Power|Subtract|TrueDivide|Where"
COMPARING = r"Equal|Greater(Equal)?|Less(Equal)?|Logical\w+|NotEqual"
