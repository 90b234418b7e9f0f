//! The page around the sections: the program's own, or one that a pipeline names.

use super::{Rendered, figure};
use crate::{
    diagnostic::{Code, Diagnostic, Result},
    run::{EpochRecord, Record, Status},
    text::base64,
};
use minijinja::{Environment, Error, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("../../templates/report.html");
const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");
/// What sections share.
const SHARED: [(&str, &str); 3] = [
    ("expectations.html", include_str!("../../templates/expectations.html")),
    ("figure.html", include_str!("../../templates/figure.html")),
    ("gallery.html", include_str!("../../templates/gallery.html")),
];

/// What a page gets.
const NAMES: [&str; 15] = [
    "title",
    "name",
    "description",
    "id",
    "started",
    "started_shown",
    "version",
    "running",
    "style",
    "style_digest",
    "script",
    "script_digest",
    "results",
    "sections",
    "loop",
];
/// Steps that a page of the user's may take: one that never ends shall not hang the run.
const FUEL: u64 = 5_000_000;

fn mistake(error: &Error) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(Code::BAD_RUN, format!("cannot render the page: {error:#}"))
            .fact("this is a mistake in trainyard, not in the pipeline; the run itself is unharmed"),
    )
}

/// The templates, with escaping for what is called HTML, and an error for what isn't there.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual marks"));
    for (name, text) in SHARED {
        environment.add_template(name, text).expect("the program's own templates are sound");
    }
    environment
}

/// A partial with its data.
pub(super) fn part(environment: &Environment<'_>, template: &str, data: Json) -> Result<String> {
    // The name's ending switches escaping on.
    environment.render_named_str("section.html", template, Value::from(Serde(data))).map_err(|error| mistake(&error))
}

/// A text that is no HTML.
pub(super) fn text(environment: &Environment<'_>, template: &str, data: Json) -> Result<String> {
    let rendered = environment.render_named_str("text.md", template, Value::from(Serde(data)));
    rendered.map_err(|error| mistake(&error))
}

/// A checkout may have turned line breaks into CRLF, and browsers turn them back before they digest.
fn unix(text: &str) -> String {
    text.replace('\r', "")
}

/// What every page gets; `data` goes before.
fn filled(mut data: Json, sections: &[Rendered]) -> Json {
    let (style, script) = (unix(STYLE), unix(SCRIPT));
    let sections = sections.iter();
    let sections = sections.map(|part| json!({ "id": part.id, "title": part.title, "html": part.html }));
    let defaults = json!({
        "description": "",
        "id": "",
        "started": "",
        "started_shown": "",
        "version": env!("CARGO_PKG_VERSION"),
        "running": false,
        "results": "null",
        "sections": sections.collect::<Vec<_>>(),
        "style_digest": base64(&Sha256::digest(&style)),
        "style": style,
        "script_digest": base64(&Sha256::digest(&script)),
        "script": script,
    });
    for (key, value) in defaults.as_object().into_iter().flatten() {
        if data.get(key).is_none() {
            data[key] = value.clone();
        }
    }
    data
}

/// A page of its own, beside the report of a run.
pub(super) fn alone(title: &str, name: &str, id: &str, sections: &[Rendered]) -> Result<String> {
    let data = filled(json!({ "title": title, "name": name, "id": id }), sections);
    environment().render_named_str("report.html", PAGE, Value::from(Serde(data))).map_err(|error| mistake(&error))
}

/// The page of a run.
pub(super) fn of_run(record: &Record, sections: &[Rendered]) -> Result<String> {
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
        "results": results(record),
    });
    let data = Value::from(Serde(filled(data, sections)));
    let mut environment = environment();
    match &record.template {
        None => environment.render_named_str("report.html", PAGE, data).map_err(|error| mistake(&error)),
        Some(own) => {
            environment.set_fuel(Some(FUEL));
            environment.render_named_str("template.html", own, data).map_err(|error| {
                let line = error.line().map(|line| format!(" at line {line}")).unwrap_or_default();
                let message =
                    format!("the pipeline's page for the report cannot be filled in{line}: {}", reason(&error));
                Box::new(Diagnostic::error(Code::BAD_TEMPLATE, message))
            })
        }
    }
}

