//! A line chart over epochs as the inside of an SVG.
//!
//! Its colours are placeholders that the style sheet replaces, so that one drawing serves light and dark: `#010101`
//! ink, `#020202` grid, `#030303` training, `#040404` validation, `#050505` the epoch that was kept, `#212121` to
//! `#282828` runs that are compared. They hold no
//! letters because plotters writes those in upper case. No text in it comes from the user: names stand in the HTML
//! around it.

use plotters::{
    coord::ranged1d::{DefaultFormatting, KeyPointHint},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const TRAINING: RGBColor = RGBColor(3, 3, 3);
const VALIDATION: RGBColor = RGBColor(4, 4, 4);
const KEPT: RGBColor = RGBColor(5, 5, 5);
/// The first of the runs' colours; the others follow, one by one.
const FIRST_RUN: u8 = 0x21;

/// So many runs can be told apart in one chart.
pub const MOST_RUNS: usize = 8;

/// Units of the drawing for one of the page: plotters rounds to whole units.
const FINE: u32 = 10;
/// The drawing's size in its own units.
pub const SIZE: (u32, u32) = (560 * FINE, 326 * FINE);
/// Up to so many epochs, each has its marker.
pub const MOST_MARKERS: usize = 30;

/// What to draw.
pub struct Chart<'a> {
    /// `(epoch, value)` by epoch; values that are no numbers leave a gap.
    pub training: &'a [(usize, f64)],
    /// Likewise.
    pub validation: &'a [(usize, f64)],
    /// First and last epoch.
    pub epochs: (usize, usize),
    /// The epoch to mark, and what it is: `kept`.
    pub kept: Option<(usize, &'static str)>,
    /// Whether values are shares, to be shown as percent within 0 to 100.
    pub share: bool,
}

/// Where an axis begins and ends, and its ticks.
#[derive(Debug, PartialEq)]
struct Axis {
    from: f64,
    to: f64,
    step: f64,
}

impl Axis {
    /// A round one around the values.
    fn around(values: impl Iterator<Item = f64>, share: bool) -> Option<Axis> {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return None;
        }
        // A nearly flat curve shall not look like a mountain range.
        let least = if share { 0.02 } else { 0.02 * low.abs().max(high.abs()).max(1e-9) };
        let (low, high) = if high - low < least {
            let middle = f64::midpoint(low, high);
            (middle - least / 2.0, middle + least / 2.0)
        } else {
            (low, high)
        };
        let step = round_step((high - low) / 5.0);
        let (mut from, mut to) = ((low / step).floor() * step, (high / step).ceil() * step);
        if share {
            (from, to) = (from.max(0.0), to.min(1.0));
        }
        Some(Axis { from, to, step })
    }

    fn ticks(&self) -> Vec<f64> {
        let first = (self.from / self.step - 1e-9).ceil() as i64;
        let last = (self.to / self.step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * self.step).collect()
    }

    fn label(&self, value: f64, share: bool) -> String {
        let (value, step, unit) = if share { (value * 100.0, self.step * 100.0, "%") } else { (value, self.step, "") };
        if value.abs() >= 1e6 || step < 1e-5 {
            return format!("{value:.2e}{unit}");
        }
        let decimals = (0..6).find(|&d| {
            let scaled = step * 10f64.powi(d);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        });
        // `+ 0.0` keeps a zero from being written as -0.
        format!("{:.*}{unit}", decimals.unwrap_or(6) as usize, value + 0.0).replace('-', "\u{2212}")
    }
}

