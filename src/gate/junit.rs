//! Suites as JUnit's XML, which CI systems show.

use super::{Case, Outcome, Suite};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// A document with a test suite for each suite. What is inconclusive and doesn't count as failure is skipped, with the
/// reason. Characters that XML forbids are left out.
pub fn junit(suites: &[Suite]) -> String {
    let mut report = Report::new("trainyard");
    report.set_time(suites.iter().map(|suite| duration(suite.seconds)).sum());
    report.add_test_suites(suites.iter().map(suite_of));
    report.to_string().expect("text can be written as XML")
}

fn suite_of(suite: &Suite) -> TestSuite {
    let mut tests = TestSuite::new(clean(&suite.name));
    tests.set_time(duration(suite.seconds));
    for (name, path) in [("pipeline", &suite.file), ("run", &suite.run)] {
        if let Some(path) = path {
            tests.add_property((name, &*clean(&path.display().to_string())));
        }
    }
    tests.add_test_cases(suite.cases.iter().map(|case| case_of(suite, case)));
    tests
}

fn case_of(suite: &Suite, case: &Case) -> TestCase {
    let mut status = match (case.counts_as_failure, case.outcome) {
        (true, Outcome::Error) => TestCaseStatus::non_success(NonSuccessKind::Error),
        (true, _) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (false, Outcome::Passed) => TestCaseStatus::success(),
        (false, _) => TestCaseStatus::skipped(),
    };
    if case.counts_as_failure || case.outcome != Outcome::Passed {
        status.set_message(clean(&case.sentence()));
    }
    if case.counts_as_failure {
        status.set_type(match case.outcome {
            Outcome::Inconclusive => "inconclusive",
            Outcome::Error => "error",
            _ => "failed",
        });
    }
    let mut test = TestCase::new(clean(&case.name), status);
    test.set_classname(clean(&suite.name)).set_time(duration(case.seconds));
    if let Some((file, line, _)) = &case.place {
        test.extra.insert("file".into(), clean(&file.display().to_string()).into());
        test.extra.insert("line".into(), line.to_string().into());
    }
    test
}

/// Text without the two characters that XML forbids and that the writer lets through; it leaves out all others.
fn clean(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "")
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::suites, *};

    #[test]
    fn every_outcome_has_its_element() {
        insta::assert_snapshot!(junit(&suites()));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let text = junit(&suites());
        assert!(!text.contains(['\u{1b}', '\0', '\u{ffff}']));
        let read = Report::deserialize_from_str(&text).unwrap();
        let counts = |suite: &TestSuite| (suite.tests, suite.failures, suite.errors);
        assert_eq!(read.test_suites.iter().map(counts).collect::<Vec<_>>(), [(5, 3, 0), (2, 0, 1)]);
        let name = read.test_suites[0].test_cases[4].name.as_str().to_owned();
        assert!(name.starts_with("test_recall[<b>|`x`") && name.ends_with("]]>"), "{name}");
    }
}
