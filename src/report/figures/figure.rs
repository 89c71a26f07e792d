//! What all figures are.

use crate::report::chart::Chart;

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
    pub fn new(
        id: &'static str,
        title: &'static str,
        charts: Vec<Chart>,
        caption: Vec<String>,
    ) -> Figure {
        let charts: Vec<Chart> = charts.into_iter().filter(|chart| !chart.is_empty()).collect();
        if charts.is_empty() {
            return Figure::missing(id, title, "no value of it is known and finite");
        }
        Figure { id, title, charts, caption }
    }

    pub fn missing(id: &'static str, title: &'static str, reason: &str) -> Figure {
        Figure { id, title, charts: Vec::new(), caption: vec![format!("Not shown: {reason}.")] }
    }
}
