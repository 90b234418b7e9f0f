//! Finds libtorch where torch-sys found it, compiles `native/` against it, and tells the linker
//! where the libraries will lie at run time, so that the binary needs no environment variable. Tells the program the
//! commit that it is built from.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the program is made of, as git's paths.
const SOURCES: [&str; 7] = ["src", "templates", "assets", "native", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");

    // torch-sys declares `links = "tch"`, which hands its directory to its direct dependents.
    let lib = env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys tells where libtorch lies");
    let lib = PathBuf::from(&lib)
        .canonicalize()
        .unwrap_or_else(|_| panic!("no libtorch in {lib}: run scripts/fetch-libtorch"));
    compile_shim(&lib);

    // There libtorch's part for CUDA is looked for, too: nothing refers to it by symbol, and the program loads it only where a
    // GPU is to compute.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    println!("cargo:rustc-env=TRAINYARD_COMMIT={}", commit().unwrap_or_default());
}

/// Compiles the shims, unless what they are made of is what it was: this file runs whenever the program is built.
fn compile_shim(lib: &Path) {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo names it"));
    // This file says how.
    let mut made_of = fs::read_to_string("build.rs").expect("a file of the repository");
    add_texts(Path::new("native"), &mut made_of);
    for name in ["CXX", "CXXFLAGS", "TARGET", "OPT_LEVEL", "DEBUG"] {
        println!("cargo:rerun-if-env-changed={name}");
        made_of += &format!("{name} {}\n", env::var(name).unwrap_or_default());
    }
    made_of += &format!("{} {:?}\n", lib.display(), lib.metadata().and_then(|lib| lib.modified()).ok());
    let (library, stamp) = (out.join("libshim.a"), out.join("shim.stamp"));
    if !library.exists() || fs::read_to_string(&stamp).ok().as_ref() != Some(&made_of) {
        let include = lib.parent().expect("a lib directory has a parent").join("include");
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .warnings(false)
            .flag("-isystem")
            .flag(include.to_str().expect("a path in UTF-8"))
            .flag("-isystem")
            .flag(include.join("torch/csrc/api/include").to_str().expect("a path in UTF-8"))
            // c10d's headers hide what they declare of Gloo without these.
            .define("USE_DISTRIBUTED", None)
            .define("USE_C10D_GLOO", None)
            .include("native/gloo_decl")
            .file("native/accelerator.cpp")
            .file("native/shim.cpp")
            .file("native/distributed.cpp")
            .file("native/gradient.cpp")
            .cargo_metadata(false)
            .compile("shim");
        fs::write(&stamp, made_of).expect("cargo's directory can be written to");
    }
    let standard = if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos") { "c++" } else { "stdc++" };
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=static=shim");
    println!("cargo:rustc-link-lib={standard}");
}

/// Adds the texts of all files below `directory`.
fn add_texts(directory: &Path, texts: &mut String) {
    let entries = fs::read_dir(directory).expect("a directory of the repository");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        match path.is_dir() {
            true => add_texts(&path, texts),
            false => *texts += &fs::read_to_string(path).expect("a file of the repository"),
        }
    }
}

/// The commit of this directory, with `-dirty` where what the program is made of has changes; nothing where this is no
/// repository of its own, as where it came as an archive.
fn commit() -> Option<String> {
    for source in SOURCES {
        watch(Path::new(source));
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").env("GIT_OPTIONAL_LOCKS", "0").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let here = env::current_dir().ok()?.canonicalize().ok()?;
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()? != here {
        return None;
    }
    // While the program is developed, it isn't built anew for a commit of what was built already.
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists());
        log.iter().for_each(|log| println!("cargo:rerun-if-changed={log}"));
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let status = [&["status", "--porcelain", "--untracked-files=no", "--"], &SOURCES[..]].concat();
    Some(if git(&status)?.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// Has this file run again where a source changes; what tests write beside them doesn't count.
fn watch(path: &Path) {
    if path.is_file() && path.extension().is_some_and(|extension| extension != "snap" && extension != "new") {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        watch(&entry.path());
    }
}
