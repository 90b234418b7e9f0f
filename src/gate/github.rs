//! Suites as annotations of GitHub Actions.

use super::{Outcome, Suite};
use crate::{
    diagnostic::format::github::{annotation, shown},
    text::printable,
};
use std::path::Path;

/// A workflow command for each case that counts as failure, an error, and for each that is doubtful, a warning; each a line
/// without its end. Files below `root`, where the workflow runs, are named from there.
pub fn github(suites: &[Suite], root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for suite in suites {
        for case in &suite.cases {
            let level = match (case.counts_as_failure, case.outcome) {
                (true, _) => "error",
                (false, Outcome::Passed | Outcome::Skipped) => continue,
                (false, _) => "warning",
            };
            let mut properties = Vec::new();
            match (&case.place, &suite.file) {
                (Some((file, line, column)), _) => {
                    properties.push(("file", shown(file, root)));
                    properties.push(("line", line.to_string()));
                    properties.push(("col", column.to_string()));
                }
                (None, Some(file)) => properties.push(("file", shown(file, root))),
                (None, None) => {}
            }
            properties.push(("title", printable(&format!("{}: {}", suite.name, case.name))));
            lines.push(annotation(level, &properties, &printable(&case.sentence())));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{super::tests::suites, *};

    #[test]
    fn what_fails_is_an_error_and_what_is_doubtful_a_warning() {
        let lines = github(&suites(), Path::new("/work"));
        insta::assert_snapshot!(lines.join("\n"));
        assert!(lines.iter().all(|line| line.lines().count() == 1 && line.starts_with("::")));
    }

    #[test]
    fn files_are_named_from_the_root() {
        let mut suites = suites();
        suites.truncate(1);
        suites[0].cases.truncate(2);
        suites[0].cases[1].place = Some(("/work/pipelines/a.yaml".into(), 3, 1));
        let lines = github(&suites, Path::new("/work"));
        assert!(lines[0].starts_with("::error file=pipelines/a.yaml,line=3,col=1,title=digits%3A test_accuracy::"));
    }
}
