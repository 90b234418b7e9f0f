//! Charts as figures: a title, a legend above, the inside of an SVG by plotters, a text alternative, and the numbers
//! behind it. `templates/figure.html` puts them together.
//!
//! Colours are placeholders that the style sheet replaces, so that one drawing serves light and dark: `#010101` ink,
//! `#020202` grid, `#050505` a mark, `#060606` a line to compare with; `#1010NN` the line and the bars of look NN, `#1111NN`
//! its markers. They hold no letters because plotters writes those in upper case. Looks differ in colour, in dashes and in
//! the shape of markers, so that a reader needs none of the three alone.

mod axis;

pub use axis::Axis;

use super::figure;
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use serde_json::{Value, json};

const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const MARK: RGBColor = RGBColor(5, 5, 5);
const COMPARED: RGBColor = RGBColor(6, 6, 6);

/// Units of the drawing for one of the page: plotters rounds to whole units.
const FINE: u32 = 10;
/// Up to so many points, each of a line has its marker.
pub const MOST_MARKERS: usize = 30;
/// Half the width of a marker, and that of one among many.
const MARKER: i32 = 3 * FINE as i32;
const SMALL_MARKER: i32 = 22 * FINE as i32 / 10;
/// So many looks differ for what is to be told apart; what comes after begins again.
pub const LOOKS: usize = 10;
/// The look of what stands for all of them: 99 in the placeholder, whose digits are hexadecimal.
pub const AVERAGE: usize = 0x99;

/// What to draw.
pub struct Chart {
    /// Its heading.
    pub title: String,
    /// What it shows, for those who cannot see it.
    pub alternative: String,
    /// What is to be seen in it, likewise.
    pub description: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// In the order of the legend; earlier ones lie above later ones, and lines above bars.
    pub series: Vec<Series>,
    /// A place on the x axis to mark, and what it is: `kept: epoch 3`.
    pub mark: Option<Mark>,
    /// What the line from one corner to the other stands for, where there is to be one.
    pub diagonal: Option<Diagonal>,
    /// Its proportions.
    pub shape: Shape,
}

/// A vertical line.
pub struct Mark {
    /// Where on the x axis.
    pub at: f64,
    /// What stands above it.
    pub words: String,
    /// What stands in the legend.
    pub name: String,
}

/// A line from corner to corner.
pub struct Diagonal {
    /// What it is, for the legend.
    pub name: &'static str,
    /// Whether it leads up or down.
    pub rising: bool,
}

/// The proportions of a chart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// For something over time.
    Wide,
    /// For two axes of one kind.
    Square,
    /// For what stands beneath another chart.
    Low,
}

impl Shape {
    fn size(self) -> (u32, u32) {
        match self {
            Shape::Wide => (560 * FINE, 326 * FINE),
            Shape::Square => (440 * FINE, 412 * FINE),
            Shape::Low => (440 * FINE, 190 * FINE),
        }
    }

    /// The room for the labels of the y axis: on phones, those of wide charts are larger.
    fn left(self) -> u32 {
        if self == Shape::Wide { 84 } else { 74 }
    }

    fn name(self) -> &'static str {
        match self {
            Shape::Wide => "wide",
            Shape::Square => "square",
            Shape::Low => "low",
        }
    }
}

/// One series of numbers.
pub struct Series {
    /// For the legend; may be what a user wrote.
    pub name: String,
    /// Its colour, dashes and marker: 0 to 9, or [`AVERAGE`].
    pub look: usize,
    /// The numbers.
    pub drawn: Drawn,
}

/// How a series is drawn.
pub enum Drawn {
    /// Points joined by lines, each with its marker where there are few. Those that are no numbers leave a gap.
    Line(Vec<(f64, f64)>),
    /// Points joined by lines, without markers.
    Curve(Vec<(f64, f64)>),
    /// Points alone.
    Points(Vec<(f64, f64)>),
    /// Bars from the foot of the chart.
    Bars(Vec<Bar>),
}

/// A bar, and how sure its height is.
pub struct Bar {
    /// Where it begins and ends on the x axis.
    pub from_to: (f64, f64),
    /// Its height.
    pub height: f64,
    /// A place on the x axis, and the interval to draw there.
    pub interval: Option<(f64, (f64, f64))>,
}

/// The numbers behind a figure, as they stand in a table.
pub struct Numbers {
    /// The table's name.
    pub name: String,
    /// Headings.
    pub columns: Vec<String>,
    /// Cells as they are shown.
    pub rows: Vec<Vec<String>>,
    /// Where each row stands on the x axis, so that pointing at the place shows the row; empty where rows don't.
    pub places: Vec<f64>,
}

