//! The report: one HTML file made from a run's record, and from nothing else.
//!
//! A section is one file here, a partial in `templates/sections/`, and one line in [`SECTIONS`]. It turns the record
//! into the data of its partial, or into nothing where the run has none. The file loads nothing and runs no script;
//! its policy allows only the style sheet whose digest it names. Equal records give equal bytes.

mod chart;
mod classification;
pub mod comparison;
mod configuration;
mod confusion;
mod curves;
mod data;
pub mod figure;
pub mod index;
mod layers;
mod provenance;
#[cfg(test)]
pub mod sample;
mod time_and_data;
mod verdict;
mod warnings;

use crate::{
    diagnostic::{Code, Diagnostic, Result},
    run::{Inspection, Record, Status},
    text::base64,
};
use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde_json::json;
use sha2::{Digest, Sha256};

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

/// All sections, in the order in which they are shown.
const SECTIONS: &[Section] = &[
    verdict::SECTION,
    warnings::SECTION,
    curves::SECTION,
    confusion::SECTION,
    classification::SECTION,
    layers::SECTION,
    data::SECTION,
    time_and_data::SECTION,
    configuration::SECTION,
    provenance::SECTION,
];

const PAGE: &str = include_str!("../../templates/report.html");
const STYLE: &str = include_str!("../../templates/report.css");

/// The whole report as HTML.
///
/// Fails only where a template is wrong, which is a mistake in this program and not in the run.
pub fn render(record: &Record) -> Result<String> {
    page(record).map_err(mistake)
}

/// A page that shows what was seen of the data of the pipeline `name`.
///
/// Fails only where a template is wrong.
pub fn data_page(name: &str, inspection: &Inspection) -> Result<String> {
    page_of(
        json!({ "title": name, "name": name }),
        &[("data", "Data", data::SECTION.template, data::shown(inspection))],
    )
}

/// A page that is no report of a run: what it is `about`, and its parts, each an anchor, a heading, a partial and the
/// partial's data.
fn page_of(mut about: serde_json::Value, parts: &[(&str, &str, &str, serde_json::Value)]) -> Result<String> {
    let page = || {
        let environment = environment()?;
        let mut sections = Vec::new();
        for (id, title, template, data) in parts {
            // The name's ending switches escaping on.
            let html = environment.render_named_str(&format!("{id}.html"), template, Value::from(Serde(data)))?;
            sections.push(json!({ "id": id, "title": title, "html": html }));
        }
        about["sections"] = json!(sections);
        framed(&environment, about)
    };
    page().map_err(mistake)
}

fn mistake(error: minijinja::Error) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(Code::BAD_RUN, format!("cannot render the page: {error:#}"))
            .fact("this is a mistake in trainyard, not in the pipeline; the run itself is unharmed"),
    )
}

fn environment() -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(environment)
}

/// The page around the sections; what `data` doesn't say is left out.
fn framed(environment: &Environment<'_>, mut data: serde_json::Value) -> std::result::Result<String, minijinja::Error> {
    // A checkout may have turned line breaks into CRLF, and browsers turn them back before they digest.
    let style = STYLE.replace('\r', "");
    let defaults = json!({
        "description": "",
        "id": "",
        "started": "",
        "started_shown": "",
        "version": env!("CARGO_PKG_VERSION"),
        "running": false,
        "style_digest": base64(&Sha256::digest(&style)),
        "style": style,
    });
    for (key, value) in defaults.as_object().into_iter().flatten() {
        if data.get(key).is_none() {
            data[key] = value.clone();
        }
    }
    environment.render_named_str("report.html", PAGE, Value::from(Serde(data)))
}

fn page(record: &Record) -> std::result::Result<String, minijinja::Error> {
    let environment = environment()?;
    let mut sections = Vec::new();
    for section in SECTIONS {
        let Some(data) = (section.data)(record) else { continue };
        // The name's ending switches escaping on.
        let name = format!("{}.html", section.id);
        let html = environment.render_named_str(&name, section.template, Value::from(Serde(data)))?;
        sections.push(json!({ "id": section.id, "title": section.title, "html": html }));
    }
    let info = &record.info;
    let data = json!({
        "title": if info.title.is_empty() { &info.name } else { &info.title },
        "name": info.name,
        "description": info.description.trim(),
        "id": info.id,
        "started": info.started,
        "started_shown": figure::moment(&info.started),
        "version": info.provenance.version,
        "running": info.status == Status::Running,
        "sections": sections,
    });
    framed(&environment, data)
}

#[cfg(test)]
mod tests {
    use super::{sample::sample, *};
    use crate::evaluation::StepResult;
    use std::collections::HashSet;

    /// Text that would do harm where it isn't escaped.
    const HOSTILE: &str = "<script>alert(1)</script>\"'&{{ 7*7 }}";

    fn without_markup_that_is_ours(html: &str) -> String {
        let end_of_style = html.find("</style>").expect("a style sheet");
        html[end_of_style..].to_owned()
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
    fn anchors_are_unique() {
        let anchors: HashSet<_> = SECTIONS.iter().map(|section| section.id).collect();
        assert_eq!(anchors.len(), SECTIONS.len());
    }

    #[test]
    fn a_whole_run_has_every_section() {
        let html = render(&sample()).unwrap();
        for section in SECTIONS {
            assert!(html.contains(&format!("<section id=\"{}\"", section.id)), "{} is missing", section.id);
        }
        assert!(!html.contains("http-equiv=\"refresh\""));
    }

    #[test]
    fn equal_records_give_equal_bytes() {
        assert_eq!(render(&sample()).unwrap(), render(&sample()).unwrap());
    }

    #[test]
    fn nothing_is_loaded_and_nothing_runs() {
        let html = render(&sample()).unwrap();
        for forbidden in ["<script", "<link", "<iframe", "src=", "url(", "@import", " style=", " onclick="] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("content=\"default-src 'none'; style-src 'sha256-"));
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
        info.expectations[0].figure = hostile();
        info.layers[0].name = hostile();
        info.layers[0].kind = hostile();
        let data = info.data.as_mut().unwrap();
        (data.source, data.location, data.digest, data.validation_kind) = (hostile(), hostile(), hostile(), hostile());
        data.classes[3] = hostile();
        let provenance = &mut info.provenance;
        for text in [
            &mut provenance.version,
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
        (provenance.data_directory, provenance.git_commit) = (Some(hostile()), Some(hostile()));
        provenance.command = vec![hostile()];
        for epoch in &mut record.history {
            epoch.figures.push((hostile(), 0.5));
            epoch.figures.push((format!("val_{HOSTILE}"), 0.6));
        }
        let evaluation = record.evaluation.as_mut().unwrap();
        evaluation.metrics.insert(hostile(), 1.0);
        for step in &mut evaluation.steps {
            match step {
                StepResult::ConfusionMatrix(matrix) => matrix.classes[3] = hostile(),
                StepResult::ClassificationReport(table) => table.classes[3].name = hostile(),
            }
        }
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
        assert!(html.contains("<section id=\"curves\""));
        assert!(!html.contains("<section id=\"confusion\""));
        assert!(!html.contains("<section id=\"classification\""));
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
        assert!(!html.contains("<section id=\"curves\""));
        assert!(!html.contains("<section id=\"layers\""));
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
