//! What the commands share: streams, signals, surroundings, a finished run opened again.

use crate::{
    check::{self, Checked, Options, Plan},
    device,
    diagnostic::{Code, Diagnostic, Renderer, Result, Severity, SourceMap},
    distributed::Placement,
    model::{Means, Model, computation, load_weights},
    progress::SourceProgress,
    run::{RunDirectory, RunInfo, Status, store},
    source::{Form, Surroundings},
    spec::{self, Pipeline},
    strategy::Strategy,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How to speak to the user.
#[derive(Clone)]
pub struct Output {
    /// The rank of this process among those at work on a run: what all of them would say, only rank 0 says.
    pub rank: usize,
    pub quiet: bool,
    pub json: bool,
    pub data_directory: Option<PathBuf>,
    pub runs_directory: PathBuf,
}

impl Output {
    /// Prints a diagnostic to stderr.
    pub fn tell(&self, sources: &SourceMap, problem: &Diagnostic) {
        let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let mut renderer = if coloured { Renderer::coloured() } else { Renderer::plain() };
        if let Some((terminal_size::Width(columns), _)) = terminal_size::terminal_size_of(std::io::stderr()) {
            renderer = renderer.width(columns.into());
        }
        if self.rank > 0 {
            eprint!("rank {}: ", self.rank);
        }
        eprintln!("{}\n", renderer.render(sources, problem));
    }

    /// Prints what a check of `file` found; with `quiet`, errors only.
    pub fn tell_all(&self, file: &Path, checked: &Checked) {
        for problem in &checked.problems {
            if !self.quiet || problem.is_error() {
                self.tell(&checked.sources, problem);
            }
        }
        if !checked.is_sound() {
            let errors = checked.count(Severity::Error);
            eprintln!("{}: {errors} {}", file.display(), if errors == 1 { "error" } else { "errors" });
        }
    }

    /// The run that `wanted` names: its directory, or a pipeline's name for its latest run.
    pub fn find_run(&self, wanted: &Path) -> Result<RunDirectory> {
        store::find(&self.runs_directory, wanted)
    }

    /// Checks a pipeline, prints what was found, and says whether it can run.
    pub fn check(&self, file: &Path, options: &Options<'_>) -> Checked {
        let checked = check::check(file, options);
        self.tell_all(file, &checked);
        checked
    }

    /// Calls `use_them` with what sources need.
    pub fn with_surroundings<T>(
        &self,
        data_directory: Option<PathBuf>,
        use_them: impl FnOnce(&Surroundings<'_>) -> T,
    ) -> T {
        let progress = SourceProgress::new(self.quiet);
        use_them(&Surroundings {
            data_directory: data_directory.or_else(|| self.data_directory.clone()),
            cache_directory: Surroundings::default_cache_directory(),
            progress: &|event| progress.show(event),
            stop: stop_flag(),
        })
    }
}

/// Set by the first Ctrl-C, `kill` or lost terminal; the second one ends the process at once.
pub fn stop_flag() -> &'static AtomicBool {
    &SIGNALS.stop
}

/// What has told the program to stop: 2 for Ctrl-C, 15 for `kill`, 1 for a lost terminal; 0 where nothing has.
pub fn stopped_by() -> usize {
    SIGNALS.which.load(Ordering::Relaxed)
}

/// Lets the program end as if this signal had told it to stop: it told another process that is at work on the same run.
pub fn count_as_stopped_by(signal: usize) {
    SIGNALS.which.store(signal, Ordering::Relaxed);
}

/// What finds the run that is under way, for whoever ends the program at once.
pub fn note_run(find: impl Fn() -> Option<PathBuf> + Send + 'static) {
    *RUN_UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(find));
}

type FindRun = Box<dyn Fn() -> Option<PathBuf> + Send>;

static RUN_UNDER_WAY: Mutex<Option<FindRun>> = Mutex::new(None);

/// What is left of a run that isn't complete, and what to do with it: `go on with it: trainyard run --resume DIR`.
pub fn what_is_left(run: &Path) -> Option<String> {
    let directory = RunDirectory::open(run).ok()?;
    let status = directory.read_info().ok()?.status;
    (status != Status::Completed).then(|| match directory.has_checkpoint() {
        true => format!("go on with it: trainyard run --resume {}", run.display()),
        false => format!("what was done so far is in {}; there is no checkpoint yet", run.display()),
    })
}

/// Says what is left, and ends the process: the user doesn't want to wait for the end in order.
fn end_at_once(signal: i32) -> ! {
    let find = RUN_UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
    let left = find.as_ref().and_then(|find| what_is_left(&find()?));
    eprintln!("ended at once{}", left.map(|left| format!("; {left}")).unwrap_or_default());
    device::leave(128 + signal as u8)
}

struct Signals {
    stop: Arc<AtomicBool>,
    which: Arc<AtomicUsize>,
}

static SIGNALS: LazyLock<Signals> = LazyLock::new(|| {
    let signals = Signals { stop: Arc::default(), which: Arc::default() };
    let ignored = ignored_signals();
    let heeded: Vec<i32> =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0).collect();
    heed(&heeded, Placement::read().ok().flatten(), &signals);
    // A file that must not grow is then an error like others, not the end of the process.
    let _ = flag::register(SIGXFSZ, Arc::default());
    signals
});

