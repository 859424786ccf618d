# SPDX-License-Identifier: Apache-2.0
"""model: the whole fund, put together from its parts."""
from model_eyes import Eyes
from model_life import Life
from model_money import Money


class Fund(Eyes, Money, Life):
    pass
