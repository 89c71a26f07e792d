//! What the motion sees is not the potential: a process with anisotropic noise, of the paper's
//! appendix H.4.
//!
//! `cargo run --example potentials --no-default-features --features report [-- FOLDER]` (no
//! libtorch needed); without a folder, the first free `runs/potentials-<n>`.
//!
//! The process is dx = (b - A x) dt + sqrt(2 D / kappa) dW in two dimensions. A is symmetric, so
//! there is a potential Phi(x) = x^T A x / 2 - b^T x, and the force is -grad Phi. But the noise has
//! other axes than A, and so it is not Phi that says where the process is, but the modified
//! potential Psi(x) = (x - mu)^T U (x - mu) / 2, A = (D + Q) U; and a current flows along Psi's
//! level sets for ever.

#[path = "../support/arguments.rs"]
mod arguments;
#[path = "../support/figure.rs"]
mod figure;
mod picture;

use anyhow::Result;
use arguments::Arguments;
use nalgebra::{DMatrix, DVector, Matrix2, Vector2};
use perrin::stats::long_run::{self, Estimate};
use perrin::theory::fokker_planck::FokkerPlanck;
use perrin::theory::ornstein_uhlenbeck::OrnsteinUhlenbeck;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Noise 2 D / kappa: the paper's number is unreadable; with this one the stationary state fits the
/// paper's window.
const KAPPA: f64 = 4000.0;
/// The slowest relaxation takes a time of 1.
const SPACING_TIME: f64 = 0.05;
const POINTS: usize = 400_000;
const SEED: u64 = 1;

fn main() -> Result<()> {
    let folder = Arguments::read(&[], &[])?.folder_or_free("potentials");
    // Eigenvectors (-1, 1) and (1, 1), eigenvalues 4 and 1.
    let axes = Matrix2::new(-1.0, 1.0, 1.0, 1.0);
    let drift = axes.try_inverse().expect("the axes are independent")
        * Matrix2::new(4.0, 0.0, 0.0, 1.0)
        * axes;
    let diffusion = Matrix2::new(4.0, 0.0, 0.0, 1.0);
    let offset = Vector2::new(-0.1, 0.05);
    let mean = drift.try_inverse().expect("no eigenvalue is 0") * offset;
    let dynamic = |matrix: Matrix2<f64>| DMatrix::from_column_slice(2, 2, matrix.as_slice());
    let mean = DVector::from_column_slice(mean.as_slice());
    let process = OrnsteinUhlenbeck::new(dynamic(drift), dynamic(diffusion), KAPPA, mean)?;
    let modified = FokkerPlanck::new(&process)?;
    println!("A = {drift}D = {diffusion}U = {}Q = {}", modified.curvature(), modified.skew());

    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let path = process.sample_path(process.mean(), SPACING_TIME, POINTS, &mut random)?;
    let table = findings(&process, &path)?;
    println!("{table}");

    std::fs::create_dir_all(&folder)?;
    // Short steps from a corner of the window: the way in, and then the stationary state.
    let way =
        process.sample_path(&DVector::from_vec(vec![0.09, -0.09]), 0.005, 3000, &mut random)?;
    let svg = figure::svg(&[picture::panels(&process, &modified, &way)?], [420, 403])?;
    std::fs::write(folder.join("potentials.svg"), &svg)?;
    let page = folder.join("potentials.html");
    let body = format!(
        "<p>The same sampled path, from the lower right, over both potentials; arrows are the stationary current J = j p, \
         the longer the stronger. The path is where the modified potential is low, not where the original one is, and it \
         turns with the current.</p><pre>{table}</pre>"
    );
    figure::write_page(&page, "Original and modified potential", &body, &svg)?;
    println!("figure: {}", page.display());
    Ok(())
}

/// Means over the path with 95% intervals that allow for its memory, beside what the theory says.
fn findings(process: &OrnsteinUhlenbeck, path: &DMatrix<f64>) -> Result<String> {
    let points = path.ncols();
    let mean = process.mean();
    let [x, y]: [Vec<f64>; 2] =
        [0, 1].map(|row| path.row(row).iter().map(|value| value - mean[row]).collect());
    let average =
        |of: &dyn Fn(usize) -> f64| long_run::mean(&(0..points - 1).map(of).collect::<Vec<f64>>());
    let covariance = process.stationary_covariance();
    // As exp(-kappa Phi) would have it, were the noise as strong in all directions as it is in the
    // mean.
    let strength = 0.5 * process.diffusion().trace() / process.kappa();
    let naive = process.drift().clone().try_inverse().expect("the drift is stable") * strength;
    let lagged = process.stationary_cross_covariance(SPACING_TIME)?;
    let turning = (lagged[(0, 1)] - lagged[(1, 0)]) / SPACING_TIME;
    let rows = [
        ("mean of x_1", average(&|k| path[(0, k)])?, mean[0], mean[0]),
        ("mean of x_2", average(&|k| path[(1, k)])?, mean[1], mean[1]),
        ("Var(x_1)", average(&|k| x[k] * x[k])?, covariance[(0, 0)], naive[(0, 0)]),
        ("Cov(x_1, x_2)", average(&|k| x[k] * y[k])?, covariance[(0, 1)], naive[(0, 1)]),
        ("Var(x_2)", average(&|k| y[k] * y[k])?, covariance[(1, 1)], naive[(1, 1)]),
        (
            "x_1 dx_2 - x_2 dx_1 per time",
            average(&|k| (x[k] * y[k + 1] - y[k] * x[k + 1]) / SPACING_TIME)?,
            turning,
            0.0,
        ),
    ];
    let mut table = format!(
        "{:<29} {:>11} {:>26} {:>11} {:>14} {:>15}\n",
        "", "measured", "95% interval", "theory", "theory inside", "by Phi alone"
    );
    for (name, measured, expected, naive) in rows {
        let Estimate { value, low, high, .. } = measured;
        table += &format!(
            "{name:<29} {value:>11.3e} {:>26} {expected:>11.3e} {:>14} {naive:>15.3e}\n",
            format!("{low:.3e} to {high:.3e}"),
            if measured.covers(expected) { "yes" } else { "no" },
        );
    }
    Ok(table)
}
