//! Bandwidths as users write them.

/// Reads `10Gbit/s`, `10gbps`, `25Gb/s`, `100 Mbit/s` or `1.25GB/s`: bits a second. A `b` is a bit and a `B` a byte; elsewhere
/// large and small letters are the same.
pub fn read(text: &str) -> Result<f64, String> {
    let wanted = || "a bandwidth, such as `10Gbit/s`, `10Gbps` or `1.25GB/s`".to_owned();
    let plain: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let end = plain.find(|letter: char| letter.is_ascii_alphabetic() && letter != 'e').unwrap_or(plain.len());
    let (number, unit) = plain.split_at(end);
    let times = match unit.chars().next().map(|letter| letter.to_ascii_lowercase()) {
        Some('k') => 1e3,
        Some('m') => 1e6,
        Some('g') => 1e9,
        Some('t') => 1e12,
        _ => 1.0,
    };
    let unit = if times > 1.0 { &unit[1..] } else { unit };
    let each = match unit {
        "b" | "b/s" | "bps" => 1.0,
        "B" | "B/s" | "Bps" => 8.0,
        _ => match unit.to_ascii_lowercase().as_str() {
            "bit" | "bit/s" | "bits/s" | "bitps" => 1.0,
            "byte/s" | "bytes/s" => 8.0,
            _ => return Err(wanted()),
        },
    };
    let value: f64 = number.parse().map_err(|_| wanted())?;
    let bits = value * times * each;
    if bits.is_finite() && bits >= 1.0 { Ok(bits) } else { Err(wanted()) }
}

/// Bits a second in a few digits: `10 Gbit/s`.
pub fn shown(bits: f64) -> String {
    let (value, unit) = match bits {
        _ if bits >= 1e9 => (bits / 1e9, "G"),
        _ if bits >= 1e6 => (bits / 1e6, "M"),
        _ => (bits / 1e3, "k"),
    };
    if value >= 10.0 { format!("{value:.0} {unit}bit/s") } else { format!("{value:.1} {unit}bit/s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidths_are_read_as_they_are_written() {
        for (text, bits) in [
            ("10Gbit/s", 1e10),
            ("10gbps", 1e10),
            ("10Gbps", 1e10),
            ("25Gb/s", 2.5e10),
            ("100 Mbit/s", 1e8),
            ("100mbit", 1e8),
            ("1.25GB/s", 1e10),
            ("1.25 GBps", 1e10),
            ("500kbit", 5e5),
            ("1000000 b/s", 1e6),
        ] {
            assert_eq!(read(text), Ok(bits), "{text}");
        }
        for wrong in ["", "10", "10G", "Gbit/s", "0Gbit/s", "-1GB/s", "nan GB/s", "10Gx/s", "fast", "10 GiB/s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!([1e10, 2.5e9, 1e8, 5e5].map(shown), ["10 Gbit/s", "2.5 Gbit/s", "100 Mbit/s", "500 kbit/s"]);
    }
}
