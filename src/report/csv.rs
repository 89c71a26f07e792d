//! A chart's numbers as CSV (RFC 4180): one row a point, `series, x, y, low, high`.

use std::fmt::Write;

use super::chart::Chart;

/// The table; columns of the axes have the axes' names.
pub fn table(chart: &Chart) -> String {
    let mut text = format!("series,{},{},low,high\n", field(&chart.x.label), field(&chart.y.label));
    for series in &chart.series {
        let label =
            if series.label.is_empty() { String::new() } else { format!(" {}", series.label) };
        let name = field(&format!("{}{label}", series.name));
        for point in &series.points {
            let number =
                |value: f64| if value.is_finite() { value.to_string() } else { String::new() };
            let [low, high] =
                point.interval.map_or([String::new(), String::new()], |ends| ends.map(number));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name},{},{},{low},{high}", number(point.x), number(point.y));
        }
    }
    text
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::chart::{Axis, Ink, Mark, Point};
    use super::*;

    #[test]
    fn fields_are_quoted_and_what_is_not_finite_is_empty() {
        let mut chart = Chart::new("a", "A", Axis::linear("x, steps"), Axis::linear("y"));
        chart.add(
            "a \"b\"",
            Ink::Measured,
            Mark::Line,
            [Point::with_interval(1.0, 0.5, Some(0.25), Some(1e-9)), Point::new(2.0, f64::NAN)],
        );
        let expected = "series,\"x, steps\",y,low,high\n\"a \"\"b\"\"\",1,0.5,0.25,0.000000001\n\"a \"\"b\"\"\",2,,,\n";
        assert_eq!(table(&chart), expected);
    }
}
