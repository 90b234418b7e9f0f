//! Mutants of a pipeline: each key, value and item changed in every way that a slip of the pen could.

use crate::{
    edit::{self, Edit, Edited, apply, column, line_start, next_line, shifted},
    schema::Allowed,
};
use std::{collections::BTreeSet, ops::Range};
use trainyard::spec::tree::{Entry, Node, Value};

/// What was done to a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A key with its value, or an item, is gone.
    Drop,
    /// A key differs by one letter.
    MisspellKey,
    /// A word that is a value differs by one letter.
    MisspellValue,
    /// A value has another type.
    WrongType,
    /// A value lies outside of what the schema documents.
    OutOfRange,
    /// A key with its value, or an item, stands there twice.
    Duplicate,
    /// A key with its value, or an item, stands in another mapping or list.
    Misplace,
    /// An item has changed places with the next one.
    Swap,
    /// A key or an item is indented by two columns more, or fewer.
    Indent,
}

/// One changed pipeline.
pub struct Mutant {
    pub kind: Kind,
    /// Where: `model.layers[dropout].dropout`; an item is called by its name.
    pub at: String,
    /// What stands there now.
    pub what: String,
    /// All of it.
    pub text: String,
    /// The lines on which a complaint is right.
    pub lines: BTreeSet<usize>,
    /// Whether the schema lets the key be left out.
    pub optional: bool,
}

/// Every mutant of `text`, whose tree is `root`.
pub fn mutants(text: &str, root: &Node) -> Vec<Mutant> {
    let mut targets = Targets::default();
    targets.collect(text, root, "", 2);
    let mut workshop =
        Workshop { text, targets, seen_keys: BTreeSet::new(), seen_items: BTreeSet::new(), mutants: Vec::new() };
    workshop.children(root, &Allowed::pipeline(), "", root.head().start);
    workshop.mutants
}

/// The mappings and lists into which something can be put by mistake.
#[derive(Default)]
struct Targets {
    mappings: Vec<Target>,
    lists: Vec<Target>,
}

struct Target {
    at: String,
    /// From its first to its last byte.
    span: Range<usize>,
    in_flow: bool,
}

impl Targets {
    fn collect(&mut self, text: &str, node: &Node, at: &str, depth: usize) {
        let target = || Target { at: at.to_owned(), span: span(text, node), in_flow: is_flow(text, node) };
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                if self.mappings.iter().all(|known| known.at != at) {
                    self.mappings.push(target());
                }
                for entry in entries {
                    self.collect(text, &entry.value, &join(at, &entry.key), depth.saturating_sub(1));
                }
            }
            Value::List(items) if !items.is_empty() => {
                self.lists.push(target());
                for item in items {
                    // The arguments of an item, not the item: that has one key.
                    if let Value::Map(entries) = &item.value
                        && let [entry] = &entries[..]
                    {
                        self.collect(text, &entry.value, &join(&format!("{at}[{}]", entry.key), &entry.key), 0);
                    }
                }
            }
            _ => {}
        }
    }
}

fn is_flow(text: &str, node: &Node) -> bool {
    text[node.place.start..].starts_with(['{', '['])
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// From the first to the last byte that was written; the parser ends a collection where the next token begins.
fn span(text: &str, node: &Node) -> Range<usize> {
    let last = match &node.value {
        Value::Map(entries) => entries.last().map(|entry| span(text, &entry.value).end.max(entry.key_place.end)),
        Value::List(items) => items.last().map(|item| span(text, item).end),
        _ => Some(node.place.end),
    };
    let end = last.unwrap_or(node.place.start);
    let bracket = if is_flow(text, node) { text[end..].find([']', '}']).map_or(0, |i| i + 1) } else { 0 };
    node.place.start..end + bracket
}

/// A word with one letter changed, in every way that typing it could.
fn misspelt(word: &str) -> BTreeSet<String> {
    let letters: Vec<char> = word.chars().collect();
    let middle = letters.len() / 2;
    let (before, behind) = letters.split_at(middle);
    let text = |letters: &[char]| letters.iter().collect::<String>();
    let (before, behind, letter) = (text(before), text(behind), letters[middle]);
    let mut swapped = letters.clone();
    swapped.swap(middle, middle.saturating_sub(1));
    let all = [
        text(&letters[1..]),
        text(&letters[..letters.len() - 1]),
        format!("{before}{letter}{behind}"),
        format!("{before}{}", text(&letters[middle + 1..])),
        format!("{before}q{}", text(&letters[middle + 1..])),
        text(&swapped),
        letters[0].to_uppercase().collect::<String>() + &text(&letters[1..]),
        format!("{word}s"),
    ];
    all.into_iter().filter(|changed| changed != word && !changed.is_empty()).collect()
}

/// Values with the JSON types that they have.
const VALUES: [(&str, &str); 6] = [
    ("null", ""),
    ("boolean", "true"),
    ("integer", "7"),
    ("number", "0.5"),
    ("string", "nonsense"),
    ("string", "\"7\""),
];

/// Values that no key takes.
const NEVER: [&str; 2] = ["{nonsense: 1}", "[{nonsense: 1}]"];

fn wrong_types(allowed: &Allowed) -> Vec<&'static str> {
    let wrong =
        VALUES.iter().filter(|(name, _)| !(allowed.accepts(name) || *name == "string" && allowed.is_free_text()));
    wrong.map(|(_, value)| *value).chain(NEVER).collect()
}

