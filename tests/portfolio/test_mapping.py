"""A mapping says where a bank keeps the columns, and is refused by the key that is wrong."""

import io
from datetime import date
from typing import Any

import pytest

from montecarlo.errors import InvalidInput, InvalidPortfolio
from montecarlo.portfolio.loans import validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rejects import Reject
from montecarlo.portfolio.rows import gather, read_rows
from tests.portfolio.helpers import AS_OF, GOOD, SEGMENTS, check, csv_of, parquet_of, read, typed


class TestMapping:
    def test_everything_it_can_do(self) -> None:
        document = {
            "as_of": "2018-06-30",
            "columns": {
                "AccountID": {"row_number": True, "prefix": "LC-"},
                "ZipCode": "state",
                "Rate": {"from": "rate", "scale": 100},
                "Payment": "pay",
                "LoanAmount": "amount",
                "LoanTerm": {"from": "term", "values": {"3 years": "36"}},
                "OriginationDate": {"from": "issued", "format": "%b-%Y"},
                "GrossIncome": {"from": ["joint", "single"]},
                "Segment": {"constant": "personal"},
                "RateType": {"from": "kind", "values": {"ARM": "floating"}},
            },
        }
        mapping = ColumnMapping.parse(document)
        data = (
            b"state,rate,pay,amount,term,issued,joint,single,kind\n"
            b"NJ,0.125,1,2,3 years,Mar-2018,,50,ARM\n"
            b"CA,0.25,1,2,48,Jan-2018,70,0,fixed\n"
            b"CA,0.25,1,2,4 years,x,,0,fixed\n"
        )
        loans, rejects = check(data, mapping=mapping)
        assert loans.account_id.to_pylist() == ["LC-1", "LC-2"]
        assert loans.rate.tolist() == [12.5, 25]
        assert loans.term.tolist() == [36, 48]
        assert loans.income.tolist() == [50, 70]
        assert loans.floating.tolist() == [True, False]
        assert rejects == [Reject("loans", 3, "LoanTerm", "4 years", "LoanTerm is not a finite number")]
        assert mapping.as_of == date(2018, 6, 30)
        assert mapping.numbers_rows

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            ([], "mapping must be a JSON object"),
            ({"colums": {}}, "unknown key 'colums'"),
            ({"columns": {"Rates": "r"}}, "unknown key 'Rates'"),
            ({"columns": {"Rate": 5}}, "mapping of Rate must be a JSON object"),
            ({"columns": {"Rate": {}}}, "mapping of Rate must have exactly one of"),
            ({"columns": {"Rate": {"from": "r", "constant": 1}}}, "exactly one of"),
            ({"columns": {"Rate": {"from": "r", "units": "%"}}}, "mapping of Rate has the unknown key 'units'"),
            ({"columns": {"Rate": {"from": "r", "prefix": "x"}}}, "unknown key 'prefix'"),
            ({"columns": {"Rate": {"from": []}}}, "must name a column"),
            ({"columns": {"Rate": {"from": "r", "scale": 0}}}, "scale above zero"),
            ({"columns": {"Rate": {"from": "r", "scale": True}}}, "scale above zero"),
            ({"columns": {"Rate": {"from": "r", "format": "%Y"}}}, "must have no format: Rate is a number"),
            (
                {"columns": {"Rate": {"from": "r", "values": {"a": True}}}},
                "values in the mapping of Rate must be a text or",
            ),
            ({"columns": {"Segment": {"from": "r", "scale": 2}}}, "Segment is a text"),
            ({"columns": {"Rate": {"row_number": True}}}, "for AccountID only"),
            ({"columns": {"Segment": {"constant": None}}}, "must be a text or a number, not None"),
            ({"columns": {"Rate": {"join": ["a", "b"]}}}, "has join, which is for texts and dates"),
            ({"columns": {"Rate": {"computed": "annuity"}}}, "for Payment only"),
            ({"columns": {"Payment": {"computed": "bullet"}}}, "as 'annuity' only"),
            ({"columns": {"Segment": {"from": "r", "default": "auto"}}}, "give values"),
            ({"columns": {"Segment": {"from": "r", "unit": "%"}}}, "must have no unit: Segment is a text"),
            ({"columns": {"Rate": {"from": "r", "unit": "-"}}}, "take what stands beside"),
            ({"columns": {"OriginationDate": {"from": "r", "language": "de"}}}, "has a language, but no format"),
            (
                {"columns": {"OriginationDate": {"from": "r", "format": "%d.%m.%Y", "language": "de"}}},
                "with a language %b",
            ),
            (
                {"columns": {"OriginationDate": {"from": "r", "format": "%d-%b-%Y", "language": "tlh"}}},
                "known: en, da, de",
            ),
            ({"dialect": {"delimiter": "::"}}, "dialect has the delimiter '::'; it may be ','"),
            ({"dialect": {"delimiter": None}}, "dialect has the delimiter None"),
            ({"dialect": {"quote": []}}, "dialect has the quote"),
            ({"dialect": {"escape": "/"}}, "dialect has the escape '/'"),
            ({"dialect": {"minus": None}}, "dialect has the minus None"),
            ({"dialect": {"encoding": "utf-16"}}, "cannot be cut at bytes: write it in UTF-8"),
            ({"dialect": {"decimal": ",", "thousands": ","}}, "both as decimal mark and between thousands"),
            ({"missing": "NA"}, "missing must be a list of texts"),
            ({"missing": [""]}, "that are not empty"),
            ({"filter": {"status": {}}}, "must have a condition"),
            ({"filter": {"status": {"in": []}}}, "at least one text"),
            ({"filter": {"status": {"above": "1"}}}, "must have for above a number"),
            ({"filter": {"status": {"missing": 1}}}, "true or false"),
            ({"files": {"match": 1}}, "files: match must be a list"),
            ({"columns": {"AccountID": {"join": ["a"]}}}, "two columns or more"),
            ({"columns": {"AccountID": {"join": ["a", "b"], "separator": ""}}}, "a separator that is not empty"),
            ({"columns": {"AccountID": {"row_number": True, "file_name": 1}}}, "true or false"),
            ({"as_of": "30.06.2018"}, "as_of must be a date"),
        ],
    )
    def test_a_wrong_document_is_refused_by_key(self, document: Any, message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            ColumnMapping.parse(document)

    def test_account_ids_of_several_columns(self) -> None:
        mapping = ColumnMapping.parse({"columns": {"AccountID": {"join": ["branch", "number"], "separator": "/"}}})
        loans, rejects = check(b"branch,number,PD,EAD\n1,12,0.1,5\n11,2,0.1,5\n1,,0.1,5\n,2,0.1,5\n", mapping=mapping)
        assert loans.account_id.to_pylist() == ["1/12", "11/2"]
        assert [(reject.row, reject.reason) for reject in rejects] == [
            (3, "AccountID is missing"),
            (4, "AccountID is missing"),
        ]

    def test_account_ids_of_file_name_and_row(self) -> None:
        origin = {"row_number": True, "prefix": "B-", "file_name": True}
        mapping = ColumnMapping.parse({"columns": {"AccountID": origin}})
        assert not mapping.numbers_rows
        parts = [
            read_rows(io.BytesIO(b"PD,EAD\n0.1,5\n0.1,5\n"), f"loans/2026/{name}.csv", "csv", mapping) for name in "ab"
        ]
        loans, rejects = validate(gather(parts), mapping, SEGMENTS, AS_OF)
        assert loans.account_id.to_pylist() == ["B-a.csv:1", "B-a.csv:2", "B-b.csv:1", "B-b.csv:2"]
        assert rejects == []

    def test_no_document_is_the_empty_mapping(self) -> None:
        assert ColumnMapping.parse(None) == ColumnMapping.parse({}) == ColumnMapping()

    def test_a_column_that_the_file_lacks(self) -> None:
        mapping = ColumnMapping.parse({"columns": {"Rate": "apr"}})
        with pytest.raises(
            InvalidPortfolio, match=r"loans has no column 'apr', which the mapping names for Rate\. Of its 28"
        ):
            read(csv_of(GOOD), mapping=mapping)


MESSY = ColumnMapping.parse(
    {
        "dialect": {"delimiter": ";", "decimal": ",", "thousands": ".", "encoding": "cp1252"},
        "missing": ["NA", "k. A."],
        "filter": {"Status": {"in": ["läuft", "gemahnt"]}, "Saldo": {"above": 0.5}},
        "columns": {
            "AccountID": {"join": ["Filiale", "Nummer"]},
            "Rate": {"from": "Zins", "unit": "%"},
            "Payment": {"computed": "annuity"},
            "LoanAmount": {"from": "Betrag", "unit": ["€", "EUR"]},
            "LoanTerm": {"from": "Laufzeit", "unit": ["Monate", "Monat"]},
            "OriginationDate": {"join": ["Tag", "Jahr"], "format": "%d-%b-%Y", "language": "de"},
            "GrossIncome": "Einkommen",
            "Balance": "Saldo",
            "Segment": {"from": "Produkt", "values": {"Privat": "personal", "Kfz": "auto"}, "default": "mortgage"},
            "PD": {"from": "Note", "values": {"A": 0.01, "B": 0.5, "C": "2,5e-1"}, "default": 1},
            "LGD": {"constant": 0.45},
            "ZipCode": "PLZ",
        },
    }
)
HEADER = "Filiale;Nummer;Zins;Betrag;Laufzeit;Tag;Jahr;Einkommen;Saldo;Produkt;Note;Status;PLZ"
LINES = [
    "Köln;1;3,5 %;10.000,00 €;36 Monate;31-Dez;2024;60.000;9.000,50;Privat;A;läuft;50667",
    "Köln;2;4%;EUR 2.500;1 MONAT;1-Mär;2025;k. A.;0,51;Kfz;B;gemahnt;NA",
    "Köln;3;4;2500;12;1-Mai;2025;1;1;Schloß;C;läuft;1",
    "Köln;4;4;2500;12;1-Mai;2025;1;1;;Z;läuft;1",
    "Köln;5;4;2500;12;1-Mai;2025;1;0,5;Kfz;A;läuft;1",
    "Köln;6;4;2500;12;1-Mai;2025;1;7;Kfz;A;getilgt;1",
    "Köln;7;4;2500;12;1-Mai;2025;1;7;Kfz;A;NA;1",
    "Köln;8;1.5;2500;12;1-Mai;2025;1;7;Kfz;A;läuft;1",
    "Köln;9;4;2500;12;1-May;2025;1;7;Kfz;A;läuft;1",
    "Köln;10;4;2500;12;1-Mai;2025;1;offen;Kfz;A;läuft;1",
    "Köln;NA;4;2500;12;1-Mai;2025;1;7;Kfz;A;läuft;1",
]
MESSY_REJECTS = {
    8: ("Rate", "1.5", "Rate is not a finite number"),
    9: ("OriginationDate", "1-May-2025", "OriginationDate is not a date in the format %d-%b-%Y"),
    10: ("Saldo", "offen", "Saldo is not a finite number, which the filter compares"),
    11: ("AccountID", "", "AccountID is missing"),
}


class TestRealFiles:
    DATA = "\n".join([HEADER, *LINES]).encode("cp1252")

    def test_numbers_dates_and_words_as_a_lender_writes_them(self) -> None:
        raw = read(self.DATA, mapping=MESSY)
        loans, rejects = validate(raw, MESSY, SEGMENTS, AS_OF)
        assert loans.account_id.to_pylist() == ["Köln-1", "Köln-2", "Köln-3", "Köln-4"]
        assert loans.rate.tolist() == [3.5, 4, 4, 4]
        assert loans.loan_amount.tolist() == [10_000, 2_500, 2_500, 2_500]
        assert loans.term.tolist() == [36, 1, 12, 12]
        assert loans.age.tolist() == [12, 10, 8, 8]
        assert loans.income.tolist()[::2] == [60_000, 1]
        assert loans.balance.tolist() == [9_000.5, 0.51, 1, 1]
        assert [SEGMENTS[i] for i in loans.segment] == ["personal", "auto", "mortgage", "personal"]
        assert loans.pd.tolist() == [0.01, 0.5, 0.25, 1]
        assert loans.lgd.tolist() == [0.45] * 4
        assert loans.region.tolist() == [5, 10, 1, 1]
        assert {reject.row: (reject.column, reject.value, reject.reason) for reject in rejects} == MESSY_REJECTS
        assert raw.filtered == 3
        assert len(loans) + len(rejects) + raw.filtered == len(LINES)

    def test_the_computed_payment_repays_the_loan(self) -> None:
        loans, _ = validate(read(self.DATA, mapping=MESSY), MESSY, SEGMENTS, AS_OF)
        for amount, rate, term, payment in zip(loans.loan_amount, loans.rate, loans.term, loans.payment, strict=True):
            left = amount
            for _ in range(term):
                left = left * (1 + rate / 1200) - payment
            assert abs(left) < 1e-6 * amount

    def test_a_loan_without_a_pd_needs_what_its_payment_is_computed_from(self) -> None:
        mapping = ColumnMapping.parse({"columns": {"Payment": {"computed": "annuity"}}})
        good = GOOD | {"EAD": "5"}
        loans, rejects = check(
            csv_of(good, good | {"LoanTerm": ""}, good | {"LoanTerm": "", "PD": "0.1"}), mapping=mapping
        )
        assert [loan == loan for loan in loans.payment.tolist()] == [True, False]
        assert [(reject.row, reject.reason) for reject in rejects] == [(2, "LoanTerm is missing")]

    @pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
    def test_a_cell_that_is_no_text_in_the_encoding_costs_its_row(self, encoding: str) -> None:
        mapping = ColumnMapping.parse({"dialect": {"encoding": encoding}})
        data = csv_of(GOOD, GOOD | {"AccountID": "A\x81"}, GOOD | {"AccountID": "C"}).replace(b"\xc2\x81", b"\x81")
        loans, rejects = check(data, mapping=mapping)
        assert loans.account_id.to_pylist() == ["A1", "C"]
        name = "UTF-8" if encoding == "utf-8" else encoding
        assert [(reject.row, reject.reason) for reject in rejects] == [(2, f"AccountID is not {name} text")]

    def test_the_encoding_is_of_csv_files_and_numbers_of_all(self) -> None:
        table = typed(AccountID=["Köln"], Rate=["1.234,5"], EAD=[2.5], PD=[0.1], ZipCode=["NA"])
        mapping = ColumnMapping.parse(
            {"dialect": {"encoding": "latin-1", "decimal": ",", "thousands": "."}, "missing": ["NA", "2.5"]}
        )
        raw = read(parquet_of(table), "parquet", mapping)
        loans, rejects = validate(raw, mapping, SEGMENTS, AS_OF)
        assert raw.tables[0]["AccountID"].to_pylist() == ["Köln"]
        assert raw.tables[0]["EAD"].to_pylist() == [None]
        assert [reject.reason for reject in rejects] == ["Rate must not be above 100"]
        assert not len(loans)

    def test_a_files_own_numbers_are_not_read_as_texts_of_the_dialect(self) -> None:
        """1.234 is no 1,234 thousand where texts beside it have a decimal comma."""
        table = typed(
            Rate=[1.234, None, 2.5], Zins=["9,5", "1.000", None], PD=[0.125, 0.25, 0.5], EAD=[1.0] * 3,
            **{name: typed()[name].to_pylist() * 3 for name in typed().column_names if name != "Rate"},
        )  # fmt: skip
        mapping = ColumnMapping.parse(
            {
                "dialect": {"decimal": ",", "thousands": "."},
                "columns": {"Rate": {"from": ["Rate", "Zins"]}, "PD": {"from": "PD", "values": {"0.25": 0.75}}},
            }
        )
        loans, rejects = validate(read(parquet_of(table), "parquet", mapping), mapping, SEGMENTS, AS_OF)
        assert loans.rate.tolist() == [1.234, 2.5]
        assert loans.pd.tolist() == [0.125, 0.5]
        assert [reject.reason for reject in rejects] == ["Rate must not be above 100"]

    def test_utf_16_is_told_with_the_way_out(self) -> None:
        for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
            with pytest.raises(InvalidPortfolio, match=r"is UTF-16, which cannot be cut at bytes\. Write it in UTF-8"):
                read(csv_of(GOOD).decode().encode(encoding))

    def test_a_filter_names_a_column_that_is_there(self) -> None:
        mapping = ColumnMapping.parse({"filter": {"status": {"missing": True}}})
        with pytest.raises(InvalidPortfolio, match="has no column 'status', which the mapping names in its filter"):
            read(csv_of(GOOD), mapping=mapping)

    @pytest.mark.parametrize(
        ("condition", "kept"),
        [
            ({"in": ["1", "x"]}, [1, 5]), ({"not_in": ["1", "x"]}, [2, 3, 4]), ({"above": 1}, [2, 3]),
            ({"below": 2}, [1]), ({"at_least": 2}, [2, 3]), ({"at_most": 2, "at_least": 2}, [2]),
            ({"missing": True}, [4]), ({"missing": False}, [1, 2, 3, 5]),
            ({"missing": False, "not_in": ["x"]}, [1, 2, 3]),
        ],
    )  # fmt: skip
    def test_conditions(self, condition: dict[str, Any], kept: list[int]) -> None:
        cells = ["1", "2", "3", "", "x"]
        mapping = ColumnMapping.parse({"filter": {"Note": condition}})
        rows = [GOOD | {"Note": cell} for cell in cells]
        raw = read(csv_of(*rows, columns=(*GOOD, "Note")), mapping=mapping)
        assert raw.row.tolist() == kept
        compared = set(condition) & {"above", "below", "at_least", "at_most"}
        assert [reject.row for reject in raw.rejects] == ([5] if compared else [])
        assert len(kept) + len(raw.rejects) + raw.filtered == len(cells)