impl Numbers {
    /// A row for every point of every series.
    pub fn of_curves(name: &str, (x, y): (&str, &str), series: &[Series]) -> Self {
        let row =
            |name: &str, (x, y): &(f64, f64)| vec![name.to_owned(), figure::percent(*x, 2), figure::percent(*y, 2)];
        let rows = |series: &Series| match &series.drawn {
            Drawn::Line(points) | Drawn::Curve(points) | Drawn::Points(points) => {
                points.iter().map(|point| row(&series.name, point)).collect()
            }
            Drawn::Bars(_) => Vec::new(),
        };
        Numbers {
            name: name.to_owned(),
            columns: ["Curve", x, y].map(str::to_owned).to_vec(),
            rows: series.iter().flat_map(rows).collect(),
            places: Vec::new(),
        }
    }

    fn data(&self, id: &str) -> Value {
        let row = |(at, cells): (usize, &Vec<String>)| json!({ "cells": cells, "place": self.places.get(at) });
        let rows: Vec<Value> = self.rows.iter().enumerate().map(row).collect();
        json!({ "id": id, "name": self.name, "columns": self.columns, "rows": rows })
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
/// Where the plot begins and ends, from left to right and from top to bottom.
type Place = (std::ops::Range<i32>, std::ops::Range<i32>);

impl Chart {
    /// The data of the macro `chart` in `templates/figure.html`. `id` must be the only one of its kind on the page.
    pub fn data(&self, id: &str, numbers: Option<&Numbers>) -> Value {
        let (width, height) = self.shape.size();
        let mut svg = String::new();
        let (across, down) = self.draw_into(&mut svg).expect("drawing into a string cannot fail");
        let (first, last) = self.x.ends();
        let table = format!("{id}-numbers");
        let pointed = numbers.filter(|numbers| !numbers.places.is_empty());
        let mut data = json!({
            "id": id,
            "title": self.title,
            "alternative": self.alternative,
            "description": self.description,
            "shape": self.shape.name(),
            "legend": self.legend(),
            "size": format!("{width} {height}"),
            "plot": format!("{} {} {} {}", across.start, across.end, down.start, down.end),
            "x": format!("{first} {last}"),
            "drawing": inside(&svg),
            "numbers": numbers.map(|numbers| numbers.data(&table)),
            "pointed": null,
        });
        if let Some(numbers) = pointed {
            data["pointed"] = pointed_at(&table, 1..numbers.columns.len());
        }
        data
    }

    /// The same for a chart whose numbers stand in those columns of a table of the section's own, counted from 0. Its first
    /// column holds the places on the x axis, as `data-value` where they are not shown as bare numbers.
    pub fn data_beside(&self, id: &str, table: &str, columns: impl IntoIterator<Item = usize>) -> Value {
        let mut data = self.data(id, None);
        data["pointed"] = pointed_at(table, columns);
        data
    }

    fn draw_into(&self, svg: &mut String) -> Result<Place> {
        let text = |size: u32| ("sans-serif", f64::from(size * FINE) * 1.24).into_font();
        let root = SVGBackend::with_string(svg, self.shape.size()).into_drawing_area();
        let mut plot = ChartBuilder::on(&root)
            .margin_top(if self.mark.is_some() { 26 * FINE } else { 12 * FINE })
            .margin_right(26 * FINE)
            .margin_left(4 * FINE)
            .set_label_area_size(LabelAreaPosition::Left, self.shape.left() * FINE)
            .set_label_area_size(LabelAreaPosition::Bottom, 50 * FINE)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        let mut mesh = plot.configure_mesh();
        if self.shape != Shape::Square {
            mesh.disable_x_mesh();
        }
        mesh.bold_line_style(GRID.stroke_width(FINE))
            .light_line_style(TRANSPARENT)
            .axis_style(GRID.stroke_width(FINE))
            .set_all_tick_mark_size(4 * FINE)
            .label_style(text(13).color(&INK))
            .x_label_formatter(&|value| self.x.label(*value))
            .y_label_formatter(&|value| self.y.label(*value))
            .x_desc(self.x.title.as_str())
            .y_desc(self.y.title.as_str())
            .axis_desc_style(text(13).color(&INK))
            .draw()?;

        let place = plot.plotting_area().get_pixel_range();
        let (across, down) = place.clone();
        let at = |x: f64, y: f64| plot.plotting_area().map_coordinate(&(x, y));
        let (bars, others): (Vec<&Series>, Vec<&Series>) =
            self.series.iter().rev().partition(|series| matches!(series.drawn, Drawn::Bars(_)));
        bars.into_iter().try_for_each(|series| series.draw(&root, at, down.end))?;
        if let Some(diagonal) = &self.diagonal {
            let (from, to) = if diagonal.rising { (down.end, down.start) } else { (down.start, down.end) };
            line(&root, vec![(across.start, from), (across.end, to)], COMPARED)?;
        }
        let (first, last) = self.x.ends();
        if let Some(mark) = self.mark.as_ref().filter(|mark| (first..=last).contains(&mark.at)) {
            let (x, _) = plot.plotting_area().map_coordinate(&(mark.at, self.y.ends().0));
            line(&root, vec![(x, down.end), (x, down.start)], MARK)?;
            // Above the plot, where no curve runs; away from the edge that it is near.
            let side = match (mark.at - first) / (last - first) {
                place if place < 0.2 => HPos::Left,
                place if place > 0.8 => HPos::Right,
                _ => HPos::Center,
            };
            let style = text(13).color(&MARK).pos(Pos::new(side, VPos::Bottom));
            root.draw(&Text::new(mark.words.clone(), (x, down.start - (4 * FINE) as i32), style))?;
        }
        others.into_iter().try_for_each(|series| series.draw(&root, at, down.end))?;
        root.present()?;
        Ok(place)
    }

    /// The items of the legend, each with a drawing of its own; none where there is nothing to tell apart.
    fn legend(&self) -> Vec<Value> {
        let item = |name: &str, drawing: String| json!({ "name": name, "key": drawing });
        let mut items: Vec<Value> = self.series.iter().map(|series| item(&series.name, series.key())).collect();
        if let Some(diagonal) = &self.diagonal {
            items.push(item(diagonal.name, key(|area| line(area, vec![(0, 70), (KEY.0, 70)], COMPARED))));
        }
        if let Some(mark) = &self.mark {
            items.push(item(&mark.name, key(|area| line(area, vec![(150, 0), (150, 140)], MARK))));
        }
        if items.len() > 1 { items } else { Vec::new() }
    }
}

/// Which table holds what the script shows of the place that is pointed at.
fn pointed_at(table: &str, columns: impl IntoIterator<Item = usize>) -> Value {
    let columns: Vec<String> = columns.into_iter().map(|column| column.to_string()).collect();
    json!({ "table": table, "columns": columns.join(" ") })
}

/// The size of a legend's drawing.
const KEY: (i32, i32) = (300, 140);

/// The inside of a legend's drawing.
fn key(draw: impl Fn(&Area<'_>) -> Result<()>) -> String {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, (KEY.0 as u32, KEY.1 as u32)).into_drawing_area();
    draw(&root).and_then(|()| Ok(root.present()?)).expect("drawing into a string cannot fail");
    drop(root);
    inside(&svg)
}

/// What stands between the tags of an SVG: the page has its own opening tag, with the text alternative.
fn inside(svg: &str) -> String {
    let inside = svg.split_once('>').map_or("", |(_, rest)| rest);
    inside.trim().trim_end_matches("</svg>").trim().to_owned()
}

fn line(area: &Area<'_>, points: Vec<(i32, i32)>, colour: RGBColor) -> Result<()> {
    Ok(area.draw(&PathElement::new(points, colour.stroke_width(FINE * 3 / 2)))?)
}

/// The pieces between values that are no numbers.
fn pieces(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.split(|(_, value)| !value.is_finite()).filter(|piece| !piece.is_empty())
}

impl Series {
    fn look(&self) -> u8 {
        if self.look == AVERAGE { AVERAGE as u8 } else { (self.look % LOOKS) as u8 }
    }

    fn draw(&self, area: &Area<'_>, at: impl Fn(f64, f64) -> (i32, i32), foot: i32) -> Result<()> {
        match &self.drawn {
            Drawn::Line(points) | Drawn::Curve(points) => {
                let few = matches!(self.drawn, Drawn::Line(_)) && points.len() <= MOST_MARKERS;
                for piece in pieces(points) {
                    let places: Vec<(i32, i32)> = piece.iter().map(|&(x, y)| at(x, y)).collect();
                    if few || places.len() == 1 {
                        self.line(area, places.clone())?;
                        places.into_iter().try_for_each(|place| self.marker(area, place, MARKER))?;
                    } else {
                        self.line(area, places)?;
                    }
                }
            }
            Drawn::Points(points) => {
                let size = if points.len() > MOST_MARKERS { SMALL_MARKER } else { MARKER };
                for &(x, y) in points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
                    self.marker(area, at(x, y), size)?;
                }
            }
            Drawn::Bars(bars) => {
                // The edge of a bar belongs to the next one as well: a little less of each leaves a gap.
                let gap = FINE as i32 / 2;
                for bar in bars {
                    let ((from, top), (to, _)) = (at(bar.from_to.0, bar.height), at(bar.from_to.1, bar.height));
                    self.bar(area, (from + gap, top), (to - gap, foot))?;
                }
                for (x, (low, high)) in bars.iter().filter_map(|bar| bar.interval) {
                    let ((x, bottom), (_, top)) = (at(x, low), at(x, high));
                    let cap = 4 * FINE as i32;
                    for points in [
                        [(x, bottom), (x, top)],
                        [(x - cap, bottom), (x + cap, bottom)],
                        [(x - cap, top), (x + cap, top)],
                    ] {
                        line(area, points.to_vec(), INK)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&self, area: &Area<'_>, places: Vec<(i32, i32)>) -> Result<()> {
        if places.len() > 1 {
            area.draw(&PathElement::new(places, RGBColor(16, 16, self.look()).stroke_width(2 * FINE)))?;
        }
        Ok(())
    }

    fn bar(&self, area: &Area<'_>, from: (i32, i32), to: (i32, i32)) -> Result<()> {
        Ok(area.draw(&Rectangle::new([from, to], RGBColor(16, 16, self.look()).filled()))?)
    }

    /// A marker whose shape tells the series from others where its colour doesn't.
    fn marker(&self, area: &Area<'_>, (x, y): (i32, i32), size: i32) -> Result<()> {
        let colour = RGBColor(17, 17, self.look());
        let stroke = colour.stroke_width(FINE * 3 / 2);
        let around = |corners: &[(i32, i32)]| -> Vec<(i32, i32)> {
            corners.iter().map(|(right, down)| (x + right * size / 10, y + down * size / 10)).collect()
        };
        const SQUARE: [(i32, i32); 5] = [(-9, -9), (9, -9), (9, 9), (-9, 9), (-9, -9)];
        const DIAMOND: [(i32, i32); 5] = [(0, -13), (13, 0), (0, 13), (-13, 0), (0, -13)];
        match self.look() {
            0 => area.draw(&Circle::new((x, y), size, colour.filled()))?,
            1 => area.draw(&Circle::new((x, y), size * 7 / 6, stroke))?,
            2 => area.draw(&Polygon::new(around(&SQUARE), colour.filled()))?,
            3 => area.draw(&Polygon::new(around(&[(0, -12), (12, 9), (-12, 9)]), colour.filled()))?,
            4 => area.draw(&Polygon::new(around(&DIAMOND), colour.filled()))?,
            7 => area.draw(&Polygon::new(around(&[(0, 12), (12, -9), (-12, -9)]), colour.filled()))?,
            8 => area.draw(&PathElement::new(around(&SQUARE), stroke))?,
            9 => area.draw(&PathElement::new(around(&DIAMOND), stroke))?,
            crossed => {
                let strokes = if crossed == 5 {
                    [[(-10, -10), (10, 10)], [(-10, 10), (10, -10)]]
                } else {
                    [[(-13, 0), (13, 0)], [(0, -13), (0, 13)]]
                };
                strokes.iter().try_for_each(|ends| area.draw(&PathElement::new(around(ends), stroke)))?;
            }
        }
        Ok(())
    }

    /// The inside of its drawing in the legend.
    fn key(&self) -> String {
        let (width, height) = KEY;
        key(|area| match &self.drawn {
            Drawn::Bars(_) => self.bar(area, (60, 10), (width - 60, height - 10)),
            Drawn::Points(_) => self.marker(area, (width / 2, height / 2), MARKER),
            Drawn::Line(points) if points.len() <= MOST_MARKERS => {
                self.line(area, vec![(0, height / 2), (width, height / 2)])?;
                self.marker(area, (width / 2, height / 2), MARKER)
            }
            Drawn::Line(_) | Drawn::Curve(_) => self.line(area, vec![(0, height / 2), (width, height / 2)]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(drawn: Vec<Drawn>) -> Chart {
        let series =
            drawn.into_iter().enumerate().map(|(look, drawn)| Series { name: format!("no. {look}"), look, drawn });
        Chart {
            title: "Loss".to_owned(),
            alternative: String::new(),
            description: String::new(),
            x: Axis::epochs((1, 4)),
            y: Axis::numbers("loss", [0.0, 1.0].into_iter()).unwrap(),
            series: series.collect(),
            mark: Some(Mark { at: 3.0, words: "kept: epoch 3".to_owned(), name: "kept".to_owned() }),
            diagonal: Some(Diagonal { name: "compared", rising: true }),
            shape: Shape::Wide,
        }
    }

    fn drawing(chart: &Chart) -> String {
        chart.data("it", None)["drawing"].as_str().unwrap().to_owned()
    }

    #[test]
    fn numbers_that_are_none_leave_a_gap() {
        let svg = drawing(&chart(vec![Drawn::Line(vec![(1.0, 1.0), (2.0, f64::NAN), (3.0, 0.5), (4.0, 0.4)])]));
        assert_eq!(svg.matches("<polyline fill=\"none\" opacity=\"1\" stroke=\"#101000\"").count(), 1);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("kept: epoch 3") && svg.contains("loss"));
        assert!(!svg.contains("svg"), "{svg}");
    }

    #[test]
    fn one_point_is_seen_and_many_have_no_markers() {
        let svg = drawing(&chart(vec![Drawn::Line(vec![(1.0, 0.3)]), Drawn::Curve(vec![(1.0, 0.4)])]));
        assert_eq!(svg.matches("<circle").count(), 2);
        let many = (0..40).map(|i| (1.0 + f64::from(i) / 20.0, 0.5)).collect();
        assert_eq!(drawing(&chart(vec![Drawn::Line(many)])).matches("<circle").count(), 0);
    }

    #[test]
    fn a_bar_stands_on_the_foot_and_has_its_interval() {
        let bar = Bar { from_to: (1.0, 2.0), height: 0.5, interval: Some((1.5, (0.4, 0.6))) };
        let data = chart(vec![Drawn::Bars(vec![bar])]).data("it", None);
        let svg = data["drawing"].as_str().unwrap();
        assert_eq!(svg.matches("<rect").count(), 1);
        let place: Vec<f64> = data["plot"].as_str().unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        let rect = &svg[svg.find("<rect").unwrap()..];
        let number = |name: &str| -> f64 {
            let text = rect.split_once(&format!(" {name}=\"")).unwrap().1;
            text.split_once('"').unwrap().0.parse().unwrap()
        };
        assert_eq!(number("y") + number("height"), place[3]);
        // Half of the way from 0 to 1.
        assert!((number("height") / (place[3] - place[2]) - 0.5).abs() < 0.01);
        assert_eq!(svg.matches("stroke=\"#010101\"").count(), 3);
    }

    #[test]
    fn what_stands_alone_needs_no_legend() {
        let mut alone = chart(vec![Drawn::Line(vec![(1.0, 1.0)])]);
        assert_eq!(alone.data("it", None)["legend"].as_array().unwrap().len(), 3);
        (alone.mark, alone.diagonal) = (None, None);
        assert_eq!(alone.data("it", None)["legend"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn names_of_users_are_escaped_in_axes() {
        let mut hostile = chart(vec![]);
        hostile.y.title = "<script>".to_owned();
        assert!(drawing(&hostile).contains("&lt;script&gt;"));
    }

    #[test]
    fn colours_are_the_placeholders_that_the_style_sheet_knows() {
        let every = (0..LOOKS).map(|_| Drawn::Line(vec![(1.0, 0.2), (2.0, 0.3)])).collect();
        let chart = chart(every);
        let svg = drawing(&chart);
        let style = include_str!("../../../templates/report.css");
        for (i, _) in svg.match_indices('#') {
            let colour = &svg[i..i + 7];
            let look = colour.strip_prefix("#1010").or(colour.strip_prefix("#1111"));
            let known = match look {
                Some(look) => style.contains(&format!("[stroke$=\"{look}\"]")),
                None => style.contains(&format!("\"{colour}\"")),
            };
            assert!(known, "{colour}");
        }
        assert!(style.contains(&format!("[stroke$=\"{AVERAGE:x}\"]")));
        for look in 0..LOOKS {
            assert!(svg.contains(&format!("#10100{look}")) && svg.contains(&format!("#11110{look}")));
            assert_eq!(chart.data("it", None)["legend"][look]["name"], format!("no. {look}"));
        }
    }
}
