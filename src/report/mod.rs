//! The report: one HTML file made from a run's record, and from nothing else.
//!
//! A section is one file here, a partial in `templates/sections/`, one line in [`SECTIONS`] and one in
//! [`crate::run::ReportSection`]. It turns the record into the data of its partial, or into nothing where the run has none.
//! The file loads nothing; its policy allows only the style sheet and the script whose digests it names, and all but
//! sorting, filtering and pointing works without the script. Equal records give equal bytes.

mod areas;
mod calibration;
mod chart;
mod classification;
pub mod comparison;
mod configuration;
mod confusion;
mod curves;
mod data;
mod embedding;
mod feature_maps;
pub mod figure;
mod filters;
mod gallery;
mod glance;
pub mod index;
mod latency;
mod layers;
mod markdown;
mod metrics;
mod most_uncertain;
mod page;
mod per_class_examples;
mod precision_recall;
mod prediction_grid;
mod predictions;
mod provenance;
mod range_test;
mod residuals;
mod robustness;
mod roc;
mod saliency;
#[cfg(test)]
pub mod sample;
mod sample_grid;
pub mod seeds;
mod slices;
mod test_time_augmentation;
mod threshold_table;
mod time_and_data;
mod top_k;
mod training_dynamics;
mod verdict;
mod warnings;
mod worst_mistakes;

pub use markdown::{escaped as markdown_escaped, markdown};
pub use page::{all as results, template_problem};

pub use predictions::Prediction;

use crate::{
    diagnostic::{Code, Diagnostic, Result},
    guard,
    run::{Inspection, RangeTest, Record},
};

/// A part of the report.
struct Section {
    /// Its anchor.
    id: &'static str,
    /// Its heading.
    title: &'static str,
    /// Its partial.
    template: &'static str,
    /// The partial's data, or `None` where there is nothing to show.
    data: fn(&Record) -> Option<serde_json::Value>,
}

impl Section {
    /// What a pipeline calls it.
    fn name(&self) -> String {
        self.id.replace('-', "_")
    }
}

/// A section as it stands on the page.
struct Rendered {
    id: &'static str,
    title: &'static str,
    html: String,
}

/// All sections, in the order in which they are shown.
const SECTIONS: &[Section] = &[
    verdict::SECTION,
    warnings::SECTION,
    curves::SECTION,
    training_dynamics::SECTION,
    confusion::SECTION,
    classification::SECTION,
    metrics::SECTION,
    residuals::SECTION,
    top_k::SECTION,
    prediction_grid::SECTION,
    worst_mistakes::SECTION,
    most_uncertain::SECTION,
    per_class_examples::SECTION,
    sample_grid::SECTION,
    calibration::SECTION,
    roc::SECTION,
    precision_recall::SECTION,
    threshold_table::SECTION,
    slices::SECTION,
    robustness::SECTION,
    test_time_augmentation::SECTION,
    saliency::SECTION,
    feature_maps::SECTION,
    filters::SECTION,
    embedding::SECTION,
    latency::SECTION,
    layers::SECTION,
    data::SECTION,
    time_and_data::SECTION,
    configuration::SECTION,
    provenance::SECTION,
];

/// The whole report as HTML.
///
/// # Errors
/// Where the pipeline's own page cannot be filled in, or the record contradicts itself; otherwise a template is wrong, which
/// is a mistake in this program and not in the run.
pub fn render(record: &Record) -> Result<String> {
    guarded(|| page::of_run(record, &sections(record)?))
}

/// What `make` makes of records. People can write anything into a run's files, and their numbers are then not those that a run
/// leaves: a matrix without a row, an epoch before the first.
///
/// # Errors
/// Those of `make`, and where the records contradict themselves.
pub fn guarded<T>(make: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::caught(make).unwrap_or_else(|said| {
        let problem = Diagnostic::error(Code::BAD_RUN, "the numbers in the run's files contradict each other");
        let problem = problem.fact(said.lines().next().unwrap_or_default());
        Err(Box::new(problem.help(
            "`trainyard evaluate` computes `evaluation.json` anew; if nobody has changed the run's files, this is a mistake of \
             trainyard: please report it with `run.json`",
        )))
    })
}

/// The sections of a report that have something to show, in the order that the pipeline wants.
fn sections(record: &Record) -> Result<Vec<Rendered>> {
    let environment = page::environment();
    let wanted = |section: &Section| match &record.info.sections[..] {
        [] => Some(0),
        chosen => chosen.iter().position(|name| name.name() == section.name()),
    };
    let mut chosen: Vec<(usize, &Section)> =
        SECTIONS.iter().filter_map(|section| Some((wanted(section)?, section))).collect();
    chosen.sort_by_key(|(place, _)| *place);
    let mut rendered = Vec::new();
    for (_, section) in chosen {
        let Some(data) = (section.data)(record) else { continue };
        let html = page::part(&environment, section.template, data)?;
        rendered.push(Rendered { id: section.id, title: section.title, html });
    }
    Ok(rendered)
}

