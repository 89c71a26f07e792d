//! What came of the cases: a table, and each fault with the command that brings it again.

use std::collections::BTreeMap;
use std::fmt;

use crate::operations::OPERATIONS;
use crate::outcome::{COLUMNS, FIRST_FAULT, Outcome};
use crate::progress::Line;

/// Faults of a kind that are told in full; of what is no fault, one.
const TOLD: usize = 3;

#[derive(Debug, Default)]
pub struct Tally {
    seed: u64,
    pub seconds: f64,
    cases: u64,
    case: Option<Case>,
    operation: String,
    /// By kind of file and operation.
    outcomes: BTreeMap<(String, usize), [u64; COLUMNS.len()]>,
    /// By column, kind, change and operation: how many, and the first ones.
    faults: BTreeMap<(usize, String), (u64, Vec<String>)>,
    /// Most bytes held by each operation, and its seconds in all.
    costs: BTreeMap<usize, (u64, f64)>,
    pub lines: Vec<String>,
}

#[derive(Debug, Clone)]
struct Case {
    case: u64,
    run: String,
    kind: String,
    change: String,
    detail: String,
    forged: bool,
}

impl Tally {
    pub fn new(seed: u64) -> Tally {
        Tally { seed, ..Tally::default() }
    }

    pub fn last_case(&self) -> Option<u64> {
        self.case.as_ref().map(|case| case.case)
    }

    pub fn take(&mut self, line: Line) {
        match line {
            Line::Case { case, run, kind, change, detail, forged } => {
                self.cases += 1;
                self.lines = vec![format!("{run}: {kind}, {change}: {detail}")];
                self.case = Some(Case { case, run, kind, change, detail, forged });
            }
            Line::Begun { operation } => self.operation = operation,
            Line::Done { outcome, memory, seconds, operation } => {
                let (most, all) = self.costs.entry(place(&operation)).or_default();
                (*most, *all) = (memory.max(*most), *all + seconds);
                self.count(&outcome);
            }
        }
    }

    /// The worker ended in the midst of an operation.
    pub fn ended(&mut self, outcome: Outcome) {
        self.count(&outcome);
    }

    fn count(&mut self, outcome: &Outcome) {
        let Some(case) = &self.case else { return };
        self.lines.push(format!("  {}: {outcome:?}", self.operation));
        let column = outcome.column(case.forged);
        let counts = self.outcomes.entry((case.kind.clone(), place(&self.operation))).or_default();
        counts[column] += 1;
        if column >= FIRST_FAULT - 2 {
            // Panics are told apart by their place, limits by their reason.
            let what = match outcome {
                Outcome::Panicked(said) | Outcome::Beyond(said) => said.clone(),
                _ => format!("{}, {}", case.kind, case.change),
            };
            let (count, first) =
                self.faults.entry((column, format!("{}: {what}", self.operation))).or_default();
            *count += 1;
            if first.len() < if column < FIRST_FAULT { 1 } else { TOLD } {
                let again = format!("make fuzz SEED={} ONLY={}", self.seed, case.case);
                let change =
                    format!("{}: {}, {}: {}", case.run, case.kind, case.change, case.detail);
                let line = format!("{again}   {change}: {}", outcome.detail());
                if column >= FIRST_FAULT {
                    // At once: the table may be an hour away.
                    eprintln!("{}: {}: {line}", self.operation, COLUMNS[column]);
                }
                first.push(line);
            }
        }
    }

    /// Faults of each kind.
    pub fn faults(&self) -> u64 {
        self.outcomes.values().map(|counts| counts[FIRST_FAULT..].iter().sum::<u64>()).sum()
    }
}

fn place(operation: &str) -> usize {
    OPERATIONS.iter().position(|known| *known == operation).unwrap_or(OPERATIONS.len())
}

impl fmt::Display for Tally {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((column, what), (count, first)) in &self.faults {
            writeln!(text, "{} x {}: {what}", count, COLUMNS[*column])?;
            for line in first {
                writeln!(text, "    {line}")?;
            }
        }
        write!(text, "{:<20}{:<10}{:>8}", "file", "operation", "cases")?;
        for column in COLUMNS {
            write!(text, "{column:>10}")?;
        }
        writeln!(text)?;
        let mut sums = [[0; COLUMNS.len()]; OPERATIONS.len()];
        let row = |text: &mut fmt::Formatter<'_>, kind: &str, operation: usize, counts: &[u64]| {
            write!(
                text,
                "{kind:<20}{:<10}{:>8}",
                OPERATIONS[operation],
                counts.iter().sum::<u64>()
            )?;
            counts.iter().try_for_each(|count| write!(text, "{count:>10}"))?;
            writeln!(text)
        };
        for ((kind, operation), counts) in &self.outcomes {
            row(text, kind, *operation, counts)?;
            sums[*operation].iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        for (operation, counts) in sums.iter().enumerate() {
            row(text, "all", operation, counts)?;
        }
        for (operation, (most, seconds)) in &self.costs {
            let most = *most as f64 / f64::from(1 << 20);
            writeln!(
                text,
                "{}: at most {most:.1} MB, {seconds:.1} s in all",
                OPERATIONS[*operation]
            )?;
        }
        writeln!(
            text,
            "seed {}: {} mutations in {:.0} s, {:.1} s a thousand; {} faults",
            self.seed,
            self.cases,
            self.seconds,
            1000.0 * self.seconds / self.cases.max(1) as f64,
            self.faults()
        )
    }
}
