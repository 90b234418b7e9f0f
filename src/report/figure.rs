//! Numbers, times and shapes as people read them.

use crate::{evaluation::significance::LEVEL, run::Provenance};

pub use crate::text::{counted, thousands as grouped};

/// The figures that are told first, in this order.
pub const FIRST: [&str; 3] = ["test_accuracy", "test_mean_absolute_error", "test_loss"];

/// The place of a figure among [`FIRST`]; of all others, behind them.
pub fn rank(name: &str) -> usize {
    FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len())
}

/// A count held as `usize`.
pub fn count(number: usize) -> String {
    grouped(number as u64)
}

/// A share as percent with that many decimals: `70.31%`.
pub fn percent(share: f64, decimals: usize) -> String {
    if share.is_finite() { format!("{:.decimals$}%", share * 100.0) } else { "not a number".to_owned() }
}

/// An interval of shares: `89.1 to 92.3%`.
pub fn interval((low, high): (f64, f64)) -> String {
    format!("{:.1} to {:.1}%", low * 100.0, high * 100.0)
}

/// A number of unknown size with about five digits that tell something.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "not a number".to_owned()
    } else if size >= 1e9 || (size > 0.0 && size < 1e-4) {
        format!("{value:.3e}")
    } else if size >= 1000.0 {
        let sign = if value < 0.0 { "\u{2212}" } else { "" };
        format!("{sign}{}", grouped(size.round() as u64))
    } else {
        format!("{value:.4}").replace('-', "\u{2212}")
    }
}

/// A learning rate: as short as it can be said exactly, up to six digits.
pub fn rate(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{}", Shortened(value)) } else { format!("{}", rounded(value)) }
}

struct Shortened(f64);

impl std::fmt::Display for Shortened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:e}", rounded(self.0))
    }
}

/// To six significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// Whether a figure is a share, to be read as percent.
pub fn is_share(name: &str) -> bool {
    name.ends_with("accuracy") || ["precision", "recall", "f1"].iter().any(|share| name.contains(share))
}

/// A figure of that name: shares as percent, others as numbers.
pub fn of(name: &str, value: f64) -> String {
    if is_share(name) { percent(value, 2) } else { number(value) }
}

/// An interval of a figure of that name: `71.2 to 73.0%`, or `0.8123 to 0.8456`.
pub fn interval_of(name: &str, (low, high): (f64, f64)) -> String {
    if is_share(name) { interval((low, high)) } else { format!("{} to {}", number(low), number(high)) }
}

/// A difference of figures of that name, with its sign: `+1.80 points`, `−0.0312`.
pub fn difference(name: &str, difference: f64) -> String {
    let sign = if difference > 0.0 { "+" } else { "" };
    format!("{sign}{}", if is_share(name) { points(difference) } else { number(difference) })
}

/// A p-value: `p = 0.003`.
pub fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "p < 0.001".to_owned(),
        // Rounding doesn't take it across the level.
        p if p < 0.01 || (p - LEVEL).abs() >= 0.001 && p < 0.1 => format!("p = {p:.3}"),
        p if p < 0.1 => format!("p = {p:.5}"),
        p => format!("p = {p:.2}"),
    }
}

/// A p-value, and whether it was raised for several tests.
pub fn adjusted_p_value(p: f64, tests: usize) -> String {
    let shown = p_value(p);
    if tests > 1 { format!("{shown}, raised for {tests} tests") } else { shown }
}

/// A difference of shares in percentage points: `1.80 points`.
pub fn points(difference: f64) -> String {
    let shown = format!("{:.2}", 100.0 * difference).replace('-', "\u{2212}");
    if shown == "1.00" { "1.00 point".to_owned() } else { format!("{shown} points") }
}

/// A figure's name in words: `val_loss` is `validation loss`.
pub fn in_words(name: &str) -> String {
    let words = match name.strip_prefix("val_") {
        Some(rest) => format!("validation {rest}"),
        None => name.to_owned(),
    };
    words.replace('_', " ")
}

/// The first letter large.
pub fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Seconds as one would say them: `41 ms`, `9.31 s`, `4 min 7 s`, `1 h 2 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 59.95 => format!("{s:.1} s"),
        _ if whole < 3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", grouped(whole / 3600), whole / 60 % 60),
    }
}

/// Seconds that may be a small part of one: `32.0 µs`, `1.45 ms`.
pub fn short_duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_999_5 => format!("{:.1} \u{b5}s", s * 1e6),
        s if s < 0.999_5 => format!("{:.2} ms", s * 1e3),
        s => duration(s),
    }
}

/// `32 × 32 × 3`.
pub fn shape(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" \u{d7} ")
}

/// An RFC 3339 moment without its `T` and its fraction of a second.
pub fn moment(rfc3339: &str) -> String {
    let Some((date, time)) = rfc3339.split_once('T') else { return rfc3339.to_owned() };
    let zone = time.find(['Z', '+', '-', '[']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone);
    let clock = clock.split('.').next().unwrap_or(clock);
    let zone = zone.split('[').next().unwrap_or(zone);
    let zone = if zone == "Z" { "UTC" } else { zone };
    format!("{date} {clock} {zone}").trim_end().to_owned()
}

/// The processes that trained a run, and the threads of each; nothing where there was only one.
pub fn processes(from: &Provenance) -> Option<String> {
    let threads = counted(from.threads, "thread", "threads");
    (from.processes > 1).then(|| format!("{} of {threads}", counted(from.processes, "process", "processes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1000, 122_570, 1_000_000].map(grouped), ["0", "999", "1,000", "122,570", "1,000,000"]);
        for (value, text) in [
            (0.0, "0.0000"),
            (0.87654, "0.8765"),
            (-1.5, "\u{2212}1.5000"),
            (12345.6, "12,346"),
            (3e-7, "3.000e-7"),
            (f64::NAN, "not a number"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(percent(0.70312, 2), "70.31%");
        assert_eq!([0.001, 3e-4, 1.0 / 3.0, 0.0].map(rate), ["0.001", "3e-4", "0.333333", "0"]);
    }

    #[test]
    fn times_are_readable() {
        for (seconds, text) in [
            (0.0414, "41 ms"),
            (0.9999, "1.00 s"),
            (9.314, "9.31 s"),
            (42.0, "42.0 s"),
            (59.97, "1 min 0 s"),
            (247.4, "4 min 7 s"),
            (3599.9, "1 h 0 min"),
            (3725.0, "1 h 2 min"),
            (f64::NAN, "unknown"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!([32e-6, 0.00145, 2.0].map(short_duration), ["32.0 \u{b5}s", "1.45 ms", "2.00 s"]);
        assert_eq!(moment("2026-11-23T23:05:12.123+01:00"), "2026-11-23 23:05:12 +01:00");
        assert_eq!(moment("2026-11-23T23:05:12Z"), "2026-11-23 23:05:12 UTC");
        assert_eq!(moment("2026-11-23T23:05:12+01:00[Europe/Berlin]"), "2026-11-23 23:05:12 +01:00");
        assert_eq!(moment("yesterday"), "yesterday");
    }

    #[test]
    fn names_become_words() {
        assert_eq!(capitalised(&in_words("val_loss")), "Validation loss");
        assert_eq!(capitalised(""), "");
        assert!(is_share("test_accuracy") && is_share("test_recall[cat]") && !is_share("val_loss"));
    }
}
