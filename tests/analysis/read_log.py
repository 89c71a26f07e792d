"""What numpy and scipy make of a run's log: the paper's least squares, Welch's spectra, variances.

Reads from standard input: the run's folder, the steps of the windows, the length of a segment; writes JSON."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from scipy import signal, stats

asked = json.load(sys.stdin)
files = sorted(Path(asked["run"], "steps").glob("*.parquet"))


def column(name):
    return np.concatenate([parquet.read_table(file, columns=[name])[name].to_numpy() for file in files])


steps, whole, local = (column(name) for name in ("step", "global_displacement_squared", "local_displacement_squared"))


def within(window):
    return (steps >= window[0]) & (steps <= window[1])


def power_law(rows):
    fit = stats.linregress(np.log(steps[rows].astype(float)), np.log(whole[rows]))
    return {"exponent": fit.slope, "prefactor": np.exp(fit.intercept), "r_squared": fit.rvalue**2}


def mode(number):
    position, velocity = column(f"position_{number}"), column(f"velocity_{number}")
    rows = within(asked["modes_window"])
    _, density = signal.welch(velocity, window="hann", nperseg=asked["segment"], detrend="constant")
    return {
        "position_variance": position[rows].var(),
        "velocity_variance": velocity[rows].var(),
        "density": density.tolist(),
    }


modes = sum(name.startswith("position_") for name in parquet.read_schema(files[0]).names)
window = within(asked["window"])
answers = {
    "window": power_law(window),
    "all": power_law(slice(None)),
    "prefixes": [power_law(slice(0, len(steps) * tenth // 10))["exponent"] for tenth in range(1, 11)],
    "speed": local[window].mean(),
    "modes": [mode(number) for number in range(1, modes + 1)],
}
json.dump(answers, sys.stdout)
