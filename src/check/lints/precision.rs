//! Whether the numbers that are computed with suit what computes.

use crate::{
    device,
    diagnostic::{Code, Diagnostic},
    layer::Precision,
    path,
    spec::load::Sound,
};

/// Reports what the pipeline's own `device` decides.
pub(super) fn lint(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    let (precision, device) = (sound.tree.place_of(path!["precision"]), sound.tree.place_of(path!["device"]));
    let named = pipeline.device.as_str();
    match pipeline.precision {
        Precision::MixedFloat16 if named == "cpu" => {
            problems.push(for_gpus().at(precision, SLOWER).at(device, "named here"));
        }
        rounded if rounded.is_for_tensor_cores() && matches!(named, "cpu" | "mps") => problems.push(
            Diagnostic::warning(Code::NO_EFFECT, format!("`tensor_float32` is `float32` with `device: {named}`"))
                .at(precision, "only GPUs of NVIDIA's compute so")
                .at(device, "and none is to compute")
                .help("leave `precision` out, or write `device: auto`"),
        ),
        _ => {}
    }
}

/// Reports what turns out only on this machine.
pub(super) fn lint_for_machine(sound: &Sound, problems: &mut Vec<Diagnostic>) {
    let pipeline = &sound.pipeline;
    let place = sound.tree.place_of(path!["precision"]);
    let falls_to_processor = pipeline.device != "cpu" && device::is_processor(&pipeline.device);
    match pipeline.precision {
        Precision::MixedBfloat16 if !device::multiplies_bfloat16(&pipeline.device) => problems.push(
            Diagnostic::warning(Code::SLOW_PRECISION, "this processor has no instructions for bfloat16")
                .at(place, SLOWER)
                .help("leave `precision` out, or run it where `lscpu` names avx512_bf16 or amx_bf16"),
        ),
        Precision::MixedFloat16 if falls_to_processor => problems.push(for_gpus().at(place, SLOWER)),
        rounded if rounded.is_for_tensor_cores() && falls_to_processor => problems.push(
            Diagnostic::note(Code::NO_EFFECT, "`tensor_float32` is `float32` here: there is no GPU of NVIDIA's")
                .at(place, "on a GPU it gives other numbers, and faster"),
        ),
        _ => {}
    }
}

const SLOWER: &str = "it computes so, but slower than with `float32`";

fn for_gpus() -> Diagnostic {
    Diagnostic::warning(Code::SLOW_PRECISION, "`mixed_float16` is for GPUs, and a processor is to compute")
        .help("`mixed_bfloat16` is what processors may have instructions for")
}
