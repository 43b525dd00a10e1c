"""The columns of a portfolio."""

from montecarlo.portfolio.columns import COLUMNS, OPTIONAL, REQUIRED
from tests.portfolio.helpers import GOOD


def test_every_column_is_required_or_optional() -> None:
    assert set(REQUIRED) | set(OPTIONAL) == set(GOOD) == {column.name for column in COLUMNS}
