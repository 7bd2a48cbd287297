//! The medians of a comparison as a picture: SVG, written by hand, that any browser and any README shows.
//!
//! 1. A group of bars for each row's main figure, a bar for each registry, as long as its share of the group's
//!    largest figure; the figure itself stands beside it, and a whisker spans the rounds.
//! 2. What failed, or was not measured, is said in the place of its bar.
//! 3. The limit of the machine that binds a row is a dashed line through its group.
//! 4. Colours are readable on white and on black, the ground is transparent, and text is text.

use crate::compare::limits::{LIMITS, Limit};
use crate::compare::lines::{Line, lines};
use crate::compare::report::Measurement;
use crate::compare::rows::Row;
use crate::stats::Summary;
use crate::units::figure;

const TEXT: &str = "#727a84";
const DARK: &str = "#30363d";
const FIRST: &str = "#2f81f7";
const OTHERS: [&str; 5] = ["#d9822b", "#8a94a0", "#9a7fd1", "#3fa37c", "#c7629b"];

const COLUMN: f64 = 480.0;
const NAMES: f64 = 112.0;
const BARS: f64 = 240.0;
const BAR: f64 = 13.0;
const STEP: f64 = 18.0;
const ABOVE_BARS: f64 = 24.0;
const BELOW_BARS: f64 = 20.0;
const MARGIN: f64 = 16.0;
const HEADER: f64 = 56.0;

/// What is drawn together: one figure of all registries.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What the figure is.
    pub title: String,
    /// A bar for each registry.
    pub bars: Vec<Bar>,
    /// What the machine allows at most, when that is known.
    pub limit: Option<Mark>,
}

/// The figure of one registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The registry.
    pub name: String,
    /// The figure, or what to say instead of it.
    pub value: Result<Summary, &'static str>,
}

/// A line through a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What it is.
    pub name: &'static str,
    /// Where it is, in the group's unit.
    pub value: f64,
}

/// The groups of a comparison, in the order of its rows; those nobody has a figure for are left out.
pub fn groups(rows: &[Row], registries: &[String], measurements: &[Measurement]) -> Vec<Group> {
    let main = lines(rows, measurements)
        .into_iter()
        .filter(|line| line.is_main);
    let groups = main.map(|line| group(&line, registries, measurements));
    groups
        .filter(|group| group.bars.iter().any(|bar| bar.value.is_ok()))
        .collect()
}

/// The picture, under `title` and, in small letters, `note`.
pub fn svg(title: &str, note: &str, groups: &[Group]) -> String {
    let (left, right) = columns(groups);
    let of = |groups: &[Group]| groups.iter().map(Group::height).sum::<f64>();
    let width = MARGIN * 2.0 + COLUMN * if right.is_empty() { 1.0 } else { 2.0 };
    let height = HEADER + of(left).max(of(right)) + MARGIN;
    let mut canvas = Canvas::new(title, width, height);
    canvas.text((MARGIN, 26.0), Style::Title, title);
    canvas.text((MARGIN, 44.0), Style::Note, note);
    for (column, x) in [(left, MARGIN), (right, MARGIN + COLUMN)] {
        let mut y = HEADER;
        for group in column {
            group.draw(&mut canvas, x, y);
            y += group.height();
        }
    }
    canvas.finish()
}

fn group(line: &Line, registries: &[String], measurements: &[Measurement]) -> Group {
    let less = if line.more_is_better {
        ""
    } else {
        " (less is better)"
    };
    let bars = registries.iter().map(|registry| Bar {
        name: registry.clone(),
        value: match line.summary(registry, measurements) {
            Some(Ok(summary)) => Ok(summary),
            Some(Err(missing)) => Err(missing.word()),
            None => Err("not measured"),
        },
    });
    let bounds = |limit: &&Limit| line.row.is_some_and(|row| limit.rows.contains(&row));
    let limits = LIMITS.iter().filter(bounds).filter_map(|limit| {
        let value = limit.summary(measurements)?.ok()?.median;
        let name = limit.short;
        Some(Mark { name, value })
    });
    Group {
        title: format!("{}{less}", line.title),
        bars: bars.collect(),
        limit: limits.min_by(|one, other| one.value.total_cmp(&other.value)),
    }
}

/// The groups of the left and of the right column, of about the same height.
fn columns(groups: &[Group]) -> (&[Group], &[Group]) {
    let middle = if groups.len() > 3 {
        groups.len().div_ceil(2)
    } else {
        groups.len()
    };
    groups.split_at(middle)
}

