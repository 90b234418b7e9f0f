//! Curves of each class against all others, and the areas under them: what the sections `roc` and `precision_recall` share.

use super::{
    chart::{AVERAGE, Axis, Chart, Diagonal, Drawn, Numbers, Series, Shape},
    figure,
};
use crate::evaluation::one_vs_rest::{Area, Areas, MOST_CURVES};
use serde_json::{Value, json};

/// What differs between the two.
pub struct Kind {
    /// The anchor of the section.
    pub id: &'static str,
    /// The chart's title.
    pub title: &'static str,
    /// What the area is called.
    pub area: &'static str,
    /// The axes, in words.
    pub axes: (&'static str, &'static str),
    /// The line from corner to corner.
    pub diagonal: Option<Diagonal>,
    /// Whether the area by chance is the class's share of the examples; else it is the same for all.
    pub chance_is_share: bool,
}

/// More classes than these get their table folded.
const MOST_ROWS: usize = 30;

/// The data of the partial; its `chart` is none where there are no probabilities.
pub fn data(areas: &Areas, kind: Kind) -> Value {
    if areas.classes.is_empty() {
        return json!({ "chart": null });
    }
    let examples: u64 = areas.classes.iter().map(|class| class.support).sum();
    let shown = |value: Option<f64>| value.map(|value| format!("{value:.4}"));
    let row = |class: &Area| {
        let share = class.support as f64 / examples.max(1) as f64;
        json!({
            "name": class.name,
            "area": shown(class.area),
            "chance": kind.chance_is_share.then(|| format!("{share:.3}")),
            "support": figure::grouped(class.support),
        })
    };
    let known = || areas.classes.iter().filter_map(|class| Some((class, class.area?)));
    let worst = known().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(class, area)| (&class.name, format!("{area:.4}")));
    let chart = chart(areas, &kind);
    let numbers = Numbers::of_curves(
        &format!("{} and {} of each class", figure::capitalised(kind.axes.1), kind.axes.0),
        kind.axes,
        &chart.series,
    );
    json!({
        "chart": chart.data(&format!("{}-curves", kind.id), Some(&numbers)),
        "area": kind.area,
        "chance_differs": kind.chance_is_share,
        "rows": areas.classes.iter().map(row).collect::<Vec<_>>(),
        "averages": [
            ("macro average", shown(areas.macro_average)),
            ("weighted average", shown(areas.weighted_average)),
            ("micro average", shown(areas.micro_average)),
        ],
        "worst": worst.filter(|_| areas.classes.len() > 2),
        "undefined": areas.classes.iter().any(|class| class.area.is_none()),
        "folded": areas.classes.len() > MOST_ROWS,
        "left_out": (known().count() > MOST_CURVES).then_some(MOST_CURVES / 2),
        "count": figure::count(areas.classes.len()),
    })
}

fn chart(areas: &Areas, kind: &Kind) -> Chart {
    // The worst class comes first, the average last.
    let (of_classes, average): (Vec<_>, Vec<_>) = areas.curves.iter().partition(|curve| curve.class.is_some());
    let series = of_classes.into_iter().chain(average).enumerate().map(|(i, curve)| {
        let class = curve.class.and_then(|class| areas.classes.get(class as usize));
        let (name, look) = class.map_or_else(|| ("micro average".to_owned(), AVERAGE), |class| (class.name.clone(), i));
        Series { name, look, drawn: Drawn::Curve(curve.points.clone()) }
    });
    let named = |value: Option<f64>| value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.4}"));
    Chart {
        title: kind.title.to_owned(),
        alternative: format!("{} against {} over all thresholds", kind.axes.1, kind.axes.0),
        description: format!(
            "{}: macro average {}, micro average {}.",
            figure::capitalised(kind.area),
            named(areas.macro_average),
            named(areas.micro_average)
        ),
        x: Axis::all_shares(format!("{} (%)", kind.axes.0)),
        y: Axis::all_shares(format!("{} (%)", kind.axes.1)),
        series: series.collect(),
        mark: None,
        diagonal: kind.diagonal.as_ref().map(|diagonal| Diagonal { name: diagonal.name, rising: diagonal.rising }),
        shape: Shape::Square,
    }
}
