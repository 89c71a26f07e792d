//! JSON that says something else: numbers and texts replaced, keys and entries gone or there twice.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Stands for text that no JSON value can be, until the document is written.
const RAW: &str = "\u{1}raw\u{1}";

/// A document changed in one place.
pub struct Edit {
    pub document: Value,
    raw: Option<String>,
    pub what: String,
}

impl Edit {
    /// Its text.
    pub fn text(&self, pretty: bool) -> String {
        let text = if pretty { format!("{:#}", self.document) } else { self.document.to_string() };
        match &self.raw {
            Some(raw) => text.replace(&Value::from(RAW).to_string(), raw),
            None => text,
        }
    }
}

/// Changes one place of a document.
pub fn edit(document: &Value, random: &mut ChaCha8Rng) -> Edit {
    let mut document = document.clone();
    let places = pointers(&document);
    let place = &places[random.random_range(0..places.len())];
    let mut raw = None;
    let node = document.pointer_mut(place).unwrap();
    let before = node.clone();
    match random.random_range(0..10) {
        0 => *node = of_another_kind(random),
        1 => {
            *node = RAW.into();
            raw = Some(raw_text(random));
        }
        _ => change(node, random),
    }
    let short = |value: &Value| value.to_string().chars().take(60).collect::<String>();
    let after = raw.as_ref().map_or_else(|| short(node), |raw| raw.chars().take(60).collect());
    let what = format!("{place}: {} became {after}", short(&before));
    Edit { document, raw, what }
}

/// All places, that of the whole first.
fn pointers(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), document)];
    while let Some((place, value)) = open.pop() {
        match value {
            Value::Object(fields) => {
                let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
                open.extend(
                    fields.iter().map(|(key, value)| (format!("{place}/{}", escaped(key)), value)),
                );
            }
            Value::Array(values) => {
                open.extend(
                    values
                        .iter()
                        .enumerate()
                        .map(|(index, value)| (format!("{place}/{index}"), value)),
                );
            }
            _ => {}
        }
        found.push(place);
    }
    found
}

fn change(node: &mut Value, random: &mut ChaCha8Rng) {
    match node {
        Value::Number(number) => {
            *node = another_number(number.as_f64().unwrap_or_default(), random)
        }
        Value::String(text) => *text = another_text(text, random),
        Value::Bool(flag) => *flag = !*flag,
        Value::Null => *node = json!(random.random_range(0..100)),
        Value::Array(values) => match random.random_range(0..6) {
            0 => values.clear(),
            1 => drop(values.pop()),
            2 => values.reverse(),
            3 => values.push(json!(random.random_range(0..10))),
            4 => {
                let last = values.last().cloned().unwrap_or(Value::Null);
                values.resize(random.random_range(1..5000), last);
            }
            _ => values.extend(values.clone()),
        },
        Value::Object(fields) => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            let Some(key) = keys.get(random.random_range(0..keys.len().max(1))) else { return };
            match random.random_range(0..3) {
                0 => drop(fields.remove(key)),
                1 => {
                    let value = fields.remove(key).unwrap_or_default();
                    fields.insert(another_text(key, random), value);
                }
                _ => drop(fields.insert(another_text("", random), of_another_kind(random))),
            }
        }
    }
}

fn another_number(number: f64, random: &mut ChaCha8Rng) -> Value {
    let whole = number.fract() == 0.0 && number.abs() < 1e15;
    let near = match random.random_range(0..6) {
        0 => number + 1.0,
        1 => number - 1.0,
        2 => number * 2.0,
        3 => number / 2.0,
        4 => -number,
        _ => number * 10_f64.powi(random.random_range(-9..10)),
    };
    match random.random_range(0..3) {
        0 if whole && near.fract() == 0.0 => json!(near as i64),
        0 => json!(near),
        1 => [
            json!(0),
            json!(1),
            json!(-1),
            json!(2),
            json!(0.5),
            json!(-0.0),
            json!(1000),
            json!(1_000_000),
        ][random.random_range(0..8)]
        .clone(),
        _ => [
            json!(u64::MAX),
            json!(u64::MAX - 1),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(1_u64 << 53),
            json!((1_u64 << 53) + 1),
            json!(u32::MAX),
            json!(1_u64 << 31),
            json!(99_999),
            json!(33_333),
            json!(1e308),
            json!(-1e308),
            json!(5e-324),
            json!(1e-300),
            json!(1e19),
        ][random.random_range(0..15)]
        .clone(),
    }
}

/// Texts that programs have stumbled over.
pub fn another_text(text: &str, random: &mut ChaCha8Rng) -> String {
    let hostile = [
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "\u{202e}txet desrever\u{2066}",
        "\u{9b}31m\u{85}\u{feff}\u{200b}",
        "\0",
        "\r\n\r\nrun: another",
        "</title><script>alert(1)</script><!--",
        "\"><svg onload=alert(1)>&amp;]]>",
        "../../../../etc/passwd",
        "NaN",
        "",
        "%s%n{}{0}$(id)`id`",
        "漢字かな交じり文",
        "👩\u{200d}👧\u{200d}👦🏳\u{fe0f}\u{200d}🌈",
        "e\u{301}\u{302}\u{303}\u{304}\u{305}",
        "\u{ffff}\u{fffe}\u{10ffff}",
    ];
    match random.random_range(0..6) {
        0 | 1 => hostile[random.random_range(0..hostile.len())].to_owned(),
        2 => hostile[random.random_range(0..hostile.len())].repeat(random.random_range(1..300)),
        3 => (0..random.random_range(0..200)).map(|_| random.random::<char>()).collect(),
        4 if !text.is_empty() => {
            let mut characters: Vec<char> = text.chars().collect();
            let index = random.random_range(0..characters.len());
            characters[index] = random.random_range('a'..='z');
            characters.into_iter().collect()
        }
        _ => format!("{text}{}", random.random_range(0..10)),
    }
}

fn of_another_kind(random: &mut ChaCha8Rng) -> Value {
    match random.random_range(0..7) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!([]),
        3 => json!({}),
        4 => json!("text"),
        5 => json!(-1.5),
        _ => json!([1, [2, {"a": 3}]]),
    }
}

fn raw_text(random: &mut ChaCha8Rng) -> String {
    match random.random_range(0..8) {
        0 => "1e999".to_owned(),
        1 => "-1E+400".to_owned(),
        2 => "NaN".to_owned(),
        3 => "123456789012345678901234567890".to_owned(),
        4 => "[".repeat(random.random_range(1..100_000)),
        5 => {
            let depth = random.random_range(1..300);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        6 => "\"\\ud800\"".to_owned(),
        _ => "{\"a\": 1, \"a\": 2}".to_owned(),
    }
}
