//! Several processes, each with a copy of the model and a share of every batch.

use super::{Count, StrategyDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Several processes train together: each has the whole model and computes with its share of every batch; the gradients are
/// added up. `batch` in the pipeline is the global batch, as with tf.distribute: all processes together see so many examples
/// before a step. `trainyard run` starts the processes on this machine; started by torchrun or srun, it joins those that are
/// there, on any number of machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-bare" = "processes", "x-known-as" = ["mirrored", "MirroredStrategy", "MultiWorkerMirroredStrategy", "ddp", "DistributedDataParallel"], "examples" = [{"processes": 2}, {"processes": 4, "threads_per_process": 8, "timeout": 120}]))]
pub struct DataParallel {
    /// How many processes. `auto` is as many as torchrun or srun started; else one for each accelerator, and on a processor
    /// the processors divided by `threads_per_process` where that is given, else one for each of the machine's memory nodes
    /// (its sockets, most often). Another number gives other last digits.
    #[serde(default)]
    #[schemars(extend("x-known-as" = ["world_size", "nproc_per_node", "num_replicas", "devices"], "examples" = [2, "auto"]))]
    pub processes: Count,
    /// The threads that each process computes with. `auto` divides the pipeline's `threads` among the processes of a machine;
    /// what OMP_NUM_THREADS says, which torchrun sets to 1, doesn't matter.
    #[serde(default)]
    #[schemars(extend("examples" = ["auto", 4]))]
    pub threads_per_process: Count,
    /// What carries the gradients from process to process. `auto` is `nccl` where each process has an NVIDIA GPU of its own and the
    /// library is there, which libtorch with CUDA brings; else it is `gloo`.
    #[serde(default)]
    pub backend: Backend,
    /// How many seconds a process waits for the others, when they meet and in every exchange, before it gives up. One that dies
    /// is noticed at once; this is for one that hangs.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 1, max = 86400), extend("x-expected" = "a whole number of seconds from 1 to 86400", "examples" = [60]))]
    pub timeout: u64,
}

fn five_minutes() -> u64 {
    300
}

impl Default for DataParallel {
    fn default() -> Self {
        DataParallel {
            processes: Count::Auto,
            threads_per_process: Count::Auto,
            backend: Backend::Auto,
            timeout: five_minutes(),
        }
    }
}

/// What carries tensors from process to process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// What suits the device.
    #[default]
    Auto,
    /// TCP, by way of the processor's memory. Processes may share a GPU.
    Gloo,
    /// From GPU to GPU, by NVIDIA's library. With `processes: 1`, too, what that process computes goes through it.
    Nccl,
}

impl StrategyDefinition for DataParallel {
    fn data_parallel(&self) -> Option<&DataParallel> {
        Some(self)
    }
}