/// What is wrong with a page of the user's: the line, and why; nothing where it is sound.
pub fn template_problem(text: &str) -> Option<(usize, String)> {
    let environment = environment();
    let template = match environment.template_from_named_str("template.html", text) {
        Ok(template) => template,
        Err(error) => return Some((error.line().unwrap_or(1), reason(&error))),
    };
    let mut unknown: Vec<String> =
        template.undeclared_variables(false).into_iter().filter(|name| !NAMES.contains(&name.as_str())).collect();
    unknown.sort();
    let first = unknown.into_iter().find(|name| environment.globals().all(|(known, _)| known != name))?;
    let line = text.lines().position(|line| line.contains(&first)).map_or(1, |line| line + 1);
    Some((line, format!("a report has no `{first}`")))
}

fn reason(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
}

/// All results as JSON that can stand in a page, which shows their pictures anyway.
fn results(record: &Record) -> String {
    // What could end the element, and what JavaScript takes for the end of a line.
    all(record).to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// All results, without pictures.
pub fn all(record: &Record) -> Json {
    let epoch = |epoch: &EpochRecord| {
        let mut row = json!({ "epoch": epoch.epoch });
        for (name, value) in &epoch.figures {
            row[name] = json!(value);
        }
        row["learning_rate"] = json!(epoch.learning_rate);
        row["seconds"] = json!(epoch.seconds);
        row["images_per_second"] = json!(epoch.images_per_second);
        row["data_wait_seconds"] = json!(epoch.data_wait_seconds);
        row
    };
    let mut all = json!({
        "run": record.info,
        "history": record.history.iter().map(epoch).collect::<Vec<_>>(),
        "evaluation": record.evaluation,
        "data": record.inspection,
    });
    without_pictures(&mut all);
    all
}

fn without_pictures(json: &mut Json) {
    match json {
        Json::Object(map) => {
            map.retain(|key, value| !(["png", "gradient", "grad_cam"].contains(&key.as_str()) && value.is_string()));
            map.iter_mut().for_each(|(_, value)| without_pictures(value));
        }
        Json::Array(items) => items.iter_mut().for_each(without_pictures),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn what_is_wrong_with_a_page_is_told_with_its_line() {
        assert_eq!(template_problem("<h1>{{ title }}</h1>{% for s in sections %}{{ s.html|safe }}{% endfor %}"), None);
        assert_eq!(template_problem("<h1>\n{{ titel }}"), Some((2, "a report has no `titel`".to_owned())));
        let (line, reason) = template_problem("a\nb\n{% for %}").unwrap();
        assert_eq!(line, 3);
        assert!(!reason.is_empty() && !reason.contains("::"), "{reason}");
    }

    #[test]
    fn a_page_of_the_users_own_takes_the_place_of_ours() {
        let mut record = sample();
        record.template = Some("<title>{{ name }}</title>{% for s in sections %}[{{ s.id }}]{% endfor %}".to_owned());
        let html = crate::report::render(&record).unwrap();
        assert!(html.starts_with("<title>cifar10-cnn</title>[verdict]"), "{html}");
        record.template = Some("{{ sections.nothing }}".to_owned());
        assert_eq!(crate::report::render(&record).unwrap_err().code, Code::BAD_TEMPLATE);
        // One that never ends.
        record.template =
            Some("{% for a in range(9999) %}{% for b in range(9999) %}.{% endfor %}{% endfor %}".to_owned());
        assert_eq!(crate::report::render(&record).unwrap_err().code, Code::BAD_TEMPLATE);
    }

    #[test]
    fn results_cannot_end_their_element() {
        let mut record = sample();
        record.info.name = "</script><script>alert(1)</script>".to_owned();
        let text = results(&record);
        assert!(!text.contains('<'));
        let read: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(read["run"]["name"], record.info.name);
        assert_eq!(read["history"].as_array().unwrap().len(), record.history.len());
        assert!(!text.contains("\"png\""));
    }
}
