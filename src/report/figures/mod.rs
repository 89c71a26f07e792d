//! The figures of a report, in order: each a function of what is known of a run, or a sentence why there is none.

mod displacement;
mod eigenvalues;
mod exponent;
mod landscape;
mod noise;
mod phase;
mod plane;
mod sweep;
mod training;
mod variances;

use super::chart::Chart;
use super::material::Material;

pub use sweep::sweep;

/// Charts under one heading.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// In addresses and file names.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// None where there is nothing to show; `caption` says why then.
    pub charts: Vec<Chart>,
    /// What is seen, in words; paragraphs.
    pub caption: Vec<String>,
}

impl Figure {
    fn new(id: &'static str, title: &'static str, charts: Vec<Chart>, caption: Vec<String>) -> Figure {
        let charts: Vec<Chart> = charts.into_iter().filter(|chart| !chart.is_empty()).collect();
        if charts.is_empty() {
            return Figure::missing(id, title, "no value of it is known and finite");
        }
        Figure { id, title, charts, caption }
    }

    fn missing(id: &'static str, title: &'static str, reason: &str) -> Figure {
        Figure { id, title, charts: Vec::new(), caption: vec![format!("Not shown: {reason}.")] }
    }
}

/// All figures of a run; only the first where it is one of many.
pub fn of_run(material: &Material, in_full: bool) -> Vec<Figure> {
    let mut figures = vec![displacement::displacement(material)];
    if in_full {
        figures.extend([
            phase::portraits(material),
            phase::spectra(material),
            plane::planes(material),
            landscape::landscape(material),
            variances::isotropy(material),
            variances::equipartition(material),
            exponent::exponents(material),
            eigenvalues::eigenvalues(material),
            noise::noise(material),
            training::training(material),
            training::timeline(material),
        ]);
    }
    figures
}