/// A page that shows what was seen of the data of the pipeline `name`.
///
/// Fails only where a template is wrong.
pub fn data_page(name: &str, inspection: &Inspection) -> Result<String> {
    let html = page::part(&page::environment(), data::SECTION.template, data::shown(inspection))?;
    page::alone(name, name, "", &[Rendered { id: "data", title: "Data", html }])
}

/// A page that shows what a learning-rate range test of the pipeline `name` found.
///
/// Fails only where a template is wrong.
pub fn range_test_page(name: &str, test: &RangeTest) -> Result<String> {
    let html = page::part(&page::environment(), range_test::TEMPLATE, range_test::shown(test))?;
    page::alone(name, name, "", &[Rendered { id: "range-test", title: "Learning-rate range test", html }])
}

/// A page that shows what the model of the run `id` of the pipeline `name` says of images; and why the rest isn't there.
///
/// Fails only where a template is wrong.
pub fn predictions_page(name: &str, id: &str, predictions: &[Prediction], left_out: &[String]) -> Result<String> {
    let data = predictions::shown(predictions, left_out);
    let html = page::part(&page::environment(), predictions::TEMPLATE, data)?;
    page::alone("Predictions", name, id, &[Rendered { id: "images", title: "Images", html }])
}

#[cfg(test)]
mod tests {
    use super::{
        sample::{self, sample},
        *,
    };
    use crate::{
        run::{ReportSection, Status},
        text::base64,
    };
    use std::collections::HashSet;

    /// Text that would do harm where it isn't escaped.
    const HOSTILE: &str = "<script>alert(1)</script>\"'&{{ 7*7 }}";

    fn without_markup_that_is_ours(html: &str) -> String {
        let (_, behind) = html.split_once("</style>").expect("a style sheet");
        behind.replace("<script>", "").replace("<script type=\"application/json\" id=\"results\">", "")
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("\u{ff}~", "w79+")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn anchors_are_unique_and_pipelines_can_name_every_section() {
        let anchors: HashSet<_> = SECTIONS.iter().map(Section::name).collect();
        assert_eq!(anchors.len(), SECTIONS.len());
        assert_eq!(anchors, ReportSection::ALL.iter().map(|section| section.name()).collect());
    }

    #[test]
    fn a_pipeline_chooses_sections_and_their_order() {
        let mut record = sample();
        record.evaluation.as_mut().unwrap().steps.clear();
        record.info.sections = vec![ReportSection::Provenance, ReportSection::Verdict, ReportSection::Saliency];
        let html = render(&record).unwrap();
        let at = |id: &str| html.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}"));
        assert!(at("provenance") < at("verdict"));
        assert_eq!(html.matches("<section ").count(), 2);
    }

    #[test]
    fn a_whole_run_has_every_section() {
        let html = render(&sample()).unwrap() + &render(&sample::regression()).unwrap();
        for section in SECTIONS {
            assert!(html.contains(&format!("<section id=\"{}\"", section.id)), "{} is missing", section.id);
        }
        assert!(!html.contains("http-equiv=\"refresh\""));
    }

    #[test]
    fn of_predicted_numbers_nothing_speaks_of_classes() {
        let html = render(&sample::regression()).unwrap();
        for wanted in [
            "Farthest off at",
            "It says too much: ",
            "better than always saying the same number",
            "mean absolute error 0.1200 lower; 430 examples nearer, 310 farther off",
            "What is predicted: price",
        ] {
            assert!(html.contains(wanted), "{wanted}");
        }
        assert!(!html.contains("Examples of each class") && !html.contains("most frequent class"));
    }

    #[test]
    fn equal_records_give_equal_bytes() {
        assert_eq!(render(&sample()).unwrap(), render(&sample()).unwrap());
    }

