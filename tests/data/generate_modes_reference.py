"""What scipy and numpy make of one series of positions and velocities: tests/data/modes_reference.json, which
tests/analysis/modes/reference.rs compares to 1e-9. Run it from the repository root with numpy and scipy installed."""
import json

import numpy as np
from scipy import signal, stats

random = np.random.default_rng(20)
momentum, learning_rate, curvature, mean = 0.9, 0.1, 0.5, 3.0
x, v = mean, 0.0
positions, velocities = [], []
for _ in range(1000):
    v = momentum * v - curvature * (x - mean) + 0.2 * random.standard_normal()
    x += learning_rate * v
    positions.append(x)
    velocities.append(v)
positions, velocities = np.array(positions), np.array(velocities)

line = stats.linregress(positions[:-1], velocities[1:] - momentum * velocities[:-1])
innovations = velocities[1:] - momentum * velocities[:-1] - line.intercept - line.slope * positions[:-1]
design = np.column_stack([positions[:-1], velocities[:-1], np.ones(999)])
with_momentum = np.linalg.lstsq(design, velocities[1:], rcond=None)[0]
spectra = {
    name: signal.welch(velocities, window=window, nperseg=128, noverlap=overlap, detrend="constant")[1].tolist()
    for name, window, overlap in [("hann", "hann", 64), ("none", "boxcar", 0)]
}
reference = {
    "positions": positions.tolist(),
    "velocities": velocities.tolist(),
    "spectra": spectra,
    "position_mean": positions.mean(),
    "position_variance": positions.var(),
    "velocity_variance": velocities.var(),
    "curvature": -line.slope,
    "curvature_standard_error": line.stderr,
    "noise_variance": (innovations**2).sum() / 997,
    "skewness": stats.skew(innovations),
    "excess_kurtosis": stats.kurtosis(innovations),
    "normaltest_probability": stats.normaltest(innovations).pvalue,
    "fitted_curvature": -with_momentum[0],
    "fitted_momentum": with_momentum[1],
}
with open("tests/data/modes_reference.json", "w") as file:
    json.dump({key: value if isinstance(value, (list, dict)) else float(value) for key, value in reference.items()}, file, indent=0)
    file.write("\n")
