//! The page: one HTML file that asks for nothing else, with no script in it.

use std::fmt::Write;

use super::chart::Chart;
use super::description::description;
use super::draw::svg;
use super::events;
use super::figures::Figure;
use super::findings::Findings;
use super::html::escaped;
use super::material::Material;
use super::style::style_sheet;
use crate::analysis::render_text::grouped;
use crate::error::Result;

/// What a page of ours has in its head: pages without it are not overwritten.
pub const GENERATOR: &str = "<meta name=\"generator\" content=\"perrin report\"/>";
const STYLE: &str = include_str!("page.css");

/// A run with its figures.
pub struct Section {
    /// What is known of it.
    pub material: Material,
    /// Its figures, in order.
    pub figures: Vec<Figure>,
}

/// The whole page.
///
/// # Errors
/// Those of drawing.
pub fn page(sections: &[Section], comparison: Option<&Figure>) -> Result<String> {
    let title = match sections {
        [only] => format!("Run {}", only.material.name),
        _ => format!("{} runs", sections.len()),
    };
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"/>\n{GENERATOR}\n<title>{}</title>\n<style>{STYLE}{}</style>\n</head>\n\
         <body>\n<header><h1>{}</h1></header>\n<main>\n",
        escaped(&title),
        style_sheet(),
        escaped(&title)
    );
    contents(&mut page, sections, comparison);
    if let Some(figure) = comparison {
        page += "<section id=\"comparison\">\n<h2>Runs compared</h2>\n";
        add_figure(&mut page, figure, "comparison")?;
        page += "</section>\n";
    }
    for (index, section) in sections.iter().enumerate() {
        add_run(&mut page, section, index, sections.len())?;
    }
    let _ = write!(
        page,
        "</main>\n<footer><p>Written by perrin {}. Numbers of equations and figures are those of Kunin et al., <cite>The limiting dynamics of \
         SGD: modified loss, phase space oscillations, and anomalous diffusion</cite>. Every figure&#39;s numbers: \
         <code>perrin report --figures DIR</code>.</p></footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    Ok(page)
}

fn anchor(index: usize, id: &str) -> String {
    format!("run-{}-{id}", index + 1)
}

fn contents(page: &mut String, sections: &[Section], comparison: Option<&Figure>) {
    *page += "<nav aria-label=\"Contents\">\n<ul>\n";
    if comparison.is_some() {
        *page += "<li><a href=\"#comparison\">Runs compared</a></li>\n";
    }
    for (index, section) in sections.iter().enumerate() {
        let name = escaped(&section.material.name);
        if sections.len() > 1 {
            let _ = writeln!(page, "<li><a href=\"#{}\">{name}</a></li>", anchor(index, "run"));
            continue;
        }
        let entries = [("description", "What was run"), ("findings", "Findings")];
        let figures = section.figures.iter().map(|figure| (figure.id, figure.title));
        for (id, title) in entries.into_iter().chain(figures) {
            let _ = writeln!(page, "<li><a href=\"#{}\">{title}</a></li>", anchor(index, id));
        }
    }
    *page += "</ul>\n</nav>\n";
}

fn add_run(page: &mut String, section: &Section, index: usize, runs: usize) -> Result<()> {
    let material = &section.material;
    let _ = writeln!(page, "<section id=\"{}\">", anchor(index, "run"));
    if runs > 1 {
        let _ = writeln!(page, "<h2>{}. {}</h2>", index + 1, escaped(&material.name));
    }
    let _ = writeln!(page, "<h3 id=\"{}\">What was run</h3>\n<dl>", anchor(index, "description"));
    for (name, text) in description(material) {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(&name), escaped(&text));
    }
    let _ = writeln!(page, "</dl>\n<h3 id=\"{}\">Findings</h3>", anchor(index, "findings"));
    add_findings(page, &Findings::of(material));
    add_events(page, material);
    for figure in &section.figures {
        let _ = writeln!(
            page,
            "<section id=\"{}\">\n<h3>{}</h3>",
            anchor(index, figure.id),
            figure.title
        );
        add_figure(page, figure, &anchor(index, figure.id))?;
        *page += "</section>\n";
    }
    if let Some(fit) = &material.fit {
        let text = escaped(&fit.to_string());
        let _ = writeln!(
            page,
            "<details><summary>All numbers as text (perrin fit)</summary>\n<pre>{text}</pre>\n</details>"
        );
    }
    *page += "</section>\n";
    Ok(())
}

fn add_findings(page: &mut String, findings: &Findings) {
    let mut list = |title: &str, class: &str, lines: &[String], none: &str| {
        if lines.is_empty() && none.is_empty() {
            return;
        }
        let _ = writeln!(page, "<div{class}><h4>{title}</h4>");
        if lines.is_empty() {
            let _ = writeln!(page, "<p>{none}</p></div>");
            return;
        }
        *page += "<ul>\n";
        lines.iter().for_each(|line| {
            let _ = writeln!(page, "<li>{}</li>", escaped(line));
        });
        *page += "</ul></div>\n";
    };
    let class = if findings.failed.is_empty() { "" } else { " class=\"failed\"" };
    list("Assumptions that do not hold", class, &findings.failed, "None was found.");
    list("Measured", "", &findings.measured, "");
    list("Advice", "", &findings.advice, "");
    list("Without an answer", "", &findings.unanswered, "");
}

fn add_events(page: &mut String, material: &Material) {
    let happened = &material.events;
    if happened.count == 0 {
        return;
    }
    *page += "<h4>Events</h4>\n<table>\n<thead><tr><th scope=\"col\">Before step</th><th scope=\"col\">Event</th></tr></thead>\n<tbody>\n";
    for event in &happened.listed {
        let text = escaped(&events::sentence(event));
        let _ = writeln!(page, "<tr><td>{}</td><td>{text}</td></tr>", grouped(event.step));
    }
    *page += "</tbody>\n</table>\n";
    let more = happened.count - happened.listed.len() as u64;
    if more > 0 {
        let kinds =
            happened.kinds.iter().map(|kind| format!("{} {}", grouped(kind.count), kind.name));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            page,
            "<p>These are the first of each kind. And {} more; in all: {kinds}.</p>",
            grouped(more)
        );
    }
}

fn add_figure(page: &mut String, figure: &Figure, id: &str) -> Result<()> {
    if figure.charts.is_empty() {
        paragraphs(page, &figure.caption);
        return Ok(());
    }
    let layout = if figure.charts.len() == 1 { "charts one" } else { "charts" };
    let _ = writeln!(page, "<figure aria-labelledby=\"{id}-caption\">\n<div class=\"{layout}\">");
    for chart in &figure.charts {
        *page += &drawn(chart)?;
        page.push('\n');
    }
    let _ = writeln!(page, "</div>\n<figcaption id=\"{id}-caption\">");
    paragraphs(page, &figure.caption);
    *page += "</figcaption>\n</figure>\n";
    Ok(())
}

/// A cell of the grid: pictures in it keep their own height.
fn drawn(chart: &Chart) -> Result<String> {
    Ok(format!("<div>{}</div>", svg(chart)?))
}

fn paragraphs(page: &mut String, lines: &[String]) {
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let _ = writeln!(page, "<p>{}</p>", escaped(line));
    }
}
