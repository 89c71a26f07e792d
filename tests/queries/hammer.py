"""Reads a run again and again while it is written, until a file `done` lies beside it.

Standard input: JSON with `run`, and `began`, the Unix time at which elapsed_seconds was 0. Standard output: JSON of what was seen. Whatever is
read wrongly, or not at all, ends it with an error.
"""

import json
import re
import sys
import time
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

task = json.load(sys.stdin)
run = Path(task["run"])
segments = str(run / "steps" / "*.parquet")
document = (Path(__file__).resolve().parents[2] / "docs" / "queries.md").read_text()

# The document's own readers of a run that is being written.
readers = {}
for block in re.findall(r"^```python\n(.*?)^```", document, re.MULTILINE | re.DOTALL):
    for name in ("read_live", "read_journal"):
        if f"def {name}(" in block:
            exec(block.split("\n\n\nrows =")[0].split("\n\n\nrun =")[0], readers)
read_live, read_journal = readers["read_live"], readers["read_journal"]

seen = {"duckdb": 0, "polars": 0, "live": 0, "journals": 0, "rows": 0, "segments": 0, "behind_seconds": [],
        "folder_polars": 0, "folder_pyarrow": 0}
largest = {"duckdb": 0, "polars": 0, "live": 0, "folder_polars": 0, "folder_pyarrow": 0}


def check(reader, count, first, last, distinct):
    """Steps 1 to n, each once, and never fewer than the time before."""
    assert (first, last, distinct) == (1, count, count), f"{reader}: {count} rows, {distinct} steps, {first} to {last}"
    assert count >= largest[reader], f"{reader}: {count} rows after {largest[reader]}"
    largest[reader] = count
    seen[reader] += 1


while True:
    last_time = (run / "done").exists()
    if any(run.glob("steps/*.parquet")):
        query = f"SELECT count(*), min(step), max(step), count(DISTINCT step) FROM '{segments}'"
        check("duckdb", *duckdb.sql(query).fetchall()[0])
        step = pl.col("step")
        query = pl.scan_parquet(segments).select(pl.len(), step.min().alias("min"), step.max().alias("max"), step.n_unique().alias("n"))
        check("polars", *query.collect().row(0))

        # The folder itself, in which there must be nothing else at any moment.
        folder = run / "steps"
        query = pl.scan_parquet(folder).select(pl.len(), step.min().alias("min"), step.max().alias("max"), step.n_unique().alias("n"))
        check("folder_polars", *query.collect().row(0))
        steps = ds.dataset(folder).to_table(columns=["step"])["step"]
        check("folder_pyarrow", len(steps), pc.min(steps).as_py(), pc.max(steps).as_py(), pc.count_distinct(steps).as_py())

        now = time.time()
        rows = read_live(run, ["step", "elapsed_seconds"])
        steps = pl.from_arrow(rows)["step"]
        check("live", len(steps), steps.min(), steps.max(), steps.n_unique())
        seen["rows"] = len(steps)
        if not last_time:
            seen["behind_seconds"].append(now - task["began"] - rows["elapsed_seconds"][-1].as_py())
    for journal in run.glob("open/*.arrows"):
        rows = read_journal(journal)
        if rows is None:
            continue  # a segment by now
        steps = rows["step"]
        assert steps.is_sorted() and steps.n_unique() == len(steps), f"{journal}: {steps}"
        seen["journals"] += 1
    seen["segments"] = len(list(run.glob("steps/*.parquet")))
    if last_time:
        break
json.dump(seen, sys.stdout)
