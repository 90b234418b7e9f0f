//! Numbers and tables as messages and commands show them.

use std::fmt;

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 epoch`, `2,000 epochs`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number as u64), if number == 1 { one } else { many })
}

/// Bytes in hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value with as many digits as tell something.
pub fn brief(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(0.001..1e7).contains(&size) => format!("{value:.1e}"),
        size if size >= 10.0 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{value:.3}"),
    }
}

/// `1536` as `1.5 KiB`.
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].into_iter().peekable();
    while value >= 1024.0 && units.len() > 1 {
        value /= 1024.0;
        units.next();
    }
    let unit = units.next().unwrap_or_default();
    if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") }
}

/// The digits of base 64.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes in base 64, as RFC 4648 has it, with padding.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The bytes that [`base64`] made `text` of; nothing where it is none of its.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks(4) {
        let padding = group.iter().rev().take_while(|digit| **digit == b'=').count();
        let mut bits = 0u32;
        for digit in &group[..group.len() - padding] {
            bits = bits << 6 | BASE64.iter().position(|known| known == digit)? as u32;
        }
        let all = (bits << (6 * padding)).to_be_bytes();
        bytes.extend(all.get(1..4 - padding).filter(|_| group.len() == 4 && padding < 3)?);
    }
    Some(bytes)
}

/// `text` in lines of at most `width` characters, where its words allow that; its own line breaks stay.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// Text from outside within a line: what a terminal would obey, line breaks included, and what turns the direction of
/// writing, is replaced.
pub fn printable(text: &str) -> String {
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Columns of text, each as wide as its widest cell.
pub struct Table {
    /// `<` for left, `>` for right, a character a column.
    alignment: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a line of headings.
    pub fn new(headings: &[impl AsRef<str>], alignment: impl Into<String>) -> Self {
        let mut table = Table::bare(alignment);
        table.row(headings);
        table
    }

    /// A table without headings.
    pub fn bare(alignment: impl Into<String>) -> Self {
        Table { alignment: alignment.into(), rows: Vec::new() }
    }

    /// Adds a row, of text from anywhere.
    pub fn row(&mut self, cells: &[impl AsRef<str>]) {
        self.rows.push(cells.iter().map(|cell| printable(cell.as_ref())).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.alignment.len()).map(width).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).zip(self.alignment.chars()).map(|((cell, width), side)| match side {
                '>' => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{base64, bytes, from_base64, printable, thousands, wrap};

    #[test]
    fn base64_leads_back_to_the_bytes() {
        for text in [&b""[..], b"f", b"fo", b"foo", b"foob", &[0, 255, 128, 7, 62]] {
            assert_eq!(from_base64(&base64(text)).as_deref(), Some(text));
        }
        for damaged in ["Zg", "Zg=", "Z===", "====", "Zm9v!m9v", "Zm9vZ"] {
            assert_eq!(from_base64(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("one two three\nfour", 8), ["one two", "three", "four"]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        assert_eq!(printable("a\u{1b}[31m\nb\u{202e}c 猫"), "a\u{fffd}[31m\u{fffd}b\u{fffd}c 猫");
    }

    #[test]
    fn numbers_are_grouped_and_scaled() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1024, 1536, 5 << 30].map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB"]);
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
    }
}
