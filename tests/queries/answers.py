"""Runs blocks of docs/queries.md: JSON [[language, text], ...] on standard input, JSON of each one's rows on standard output."""

import json
import sys

import duckdb
import polars as pl
import pyarrow as pa


def answer(language, text):
    if language == "sql":
        return duckdb.sql(text).fetchall()
    namespace = {}
    exec(compile(text, "docs/queries.md", "exec"), namespace)
    found = namespace["answer"]
    return (pl.from_arrow(found) if isinstance(found, pa.Table) else found).rows()


answers = []
for language, text in json.load(sys.stdin):
    try:
        answers.append(answer(language, text))
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}\nin this block:\n{text}")
json.dump(answers, sys.stdout)