/// A straight axis in the drawing, with the ticks that were asked for and no others.
struct Ticked {
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Ranged for Ticked {
    type ValueType = f64;
    type FormatOption = DefaultFormatting;

    fn map(&self, value: &f64, (begin, end): (i32, i32)) -> i32 {
        begin + (f64::from(end - begin) * (value - self.from) / (self.to - self.from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light points are those of a finer grid, which isn't drawn.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= step * (1.0 - 1e-9)).unwrap_or(power)
}

/// Whole epochs to label, at most about ten.
fn epoch_ticks((first, last): (usize, usize)) -> Vec<f64> {
    let mut step = 1;
    for next in [2, 5].into_iter().chain((1..12).flat_map(|p| [1, 2, 5].map(|m| m * 10usize.pow(p)))) {
        if (last - first) / step < 10 {
            break;
        }
        step = next;
    }
    let multiples = (first..=last).filter(|epoch| epoch % step == 0);
    let begin = (step > 2 && first % step != 0 && first % step <= step / 2).then_some(first);
    begin.into_iter().chain(multiples).map(|epoch| epoch as f64).collect()
}

/// The pieces between values that are no numbers.
fn pieces(points: &[(usize, f64)]) -> impl Iterator<Item = Vec<(f64, f64)>> {
    points
        .split(|(_, value)| !value.is_finite())
        .filter(|piece| !piece.is_empty())
        .map(|piece| piece.iter().map(|&(epoch, value)| (epoch as f64, value)).collect())
}

/// One of the lines of a drawing.
struct Line<'a> {
    points: &'a [(usize, f64)],
    colour: RGBColor,
    /// Whether its markers are.
    filled: bool,
}

/// What stands in a chart.
struct Drawing<'a> {
    lines: Vec<Line<'a>>,
    epochs: (usize, usize),
    kept: Option<(usize, &'static str)>,
    share: bool,
}

impl Chart<'_> {
    /// The inside of the SVG, or `None` where there is no number at all.
    pub fn draw(&self) -> Option<String> {
        let lines = vec![
            Line { points: self.training, colour: TRAINING, filled: true },
            Line { points: self.validation, colour: VALIDATION, filled: false },
        ];
        Drawing { lines, epochs: self.epochs, kept: self.kept, share: self.share }.draw()
    }
}

/// One figure of several runs, as [`Chart::draw`] gives it; only the first [`MOST_RUNS`] are drawn.
pub fn overlay(runs: &[Vec<(usize, f64)>], epochs: (usize, usize), share: bool) -> Option<String> {
    let colour = |grey: u8| RGBColor(grey, grey, grey);
    let lines = runs.iter().take(MOST_RUNS).zip(FIRST_RUN..);
    let lines = lines.map(|(points, grey)| Line { points, colour: colour(grey), filled: true }).collect();
    Drawing { lines, epochs, kept: None, share }.draw()
}

impl Drawing<'_> {
    fn draw(&self) -> Option<String> {
        let values = self.lines.iter().flat_map(|line| line.points).map(|(_, value)| *value);
        let axis = Axis::around(values, self.share)?;
        let mut svg = String::new();
        self.draw_into(&mut svg, &axis).expect("drawing into a string cannot fail");
        // The page has its own opening tag, with the text alternative.
        let inside = svg.split_once('>')?.1;
        Some(inside.trim().trim_end_matches("</svg>").trim().to_owned())
    }

    fn draw_into(&self, svg: &mut String, axis: &Axis) -> Result<(), Box<dyn std::error::Error>> {
        let (first, last) = self.epochs;
        let margin = ((last - first) as f64 * 0.025).max(if first == last { 0.5 } else { 0.05 });
        let text = |size: u32| ("sans-serif", f64::from(size * FINE) * 1.24).into_font();

        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(26 * FINE)
            .margin_right(14 * FINE)
            .set_label_area_size(LabelAreaPosition::Left, 64 * FINE)
            .set_label_area_size(LabelAreaPosition::Bottom, 48 * FINE)
            .build_cartesian_2d(
                Ticked { from: first as f64 - margin, to: last as f64 + margin, ticks: epoch_ticks(self.epochs) },
                Ticked { from: axis.from, to: axis.to, ticks: axis.ticks() },
            )?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID.stroke_width(FINE))
            .light_line_style(TRANSPARENT)
            .axis_style(GRID.stroke_width(FINE))
            .set_all_tick_mark_size(4 * FINE)
            .label_style(text(13).color(&INK))
            .x_label_formatter(&|epoch| format!("{epoch:.0}"))
            .y_label_formatter(&|value| axis.label(*value, self.share))
            .x_desc("epoch")
            .axis_desc_style(text(13).color(&INK))
            .draw()?;

        if let Some((kept, words)) = self.kept.filter(|(kept, _)| (first..=last).contains(kept)) {
            let x = kept as f64;
            chart.draw_series([PathElement::new([(x, axis.from), (x, axis.to)], KEPT.stroke_width(FINE * 3 / 2))])?;
            // Above the plot, where no curve runs; away from the edge that it is near.
            let (left, top) = chart.plotting_area().map_coordinate(&(x, axis.to));
            let place = (x - first as f64) / ((last - first) as f64).max(1.0);
            let side = match place {
                p if p < 0.2 => HPos::Left,
                p if p > 0.8 => HPos::Right,
                _ => HPos::Center,
            };
            let style = text(13).color(&KEPT).pos(Pos::new(side, VPos::Bottom));
            root.draw(&Text::new(format!("{words}: epoch {kept}"), (left, top - (4 * FINE) as i32), style))?;
        }

        let few = last - first < MOST_MARKERS;
        for &Line { points, colour, filled } in &self.lines {
            for piece in pieces(points) {
                if piece.len() > 1 {
                    chart.draw_series(LineSeries::new(piece.iter().copied(), colour.stroke_width(2 * FINE)))?;
                }
                if few || piece.len() == 1 {
                    let style = ShapeStyle { color: colour.into(), filled, stroke_width: FINE * 3 / 2 };
                    let radius = if filled { 3 * FINE } else { FINE * 7 / 2 };
                    chart.draw_series(piece.iter().map(|&point| Circle::new(point, radius, style)))?;
                }
            }
        }
        root.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_round_and_stay_within_shares() {
        let around = |values: &[f64], share| Axis::around(values.iter().copied(), share).unwrap();
        let axis = around(&[0.41, 0.88], true);
        assert_eq!((axis.from, axis.to, axis.step), (0.4, 0.9, 0.1));
        assert_eq!(axis.label(0.4, true), "40%");
        assert_eq!(around(&[1.0], true).to, 1.0);
        assert_eq!(around(&[0.0], true).from, 0.0);
        let flat = around(&[2.0, f64::NAN, 2.0], false);
        assert!(flat.from < 2.0 && flat.to > 2.0);
        assert_eq!(Axis::around([f64::NAN].into_iter(), false), None);
        assert_eq!(around(&[0.0, 0.0], false).label(0.0, false), "0.00e0");
        assert_eq!(around(&[0.61, 0.82], false).label(0.65, false), "0.65");
    }

    #[test]
    fn epochs_are_whole_and_few() {
        assert_eq!(epoch_ticks((1, 1)), [1.0]);
        assert_eq!(epoch_ticks((1, 4)), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(epoch_ticks((1, 12)), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        assert_eq!(epoch_ticks((1, 50)), [1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0]);
        assert!(epoch_ticks((1, 12_345)).len() <= 14);
    }

    #[test]
    fn numbers_that_are_none_leave_a_gap() {
        let points = [(1, 1.0), (2, f64::NAN), (3, 0.5), (4, 0.4)];
        assert_eq!(pieces(&points).collect::<Vec<_>>(), [vec![(1.0, 1.0)], vec![(3.0, 0.5), (4.0, 0.4)]]);
        let chart = Chart { training: &points, validation: &[], epochs: (1, 4), kept: Some((3, "kept")), share: false };
        let svg = chart.draw().unwrap();
        assert_eq!(svg.matches("<polyline fill=\"none\" opacity=\"1\" stroke=\"#030303\"").count(), 1);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("kept: epoch 3"));
    }

    #[test]
    fn one_epoch_is_a_point() {
        let chart = Chart { training: &[(1, 0.3)], validation: &[(1, 0.4)], epochs: (1, 1), kept: None, share: true };
        let svg = chart.draw().unwrap();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("svg"), "{svg}");
    }

    #[test]
    fn colours_are_the_placeholders_that_the_style_sheet_knows() {
        let points: Vec<_> = (1..=3).map(|epoch| (epoch, 1.0 / epoch as f64)).collect();
        let chart =
            Chart { training: &points, validation: &points, epochs: (1, 3), kept: Some((2, "kept")), share: false };
        let svg = chart.draw().unwrap();
        let runs = overlay(&vec![points.clone(); MOST_RUNS + 1], (1, 3), false).unwrap();
        assert!(runs.contains("stroke=\"#212121\"") && runs.contains("fill=\"#282828\""));
        assert_eq!(runs.matches("<polyline fill=\"none\" opacity=\"1\" stroke=\"#2").count(), MOST_RUNS);
        let svg = svg + &runs;
        let style = include_str!("../../templates/report.css");
        for (i, _) in svg.match_indices('#') {
            let colour = &svg[i..i + 7];
            assert!(style.contains(colour), "{colour}");
        }
        for own in
            ["fill=\"#010101\"", "stroke=\"#020202\"", "fill=\"#030303\"", "stroke=\"#040404\"", "fill=\"#050505\""]
        {
            assert!(svg.contains(own), "{own}");
        }
    }
}
