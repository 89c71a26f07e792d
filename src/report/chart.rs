//! A chart as plain data: axes and series. `draw` makes SVG of it, `csv` a table.

/// A picture of one pair of axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// File name of its SVG and CSV, without ending.
    pub name: String,
    /// What it shows, above it.
    pub title: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// Drawn in order.
    pub series: Vec<Series>,
    /// How high it is beside its width.
    pub shape: Shape,
}

/// Proportions of the axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// Wider than high.
    #[default]
    Wide,
    /// As wide as high.
    Square,
    /// As wide as high, and a unit as long on both axes.
    EqualScales,
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Whether it is logarithmic: values that are not positive are not shown.
    pub logarithmic: bool,
    /// Whether only whole numbers have a meaning on it.
    pub whole: bool,
    /// Names of 0, 1, 2, ..., for an axis of things instead of numbers.
    pub categories: Vec<String>,
    /// Values that must be on it beside the data.
    pub include: Vec<f64>,
}

impl Axis {
    /// Evenly spaced.
    pub fn linear(label: &str) -> Axis {
        Axis { label: label.to_owned(), ..Axis::default() }
    }

    /// Logarithmic.
    pub fn logarithmic(label: &str) -> Axis {
        Axis { label: label.to_owned(), logarithmic: true, ..Axis::default() }
    }

    /// Evenly spaced, of things that are counted.
    pub fn counted(label: &str) -> Axis {
        Axis { whole: true, ..Axis::linear(label) }
    }

    /// With these values on it.
    pub fn including(mut self, values: &[f64]) -> Axis {
        self.include.extend(values);
        self
    }

    /// Whether a value has a place on it. Numbers so large that differences overflow have none, nor
    /// have subnormal ones on a logarithmic axis: they have hardly any digits.
    pub fn shows(&self, value: f64) -> bool {
        if self.logarithmic {
            value.is_finite() && value >= f64::MIN_POSITIVE
        } else {
            value.abs() <= 1e300
        }
    }
}

/// What a series means; its colour and dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// What was measured.
    Measured,
    /// What theory says, nothing fitted.
    Predicted,
    /// A fit to what was measured.
    Fitted,
    /// Something else beside them.
    Other,
    /// The background of a measurement: its spread.
    Faint,
    /// Rows in a row.
    Way,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A line through the points; broken where a value has no place on the axis.
    Line,
    /// The area between `low` and `high`.
    Band,
    /// Many small dots.
    Dots,
    /// A sign at each point, with a bar from `low` to `high` where there are such.
    Signs,
    /// A vertical line at each x.
    Verticals,
    /// A horizontal line at each y.
    Horizontals,
}

/// A point, and the ends of its interval where it has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// Lower and upper end of y.
    pub interval: Option<[f64; 2]>,
}

impl Point {
    /// Without an interval.
    pub fn new(x: f64, y: f64) -> Point {
        Point { x, y, interval: None }
    }

    /// With an interval; an open end is drawn to the value itself.
    pub fn with_interval(x: f64, y: f64, low: Option<f64>, high: Option<f64>) -> Point {
        let interval =
            (low.is_some() || high.is_some()).then(|| [low.unwrap_or(y), high.unwrap_or(y)]);
        Point { x, y, interval }
    }
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// Colour and dashes.
    pub ink: Ink,
    /// Lines, dots, ...
    pub mark: Mark,
    /// In order.
    pub points: Vec<Point>,
    /// Written at its highest point: which it is of those with the same name.
    pub label: String,
}

impl Chart {
    /// Empty axes.
    pub fn new(name: impl Into<String>, title: impl Into<String>, x: Axis, y: Axis) -> Chart {
        Chart { name: name.into(), title: title.into(), x, y, ..Chart::default() }
    }

    /// Adds a series; one without a point that has a place on the axes is left out.
    pub fn add(
        &mut self,
        name: &str,
        ink: Ink,
        mark: Mark,
        points: impl IntoIterator<Item = Point>,
    ) {
        let points: Vec<Point> = points.into_iter().collect();
        if points.iter().any(|point| self.is_shown(mark, point)) {
            self.series.push(Series {
                name: name.to_owned(),
                ink,
                mark,
                points,
                label: String::new(),
            });
        }
    }

    /// Labels the series that was added last.
    pub fn label_last(&mut self, label: &str) {
        if let Some(series) = self.series.last_mut() {
            label.clone_into(&mut series.label);
        }
    }

    /// Whether a point has a place.
    pub fn is_shown(&self, mark: Mark, point: &Point) -> bool {
        match mark {
            Mark::Verticals => self.x.shows(point.x),
            Mark::Horizontals => self.y.shows(point.y),
            _ => self.x.shows(point.x) && self.y.shows(point.y),
        }
    }

    /// Whether there is nothing to be seen.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// From where to where the axes reach to show everything; none without a value.
    pub fn limits(&self) -> Option<[[f64; 2]; 2]> {
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for series in &self.series {
            for point in series.points.iter().filter(|point| self.is_shown(series.mark, point)) {
                if series.mark != Mark::Horizontals {
                    xs.push(point.x);
                }
                if series.mark != Mark::Verticals {
                    ys.push(point.y);
                    ys.extend(point.interval.into_iter().flatten());
                }
            }
        }
        Some([reach(&self.x, &xs)?, reach(&self.y, &ys)?])
    }
}

fn reach(axis: &Axis, values: &[f64]) -> Option<[f64; 2]> {
    if !axis.categories.is_empty() {
        return Some([-0.6, axis.categories.len() as f64 - 0.4]);
    }
    let shown = values.iter().chain(&axis.include).copied().filter(|value| axis.shows(*value));
    shown.fold(None, |ends: Option<[f64; 2]>, value| {
        Some(ends.map_or([value, value], |[low, high]| [low.min(value), high.max(value)]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_all_that_is_shown_and_nothing_else() {
        let mut chart =
            Chart::new("a", "A", Axis::logarithmic("x"), Axis::linear("y").including(&[0.0]));
        chart.add(
            "none",
            Ink::Measured,
            Mark::Line,
            [Point::new(-1.0, 5.0), Point::new(f64::NAN, 1.0)],
        );
        assert!(chart.is_empty() && chart.limits().is_none());
        chart.add(
            "some",
            Ink::Measured,
            Mark::Signs,
            [Point::with_interval(10.0, 2.0, Some(1.0), Some(4.0)), Point::new(-3.0, 9.0)],
        );
        chart.add("limit", Ink::Other, Mark::Horizontals, [Point::new(0.0, 8.0)]);
        assert_eq!(chart.limits(), Some([[10.0, 10.0], [0.0, 8.0]]));
        assert!(!chart.y.shows(f64::NAN) && !chart.y.shows(-1.7e308) && !chart.x.shows(5e-324));
    }
}
