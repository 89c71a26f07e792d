//! What was run: optimizer, hyperparameters, parameters, dates.

use super::material::Material;
use crate::analysis::render_text::{counted, grouped};
use crate::analysis::settings::remedy;
use crate::printable::cut;
use crate::record::Hyperparameters;

/// Parameters listed by name; the rest are counted.
const MOST_PARAMETERS: usize = 40;
/// Columns of a name.
const MOST_OF_NAME: usize = 120;

/// Pairs of a name and what is known of it.
pub fn description(material: &Material) -> Vec<(String, String)> {
    let info = &material.info;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, text: String| lines.push((name.to_owned(), text));
    add("Folder", material.path.clone());
    add("Begun", cut(&info.created, MOST_OF_NAME).into_owned());
    add("Recorded by", format!("perrin {}", cut(&info.perrin_version, MOST_OF_NAME)));
    if let Some(fit) = &material.fit {
        let (first, last) = (grouped(fit.first_step), grouped(fit.last_step));
        let seconds = fit
            .elapsed_seconds
            .map(|seconds| format!(", in {}", duration(seconds)))
            .unwrap_or_default();
        add("Rows", format!("{}, steps {first} to {last}{seconds}", grouped(fit.rows)));
    } else {
        add("Rows", "none".to_owned());
    }
    if info.every_steps > 1 {
        add("A row every", format!("{} steps", grouped(info.every_steps)));
    }
    add("Optimizer", optimizer(material));
    let groups = |when: &str, groups: &[Hyperparameters]| -> Vec<(String, String)> {
        let several = groups.len() > 1;
        let name = |group| if several { format!("Group {group}, {when}") } else { capital(when) };
        groups
            .iter()
            .enumerate()
            .map(|(group, settings)| (name(group), hyperparameters(settings)))
            .collect()
    };
    let mut settings = groups("at first", &info.hyperparameters);
    if let Some(fit) =
        material.fit.as_ref().filter(|fit| fit.present_hyperparameters != info.hyperparameters)
    {
        settings.extend(groups("at the last row", &fit.present_hyperparameters));
    }
    settings.into_iter().for_each(|(name, text)| add(&name, text));
    add("Batch size", info.batch_size.map_or_else(|| missing("batch size"), grouped));
    if let Some(steps) = info.steps_per_epoch {
        add("Steps in an epoch", grouped(steps));
    }
    add(
        "Directions",
        match info.layout.directions {
            0 => {
                "none: `Options::project_onto` logs positions and velocities along them".to_owned()
            }
            count => grouped(count as u64),
        },
    );
    add("Parameters", parameters(material));
    lines
}

fn missing(setting: &str) -> String {
    format!("not known: {}", remedy(setting))
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

fn hyperparameters(settings: &Hyperparameters) -> String {
    let known = [
        ("learning rate", settings.learning_rate),
        ("momentum", settings.momentum),
        ("weight decay", settings.weight_decay),
    ];
    if known.iter().all(|(_, value)| value.is_none()) {
        return missing("learning rate");
    }
    let known: Vec<String> = known
        .iter()
        .map(|(name, value)| {
            format!("{name} {}", value.map_or("not known".to_owned(), |value| value.to_string()))
        })
        .collect();
    known.join(", ")
}

fn optimizer(material: &Material) -> String {
    let optimizer = &material.info.optimizer;
    let name = optimizer.name.as_deref().map(|name| cut(name, MOST_OF_NAME).into_owned());
    let mut parts = vec![name.unwrap_or_else(|| missing("optimizer"))];
    let numbers = [
        ("dampening", optimizer.dampening.filter(|dampening| *dampening != 0.0)),
        ("second moment decay", optimizer.second_moment_decay),
        ("epsilon", optimizer.epsilon),
    ];
    parts.extend(
        numbers.iter().filter_map(|(name, value)| value.map(|value| format!("{name} {value}"))),
    );
    let flags = [
        ("Nesterov", optimizer.nesterov),
        ("AMSGrad", optimizer.amsgrad),
        ("centered", optimizer.centered),
    ];
    parts.extend(
        flags.iter().filter(|(_, set)| *set == Some(true)).map(|(name, _)| (*name).to_owned()),
    );
    parts.join(", ")
}

fn parameters(material: &Material) -> String {
    let parameters = &material.info.parameters;
    if parameters.is_empty() {
        return "not listed".to_owned();
    }
    let elements =
        |shape: &[i64]| shape.iter().map(|size| (*size).max(0) as u64).fold(1, u64::saturating_mul);
    let total = parameters
        .iter()
        .fold(0_u64, |sum, parameter| sum.saturating_add(elements(&parameter.shape)));
    let names: Vec<String> = parameters
        .iter()
        .take(MOST_PARAMETERS)
        .map(|parameter| {
            let shape: Vec<String> = parameter.shape.iter().map(i64::to_string).collect();
            format!(
                "{} [{}]",
                cut(&parameter.name, MOST_OF_NAME),
                cut(&shape.join("×"), MOST_OF_NAME)
            )
        })
        .collect();
    let more = parameters.len().saturating_sub(MOST_PARAMETERS);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!(
        "{} in {}: {}{more}",
        grouped(total),
        counted(parameters.len() as u64, "tensor"),
        names.join(", ")
    )
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.1} s"),
        120.0..7200.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
