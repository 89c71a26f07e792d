"""Mean and standard deviation of every column of a run by DuckDB, to be timed beside `perrin fit`.

    python benches/duckdb_means.py FOLDER     (duckdb)

Prints seconds on the clock and CPU seconds of the query, without loading the package.
"""

import resource
import sys
import time
from pathlib import Path

import duckdb


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


connection = duckdb.connect()
rows = f"read_parquet('{Path(sys.argv[1], 'steps')}/*.parquet')"
names = [column[0] for column in connection.execute(f"describe select * from {rows}").fetchall()]
asked = ", ".join(f"avg({name}), stddev_pop({name})" for name in names)
start, cpu = time.perf_counter(), cpu_seconds()
connection.execute(f"select {asked} from {rows}").fetchall()
print(f"{time.perf_counter() - start:.3f} {cpu_seconds() - cpu:.3f}")
