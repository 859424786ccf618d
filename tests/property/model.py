# SPDX-License-Identifier: Apache-2.0
"""model: the whole fund, put together from its parts."""
from model_bank import Statements
from model_books import Books
from model_desk import Desk
from model_eyes import Eyes
from model_life import Life
from model_money import Money
from model_terms import Terms


class Fund(Books, Desk, Eyes, Statements, Terms, Money, Life):
    pass
