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
from tests.portfolio.helpers import AS_OF, GOOD, SEGMENTS, check, csv_of, read


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
            ({"columns": {"Rate": {"from": "r", "unit": "%"}}}, "mapping of Rate has the unknown key 'unit'"),
            ({"columns": {"Rate": {"from": "r", "prefix": "x"}}}, "unknown key 'prefix'"),
            ({"columns": {"Rate": {"from": []}}}, "must name a column"),
            ({"columns": {"Rate": {"from": "r", "scale": 0}}}, "scale above zero"),
            ({"columns": {"Rate": {"from": "r", "scale": True}}}, "scale above zero"),
            ({"columns": {"Rate": {"from": "r", "format": "%Y"}}}, "for dates only"),
            ({"columns": {"Rate": {"from": "r", "values": {"a": 1}}}}, "values in the mapping of Rate must be a text"),
            ({"columns": {"Segment": {"from": "r", "scale": 2}}}, "Segment is a text"),
            ({"columns": {"Rate": {"row_number": True}}}, "for AccountID only"),
            ({"columns": {"Segment": {"constant": None}}}, "as its constant"),
            ({"columns": {"Segment": {"join": ["a", "b"]}}}, "for AccountID only"),
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
            InvalidPortfolio, match=r"loans has no column 'apr', which the mapping names for Rate\. Of its 15"
        ):
            read(csv_of(GOOD), mapping=mapping)
