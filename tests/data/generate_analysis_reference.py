"""Makes analysis_reference.json: a short log, and what numpy and scipy say of it. Written for numpy 2.4, scipy 1.17.

tests/analysis/reference.rs writes the same log, fits it with perrin and compares. Run in this folder:
    python generate_analysis_reference.py
"""

import json

import numpy as np
from scipy import stats

ROWS, MODES = 1800, 2
ETA, BETA, S = 0.1, 0.9, 32.0
RHO = np.array([3.0, 0.2])

random = np.random.default_rng(20220124)
position, velocity = np.zeros(MODES), np.zeros(MODES)
positions, velocities = np.empty((ROWS, MODES)), np.empty((ROWS, MODES))
for burn_in in (True, False):
    start = position.copy()
    for row in range(2000 if burn_in else ROWS):
        velocity = BETA * velocity - RHO * position + np.sqrt(2 * RHO / S) * random.standard_normal(MODES)
        position = position + ETA * velocity
        if not burn_in:
            positions[row], velocities[row] = position - start, velocity
positions, velocities = positions.round(7), velocities.round(7)
steps = np.arange(1, ROWS + 1)
whole = (positions**2).sum(axis=1)
local = ETA**2 * (velocities**2).sum(axis=1)
window = slice(ROWS // 3, ROWS)


def power_law(rows):
    fit = stats.linregress(np.log(steps[rows]), np.log(whole[rows]))
    half = stats.norm.ppf(0.975) * fit.stderr
    return {
        "exponent": fit.slope,
        "prefactor": np.exp(fit.intercept),
        "r_squared": fit.rvalue**2,
        "plain_interval": [fit.slope - half, fit.slope + half],
    }


def autocovariance(values):
    deviations = values - values.mean()
    return np.correlate(deviations, deviations, "full")[len(values) - 1 :] / len(values)


def correlation_times(values):
    covariance = autocovariance(values)
    correlation = covariance / covariance[0]
    integrated = memory = 1.0
    for lag in range(1, len(values) // 2 + 1):
        integrated += 2 * correlation[lag]
        memory += 2 * correlation[lag] ** 2
        if lag >= 6 * memory:
            break
    return integrated, memory


def long_run(values, trend):
    n = len(values)
    x = np.arange(n) - (n - 1) / 2
    residuals = values - np.polyval(np.polyfit(x, values, 1), x) if trend else values - values.mean()
    cosines = min(int(n / (24 * correlation_times(residuals)[1])), 32)
    assert cosines >= 4
    line = x / np.linalg.norm(x)
    squares = []
    for wave in range(2 if trend else 1, cosines + (2 if trend else 1)):
        cosine = np.cos(np.pi * wave * (np.arange(n) + 0.5) / n)
        if trend:
            cosine = cosine - line * (line @ cosine)
        squares.append((cosine @ residuals / np.linalg.norm(cosine)) ** 2)
    return np.mean(squares), cosines, line


def mean_interval(values):
    variance, cosines, _ = long_run(values, False)
    half = stats.t.ppf(0.975, cosines) * np.sqrt(variance / len(values))
    # Multiplicative, for a quantity above zero.
    mean = values.mean()
    return {"value": mean, "low": mean * np.exp(-half / mean), "high": mean * np.exp(half / mean)}


def trend(values):
    variance, cosines, line = long_run(values, True)
    t = line @ values / np.sqrt(variance)
    return {"t": t, "p_value": 2 * stats.t.sf(abs(t), cosines)}


# Lags below 16 have every origin; the first lags of the run's lag table.
mean_squared_displacement = {
    str(lag): ((positions[lag:] - positions[:-lag]) ** 2).sum(axis=1).mean() for lag in (1, 2, 3, 7)
}
noise = local[window].mean() * S * (1 - BETA**2) / ETA**2
answer = {
    "learning_rate": ETA,
    "momentum": BETA,
    "batch_size": S,
    # Rounded, so that the file is half as long; everything is computed from the rounded numbers.
    "positions": positions.tolist(),
    "velocities": velocities.tolist(),
    "expected": {
        "displacement": power_law(window),
        "displacement_all": power_law(slice(0, ROWS)),
        "speed": {"interval": mean_interval(local[window]), "trend": trend(local[window])},
        "noise_scale_times_trace": noise,
        "position_variances": positions.var(axis=0, ddof=1).tolist(),
        "autocovariance": autocovariance(positions[:, 0])[:50].tolist(),
        "autocorrelation_times": [correlation_times(positions[:, mode])[0] for mode in range(MODES)],
        "mean_squared_displacement": mean_squared_displacement,
        "curvatures": [
            -stats.linregress(positions[:-1, mode], velocities[1:, mode] - BETA * velocities[:-1, mode]).slope
            for mode in range(MODES)
        ],
    },
}
with open("analysis_reference.json", "w") as file:
    json.dump(answer, file, separators=(",", ":"))
    file.write("\n")
