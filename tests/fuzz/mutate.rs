//! Mutations of pipelines: of bytes, of lines, of words and of numbers.

use std::{collections::BTreeSet, path::Path};
use trainyard::{
    diagnostic::SourceMap,
    random::Stream,
    spec::{
        self, schema,
        tree::{Node, Step, Value, display_path},
    },
};

/// What is loaded: the bytes of a file, and `--set` flags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    pub file: Vec<u8>,
    pub sets: Vec<String>,
}

/// Pieces of YAML that parsers stumble over.
const TOKENS: &[&str] = &[
    "&a ",
    "*a",
    "<<: *a\n",
    "? ",
    "- ",
    ": ",
    "|",
    "|+\n",
    ">-\n",
    "!!int ",
    "!!binary ",
    "!x ",
    "!<a> ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "'",
    "\"",
    "\\x00",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "#",
    " #",
    "%YAML 1.2\n---\n",
    "%TAG ! a:\n",
    "---\n",
    "...\n",
    "\u{FEFF}",
    "\r",
    "\r\n",
    "\t",
    "\0",
    "\u{85}",
    "\u{2028}",
    "\u{A0}",
    "~",
    "null",
    "true",
    "no",
    "@",
    "`",
    "🚂",
    "ü",
    "日本",
    "e\u{301}",
    "\u{202E}",
    "\u{1b}[31m",
    "\u{7f}",
    "\n",
    "\n\n",
    "    ",
    "=",
    "<<",
    "\"\"",
    "{}",
    "[]",
    "[[]]",
    "{a: }",
    "{? }",
    "*",
    "&",
];

/// Numbers at the edges of what is read and computed with.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "-0",
    "1e-400",
    "1e400",
    "1e308",
    "-1e308",
    "5e-324",
    "4294967295",
    "4294967296",
    "2147483648",
    "9007199254740991",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999",
    "0x",
    "0x7fffffffffffffff",
    "0xffffffffffffffffff",
    "0o777",
    "0b1",
    "1_000",
    "1/3",
    "1/0",
    "0/0",
    "-1/-1",
    "1e308/1e-308",
    "1/1e-320",
    ".nan",
    ".inf",
    "-.inf",
    "+.5",
    "1.",
    ".",
    "1e",
    "00012",
    "4096",
    "65536",
    "1048576",
    "1000000",
    "1000000000",
    "0.5",
    "0.9999999999999999",
    "[4096, 4096]",
    "[1, 4096]",
    "[0, 1]",
    "[1]",
    "[1, 2, 3]",
    "1.0",
    "3.0",
    "1e3",
    "9e15",
];

/// Layers on images that take shapes to their limits.
const ON_IMAGES: &[&str] = &[
    "conv2d: {filters: 65536, kernel_size: 4096, padding: same}",
    "conv2d: {filters: 65536, kernel_size: [4096, 1], strides: 4096, padding: same, use_bias: false}",
    "conv2d: {filters: 1, kernel_size: 1, strides: [1, 4096]}",
    "max_pooling2d: {pool_size: 4096, strides: 1, padding: same}",
    "max_pooling2d: {pool_size: [1, 4096], strides: [4096, 1], padding: same}",
    "dropout: 0",
    "activation: softmax",
];

/// The same on vectors.
const ON_VECTORS: &[&str] = &["dense: 1048576", "dense: {units: 1, use_bias: false}", "flatten", "dropout: 0.5"];

/// Makes mutants.
pub struct Mutator {
    /// Keys and names of the language.
    words: Vec<String>,
    /// Where a flag can lead: `model.layers[1].conv2d.filters`.
    paths: Vec<String>,
}

impl Mutator {
    pub fn new(seeds: &[Input]) -> Self {
        let mut words = BTreeSet::new();
        collect_words(schema::full(), &mut words);
        let mut paths = BTreeSet::new();
        for text in seeds.iter().filter_map(|seed| std::str::from_utf8(&seed.file).ok()) {
            let mut sources = SourceMap::default();
            let id = sources.add_file(Path::new("seed.yaml"), text);
            if let Some(root) = spec::parse(&sources, id, &mut Vec::new()) {
                collect_paths(&root, &mut Vec::new(), &mut paths);
            }
        }
        Mutator { words: words.into_iter().collect(), paths: paths.into_iter().collect() }
    }

