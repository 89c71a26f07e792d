//! Lines of equal value through a grid, by marching squares: linear between neighbours, joined to
//! long lines.

use std::collections::BTreeMap;

/// Values at the crossings of lines at `x` and `y`, x running fastest.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    /// Rising.
    pub x: &'a [f64],
    /// Rising.
    pub y: &'a [f64],
    /// As many as x times y; cells with a value that is not finite are passed over.
    pub values: &'a [f64],
}

/// A side of a cell: of its lower left crossing, upwards or to the right.
type Side = (usize, usize, bool);

impl Grid<'_> {
    fn at(&self, column: usize, line: usize) -> f64 {
        self.values[line * self.x.len() + column]
    }

    /// Smallest value and the value that 95 of 100 lie below; none without finite values.
    pub fn range(&self) -> Option<[f64; 2]> {
        let mut values: Vec<f64> =
            self.values.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        Some([*values.first()?, values[(values.len() - 1) * 95 / 100]])
    }

    /// The lines on which the value is `level`. A closed one ends where it begins.
    pub fn contour(&self, level: f64) -> Vec<Vec<[f64; 2]>> {
        let segments = self.segments(level);
        let mut ends: BTreeMap<Side, Vec<usize>> = BTreeMap::new();
        for (index, segment) in segments.iter().enumerate() {
            segment.iter().for_each(|side| ends.entry(*side).or_default().push(index));
        }
        let mut used = vec![false; segments.len()];
        let mut lines = Vec::new();
        // Open lines first, from an end; what is left is closed and may begin anywhere.
        let open = ends.iter().filter(|(_, at)| at.len() == 1).map(|(side, _)| *side);
        let starts: Vec<Side> = open.chain(segments.iter().map(|segment| segment[0])).collect();
        for start in starts {
            let (mut side, mut line) = (start, vec![self.point(start, level)]);
            while let Some(&next) = ends[&side].iter().find(|&&index| !used[index]) {
                used[next] = true;
                let [one, other] = segments[next];
                side = if one == side { other } else { one };
                line.push(self.point(side, level));
            }
            if line.len() > 1 {
                lines.push(line);
            }
        }
        lines
    }

    /// Pairs of sides between which the level crosses a cell.
    fn segments(&self, level: f64) -> Vec<[Side; 2]> {
        let mut segments = Vec::new();
        for line in 1..self.y.len() {
            for column in 1..self.x.len() {
                let (left, low) = (column - 1, line - 1);
                let corners = [
                    self.at(left, low),
                    self.at(column, low),
                    self.at(column, line),
                    self.at(left, line),
                ];
                if corners.iter().any(|corner| !corner.is_finite()) {
                    continue;
                }
                // Counter-clockwise from below, side n between corners n and n + 1.
                let sides: [Side; 4] = [
                    (left, low, false),
                    (column, low, true),
                    (left, line, false),
                    (left, low, true),
                ];
                let below = corners.map(|corner| corner < level);
                let crossed: Vec<Side> =
                    (0..4).filter(|&n| below[n] != below[(n + 1) % 4]).map(|n| sides[n]).collect();
                match crossed[..] {
                    [one, other] => segments.push([one, other]),
                    // A saddle: the middle belongs to one pair of corners and parts the other two.
                    [a, b, c, d] => {
                        let middle_below = corners.iter().sum::<f64>() / 4.0 < level;
                        segments.extend(if middle_below == below[0] {
                            [[a, b], [c, d]]
                        } else {
                            [[d, a], [b, c]]
                        });
                    }
                    _ => {}
                }
            }
        }
        segments
    }

    /// Where on a side the level is.
    fn point(&self, (column, line, upwards): Side, level: f64) -> [f64; 2] {
        let (next_column, next_line) =
            if upwards { (column, line + 1) } else { (column + 1, line) };
        let (from, to) = (self.at(column, line), self.at(next_column, next_line));
        let share = (level - from) / (to - from);
        let between = |a: f64, b: f64| a + share * (b - a);
        [between(self.x[column], self.x[next_column]), between(self.y[line], self.y[next_line])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_one_closed_line_and_a_slope_one_open_one() {
        let axis: Vec<f64> = (-10..=10).map(|index| 0.1 * f64::from(index)).collect();
        let of = |value: fn(f64, f64) -> f64| -> Vec<f64> {
            axis.iter().flat_map(|y| axis.iter().map(move |x| value(*x, *y))).collect()
        };
        let ring = of(|x, y| x * x + y * y);
        let lines = Grid { x: &axis, y: &axis, values: &ring }.contour(0.5);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].first(), lines[0].last());
        // Linear between points 0.1 apart: off by at most 0.1^2 / 8 of a second derivative of 2,
        // over a slope of 2 r.
        assert!(
            lines[0]
                .iter()
                .all(|[x, y]| (x.hypot(*y) - 0.5_f64.sqrt()).abs() < 0.0025 / (2.0 * 0.7))
        );
        assert!(Grid { x: &axis, y: &axis, values: &ring }.contour(3.0).is_empty());

        let slope = of(|x, y| x + 0.5 * y);
        let lines = Grid { x: &axis, y: &axis, values: &slope }.contour(0.03);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].iter().all(|[x, y]| (x + 0.5 * y - 0.03).abs() < 1e-12));
        assert_eq!([lines[0][0][1].abs(), lines[0].last().unwrap()[1].abs()], [1.0; 2]);
    }

    #[test]
    fn saddles_are_parted_by_their_middle_and_holes_cut_lines() {
        let axis = [0.0, 1.0];
        for (corners, level, joined) in
            [([0.0, 1.0, 0.0, 1.0], 0.6, true), ([0.0, 1.0, 0.0, 1.0], 0.4, false)]
        {
            // Low corners at (0, 0) and (1, 1).
            let values = [corners[0], corners[1], corners[3], corners[2]];
            let lines = Grid { x: &axis, y: &axis, values: &values }.contour(level);
            assert_eq!(lines.len(), 2);
            // Where the low corners are joined through the middle, each line cuts off a high
            // corner.
            let cuts_off = |line: &[[f64; 2]]| {
                let [x, y] = [0, 1].map(|axis| 0.5 * (line[0][axis] + line[1][axis]));
                (x - y).abs() > 0.5
            };
            assert!(lines.iter().all(|line| cuts_off(line) == joined), "{lines:?}");
        }
        let axis = [0.0, 1.0, 2.0];
        let values = [0.0, 0.0, f64::NAN, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
        let grid = Grid { x: &axis, y: &axis, values: &values };
        assert_eq!(grid.contour(0.5), [[[0.0, 0.5], [1.0, 0.5]]]);
        assert_eq!(grid.range(), Some([0.0, 2.0]));
    }
}
