//! Study.
mod spectra;
use perrin::numeric::lanczos::*;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use spectra::*;

#[test]
fn study() {
    let mut h = network_spectrum(20_000);
    let exact = TOP;
    for seed in 0..6 {
        let mut o = LanczosOptions::largest(30);
        o.seed = seed;
        o.probe_products = std::env::var("PROBE").map_or(0, |x| x.parse().unwrap());
        o.max_basis = std::env::var("BASIS").map_or(170, |x| x.parse().unwrap());
        if let Ok(t) = std::env::var("TOL") { o.residual_tolerance = t.parse().unwrap() }
        let t = std::time::Instant::now();
        let r = eigenpairs(&mut h, &o, &[], &mut |_| ()).unwrap();
        let e = r.largest.iter().zip(&exact).map(|(a, b)| (a.eigenvalue - b).abs() / b).fold(0.0, f64::max);
        let worst = r.largest.iter().map(|p| p.residual).fold(0.0, f64::max);
        println!("cold {seed}: {} {:?} restarts {} worst residual {:.2e} eigenvalue error {e:.2e} asym {:.1e} {:?}", r.products, r.products_to_convergence, r.restarts, worst/4.465, r.asymmetry, t.elapsed());
        if seed == 0 {
            let old: Vec<Vec<f32>> = r.largest.iter().map(|p| p.eigenvector.clone()).collect();
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
            for angle in [0.0, 0.003, 0.01, 0.03, 0.1, 0.3] {
                let mut moved = Rotated::leading(h.clone(), 40, angle, || StandardNormal.sample(&mut rng));
                let t = std::time::Instant::now();
                let r = eigenpairs(&mut moved, &o, &old, &mut |_| ()).unwrap();
                let e = r.largest.iter().zip(&exact).map(|(a, b)| (a.eigenvalue - b).abs() / b).fold(0.0, f64::max);
                println!("   warm {angle}: {} {:?} restarts {} error {e:.2e} {:?}", r.products, r.products_to_convergence, r.restarts, t.elapsed());
            }
        }
    }
}
