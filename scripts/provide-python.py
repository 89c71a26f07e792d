#!/usr/bin/env python3
"""Provide a Python that has the packages docs/queries.md and tests/scipy are tested with: DuckDB, Polars, pyarrow, numpy, scipy.

Order: PERRIN_PYTHON as the user set it; else a virtual environment in the user's cache folder, made once from
scripts/requirements.txt. Other versions in that file, or another python3, make another environment.

With --where nothing is made: the interpreter's path is printed, or it fails and says what to do. The tests ask this way.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
MARKER = "perrin-complete"


def fail(what, advice):
    sys.exit(f"provide-python: {what}\n  {advice}")


def say(text):
    print(f"python: {text}", flush=True)


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "perrin"


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
        fail(f"PERRIN_PYTHON={python} cannot be run ({error.strerror})", "Point it at a Python, or unset it.")
    if found.returncode != 0:
        reason = (found.stderr.strip().splitlines() or ["no reason given"])[-1]
        fail(f"PERRIN_PYTHON={python}: {reason}",
             f"Install {', '.join(packages())} there, or unset it to use an environment in the cache folder.")


def make_environment(finished):
    """Build the environment beside its place and rename it into it, so that a half-made one is never used."""
    with tempfile.TemporaryDirectory(prefix="python-unfinished-", dir=finished.parent) as scratch:
        target = Path(scratch) / "python"
        say(f"installing {', '.join(packages())} (about 210 MB to download)")
        # Debian's python3 brings no pip into environments; its own installs into them from outside.
        commands = [
            [sys.executable, "-m", "venv", "--without-pip", str(target)],
            [sys.executable, "-m", "pip", "--python", str(interpreter(target)), "install", "--quiet", "--no-cache-dir",
             "--only-binary=:all:", "--disable-pip-version-check", "-r", str(REQUIREMENTS)],
        ]
        # pip unpacks in the temporary folder first, which may be a small one in memory.
        environment = {**os.environ, "TMPDIR": scratch}
        for command in commands:
            try:
                subprocess.run(command, check=True, env=environment)
            except subprocess.CalledProcessError:
                fail(f"`{' '.join(command)}` did not succeed",
                     "Check the network and that `python3 -m pip` works (Debian: apt install python3-pip), then run this again;\n"
                     "  or set PERRIN_PYTHON to a Python that has the packages.")
        (target / MARKER).write_text("")
        if finished.exists():
            shutil.rmtree(finished)
        os.rename(target, finished)


def cached_environment():
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"cannot make the cache folder {folder} ({error.strerror})", "Set XDG_CACHE_HOME to a folder you may write to.")
    finished = finished_folder()
    with open(folder / "lock-python", "w") as lock:  # a second checkout waits for the first instead of fetching too
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in folder.glob("python-unfinished-*"):
            shutil.rmtree(stale, ignore_errors=True)
        if not (finished / MARKER).exists():
            make_environment(finished)
            say(f"ready in {finished}")
    return interpreter(finished)


def where():
    finished = finished_folder()
    if not (finished / MARKER).exists():
        fail("there is no Python with DuckDB, Polars, pyarrow, numpy and scipy yet",
             "Run `make python`, or set PERRIN_PYTHON to a Python that has them.")
    return interpreter(finished)


def main():
    users = os.environ.get("PERRIN_PYTHON")
    if users:
        check(users)
    asked = "--where" in sys.argv[1:]
    python = users or (where() if asked else cached_environment())
    if asked:
        print(python)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nprovide-python: interrupted; nothing half-made is used, run it again to start over")
