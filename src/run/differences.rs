//! How the parameters of a program differ from those of a run.

use std::collections::HashMap;

use crate::record::ParameterInfo;

/// At most so many parameters are named in each list of an error.
const NAMED: usize = 8;

/// How the difference begins that names parameters beyond those of the run.
pub(crate) const NOT_THE_RUNS: &str = "parameters are not the run's";

/// The same for the parameters; the order counts only where nothing else differs.
pub(crate) fn parameter_differences(run: &[ParameterInfo], now: &[ParameterInfo]) -> Vec<String> {
    let by_name = |parameters: &[ParameterInfo]| -> HashMap<String, ParameterInfo> {
        parameters.iter().map(|parameter| (parameter.name.clone(), parameter.clone())).collect()
    };
    let mut differences = Vec::new();
    let (of_run, of_now) = (by_name(run), by_name(now));
    let missing =
        run.iter().filter(|was| !of_now.contains_key(&was.name)).map(|was| was.name.clone());
    let extra = now.iter().filter(|is| !of_run.contains_key(&is.name)).map(|is| is.name.clone());
    let changed = run.iter().filter_map(|was| {
        let is =
            of_now.get(&was.name).filter(|is| (&is.shape, &is.kind) != (&was.shape, &was.kind))?;
        Some(format!(
            "{} (was {} {:?}, is {} {:?})",
            was.name, was.kind, was.shape, is.kind, is.shape
        ))
    });
    for (what, names) in [
        ("parameters are missing", missing.collect::<Vec<_>>()),
        (NOT_THE_RUNS, extra.collect()),
        ("parameters have another shape or kind", changed.collect()),
    ] {
        if !names.is_empty() {
            let more = names.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            differences
                .push(format!("{what}: {}{more}", names[..names.len().min(NAMED)].join(", ")));
        }
    }
    let names = |parameters: &[ParameterInfo]| -> Vec<String> {
        parameters.iter().map(|parameter| parameter.name.clone()).collect()
    };
    if differences.is_empty() && names(run) != names(now) {
        differences.push("the parameters come in another order".to_owned());
    }
    differences
}
