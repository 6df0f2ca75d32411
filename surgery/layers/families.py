"""The names of layers and operations that work on each number alone, wherever it is: what several rooms must agree on.

Each is a pattern of alternatives, to be put into a larger one. What moves numbers, or looks at several, is in none.
"""

import functools
import re

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


def matches(name: str, pattern: str) -> bool:
    """Whether a name is one of the alternatives of a pattern, as a whole."""
    plain, others = _alternatives(pattern)
    return name in plain or (others != "" and re.fullmatch(others, name) is not None)


@functools.cache
def _alternatives(pattern: str) -> tuple[frozenset[str], str]:
    """Returns the alternatives that are names, and a pattern of the others: compiling all takes longer than a look."""
    found, depth = [], 0
    for part in pattern.split("|"):
        if depth:
            found[-1] += f"|{part}"
        else:
            found.append(part)
        depth += part.count("(") - part.count(")")
    plain = frozenset(one for one in found if one.isidentifier())
    return plain, "|".join(one for one in found if one not in plain)