    /// A mutant of one of the seeds in one of `pools`; the first is of pipelines that are sound.
    pub fn mutant(&self, pools: &[&[Input]], stream: &mut Stream) -> Input {
        let seeds = *pick(pools, stream);
        let mut input = pick(if seeds.is_empty() { pools[0] } else { seeds }, stream).clone();
        // Half of them stay YAML, so that they reach the meaning and the shapes.
        let gently = stream.below(2) == 0;
        for _ in 0..1 + stream.below(if gently { 3 } else { 6 }) {
            match gently {
                true => self.mutate_gently(&mut input.file, stream),
                false => self.mutate(&mut input.file, pools[0], stream),
            }
        }
        input.file.truncate(if stream.below(500) == 0 { 3 << 20 } else { 1 << 17 });
        if stream.below(4) == 0 {
            input.sets = (0..1 + stream.below(3)).map(|_| self.flag(stream)).collect();
        }
        input
    }

    fn mutate(&self, file: &mut Vec<u8>, seeds: &[Input], stream: &mut Stream) {
        match stream.below(19) {
            0 => flip(file, stream),
            1 => splice(file, &pick(seeds, stream).file, stream),
            2 => drop(file.drain(range(file, stream))),
            3 => repeat(file, stream),
            4..=7 => lines(file, stream),
            8 => insert(file, pick(TOKENS, stream).as_bytes(), stream),
            9 | 10 => number(file, stream),
            11 => nest(file, stream),
            12 => bomb(file, stream),
            13 | 14 => self.word(file, stream),
            15 => self.value(file, stream),
            16 | 17 => layer(file, stream),
            _ => insert(file, &[stream.bits() as u8], stream),
        }
    }

    fn mutate_gently(&self, file: &mut Vec<u8>, stream: &mut Stream) {
        match stream.below(8) {
            0 => self.word(file, stream),
            1 => self.value(file, stream),
            2 => lines(file, stream),
            3 | 4 => number(file, stream),
            _ => layer(file, stream),
        }
    }

    /// Another word of the language for one that stands there.
    fn word(&self, file: &mut Vec<u8>, stream: &mut Stream) {
        replace(file, |byte| byte.is_ascii_alphanumeric() || byte == b'_', pick(&self.words, stream).as_str(), stream);
    }

    /// Another value behind a colon.
    fn value(&self, file: &mut Vec<u8>, stream: &mut Stream) {
        let colons: Vec<usize> = (0..file.len()).filter(|&i| file[i] == b':').collect();
        if colons.is_empty() {
            return;
        }
        let from = *pick(&colons, stream) + 1;
        let ends = |byte: &u8| b"\n,}".contains(byte);
        let to = file[from..].iter().position(ends).map_or(file.len(), |length| from + length);
        let value = format!(" {}", self.any(stream));
        file.splice(from..to, value.into_bytes());
    }

    fn any(&self, stream: &mut Stream) -> String {
        match stream.below(3) {
            0 => (*pick(TOKENS, stream)).to_owned(),
            1 => (*pick(NUMBERS, stream)).to_owned(),
            _ => pick(&self.words, stream).clone(),
        }
    }

    /// A `--set`, more or less.
    fn flag(&self, stream: &mut Stream) -> String {
        let mut flag = format!("{}={}", pick(&self.paths, stream), self.any(stream));
        for _ in 0..stream.below(3) {
            let at = stream.below(flag.len() as u32 + 1) as usize;
            let at = (0..=at).rev().find(|&at| flag.is_char_boundary(at)).unwrap_or(0);
            match stream.below(3) {
                0 => flag.truncate(at),
                1 => flag
                    .insert_str(at, pick::<&str>(&[".", "[", "]", "=", "[99999999999999999999]", "[0]", " "], stream)),
                _ => flag.insert_str(at, &self.any(stream)),
            }
        }
        flag
    }
}

fn collect_words(schema: &serde_json::Value, words: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        words.extend(properties.keys().cloned());
    }
    words.extend(schema["const"].as_str().map(str::to_owned));
    let inner = schema.as_object().into_iter().flat_map(|map| map.values());
    inner.chain(schema.as_array().into_iter().flatten()).for_each(|inner| collect_words(inner, words));
}

fn collect_paths(node: &Node, path: &mut Vec<Step>, paths: &mut BTreeSet<String>) {
    let children: Vec<(Step, &Node)> = match &node.value {
        Value::Map(entries) => entries.iter().map(|entry| (Step::Key(entry.key.clone()), &entry.value)).collect(),
        Value::List(items) => items.iter().enumerate().map(|(index, item)| (Step::Index(index), item)).collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        path.push(step);
        paths.insert(display_path(path));
        collect_paths(child, path, paths);
        path.pop();
    }
}

fn pick<'a, T>(all: &'a [T], stream: &mut Stream) -> &'a T {
    &all[stream.below(all.len() as u32) as usize]
}

/// A place in `file`, its end included.
fn place(file: &[u8], stream: &mut Stream) -> usize {
    stream.below(file.len() as u32 + 1) as usize
}

