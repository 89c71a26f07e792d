//! The list of figures.

use super::figure::Figure;
use super::{
    displacement, eigenvalues, exponent, landscape, noise, phase, plane, training, variances,
};
use crate::report::material::Material;

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
