//! `trainyard new`

use super::{Ending, context::Output};
use crate::diagnostic::{Code, Diagnostic, Result, SourceMap, io_error};
use clap::ValueEnum;
use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::Path,
};

/// `trainyard new [NAME]`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  trainyard new\n  trainyard new birds --template image-folder")]
pub struct Arguments {
    /// What to call it: NAME.yaml is written. By default the template's name.
    name: Option<String>,
    /// What to begin from.
    #[arg(long, default_value = "digits")]
    template: Template,
    /// List the templates, and write nothing.
    #[arg(long)]
    list: bool,
}

/// A commented pipeline to begin from.
#[derive(Clone, Copy, ValueEnum)]
enum Template {
    /// Handwritten digits that come with the program; trains in seconds.
    Digits,
    /// CIFAR-10, which is downloaded.
    Cifar10,
    /// Image files of your own, in one folder for each class.
    ImageFolder,
    /// Rows of a CSV or parquet file of your own.
    Table,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Template::Digits => include_str!("../../templates/pipelines/digits.yaml"),
            Template::Cifar10 => include_str!("../../templates/pipelines/cifar10.yaml"),
            Template::ImageFolder => include_str!("../../templates/pipelines/image-folder.yaml"),
            Template::Table => include_str!("../../templates/pipelines/table.yaml"),
        }
    }

    /// Its name, and what it is for.
    fn described(self) -> (String, String) {
        let value = self.to_possible_value().expect("no template is hidden");
        (value.get_name().to_owned(), value.get_help().map(ToString::to_string).unwrap_or_default())
    }

    /// The command to go on with.
    fn next(self, file: &str) -> String {
        match self {
            Template::Digits | Template::Cifar10 => format!("trainyard run {file}"),
            // There is something to fill in, and the data are yet to be found.
            Template::ImageFolder | Template::Table => format!("trainyard check --deep {file}"),
        }
    }
}

/// Where a schema is looked for, from the pipeline's directory.
const SCHEMAS: [&str; 3] = ["pipeline.schema.json", "schemas/pipeline.schema.json", "../schemas/pipeline.schema.json"];

/// Writes a pipeline into the current directory, or lists what there is.
pub fn new(arguments: &Arguments, output: &Output) -> Result<Ending> {
    if arguments.list {
        list(output);
        return Ok(Ending::Done);
    }
    let template = arguments.template;
    let (template_name, _) = template.described();
    let name = arguments.name.as_deref().unwrap_or(&template_name);
    let stem = name.strip_suffix(".yaml").unwrap_or(name);
    if let Err(problem) = refuse_odd(stem) {
        output.tell(&SourceMap::default(), &problem);
        return Ok(Ending::Invalid);
    }
    let file = format!("{stem}.yaml");
    write_new(Path::new(&file), &content(template))?;
    let next = template.next(&file);
    if output.json {
        let result = serde_json::json!({ "written": file, "template": template_name, "next": next });
        println!("{}", serde_json::to_string_pretty(&result).expect("plain data"));
    } else {
        println!("wrote {file}");
        if !output.quiet {
            println!("next: {next}");
        }
    }
    Ok(Ending::Done)
}

fn list(output: &Output) {
    let all = Template::value_variants().iter().map(|template| template.described());
    if output.json {
        let all: Vec<_> =
            all.map(|(name, about)| serde_json::json!({ "template": name, "description": about })).collect();
        println!("{}", serde_json::to_string_pretty(&all).expect("plain data"));
    } else {
        all.for_each(|(name, about)| println!("{name:<12}  {about}"));
    }
}

/// A name is a pipeline's: a file and the directory of its runs are called by it.
fn refuse_odd(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.len() <= 100 && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let problem = Diagnostic::error(Code::INVALID_VALUE, format!("`{name}` cannot be a pipeline's name")).fact(
        "a name consists of at most 100 letters of ASCII, digits, `.`, `_` and `-`, and begins with a letter or digit",
    );
    Err(Box::new(if name.contains(['/', '\\']) {
        problem.help("the file is written into the current directory: change there first, and give the name alone")
    } else {
        problem.help("for example `trainyard new my-digits`")
    }))
}

/// The template, with what an editor needs where a schema lies near.
fn content(template: Template) -> String {
    match SCHEMAS.iter().find(|schema| Path::new(schema).is_file()) {
        Some(schema) => format!("# yaml-language-server: $schema={schema}\n{}", template.text()),
        None => template.text().to_owned(),
    }
}

/// Writes a file that wasn't there.
fn write_new(file: &Path, content: &str) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(content.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Box::new(
            Diagnostic::error(Code::IO, format!("{} is there already, and stays as it is", file.display()))
                .help("give another name, as in `trainyard new NAME`, or remove the file"),
        ),
        _ => io_error("write", file, &error),
    })
}
