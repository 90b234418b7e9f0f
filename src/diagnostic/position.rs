//! Lines and columns of places, as editors and other programs count them.

use super::{Place, SourceMap};

/// What a column counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnUnit {
    /// Characters: Unicode scalar values.
    Characters,
    /// Code units of UTF-16: characters beyond U+FFFF count twice.
    Utf16,
}

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl SourceMap {
    /// Where `place` begins, and where what comes behind it begins.
    pub fn positions(&self, place: Place, unit: ColumnUnit) -> (Position, Position) {
        let content = &self.text(place.text).content;
        (position(content, place.start, unit), position(content, place.end, unit))
    }
}

fn position(content: &str, offset: usize, unit: ColumnUnit) -> Position {
    let before = &content[..offset.min(content.len())];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let in_line = &before[line_start..];
    // Behind the `\r` of a Windows line end there is no column.
    let ends = content[before.len()..].starts_with('\n');
    let in_line = if ends { in_line.strip_suffix('\r').unwrap_or(in_line) } else { in_line };
    let units = match unit {
        ColumnUnit::Characters => in_line.chars().count(),
        ColumnUnit::Utf16 => in_line.encode_utf16().count(),
    };
    Position { line: before.matches('\n').count() + 1, column: units + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_from_one() {
        let content = "a: ü\r\nb: 日本😀x\r\n";
        for (offset, line, characters, utf16) in [
            (0, 1, 1, 1),
            (3, 1, 4, 4),
            (5, 1, 5, 5),  // behind ü, before \r
            (6, 1, 5, 5),  // between \r and \n
            (7, 2, 1, 1),  // b
            (16, 2, 6, 6), // 😀
            (20, 2, 7, 8), // x
            (21, 2, 8, 9),
            (content.len(), 3, 1, 1),
        ] {
            let want = |column| Position { line, column };
            assert_eq!(position(content, offset, ColumnUnit::Characters), want(characters), "{offset}");
            assert_eq!(position(content, offset, ColumnUnit::Utf16), want(utf16), "{offset}");
        }
    }
}
