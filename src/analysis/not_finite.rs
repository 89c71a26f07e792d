//! Rows that are NaN or infinite: what is made of the others is no answer about the run.

/// Rows of a window that are not finite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NotFinite {
    rows: u64,
    /// Step of the first of them, and of the first row of the window.
    first: u64,
    window_first: Option<u64>,
}

impl NotFinite {
    /// Takes the values of a row; one that is not known is not of interest.
    pub(crate) fn see(&mut self, step: u64, values: &[Option<f64>]) {
        self.window_first.get_or_insert(step);
        if values.iter().flatten().all(|value| value.is_finite()) {
            return;
        }
        if self.rows == 0 {
            self.first = step;
        }
        self.rows += 1;
    }

    /// Why there is no answer; `None` if all rows are finite.
    pub(crate) fn reason(&self) -> Option<String> {
        if self.rows == 0 {
            return None;
        }
        let before = self.window_first.is_some_and(|first| first < self.first);
        let remedy = if before {
            format!("; `--to {}` fits the rows before", self.first - 1)
        } else {
            String::new()
        };
        Some(format!("displacements are NaN or infinite from step {} on{remedy}", self.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_step_and_the_rows_before() {
        let mut seen = NotFinite::default();
        seen.see(5, &[Some(1.0), None]);
        assert_eq!(seen.reason(), None);
        seen.see(6, &[Some(1.0), Some(f64::INFINITY)]);
        seen.see(7, &[Some(f64::NAN), Some(1.0)]);
        let reason =
            "displacements are NaN or infinite from step 6 on; `--to 5` fits the rows before";
        assert_eq!(seen.reason().as_deref(), Some(reason));
        let mut at_once = NotFinite::default();
        at_once.see(1, &[Some(f64::NAN)]);
        assert_eq!(
            at_once.reason().as_deref(),
            Some("displacements are NaN or infinite from step 1 on")
        );
    }
}