    #[test]
    fn nothing_is_loaded_and_only_our_script_runs() {
        let html = render(&sample()).unwrap();
        assert_eq!(html.matches("<script").count(), 2);
        let html = html.replace("<script type=\"application/json\" id=\"results\">", "");
        let script = include_str!("../../templates/report.js");
        let html = html.replace(&format!("<script>{script}</script>"), "");
        let html = html.replace("src=\"data:image/png;base64,", "");
        for forbidden in ["<script", "<link", "<iframe", "src=", "url(", "@import", " style=", " onclick="] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("content=\"default-src 'none'; style-src 'sha256-"));
        assert!(html.contains("; script-src 'sha256-") && !html.contains("unsafe"));
    }

    #[test]
    fn what_users_wrote_is_escaped_everywhere() {
        let mut record = sample();
        let hostile = || HOSTILE.to_owned();
        let info = &mut record.info;
        (info.name, info.title, info.description, info.id) = (hostile(), hostile(), hostile(), hostile());
        (info.started, info.finished, info.reason) = (hostile(), Some(hostile()), Some(hostile()));
        info.warnings = vec![hostile()];
        info.weights_digest = Some(hostile());
        info.previous.as_mut().unwrap().id = hostile();
        info.expectations[0].figure = hostile();
        info.layers[0].name = hostile();
        info.layers[0].kind = hostile();
        let data = info.data.as_mut().unwrap();
        (data.source, data.location, data.digest, data.validation_kind) = (hostile(), hostile(), hostile(), hostile());
        data.classes[3] = hostile();
        let provenance = &mut info.provenance;
        for text in [
            &mut provenance.version,
            &mut provenance.program_commit,
            &mut provenance.program_digest,
            &mut provenance.libtorch,
            &mut provenance.device,
            &mut provenance.processor,
            &mut provenance.cpu_capability,
            &mut provenance.system,
            &mut provenance.pipeline_file,
            &mut provenance.pipeline_digest,
        ] {
            *text = hostile();
        }
        for text in [
            &mut provenance.data_directory,
            &mut provenance.git_commit,
            &mut provenance.git_branch,
            &mut provenance.operating_system,
            &mut provenance.kernel,
        ] {
            *text = Some(hostile());
        }
        provenance.git_changes.as_mut().unwrap().file = hostile();
        provenance.environment.insert(hostile(), hostile());
        provenance.nondeterministic = vec![hostile()];
        provenance.command = vec![hostile()];
        for epoch in &mut record.history {
            epoch.figures.push((hostile(), 0.5));
            epoch.figures.push((format!("val_{HOSTILE}"), 0.6));
        }
        let evaluation = record.evaluation.as_mut().unwrap();
        evaluation.metrics.insert(hostile(), 1.0);
        // All that the trial calls its examples, and all names of classes.
        let steps = serde_json::to_string(&evaluation.steps).unwrap();
        let text = serde_json::to_string(HOSTILE).unwrap();
        let names = ["airplane", "cat", "dog", "owl", "truck", "0.png", "7.png", "brightness", "conv2d", "flatten"];
        let steps = names.iter().fold(steps, |steps, name| steps.replace(&format!("\"{name}\""), &text));
        evaluation.steps = serde_json::from_str(&steps).unwrap();
        (record.pipeline, record.resolved) = (hostile(), hostile());

        for status in [Status::Running, Status::Completed, Status::Interrupted, Status::Failed] {
            record.info.status = status;
            let html = without_markup_that_is_ours(&render(&record).unwrap());
            assert!(!html.contains("<script"), "{status:?}");
            assert!(html.contains("&lt;script&gt;alert(1)"));
            assert!(html.contains("{{ 7*7 }}"), "what users wrote is no template");
        }
    }

    #[test]
    fn an_interrupted_run_shows_what_there_is() {
        let mut record = sample();
        record.info.status = Status::Interrupted;
        record.info.expectations.clear();
        record.evaluation = None;
        record.history.truncate(3);
        record.info.training.epochs_done = 3;
        record.info.training.best_epoch = None;
        let html = render(&record).unwrap();
        assert!(html.contains("Interrupted after epoch 3"));
        assert!(html.contains("<section id=\"learning-curves\""));
        assert!(!html.contains("<section id=\"confusion-matrix\""));
        assert!(!html.contains("<section id=\"classification-report\""));
    }

    #[test]
    fn a_run_that_failed_at_once_still_has_a_report() {
        let mut record = sample();
        record.info.status = Status::Failed;
        record.info.reason = Some("the loss is no number any more".into());
        (record.info.data, record.info.finished, record.evaluation) = (None, None, None);
        record.info.layers.clear();
        record.info.expectations.clear();
        record.info.training = Default::default();
        record.history.clear();
        let html = render(&record).unwrap();
        assert!(html.contains("Failed: the loss is no number any more"));
        assert!(!html.contains("<section id=\"learning-curves\""));
        assert!(!html.contains("<section id=\"model\""));
    }

    #[test]
    fn a_running_one_renews_itself() {
        let mut record = sample();
        record.info.status = Status::Running;
        let html = render(&record).unwrap();
        assert!(html.contains("<meta http-equiv=\"refresh\" content=\"5\">"));
        assert!(html.contains("Running"));
    }
}
