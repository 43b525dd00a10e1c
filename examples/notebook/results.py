"""A notebook over the results of a run: the report's charts drawn anew, and five questions with their answers.

    make notebook                    the results in out/
    make notebook RESULTS=june       those of another folder

Each answer is a query that stands below it: change it, and what depends on it follows.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Results of a run")


@app.cell
def _():
    import argparse
    import json
    from pathlib import Path

    import duckdb
    import marimo as mo
    import pyarrow.parquet as pq

    from montecarlo.report.charts.losses import Distribution
    from montecarlo.report.page import render
    from montecarlo.report.pictures import pictures

    return Distribution, Path, argparse, duckdb, json, mo, pictures, pq, render


@app.cell
def _(Path, argparse):
    parser = argparse.ArgumentParser()
    parser.add_argument("results", nargs="?", default="out", help="the folder that a run left, or that was downloaded")
    folder = Path(parser.parse_known_args()[0].results)
    if not (folder / "result.json").is_file():
        raise FileNotFoundError(f"{folder}/result.json is not there: name the folder of a run that is done.")
    return (folder,)


@app.cell
def _(duckdb, folder, json, mo):
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    first, last = next(iter(result["cases"])), list(result["cases"])[-1]
    database = duckdb.connect()
    for table, files in (("losses", "losses.parquet"), ("segments", "segments.parquet"), ("loans", "loans/*.parquet")):
        database.read_parquet(str(folder / files)).create_view(table)

    def ask(query):
        """The rows of a query."""
        found = database.sql(query)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def written(name):
        """How the numbers of a column are written: shares and probabilities in %, amounts without cents."""
        form = "{:.1%}" if name.startswith("of_") else "{:.2%}" if "pd" in name else "{:,.0f}"
        return lambda value: form.format(value) if isinstance(value, int | float) else value

    def show(rows):
        """The rows as a table."""
        return mo.ui.table(rows, selection=None, format_mapping={name: written(name) for name in rows[0]})

    mo.md(
        f"""
        # Run {result["run"]}

        {result["loans"]["simulated"]:,} loans, {result["scenarios"]:,} scenarios, seed {result["seed"]}. Amounts are in
        {result["currency"]}.
        """
    )
    return ask, first, last, result, show


@app.cell
def _(Distribution, folder, mo, pictures, pq, render, result):
    columns = pq.read_table(folder / "losses.parquet")
    distributions = {
        name: Distribution(columns[f"{name}_cents"].to_numpy(), columns["weight"].to_numpy())
        for name in result["cases"]
    }
    charts = pictures(render(result, distributions))
    mo.vstack([mo.md("## The report's charts, from losses.parquet"), *map(mo.Html, charts.values())])
    return (charts,)


@app.cell
def _(ask, last, mo, show):
    bad_years = ask(
        f"""
        WITH amounts AS (SELECT "{last}_cents" / 100 AS loss, sum(weight) AS weight FROM losses GROUP BY ALL),
        exceeded AS (
            SELECT loss, coalesce(sum(weight) OVER worse, 0) AS share FROM amounts
            WINDOW worse AS (ORDER BY loss DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )
        SELECT years, min(loss) AS loss
        FROM exceeded, (VALUES (10), (20), (100), (1000)) AS asked(years)
        WHERE share <= 1 / years * (1 + 1e-12)
        GROUP BY years ORDER BY years
        """
    )
    mo.vstack(
        [
            mo.md("## 1. Which loss is exceeded once in ten years, in a hundred, in a thousand?"),
            show(bad_years),
            mo.md(f"In the case {last}. Weights count: with tail sampling, scenarios are not equally likely."),
        ]
    )
    return (bad_years,)


@app.cell
def _(ask, last, mo, result, show):
    level = f"es_{result['contribution_level']:g}_contribution"
    causes = ask(
        f"""
        SELECT part, loans, exposure / sum(exposure) OVER () AS of_exposure, el / sum(el) OVER () AS of_el,
               "{level}" / sum("{level}") OVER () AS of_bad_years
        FROM segments WHERE kind = 'segments' AND "case" = '{last}' ORDER BY of_bad_years DESC
        """
    )
    mo.vstack([mo.md("## 2. Which segments make the bad years bad, beyond their share?"), show(causes)])
    return (causes,)


@app.cell
def _(ask, last, mo, show):
    tenths = ask(
        f"""
        WITH ranked AS (SELECT *, ntile(10) OVER (ORDER BY "PD_{last}" DESC) AS tenth FROM loans)
        SELECT tenth, count(*) AS loans, min("PD_{last}") AS least_pd, sum(Exposure) AS exposure,
               sum("ExpectedLoss_{last}") AS expected_loss,
               sum("ExpectedLoss_{last}") / sum(sum("ExpectedLoss_{last}")) OVER () AS of_el
        FROM ranked GROUP BY tenth ORDER BY tenth
        """
    )
    dearest = ask(
        f"""
        SELECT AccountID, Segment, Exposure, "PD_{last}" AS pd, "ExpectedLoss_{last}" AS expected_loss
        FROM loans ORDER BY expected_loss DESC, AccountID LIMIT 10
        """
    )
    mo.vstack(
        [
            mo.md("## 3. Is the expected loss that of a few loans, or of all?"),
            show(tenths),
            mo.md("The ten loans that cost most in an average year:"),
            show(dearest),
        ]
    )
    return dearest, tenths


@app.cell
def _(ask, first, last, mo, show):
    added = ask(
        f"""
        WITH years AS (
            SELECT weight, "{first}_cents" / 100 AS before, ("{last}_cents" - "{first}_cents") / 100 AS added,
                   sum(weight) OVER (ORDER BY "{first}_cents" DESC, scenario) AS worse
            FROM losses
        )
        SELECT years, sum(weight * before) / sum(weight) AS before, sum(weight * added) / sum(weight) AS added
        FROM (
            SELECT 'all' AS years, * FROM years
            UNION ALL SELECT 'the worst tenth' AS years, * FROM years WHERE worse <= 0.1
            UNION ALL SELECT 'the worst hundredth' AS years, * FROM years WHERE worse <= 0.01
        ) GROUP BY ALL ORDER BY before
        """
    )
    mo.vstack(
        [
            mo.md(f"## 4. What does the case {last} add to {first} in the same years: in all, and in the worst?"),
            show(added),
        ]
    )
    return (added,)


@app.cell
def _(last, mo, result, show):
    enough = []
    for step in result["cases"][last]["convergence"]:
        (el, _), (var, error) = step["el"], step["var_99.9"]
        half_width = None if error is None else 1.96 * error
        enough.append({"scenarios": step["scenarios"], "el": el, "var_99.9": var, "half_width_of_var": half_width})
    mo.vstack([mo.md("## 5. Would fewer scenarios have done?"), show(enough)])
    return (enough,)


if __name__ == "__main__":
    app.run()