// === impl Group ===

impl Group {
    fn height(&self) -> f64 {
        ABOVE_BARS + self.bars_height() + BELOW_BARS
    }

    fn bars_height(&self) -> f64 {
        self.bars.iter().map(|_| STEP).sum()
    }

    /// What the full length stands for.
    fn largest(&self) -> f64 {
        let values = self.bars.iter().flat_map(|bar| bar.value.as_ref());
        let values = values.map(|summary| summary.max);
        let limit = self.limit.iter().map(|limit| limit.value);
        values.chain(limit).fold(f64::MIN_POSITIVE, f64::max)
    }

    fn draw(&self, canvas: &mut Canvas, x: f64, y: f64) {
        canvas.text((x, y + 14.0), Style::Heading, &self.title);
        let scale = BARS / self.largest();
        let (from, mut top) = (x + NAMES, y + ABOVE_BARS);
        for (index, bar) in self.bars.iter().enumerate() {
            bar.draw(canvas, colour(index), scale, (from, top));
            top += STEP;
        }
        if let Some(Mark { name, value }) = self.limit {
            let at = from + value * scale;
            canvas.line(
                (at, y + ABOVE_BARS - 3.0),
                (at, top),
                " stroke-dasharray=\"3 3\"",
            );
            let label = format!("limit, {name}: {}", figure(value));
            canvas.text((at, top + 10.0), Style::Limit, &label);
        }
    }
}

// === impl Bar ===

impl Bar {
    fn draw(&self, canvas: &mut Canvas, colour: &str, scale: f64, (x, y): (f64, f64)) {
        let (middle, baseline) = (y + BAR / 2.0, y + BAR - 2.5);
        canvas.text((x - 8.0, baseline), Style::Name, &self.name);
        let Summary { median, min, max } = match self.value {
            Ok(summary) => summary,
            Err(text) => return canvas.text((x + 4.0, baseline), Style::Note, text),
        };
        canvas.bar((x, y), median * scale, colour);
        canvas.whisker(x + min * scale, x + max * scale, middle);
        let beside = (x + median.max(max) * scale + 6.0, baseline);
        canvas.text(beside, Style::Figure, &figure(median));
    }
}

fn colour(index: usize) -> &'static str {
    match index.checked_sub(1) {
        None => FIRST,
        Some(other) => OTHERS.iter().cycle().nth(other).copied().unwrap_or(TEXT),
    }
}

/// The elements of a picture in the making.
struct Canvas {
    elements: Vec<String>,
}

/// How a text is set.
#[derive(Clone, Copy)]
enum Style {
    Title,
    Note,
    Heading,
    Name,
    Figure,
    Limit,
}

// === impl Canvas ===

