"""Writes sgd_modes_extreme.json: what sgd_modes.json holds, for extreme inputs, in 200-digit arithmetic (mpmath).

By dense algebra: matrix powers, matrix exponentials and linear solves, none of the closed forms of the Rust code.
Every double of the input is taken as exact. Usage: python3 generate_sgd_modes_extreme.py > sgd_modes_extreme.json
"""
import json

from mpmath import matrix, mp, mpf, sqrt

mp.dps = 200


def lyapunov_discrete(m, n):
    """P = M P M^T + N, as a linear system for the three entries of P."""
    a, b, c, d = m[0, 0], m[0, 1], m[1, 0], m[1, 1]
    system = matrix([
        [1 - a * a, -2 * a * b, -b * b],
        [-a * c, 1 - (a * d + b * c), -b * d],
        [-c * c, -2 * c * d, 1 - d * d],
    ])
    xx, xv, vv = mp.lu_solve(system, matrix([n[0, 0], n[0, 1], n[1, 1]]))
    return matrix([[xx, xv], [xv, vv]])


def exponential(s, t):
    """e^{-s t} by a 60-term Taylor series and repeated squaring, for 2 x 2 matrices."""
    halvings = max(0, int(mp.log(1 + mp.norm(s * t, 1), 2)) + 20)
    with mp.workdps(mp.dps + halvings + 20):
        step = -s * t / mpf(2) ** halvings
        term = mp.eye(2)
        result = mp.eye(2)
        for n in range(1, 60):
            term = term * step / n
            result = result + term
        for _ in range(halvings):
            result = result * result
        return result


def power(m, k):
    result = mp.eye(2)
    while k:
        if k & 1:
            result = result * m
        m = m * m
        k >>= 1
    return result


def rows(m):
    return [[float(m[0, 0]), float(m[0, 1])], [float(m[1, 0]), float(m[1, 1])]]


def mode(case, rho, start):
    eta, beta, decay, batch, sigma2 = (mpf(case[name]) for name in
                                       ("learning_rate", "momentum", "weight_decay", "batch_size", "sigma_squared"))
    exact_rho, h = mpf(rho), mpf(rho) + decay
    x0 = matrix([mpf(start[0]), mpf(start[1])])
    s = matrix([[0, -1], [2 * h / (eta * (1 + beta)), 2 * (1 - beta) / (eta * (1 + beta))]])
    p = matrix([[eta * sigma2 * exact_rho / (2 * batch * (1 - beta) * h), 0],
                [0, sigma2 * exact_rho / (batch * (1 - beta ** 2))]])
    e37 = exponential(s, 37 * eta)
    langevin = {"stationary_covariance": rows(p), "mean": [], "mean_squared_displacement": [],
                "velocity_autocorrelation": [],
                "covariance_from_point_after_37_steps": rows(p - e37 * p * e37.T)}
    m = matrix([[1 - eta * h, eta * beta], [-h, beta]])
    noise = sigma2 * exact_rho / batch
    q = lyapunov_discrete(m, noise * matrix([[eta ** 2, eta], [eta, 1]]))
    exact = {"stationary_covariance": rows(q), "mean": [], "mean_squared_displacement": [],
             "local_displacement": float(eta ** 2 * q[1, 1])}
    for k in case["steps"]:
        e = exponential(s, k * eta)
        langevin["mean"].append([float(v) for v in e * x0])
        langevin["mean_squared_displacement"].append(float(2 * (p - e * p)[0, 0]))
        langevin["velocity_autocorrelation"].append(float(e[1, 1]))
        mk = power(m, k)
        exact["mean"].append([float(v) for v in mk * x0])
        exact["mean_squared_displacement"].append(float(2 * (q - mk * q)[0, 0]))
    zeta = (1 - beta) / sqrt(2 * eta * (1 + beta) * h)
    return {"eigenvalue": rho, "damping_ratio": float(zeta), "initial_position_velocity": start,
            "langevin": langevin, "exact_discrete": exact}


STEPS = [0, 1, 2, 3, 17, 1000, 1000001, 10 ** 7, 10 ** 9]


def case(eta, beta, decay, batch, sigma2, eigenvalues):
    inputs = {"learning_rate": eta, "momentum": beta, "weight_decay": decay, "batch_size": batch,
              "sigma_squared": sigma2, "steps": STEPS}
    starts = [[(-1) ** i * (0.3 + 0.1 * i), 1.7 - 0.9 * i] for i in range(len(eigenvalues))]
    return {**inputs, "modes": [mode(inputs, rho, start) for rho, start in zip(eigenvalues, starts)]}


def main():
    def limit(eta, beta):
        return 2 * (1 + beta) / eta

    cases = []
    for eta, beta, decay in [(0.01, 0.9, 0.0), (1e-5, 0.99, 0.0), (0.3, 0.0, 0.0), (0.1, 0.5, 1e-4), (1e-3, 0.999999, 0.0),
                             (0.05, 0.25, 1e-12)]:
        critical = (1 - beta) ** 2 / (2 * eta * (1 + beta))
        oscillates_from = (1 - beta ** 0.5) ** 2 / eta
        alternates_from = (1 + beta ** 0.5) ** 2 / eta
        eigenvalues = [1e-12, 1e-7, critical * (1 - 1e-13), critical, critical * (1 + 1e-9)]
        if beta > 0:
            eigenvalues += [oscillates_from * (1 - 1e-12), oscillates_from, alternates_from, alternates_from * (1 - 1e-7)]
        eigenvalues += [0.37 * limit(eta, beta), 0.999 * limit(eta, beta), (1 - 1e-11) * limit(eta, beta)]
        eigenvalues = [rho for rho in eigenvalues if eta * (rho + decay) < 2 * (1 + beta) * (1 - 1e-14)]
        if decay > 0:
            eigenvalues.append(0.0)
        cases.append(case(eta, beta, decay, 48, 1.37, eigenvalues))
    cases.append(case(1.0, 0.0, 0.0, 1, 1.0, [1.0, 0.5, 1.5]))
    note = "200-digit values from generate_sgd_modes_extreme.py; covariances are ordered (position, velocity)"
    print(json.dumps({"note": note, "cases": cases}))


main()