/// Has the first signal set the flag, and the second one end the process.
///
/// A process among others gets the same signal from the terminal and from whoever started it. Only one that comes later than such
/// a copy would is a second one there. Of those that this program has started itself, their parent tells what is left.
fn heed(heeded: &[i32], placement: Option<Placement>, signals: &Signals) {
    const COPIES: Duration = Duration::from_secs(2);
    let (stop, which) = (signals.stop.clone(), signals.which.clone());
    let has_parent = placement.as_ref().is_some_and(|placement| placement.parent.is_some());
    let gets_copies = placement.is_some_and(|placement| placement.size > 1);
    // Two that come one right behind the other may be one to the thread below, and are two to this counter.
    let count = device::count_signals(heeded);
    let Ok(mut heard) = signal_hook::iterator::Signals::new(heeded) else { return };
    std::thread::spawn(move || {
        let mut first = None;
        for signal in heard.forever() {
            let since = first.get_or_insert_with(Instant::now).elapsed();
            let is_second = if gets_copies { since > COPIES } else { count.load(Ordering::Relaxed) > 1 };
            match is_second {
                true if has_parent => device::leave(128 + signal as u8),
                true => end_at_once(signal),
                false => {
                    which.store(signal as usize, Ordering::Relaxed);
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    });
}

/// The signals that whoever started this process wants it to live through, as `nohup` does: a bit for each, from 1.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.unwrap_or(0)
}

/// Sets libtorch up with the threads that a process of the group computes with: `recorded` where the pipeline leaves them open. Gives
/// their number.
pub fn set_up_threads(pipeline: &Pipeline, recorded: Option<usize>, placement: &Placement) -> usize {
    let threads = pipeline.strategy.threads(pipeline.threads, recorded, placement);
    device::set_up(threads);
    threads
}

/// With what the model of `pipeline` computes in a process so placed; sets its device up for that.
///
/// # Errors
/// Where the device isn't there or cannot be set up.
pub fn set_up_means(pipeline: &Pipeline, optimize: bool, placement: &Placement) -> Result<Means> {
    let device = device::open_for(&pipeline.device, placement.local_rank, placement.local_size)?;
    let means = Means::of(pipeline, device, optimize);
    means.set_up().map_err(|error| computation(&error, "setting up the device"))?;
    Ok(means)
}

/// The resolved pipeline of a run, with `sets` applied last.
///
/// # Errors
/// Where it isn't what a run writes.
pub fn resolved_pipeline(directory: &RunDirectory, sets: &[String]) -> Result<Pipeline> {
    let file = directory.file("resolved.yaml");
    spec::load(&file, sets).pipeline.map(|sound| sound.pipeline).ok_or_else(|| unsound(&file))
}

fn unsound(resolved: &Path) -> Box<Diagnostic> {
    let problem = Diagnostic::error(Code::BAD_RUN, format!("{} isn't what a run writes", resolved.display()));
    Box::new(problem.help("`trainyard check` on that file says more"))
}

/// A finished run with its model.
pub struct OpenedRun {
    pub directory: RunDirectory,
    pub info: RunInfo,
    pub pipeline: Pipeline,
    pub model: Model,
    pub plan: Plan,
    pub threads: usize,
}

/// Opens the run that `wanted` names and its model.
pub fn open_run(wanted: &Path, output: &Output) -> Result<OpenedRun> {
    let directory = output.find_run(wanted)?;
    let info = directory.read_info()?;
    let data_directory = info.provenance.data_directory.clone().map(PathBuf::from);
    let resolved = directory.file("resolved.yaml");
    let checked = check::check(&resolved, &Options::default());
    let plan = match (&info.data, &checked.pipeline) {
        // What only the data tell, such as a table's columns, is known from the run.
        (Some(data), Some(sound)) if checked.plan.is_none() => {
            let form = Form::of_shape(&data.shape);
            form.and_then(|form| Plan::new(&sound.pipeline.model.layers, form).ok())
        }
        (Some(_), _) => checked.plan.clone(),
        (None, _) => output.with_surroundings(data_directory, |s| {
            check::check(&resolved, &Options { surroundings: Some(s), ..Options::default() }).plan
        }),
    };
    let (Some(sound), Some(plan)) = (checked.pipeline, plan) else {
        return Err(unsound(&resolved));
    };
    let weights = directory.file("model.safetensors");
    if !weights.exists() {
        let problem = Diagnostic::error(Code::BAD_RUN, format!("{} has no weights", directory.path().display()));
        return Err(Box::new(problem.help("the run ended before it had trained anything")));
    }
    // What is done with a finished run, one process does.
    let (single, own) = (Strategy::default(), &sound.pipeline.strategy);
    let strategy = if info.provenance.processes > 1 { &single } else { own };
    let threads = strategy.threads(sound.pipeline.threads, None, &Placement::alone());
    device::set_up(threads);
    let means = set_up_means(&sound.pipeline, !info.provenance.passes.is_empty(), &Placement::alone())?;
    let model = Model::new(&sound.pipeline.model.layers, &plan, sound.pipeline.seed, means)
        .map_err(|error| computation(&error, "building the model"))?;
    load_weights(&model, &weights)?;
    Ok(OpenedRun { directory, info, pipeline: sound.pipeline, model, plan, threads })
}
