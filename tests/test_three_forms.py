"""The laws of `three_forms.py` on a few random networks; `scripts/three_forms.py` runs them on as many as one likes."""

import re

import pytest
import three_forms

SEEDS = (1001, 1002, 1005, 1009, 1012, 1016)
REFUSALS = (  # what is refused on purpose, with the repair in the message
    r"'spectral_normalization\w*' \(SpectralNormalization\) changes its kernel in training, whatever its flag",
    r"carries a mask that '\w+' \(\w+\) takes without naming it, and an input carries none",
    r"the file does not say the shape of the tensor; open\(path, shapes=True\) has Keras compute it",
    r"layers of the file have the shapes of \d layers of the network, and their names do not distinguish them",
)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_laws_hold_in_every_form(seed, tmp_path):
    found = three_forms.tried(seed, tmp_path)
    assert not found.failed, (found.kinds, found.failed)
    unknown = [(law, message) for law, message in found.refused if not any(re.search(one, message) for one in REFUSALS)]
    assert not unknown, (found.kinds, unknown)
    laws = {law.split()[1] for law in found.held}
    assert len(laws) >= 9, laws  # the others say nothing of this network
