//! What is asked of a run.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

macro_rules! questions {
    ($($(#[$doc:meta])* $question:ident $name:literal,)*) => {
        /// What is asked of a run, in the order of reading.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Question {
            $($(#[$doc])* $question,)*
        }

        impl Question {
            /// Its name, as texts and JSON have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Question::$question => $name,)*
                }
            }
        }
    };
}

questions! {
    /// What is wrong with the log, or happened to the run.
    Log "log",
    /// Does the theory describe the optimizer?
    Optimizer "optimizer",
    /// Are the settings those of plain SGD, known and constant?
    Settings "settings",
    /// From where on is the run stationary?
    Stationarity "stationary",
    /// Does the fluctuation-dissipation relation hold?
    Relation "relation",
    /// Is the learning rate far from the limit of stability?
    SmallSteps "small steps",
    /// The exponent of the global displacement over the window.
    Exponent "exponent",
    /// The exponent that measured eigenvalues predict.
    PredictedExponent "predicted exponent",
    /// The height of the predicted curve, by the covariance of gradients.
    PredictedHeight "predicted height",
    /// The exponent by lag.
    ExponentByLag "exponent by lag",
    /// The mean squared length of a step.
    Speed "speed",
    /// Is the speed constant over the window?
    ConstantSpeed "constant speed",
    /// sigma^2 tr(H) by eq. 12.
    NoiseTrace "gradient noise",
    /// Do fitted curvatures agree with the Hessian's?
    Curvature "curvature",
    /// Do modes swing?
    Oscillation "oscillation",
    /// Do spectra of velocities have their peaks where the fitted recursion has them?
    Peaks "peaks",
    /// Do modes far from their mean return as eq. 5 has it?
    Transients "transient",
    /// Do the variances of positions follow the modified loss?
    Positions "positions",
    /// The same of the theory in discrete time.
    PositionsInDiscreteTime "discrete time",
    /// Do the variances of velocities grow as the eigenvalues?
    Velocities "velocities",
    /// Are modes uncorrelated?
    Correlation "correlation",
    /// Is potential energy equal to kinetic energy?
    Energy "energy",
    /// Do modes turn as theory has it?
    Currents "currents",
    /// sigma^2.
    NoiseScale "noise scale",
    /// sigma^2 by further sources.
    NoiseSources "sources",
    /// Do the sources agree?
    NoiseAgreement "agreement",
    /// Is sigma^2 the same in all modes (assumption 5)?
    OneNoiseScale "assumption 5",
    /// Are noise and variances what the covariance of gradients predicts?
    GradientNoise "gradients",
    /// What the noise of the steps is like.
    NoiseShape "noise",
    /// How far the learning rate is from the limit of stability.
    Stability "stability",
    /// Whether to lower the learning rate.
    LearningRate "learning rate",
    /// Over how many steps to average weights.
    Averaging "averaging",
}

impl Display for Question {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        text.pad(self.name())
    }
}

impl Serialize for Question {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