/// Values of the right type that the schema excludes.
fn out_of_range(allowed: &Allowed) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(right) = allowed.constant() {
        all.extend([right - 1, right + 1].map(|number| number.to_string()));
    }
    if let Some(bounds) = allowed.bounds() {
        all.extend([".nan", ".inf", "-.inf", "1/0"].map(str::to_owned));
        let step = if bounds.whole { 1.0 } else { 1e-3 };
        if let Some(low) = bounds.low {
            all.push(format!("{}", if bounds.excludes_low { low } else { low - step }));
            all.extend(["-1", "-1e308"].map(str::to_owned));
        }
        if let Some(high) = bounds.high {
            all.push(format!("{}", if bounds.excludes_high { high } else { high + step }));
            all.extend(["1e308", "9223372036854775807", "99999999999999999999999999"].map(str::to_owned));
        }
        if bounds.whole {
            all.extend(["1.5", "3/2"].map(str::to_owned));
        }
    }
    if allowed.bound("minItems").is_some_and(|least| least > 0) {
        all.push("[]".to_owned());
    }
    if allowed.bound("minLength").is_some_and(|least| least > 0) || allowed.has_pattern() {
        all.push("\"\"".to_owned());
    }
    if let Some(most) = allowed.bound("maxLength") {
        all.push("x".repeat(most as usize + 1));
    }
    if allowed.has_pattern() {
        all.extend(["\"a b\"", "\"../x\""].map(str::to_owned));
    }
    all
}

/// What a mutation is about.
struct Site {
    at: String,
    /// All of it, from its first to its last byte.
    span: Range<usize>,
    /// Where the key around it stands: what lacks it.
    around: usize,
    in_flow: bool,
    allowed: Allowed,
}

impl Site {
    fn is_item(&self) -> bool {
        self.at.ends_with(']')
    }
}

struct Workshop<'t> {
    text: &'t str,
    targets: Targets,
    /// Where keys were mutated already, and where items: an alias repeats them.
    seen_keys: BTreeSet<usize>,
    seen_items: BTreeSet<usize>,
    mutants: Vec<Mutant>,
}

impl<'t> Workshop<'t> {
    fn add(&mut self, kind: Kind, site: &Site, what: String, edited: Edited, lines: impl IntoIterator<Item = usize>) {
        self.mutants.push(Mutant {
            kind,
            at: site.at.clone(),
            what,
            text: edited.text,
            lines: lines.into_iter().collect(),
            optional: site.allowed.optional,
        });
    }

    /// Puts `by` in the place of `range`; a complaint belongs on the lines of that.
    fn replace(&mut self, kind: Kind, site: &Site, range: Range<usize>, by: &str) {
        let start = range.start;
        let edited = apply(self.text, vec![Edit::new(range, by)]);
        let lines = edited.lines_of_edit(start);
        self.add(kind, site, format!("`{}`", by.trim()), edited, lines);
    }

    fn children(&mut self, node: &Node, allowed: &Allowed, at: &str, around: usize) {
        let in_flow = is_flow(self.text, node);
        match &node.value {
            Value::Map(entries) => {
                for index in 0..entries.len() {
                    self.entry(entries, index, allowed, at, around, in_flow);
                }
            }
            Value::List(items) => {
                for index in 0..items.len() {
                    self.item(items, index, allowed, at, around, in_flow);
                }
            }
            _ => {}
        }
    }

