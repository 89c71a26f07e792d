//! A run as one HTML page: what was run, what it says in words, and figures.
//!
//! `write_report` reads each run (`material`: fit and `reduction`), makes charts of it as plain
//! data (`figures`, `chart`), draws them by plotters (`draw`, `legend`, `layout`, `style`, `ticks`)
//! and puts the page together (`page`, `findings`, `description`). The page asks for nothing
//! outside itself and has no scripts. What a run lacks is a sentence in the place of a figure.
//! `docs/report.md` says how to read the figures.
//!
//! ```no_run
//! use perrin::run::Run;
//! use perrin::report::{ReportOptions, write_report};
//!
//! let written = write_report(&[Run::open("runs/mnist")?], &ReportOptions::default(), &mut |_| {})?;
//! println!("{}", written.page.display());
//! # Ok::<(), perrin::Error>(())
//! ```

mod chart;
mod contour;
mod envelope;
mod events;
mod html;
mod landscape;
mod options;
mod phase;

mod csv;
mod happened;
mod reduction;
mod style;
mod theory;
mod ticks;

mod layout;
mod material;

mod description;
mod findings;
mod legend;

mod draw;
mod figures;

mod page;

mod files;

mod write;

pub use options::{Progress, ReportOptions, Written};
pub use write::write_report;
