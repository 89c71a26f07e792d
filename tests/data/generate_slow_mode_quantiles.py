"""Quantiles of (estimate - truth) / standard error of the least-squares curvature of one mode, 2.5% and 97.5%, where the
window holds few relaxation times: the table of src/analysis/modes/slow_mode_quantiles.rs. Needs numpy; minutes.

Rows: slow decay over the whole window (decay rate of the slower root times steps). Columns: damping ratio, by the
logarithms a, b of the roots: (a + b) / (2 sqrt(a b)); the last is infinite. Stationary start, momentum known, mean fitted.
"""
import numpy as np

DECAYS = [0, 0.5, 1, 2, 3, 5, 8, 12, 20, 35, 60, 120, 250]
DAMPING_RATIOS = [0.2, 0.35, 0.5, 0.7, 1.0, 1.5, 2.5, np.inf]
REPLICATES, CHUNKS = 20_000, 8
random = np.random.default_rng(7)


def statistics(decay, damping_ratio):
    if np.isinf(damping_ratio):
        roots = [decay]
    elif damping_ratio > 1:
        roots = [decay, decay * (damping_ratio + np.sqrt(damping_ratio**2 - 1)) ** 2]
    else:
        angle = decay * np.sqrt(1 / damping_ratio**2 - 1)
        roots = [decay + 1j * angle, decay - 1j * angle]
    steps = int(min(4000, max(400, 12 * abs(roots[0]))))
    first = np.exp(-roots[0] / steps)
    second = np.exp(-roots[1] / steps) if len(roots) > 1 else 0.0
    momentum, pull = (first * second).real, ((1 - first) * (1 - second)).real
    if decay == 0:
        momentum = pull = 0.0
    shape = REPLICATES
    if pull > 0:
        variance = (1 + momentum) / ((1 - momentum) * pull * (2 * (1 + momentum) - pull))
        r = pull / (1 + momentum)
        x = np.sqrt(variance) * random.standard_normal(shape)
        s = r * x + np.sqrt(max(2 * r * variance - r * r * variance, 0)) * random.standard_normal(shape)
    else:
        x, s = np.zeros(shape), random.standard_normal(shape)
    sums = np.zeros((5, shape))
    for _ in range(steps):
        noise = random.standard_normal(shape)
        sums += [x, x * x, noise, x * noise, noise * noise]
        s = momentum * s - pull * x + noise
        x = x + s
    sx, sxx, sn, sxn, snn = sums
    cxx, cxn, cnn = sxx - sx * sx / steps, sxn - sx * sn / steps, snn - sn * sn / steps
    return -cxn / np.sqrt(cxx * (cnn - cxn**2 / cxx) / (steps - 2))


for decay in DECAYS:
    # Without decay the damping ratio means nothing.
    ratios = DAMPING_RATIOS if decay else [np.inf]
    quantiles = [
        np.quantile(np.concatenate([statistics(decay, ratio) for _ in range(CHUNKS)]), [0.025, 0.975]) for ratio in ratios
    ]
    quantiles *= len(DAMPING_RATIOS) // len(quantiles)
    print("    [" + ", ".join(f"[{low:.3f}, {high:.3f}]" for low, high in quantiles) + "],", flush=True)
