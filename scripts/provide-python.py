#!/usr/bin/env python3
"""Provide a Python that has the packages docs/queries.md and tests/analysis are tested with: DuckDB, Polars, pyarrow, numpy, scipy.

Order: PERRIN_PYTHON as the user set it; else a virtual environment in the user's cache folder, made once from
scripts/requirements.txt. Other versions in that file, or another python3, make another environment.

With --where nothing is made: the interpreter's path is printed, or it fails and says what to do. The tests ask this way.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from provide import MARKER, Provider, cache_folder, start

REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"

provider = Provider("python")


def packages():
    lines = (line.split("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines())
    return [line for line in lines if line]


def finished_folder():
    of = "\n".join([sys.version, sys.prefix, *packages()])
    return cache_folder() / f"python-{hashlib.sha256(of.encode()).hexdigest()[:12]}"


def interpreter(folder):
    return folder / "bin" / "python"


def check(python):
    """Fail unless the user's interpreter has the packages; other versions of them are the user's choice."""
    code = "import duckdb, polars, pyarrow, numpy, scipy"
    try:
        found = subprocess.run([python, "-c", code], capture_output=True, text=True)
    except OSError as error:
        provider.fail(f"PERRIN_PYTHON={python} cannot be run ({error.strerror})", "Point it at a Python, or unset it.")
    if found.returncode != 0:
        reason = (found.stderr.strip().splitlines() or ["no reason given"])[-1]
        provider.fail(f"PERRIN_PYTHON={python}: {reason}",
                      f"Install {', '.join(packages())} there, or unset it to use an environment in the cache folder.")


def make_environment(scratch):
    made = scratch / "finished"
    provider.say(f"installing {', '.join(packages())} (about 210 MB to download)")
    otherwise = "or set PERRIN_PYTHON to a Python that has the packages"
    # Debian's python3 brings no pip into environments; its own installs into them from outside.
    provider.run([sys.executable, "-m", "venv", "--without-pip", str(made)], f"Check python3's module venv, {otherwise}.", scratch)
    provider.pip(["--python", str(interpreter(made)), "install", "--quiet", "--only-binary=:all:", "-r", str(REQUIREMENTS)], otherwise, scratch)


def where():
    finished = finished_folder()
    if not (finished / MARKER).exists():
        provider.fail("there is no Python with DuckDB, Polars, pyarrow, numpy and scipy yet",
                      "Run `make python`, or set PERRIN_PYTHON to a Python that has them.")
    return interpreter(finished)


def main():
    users = os.environ.get("PERRIN_PYTHON")
    if users:
        check(users)
    asked = "--where" in sys.argv[1:]
    python = users or (where() if asked else interpreter(provider.make_once(finished_folder(), make_environment, megabytes=600)))
    if asked:
        print(python)


if __name__ == "__main__":
    start(main, provider.name)