    fn entry(&mut self, all: &[Entry], index: usize, allowed: &Allowed, at: &str, around: usize, in_flow: bool) {
        let entry = &all[index];
        let key = entry.key_place.start..entry.key_place.end;
        if !self.seen_keys.insert(key.start) {
            return;
        }
        let colon = key.end + self.text[key.end..].find(':').expect("a colon behind the key");
        let site = Site {
            at: join(at, &entry.key),
            span: key.start..span(self.text, &entry.value).end.max(colon + 1),
            around,
            in_flow,
            allowed: allowed.entry(&entry.key),
        };
        for name in misspelt(&entry.key) {
            self.replace(Kind::MisspellKey, &site, key.clone(), &name);
        }
        self.values(&site, &entry.value, colon + 1..site.span.end, " ");
        self.drop_one(&site, all.iter().map(|entry| entry.key_place.start).collect());
        self.duplicate(&site);
        self.misplace(&site, at, false);
        self.indent(&site);
        self.children(&entry.value, &site.allowed, &site.at, key.start);
    }

    fn item(&mut self, all: &[Node], index: usize, allowed: &Allowed, at: &str, around: usize, in_flow: bool) {
        let item = &all[index];
        if !self.seen_items.insert(item.place.start) {
            return;
        }
        let name = |item: &Node| self.text[item.head().start..item.head().end].to_owned();
        let site = Site {
            at: format!("{at}[{}]", name(item)),
            span: span(self.text, item),
            around,
            in_flow,
            allowed: allowed.item(),
        };
        let next = all.get(index + 1).map(|next| (span(self.text, next), name(next)));
        let next = next.filter(|(next, _)| next.start >= site.span.end);
        self.values(&site, item, site.span.clone(), "");
        self.drop_one(&site, all.iter().map(|item| item.place.start).collect());
        self.duplicate(&site);
        self.misplace(&site, at, true);
        if let Some((next, name)) = next {
            self.swap(&site, next, &name);
        }
        self.indent(&site);
        self.children(item, &site.allowed, &site.at, item.head().start);
    }

    /// Other values for `range`, which holds `value`.
    fn values(&mut self, site: &Site, value: &Node, range: Range<usize>, blank: &str) {
        if let Value::String(word) = &value.value
            && word.starts_with(char::is_alphabetic)
        {
            for name in misspelt(word) {
                self.replace(Kind::MisspellValue, site, range.clone(), &format!("{blank}{name}"));
            }
        }
        for wrong in wrong_types(&site.allowed) {
            // Between commas, nothing is no item.
            if wrong.is_empty() && site.in_flow && site.is_item() {
                continue;
            }
            self.replace(Kind::WrongType, site, range.clone(), &format!("{blank}{wrong}"));
        }
        for wrong in out_of_range(&site.allowed) {
            self.replace(Kind::OutOfRange, site, range.clone(), &format!("{blank}{wrong}"));
        }
    }

