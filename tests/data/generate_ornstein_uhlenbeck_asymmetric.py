"""Writes ornstein_uhlenbeck_asymmetric.json: what ornstein_uhlenbeck.json holds, for drifts that are not symmetric (complex
eigenvalues, a defective one, SGD's phase space with its semi-definite diffusion), in 60-digit arithmetic (mpmath).

The Lyapunov equation is solved as a Kronecker system. Every double of the input is taken as exact.
Usage: python3 generate_ornstein_uhlenbeck_asymmetric.py > ornstein_uhlenbeck_asymmetric.json
"""
import json
import random

from mpmath import det, expm, inverse, log, lu_solve, matrix, mp, mpf

mp.dps = 60


def lyapunov(a, d):
    n = a.rows
    system, right = matrix(n * n, n * n), matrix(n * n, 1)
    for i in range(n):
        for j in range(n):
            right[i * n + j] = 2 * d[i, j]
            for k in range(n):
                system[i * n + j, k * n + j] += a[i, k]
                system[i * n + j, i * n + k] += a[j, k]
    x = lu_solve(system, right)
    return matrix(n, n) + matrix([[x[i * n + j] for j in range(n)] for i in range(n)])


def rows(m):
    return [[float(m[i, j]) for j in range(m.cols)] for i in range(m.rows)]


def column(v):
    return [float(x) for x in v]


def case(drift, diffusion, kappa, mean, start, point):
    n = len(drift)
    a, d, k = matrix(drift), matrix(diffusion), mpf(kappa)
    mu, x0, x = matrix(mean), matrix(start), matrix(point)
    b = lyapunov(a, d)
    u, q = inverse(b), a * b - d
    early, late = mpf(7) / 10, mpf(19) / 10
    early, late = mpf(float(early)), mpf(float(late))

    def variance(t):
        e = expm(-a * t)
        return (b - e * b * e.T) / k

    gradient = u * (x - mu)
    force = -q * gradient
    divergences = []
    for t in (0.05, 0.2, 0.7, 2.0, 5.0):
        c, m = variance(mpf(t)), expm(-a * mpf(t)) * (x0 - mu)
        ratio = k * u * c
        trace = sum(ratio[i, i] for i in range(n))
        kl = (trace - n - log(det(ratio)) + k * (m.T * u * m)[0]) / 2
        divergences.append([t, float(kl)])
    return {"drift": drift, "diffusion": diffusion, "kappa": kappa, "mean": mean, "start": start,
            "lyapunov": rows(b), "modified_curvature_U": rows(u), "skew_Q": rows(q), "T": float(early), "S": float(late),
            "variance_T": rows(variance(early)),
            "cross_covariance_TS": rows(variance(early) * expm(-a.T * (late - early))),
            "mean_T": column(mu + expm(-a * early) * (x0 - mu)), "point": point,
            "modified_loss_at_point": float(((x - mu).T * gradient)[0] / 2), "force_j_at_point": column(force),
            "kl_to_stationary": divergences}


def main():
    random.seed(4)

    def vector(n):
        return [random.gauss(0, 1) for _ in range(n)]

    def swirling(n):
        """Symmetric part at least 0.3, and a rotation."""
        g, r = [vector(n) for _ in range(n)], [vector(n) for _ in range(n)]
        return [[sum(g[i][k] * g[j][k] for k in range(n)) / n + 0.3 * (i == j) + r[i][j] - r[j][i] for j in range(n)]
                for i in range(n)]

    def semidefinite(n, rank):
        g = [vector(rank) for _ in range(n)]
        full = [[sum(g[i][k] * g[j][k] for k in range(rank)) for j in range(n)] for i in range(n)]
        return [[full[min(i, j)][max(i, j)] for j in range(n)] for i in range(n)]

    cases = []
    for drift, diffusion in [
        (swirling(2), semidefinite(2, 2)),
        (swirling(4), semidefinite(4, 2)),
        (swirling(7), semidefinite(7, 7)),
        ([[1.5, 1.0, 0.0], [0.0, 1.5, 1.0], [0.0, 0.0, 1.5]], semidefinite(3, 3)),
        ([[0.0, 0.0, -1.0, 0.0], [0.0, 0.0, 0.0, -1.0], [40.0, 3.0, 1.1, 0.0], [3.0, 2.0, 0.0, 1.1]],
         [[0.0] * 4, [0.0] * 4, [0.0, 0.0, 2.0, 0.5], [0.0, 0.0, 0.5, 0.7]]),
    ]:
        n = len(drift)
        cases.append(case(drift, diffusion, 1.3, vector(n), vector(n), vector(n)))
    print(json.dumps({"note": "60-digit values from generate_ornstein_uhlenbeck_asymmetric.py", "cases": cases}))


main()
