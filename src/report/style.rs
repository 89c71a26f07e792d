//! Colours and dashes: of Okabe and Ito's palette (2008), which the colour-blind tell apart; and
//! never colour alone.
//!
//! plotters writes colours as numbers. Each role is drawn in a number that stands for it, and
//! replaced in the SVG by a class and a colour for those who know no classes. The page's style
//! sheet, or the one in a figure that stands alone, gives classes their colours in light, dark and
//! print.

use plotters::style::RGBColor;

use super::chart::Ink;

/// What something in a picture is, as far as its colour goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Letters.
    Text,
    /// Lines at the ticks.
    Grid,
    /// The axes.
    Axis,
    /// A series' line, with its dashes.
    Series(Ink),
    /// Signs and bars of a series: the same colour without dashes.
    Sign(Ink),
}

/// All roles: name of the class, light and dark colour, dashes in the units of the drawing.
const ROLES: [(Role, &str, &str, &str, &str); 9] = [
    (Role::Text, "text", "#1a1a1a", "#e6e6e6", ""),
    (Role::Grid, "grid", "#e2e2e2", "#383838", ""),
    (Role::Axis, "axis", "#767676", "#8f8f8f", ""),
    (Role::Series(Ink::Measured), "measured", "#0072b2", "#56b4e9", ""),
    (Role::Series(Ink::Predicted), "predicted", "#d55e00", "#e69f00", "28 14"),
    (Role::Series(Ink::Fitted), "fitted", "#007a5a", "#2fc79b", "48 12 8 12"),
    (Role::Series(Ink::Other), "other", "#a8457f", "#cc79a7", "8 10"),
    (Role::Series(Ink::Faint), "faint", "#56b4e9", "#0072b2", ""),
    (Role::Series(Ink::Way), "way", "#1a1a1a", "#e6e6e6", ""),
];

/// Second component of the number of a line, and of a sign.
const LINE: u8 = 2;
const SIGN: u8 = 3;

impl Role {
    /// The number that stands for it: colours that nobody would choose.
    pub fn colour(self) -> RGBColor {
        let (role, kind) = match self {
            Role::Sign(ink) => (Role::Series(ink), SIGN),
            role => (role, LINE),
        };
        let index = ROLES.iter().position(|(of, ..)| *of == role).unwrap_or_default();
        RGBColor(1, kind, index as u8)
    }
}

/// Puts classes, colours and dashes in the place of the numbers, and leaves out what says nothing.
pub fn with_classes(svg: &str) -> String {
    let mut svg =
        svg.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").replace("\r", "");
    for (role, name, light, _, dashes) in ROLES {
        let RGBColor(red, _, blue) = role.colour();
        for (kind, dashes) in [(LINE, dashes), (SIGN, "")] {
            let number = format!("#{red:02X}{kind:02X}{blue:02X}");
            let dashes = if dashes.is_empty() {
                String::new()
            } else {
                format!(" stroke-dasharray=\"{dashes}\"")
            };
            svg = svg.replace(
                &format!("fill=\"{number}\""),
                &format!("class=\"f-{name}\" fill=\"{light}\""),
            );
            let stroke = format!("class=\"s-{name}\" stroke=\"{light}\"{dashes}");
            svg = svg.replace(&format!("stroke=\"{number}\""), &stroke);
        }
    }
    svg
}

/// The classes' colours, light unless the reader's screen is dark; paper is light.
pub fn style_sheet() -> String {
    let rules = |dark: bool| -> String {
        let rule = |(_, name, light, night, _): &(Role, &str, &str, &str, &str)| {
            let colour = if dark { night } else { light };
            format!(".f-{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}")
        };
        ROLES.iter().map(rule).collect()
    };
    format!("{}@media screen and (prefers-color-scheme:dark){{{}}}", rules(false), rules(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_own_number_and_class() {
        for (role, name, light, ..) in ROLES {
            let RGBColor(red, green, blue) = role.colour();
            let svg = with_classes(&format!("<a fill=\"#{red:02X}{green:02X}{blue:02X}\"/>"));
            assert_eq!(svg, format!("<a class=\"f-{name}\" fill=\"{light}\"/>"));
            assert_eq!(style_sheet().matches(&format!(".s-{name}{{")).count(), 2);
        }
    }
}