impl Canvas {
    fn new(title: &str, width: f64, height: f64) -> Self {
        let head = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
             font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">"
        );
        let title = format!("<title>{}</title>", escaped(title));
        Self {
            elements: vec![head, title],
        }
    }

    fn text(&mut self, (x, y): (f64, f64), style: Style, text: &str) {
        let (anchor, size, weight) = style.attributes();
        self.elements.push(format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" \
             font-weight=\"{weight}\" fill=\"{TEXT}\">{}</text>",
            escaped(text)
        ));
    }

    fn bar(&mut self, (x, y): (f64, f64), length: f64, colour: &str) {
        let length = length.max(1.0); // the smallest is still seen
        self.elements.push(format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" \
             fill=\"{colour}\"/>"
        ));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), more: &str) {
        self.elements.push(format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{TEXT}\"{more}/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A dark line on a light one, so that it is seen on every ground and on the bar.
    fn whisker(&mut self, low: f64, high: f64, y: f64) {
        for (stroke, width) in [("#ffffff", 3.0), (DARK, 1.0)] {
            let (top, end) = (y - 3.0, y + 3.0);
            self.elements.push(format!(
                "<path d=\"M{low:.1} {top:.1}V{end:.1}M{low:.1} {y:.1}H{high:.1}M{high:.1} {top:.1}V{end:.1}\" \
                 stroke=\"{stroke}\" stroke-width=\"{width}\" fill=\"none\"/>"
            ));
        }
    }

    fn finish(mut self) -> String {
        self.elements.push("</svg>\n".to_owned());
        self.elements.join("\n")
    }
}

// === impl Style ===

impl Style {
    /// Anchor, size and weight.
    fn attributes(self) -> (&'static str, f64, u32) {
        match self {
            Self::Title => ("start", 16.0, 600),
            Self::Note => ("start", 11.0, 400),
            Self::Heading => ("start", 12.0, 600),
            Self::Name => ("end", 11.0, 400),
            Self::Figure => ("start", 11.0, 600),
            Self::Limit => ("middle", 9.5, 400),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;
    use crate::compare::figures::Figures;
    use crate::compare::limits::MACHINE;
    use crate::compare::rows::rows;

    fn measured(row: &'static str, registry: &str, round: u32, value: f64) -> Measurement {
        Measurement {
            row,
            registry: registry.into(),
            round,
            result: Ok(Figures::throughput(value, 1.0)),
        }
    }

    fn sample() -> Vec<Group> {
        let mut measurements = vec![
            measured("push-1", "a <&> \"b\"", 1, 300.0),
            measured("push-1", "a <&> \"b\"", 2, 500.0),
            measured("push-1", "c", 1, 100.0),
            measured("limit-sha256", MACHINE, 1, 1000.0),
            measured("limit-write", MACHINE, 1, 800.0),
        ];
        measurements.push(Measurement {
            row: "push-1",
            registry: "d".into(),
            round: 1,
            result: Err("status is 500".into()),
        });
        let names = ["a <&> \"b\"", "c", "d", "e"].map(str::to_owned);
        let only = ["push-1", "push-4"].map(str::to_owned);
        groups(&rows(1.0, &only).unwrap(), &names, &measurements)
    }

    fn all<'a>(document: &'a Document<'_>, tag: &'static str) -> Vec<Node<'a, 'a>> {
        let nodes = document.root().descendants();
        nodes.filter(|node| node.has_tag_name(tag)).collect()
    }

    fn texts(document: &Document<'_>) -> Vec<String> {
        let texts = all(document, "text").into_iter();
        texts.map(|node| node.text().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_picture_is_xml_whose_bars_are_as_long_as_their_medians() {
        let svg = svg("1 < 2 & 3", "note", &sample());
        let document = Document::parse(&svg).unwrap();
        let bars = all(&document, "rect");
        let widths: Vec<f64> = bars
            .iter()
            .map(|bar| bar.attribute("width").unwrap().parse().unwrap())
            .collect();
        // Of 800, the limit: a median of 400, and 100.
        assert_eq!(widths, [BARS / 2.0, BARS / 8.0]);
        assert_ne!(bars[0].attribute("fill"), bars[1].attribute("fill"));
        let texts = texts(&document);
        for text in [
            "1 < 2 & 3",
            "a <&> \"b\"",
            "400",
            "100",
            "failed",
            "not measured",
        ] {
            assert!(
                texts.iter().any(|one| one == text),
                "no {text:?} in {texts:?}"
            );
        }
    }

    #[test]
    fn whiskers_span_the_rounds_and_the_lowest_limit_is_a_dashed_line() {
        let groups = sample();
        assert_eq!(groups.len(), 1, "nobody has a figure for push-4");
        let svg = svg("t", "n", &groups);
        let document = Document::parse(&svg).unwrap();
        let whisker = all(&document, "path")[0].attribute("d").unwrap();
        let numbers: Vec<f64> = whisker
            .split(|c: char| c.is_ascii_alphabetic() || c == ' ')
            .filter_map(|number| number.parse().ok())
            .collect();
        // From 300 to 500 of 800.
        let (low, high) = (numbers[0], numbers[5]);
        assert!((high - low - BARS * 200.0 / 800.0).abs() < 0.2, "{whisker}");
        let lines = all(&document, "line");
        let dashed = lines
            .iter()
            .filter(|line| line.has_attribute("stroke-dasharray"));
        assert_eq!(dashed.count(), 1);
        assert!(
            texts(&document)
                .iter()
                .any(|text| text == "limit, write: 800")
        );
    }

    #[test]
    fn nothing_is_drawn_outside_the_picture() {
        let group = sample().remove(0);
        for count in [1, 4, 9] {
            let svg = svg("t", "n", &vec![group.clone(); count]);
            let document = Document::parse(&svg).unwrap();
            let root = document.root_element();
            let size = |name| root.attribute(name).unwrap().parse::<f64>().unwrap();
            for node in root.descendants().filter(|node| node.has_attribute("x")) {
                let at = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
                assert!(at("x") >= 0.0 && at("x") < size("width"));
                assert!(at("y") >= 0.0 && at("y") < size("height"));
            }
        }
    }
}