/// A short range, which may be empty.
fn range(file: &[u8], stream: &mut Stream) -> std::ops::Range<usize> {
    let from = place(file, stream);
    from..(from + stream.below(64) as usize).min(file.len())
}

fn insert(file: &mut Vec<u8>, what: &[u8], stream: &mut Stream) {
    let at = place(file, stream);
    file.splice(at..at, what.iter().copied());
}

fn flip(file: &mut [u8], stream: &mut Stream) {
    if !file.is_empty() {
        let at = stream.below(file.len() as u32) as usize;
        file[at] ^= 1 << stream.below(8);
    }
}

fn splice(file: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    let (at, from) = (place(file, stream), place(other, stream));
    let to = (from + stream.below(400) as usize).min(other.len());
    file.splice(at..at, other[from..to].iter().copied());
}

/// A piece many times over: mostly a few, seldom as many as make the file too large.
fn repeat(file: &mut Vec<u8>, stream: &mut Stream) {
    let range = range(file, stream);
    let (end, piece) = (range.end, file[range].to_vec());
    let times = if stream.below(100) == 0 { 50_000 } else { 1 + stream.below(40) as usize };
    file.splice(end..end, piece.repeat(times));
}

/// Repeats, drops, swaps or indents whole lines.
fn lines(file: &mut Vec<u8>, stream: &mut Stream) {
    let mut lines: Vec<Vec<u8>> = file.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let at = stream.below(lines.len() as u32) as usize;
    let other = stream.below(lines.len() as u32) as usize;
    match stream.below(6) {
        0 => lines.insert(other, lines[at].clone()),
        1 => drop(lines.remove(at)),
        2 => lines.swap(at, other),
        3 => drop(lines[at].splice(0..0, b" ".repeat(1 + stream.below(4) as usize))),
        4 => {
            let indentation = lines[at].iter().take_while(|byte| **byte == b' ').count();
            lines[at].drain(..indentation.min(1 + stream.below(4) as usize));
        }
        _ => drop(lines[at].splice(0..0, pick(TOKENS, stream).bytes())),
    }
    *file = lines.join(&b'\n');
}

/// Replaces one run of the bytes that `is_part` holds.
fn replace(file: &mut Vec<u8>, is_part: impl Fn(u8) -> bool, by: &str, stream: &mut Stream) {
    let starts: Vec<usize> =
        (0..file.len()).filter(|&i| is_part(file[i]) && (i == 0 || !is_part(file[i - 1]))).collect();
    if starts.is_empty() {
        return;
    }
    let from = *pick(&starts, stream);
    let to = file[from..].iter().position(|byte| !is_part(*byte)).map_or(file.len(), |length| from + length);
    file.splice(from..to, by.bytes());
}

fn number(file: &mut Vec<u8>, stream: &mut Stream) {
    let by = *pick(NUMBERS, stream);
    replace(file, |byte| byte.is_ascii_digit() || b".-/".contains(&byte), by, stream);
}

/// Deep nesting, closed or not.
fn nest(file: &mut Vec<u8>, stream: &mut Stream) {
    let (open, close) =
        pick(&[("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", ""), ("[{a: ", "}]"), ("!a ", ""), ("'", "'")], stream);
    let times = *pick(&[2, 10, 60, 70, 300, 3000, 20000], stream);
    let close = if stream.below(2) == 0 { close.repeat(times) } else { String::new() };
    insert(file, format!("{}{close}", open.repeat(times)).as_bytes(), stream);
}

/// Aliases of aliases, each several times as large as the one before.
fn bomb(file: &mut Vec<u8>, stream: &mut Stream) {
    let (levels, width) = (1 + stream.below(12), 1 + stream.below(12) as usize);
    let mut text = "\nb0: &b0 [1, 2, 3]\n".to_owned();
    for level in 1..levels {
        let before = vec![format!("*b{}", level - 1); width].join(", ");
        text += &match stream.below(2) {
            0 => format!("b{level}: &b{level} [{before}]\n"),
            _ => {
                format!("b{level}: &b{level} {{a: {}, <<: *b{}}}\n", before.split(',').next().unwrap_or("1"), level - 1)
            }
        };
    }
    insert(file, text.as_bytes(), stream);
}

/// Layers with extreme arguments, where the images or the vectors begin.
fn layer(file: &mut Vec<u8>, stream: &mut Stream) {
    let (before, layers) = *pick(&[("  layers:\n", ON_IMAGES), ("    - flatten\n", ON_VECTORS)], stream);
    let Some(at) = file.windows(before.len()).position(|window| window == before.as_bytes()) else { return };
    let at = at + before.len();
    let lines: String = (0..1 + stream.below(4)).map(|_| format!("    - {}\n", pick(layers, stream))).collect();
    file.splice(at..at, lines.into_bytes());
}
