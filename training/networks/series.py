"""Networks over the weekly series of a customer's baskets: the weeks as they go in, and the sizes.

Feed-forward over all inputs, or with convolutions over the weekly series as well. Keras trains them; they serve as
:mod:`training.networks.convolution`.
"""

from __future__ import annotations

from dataclasses import replace

from conf.tables.features import WEEKS
from training.networks.convolution_fit import ConvolutionConfig

#: weekly inputs, the oldest week first
SERIES = tuple(tuple(f"{kind}_week_{n}" for kind in ("visits", "spend")) for n in range(WEEKS, 0, -1))
FORWARD = ConvolutionConfig()
CONVOLUTION = replace(FORWARD, convolutions=(16, 16))
