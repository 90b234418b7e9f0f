//! The pipeline, as it was written and with every default filled in.

use super::Section;
use crate::run::{ConfigurationLine, Record};
use serde_json::{Value, json};

pub(super) const SECTION: Section = Section {
    id: "configuration",
    title: "Configuration",
    template: include_str!("../../templates/sections/configuration.html"),
    data,
};

fn data(record: &Record) -> Option<Value> {
    let (written, resolved) = (record.pipeline.trim_end(), record.resolved.trim_end());
    let lines = &record.info.configuration;
    let line = |line: &ConfigurationLine| json!({ "text": line.text, "origin": line.origin.as_deref().unwrap_or_default(), "differs": line.differs });
    (!written.is_empty() || !resolved.is_empty()).then(|| {
        json!({
            "written": written,
            "resolved": resolved,
            "lines": lines.iter().map(line).collect::<Vec<_>>(),
            "differing": lines.iter().filter(|line| line.differs).count(),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::report::{render, sample::sample};

    #[test]
    fn what_differs_from_the_defaults_is_marked() {
        let html = render(&sample()).unwrap();
        assert!(html.contains("<mark>seed: 42</mark>"));
        assert!(!html.contains("<mark>threads: auto</mark>") && html.contains("threads: auto"));
        assert!(html.contains("line 4"), "it was written all the same");
    }
}
