"""The paper's fits of a run by numpy and scipy, to be timed beside `perrin fit`: OLS, spectra, variances.

    cargo bench --no-default-features --bench analysis_scale -- 1000000 FOLDER
    python benches/analysis_scale.py FOLDER     (numpy, scipy, pyarrow)

Far less than `perrin fit` answers: no intervals, no tests, no recursion. Columns are read one mode at a time.
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from scipy import signal, stats

start = time.perf_counter()
files = sorted(Path(sys.argv[1], "steps").glob("*.parquet"))


def columns(*names):
    parts = [parquet.read_table(file, columns=list(names), memory_map=True) for file in files]
    return [np.concatenate([part[name].to_numpy() for part in parts]) for name in names]


steps, whole, local = columns("step", "global_displacement_squared", "local_displacement_squared")
late = slice(len(steps) // 3, None)
for window in (slice(None), late):
    exponent = stats.linregress(np.log(steps[window]), np.log(whole[window])).slope
print(f"{len(steps)} rows, exponent {exponent:.6f}, speed {local[late].mean():.6e}")

modes = sum(name.startswith("position_") for name in parquet.read_schema(files[0]).names)
for mode in range(1, modes + 1):
    position, velocity = columns(f"position_{mode}", f"velocity_{mode}")
    frequencies, density = signal.welch(velocity, nperseg=512)
    moments = [position.mean(), position.var(), velocity.mean(), velocity.var()]
    peak = frequencies[1:][density[1:].argmax()]
    print(f"mode {mode}: peak {peak:.6f}, variances {moments[1]:.6e} {moments[3]:.6e}")

usage = resource.getrusage(resource.RUSAGE_SELF)
print(
    f"{time.perf_counter() - start:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s of CPU, "
    f"{usage.ru_maxrss / 1000:.0f} MB"
)
