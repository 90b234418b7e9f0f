//! Finds libtorch where torch-sys found it, compiles `native/shim.cpp` against it, and tells the linker
//! where the libraries will lie at run time, so that the binary needs no environment variable.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=native/shim.cpp");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");

    // torch-sys declares `links = "tch"`, which hands its directory to its direct dependents.
    let lib = env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys tells where libtorch lies");
    let lib = PathBuf::from(&lib)
        .canonicalize()
        .unwrap_or_else(|_| panic!("no libtorch in {lib}: run scripts/fetch-libtorch"));
    let include = lib.parent().expect("a lib directory has a parent").join("include");

    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .flag("-isystem")
        .flag(include.to_str().expect("a path in UTF-8"))
        .file("native/shim.cpp")
        .compile("shim");

    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    // Nothing refers to libtorch_cuda by symbol: its kernels register themselves when it is loaded.
    if lib.join("libtorch_cuda.so").exists() {
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch_cuda,--as-needed");
    }
}