    /// The whitespace, and perhaps the dash, before `at`, where there is nothing else on the line.
    fn lead(&self, at: usize) -> Option<&'t str> {
        let lead = &self.text[line_start(self.text, at)..at];
        lead.chars().all(|c| c == ' ' || c == '-').then_some(lead)
    }

    /// The edit that takes `site` away.
    fn removal(&self, site: &Site) -> Edit {
        let Range { start, end } = site.span;
        let (before, behind) = (&self.text[..start], &self.text[end..]);
        let range = if site.in_flow {
            // With the comma behind it, or else the one before.
            if behind.trim_start().starts_with(',') {
                let comma = end + behind.find(',').unwrap_or(0) + 1;
                start..comma + self.text[comma..].len() - self.text[comma..].trim_start().len()
            } else if before.trim_end().ends_with(',') {
                before.trim_end().len() - 1..end
            } else {
                start..end
            }
        } else {
            match self.lead(start) {
                Some(lead) if site.is_item() || !lead.contains('-') => {
                    line_start(self.text, start)..next_line(self.text, end)
                }
                // The only key of an item leaves the dash.
                _ => start..end,
            }
        };
        Edit::new(range, "")
    }

    /// What is missing is told where the key around it stands, at its neighbours in a list, or where it was.
    fn drop_one(&mut self, site: &Site, siblings: Vec<usize>) {
        let removal = self.removal(site);
        let (start, whole_lines) = (removal.at.start, removal.at.start < site.span.start && !site.in_flow);
        let edited = apply(self.text, vec![removal]);
        let others: Vec<usize> = siblings.iter().copied().filter(|at| *at != site.span.start).collect();
        let around = if site.around == siblings[0] { others.first().copied().unwrap_or(0) } else { site.around };
        let mut lines = vec![edited.line_of(around)];
        if !whole_lines {
            lines.extend(edited.lines_of_edit(start));
        }
        if site.is_item() {
            let before = others.iter().rfind(|at| **at < site.span.start);
            let behind = others.iter().find(|at| **at > site.span.start);
            lines.extend([before, behind].into_iter().flatten().map(|at| edited.line_of(*at)));
        }
        self.add(Kind::Drop, site, self.text[site.span.clone()].to_owned(), edited, lines);
    }

    fn duplicate(&mut self, site: &Site) {
        let copy = &self.text[site.span.clone()];
        let insertion = if site.in_flow {
            Edit::insert(site.span.end, format!(", {copy}"))
        } else {
            let dash = if site.is_item() { "- " } else { "" };
            let lead = " ".repeat(column(self.text, site.span.start) - dash.len());
            Edit::insert(next_line(self.text, site.span.end), format!("{lead}{dash}{copy}\n"))
        };
        let start = insertion.at.start;
        let edited = apply(self.text, vec![insertion]);
        let first = edited.line_of(site.span.start);
        let lines: Vec<_> = edited.lines_of_edit(start).take(1).chain([first]).collect();
        self.add(Kind::Duplicate, site, String::new(), edited, lines);
    }

    /// Moves a key with its value into the other mappings, an item into the other lists.
    fn misplace(&mut self, site: &Site, from: &str, is_item: bool) {
        let removal = self.removal(site);
        let targets = if is_item { &self.targets.lists } else { &self.targets.mappings };
        let outside = targets.iter().filter(|target| target.at != from && !site.span.contains(&target.span.start));
        let moves: Vec<_> =
            outside.filter_map(|target| Some((self.insertion(site, target)?, target.at.clone()))).collect();
        for (insertion, target) in moves {
            let start = insertion.at.start;
            if removal.at.contains(&start) {
                continue;
            }
            let edited = apply(self.text, vec![removal.clone(), insertion]);
            let lines = edited.lines_of_edit(start);
            let target = if target.is_empty() { "the pipeline" } else { &target };
            self.add(Kind::Misplace, site, format!("in {target}"), edited, lines);
        }
    }

    /// The edit that writes what `site` holds at the beginning of `target`.
    fn insertion(&self, site: &Site, target: &Target) -> Option<Edit> {
        let what = &self.text[site.span.clone()];
        if target.in_flow {
            return (!what.contains('\n')).then(|| Edit::insert(target.span.start + 1, format!("{what}, ")));
        }
        // Before the first key or dash.
        let dash = if site.is_item() { "- " } else { "" };
        let start = line_start(self.text, target.span.start);
        let lead = column(self.text, target.span.start);
        let what = shifted(what, column(self.text, site.span.start), lead + dash.len());
        Some(Edit::insert(start, format!("{}{dash}{what}\n", " ".repeat(lead))))
    }

    fn swap(&mut self, site: &Site, next: Range<usize>, name: &str) {
        let (this, that) = (&self.text[site.span.clone()], &self.text[next.clone()]);
        let edits = vec![Edit::new(site.span.clone(), that), Edit::new(next.clone(), this)];
        let edited = apply(self.text, edits);
        let lines: Vec<_> =
            [site.span.start, next.start].into_iter().flat_map(|start| edited.lines_of_edit(start)).collect();
        self.add(Kind::Swap, site, format!("with {name}"), edited, lines);
    }

    /// The line may become part of the one before it, or take the ones behind it with it.
    fn indent(&mut self, site: &Site) {
        let Some(lead) = self.lead(site.span.start).filter(|_| !site.in_flow) else { return };
        if lead.contains('-') != site.is_item() {
            return;
        }
        let start = line_start(self.text, site.span.start);
        let (block, from) = (&self.text[start..site.span.end], 2);
        for to in [0, 4] {
            if to < from && !block.starts_with("  ") {
                continue;
            }
            let moved = shifted(&format!("\n{block}"), from, to);
            let edited = apply(self.text, vec![Edit::new(start..site.span.end, &moved[1..])]);
            let first = edit::line(&edited.text, start);
            let last = *edited.lines_of_edit(start).end();
            let lines: Vec<_> = (first.saturating_sub(1)..=first).chain([last + 1, last + 2]).collect();
            let what = if to < from { "two columns fewer" } else { "two columns more" };
            self.add(Kind::Indent, site, what.to_owned(), edited, lines);
        }
    }
}
