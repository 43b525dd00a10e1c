"""Files of rows: read once, counted by their row ends, and held to what is known of them."""

import gzip
import io
from typing import Any

import pytest

from montecarlo.errors import InvalidPortfolio
from montecarlo.portfolio.files import Format, open_rows

LINES = [b"AccountID,PD,Note\n", *(b"A%d,0.1,%s\n" % (i, b"n" * 100) for i in range(40_000))]
LARGE = b"".join(LINES)  # some blocks of a mebibyte


class Forward(io.BytesIO):
    """A file that nobody may go back in once it is read: Arrow reads ahead, so two readers would mix their bytes."""

    def seek(self, *place: Any) -> int:
        assert self.tell() == 0
        return super().seek(*place)


@pytest.mark.parametrize("format", ["csv", "csv.gz"])
def test_a_csv_is_read_by_one_reader_only(format: Format) -> None:
    data = gzip.compress(LARGE, 1) if format == "csv.gz" else LARGE
    file = open_rows(Forward(data), "a", format)
    assert file.columns == ["AccountID", "PD", "Note"]
    cells = file.read(["AccountID"])
    assert cells.table["AccountID"].to_pylist() == [b"A%d" % i for i in range(40_000)]
    assert cells.number.tolist() == list(range(1, 40_001))
    assert open_rows(Forward(data), "a", format).count() == 40_000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Arrow cannot hand the row over
def test_a_ragged_row_that_is_not_utf_8_is_a_reject_as_any_other() -> None:
    lines = [*LINES]
    lines[30_000] = b"A,0.1,M\xfcller,more\n"
    lines[35_000] = b"\xe4" * 100 + b"\n"
    lines[39_000] = b"B\xdf,0.1,x\n"
    cells = open_rows(io.BytesIO(b"".join(lines)), "a", "csv").read(["AccountID", "Note"])
    assert [(reject.row, reject.reason) for reject in cells.ragged] == [
        (30_000, "the row has more cells than the header"),
        (35_000, "the row has fewer cells than the header"),
    ]
    assert [reject.value for reject in cells.ragged] == ["A,0.1,M�ller,more", "�" * 80]
    assert cells.table.num_rows == 39_998
    assert cells.table["AccountID"][38_997].as_py() == b"B\xdf"
    assert set(cells.table["AccountID"].to_pylist()) == {*(line.split(b",")[0] for line in lines[1:])} - {
        b"A",
        lines[35_000],
    }


@pytest.mark.parametrize("format", ["csv", "csv.gz"])
def test_a_file_has_as_many_rows_as_it_must(format: Format) -> None:
    data = gzip.compress(LARGE, 1) if format == "csv.gz" else LARGE
    assert open_rows(io.BytesIO(data), "a", format).read(["PD"], holds=40_000).table.num_rows == 40_000
    for holds in (0, 39_999, 40_001):
        with pytest.raises(InvalidPortfolio, match=f"a has 40,000 rows where {holds:,} were counted or stated"):
            open_rows(io.BytesIO(data), "a", format).read(["PD"], holds=holds)
