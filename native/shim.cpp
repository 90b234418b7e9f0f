// What tch does not expose, behind a C interface. A `tensor` is tch's C_tensor.
// Every fallible function returns 0, or -1 with the message left for shim_error().
#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/headeronly/version.h>

#include <cstring>
#include <map>
#include <mutex>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

using tensor = at::Tensor*;

namespace {
thread_local std::string last_error;

template <class F>
int guard(F&& f) {
  try {
    f();
    return 0;
  } catch (const c10::Error& e) {
    last_error = e.what_without_backtrace();
  } catch (const std::exception& e) {
    last_error = e.what();
  } catch (...) {
    last_error = "unknown C++ exception";
  }
  return -1;
}

std::vector<at::Tensor> list(const tensor* p, size_t n) {
  std::vector<at::Tensor> v;
  v.reserve(n);
  for (size_t i = 0; i < n; ++i) v.push_back(*p[i]);
  return v;
}

// tch's number of a device that isn't the processor: -2 is Apple's, from 0 on they are CUDA's.
at::Device device_of(int code) {
  if (code == -2) return at::Device(at::kMPS, 0);
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(code));
}

// Nobody hears what libtorch warns of while this is there.
struct Silence final : c10::WarningHandler {
  c10::WarningUtils::WarningHandlerGuard guard{this};
  void process(const c10::Warning&) override {}
};

// The way back of an operation that Rust computes. `call` gets the closure and the gradient of the output, writes one
// gradient an input (or null) and returns null, or what went wrong; `drop` is called in the end.
struct Closure final : torch::autograd::Node {
  void* closure;
  const char* (*call)(void*, tensor, tensor*);
  void (*drop)(void*);
  size_t inputs;

  ~Closure() override { drop(closure); }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    torch::autograd::variable_list results(inputs);
    if (!gradients[0].defined()) return results;
    std::vector<tensor> raw(inputs, nullptr);
    if (const char* message = call(closure, &gradients[0], raw.data())) throw std::runtime_error(message);
    for (size_t i = 0; i < inputs; ++i)
      if (raw[i]) {
        results[i] = std::move(*raw[i]);
        delete raw[i];
      }
    return results;
  }
};
}  // namespace

extern "C" {

const char* shim_error() { return last_error.c_str(); }

// The version of the headers that this was compiled with, such as "2.11.0".
const char* shim_torch_version() { return TORCH_VERSION; }

// The vector instructions that libtorch's own kernels were dispatched to, such as "AVX512".
const char* shim_cpu_capability() {
  static const std::string name = at::get_cpu_capability();
  return name.c_str();
}

// One Adam step in place, as torch.optim.Adam(fused=True) makes it. `step` holds one float32 count a tensor.
int shim_fused_adam(const tensor* p, const tensor* g, const tensor* m, const tensor* v,
                    const tensor* step, size_t n, double lr, double beta_1, double beta_2, double eps) {
  return guard([&] {
    at::NoGradGuard no_grad;
    auto P = list(p, n), G = list(g, n), M = list(m, n), V = list(v, n), S = list(step, n);
    at::_fused_adam_(P, G, M, V, {}, S, lr, beta_1, beta_2, 0.0, eps, false, false);
  });
}

// Makes `output`, which was computed outside of autograd, depend on `inputs`: on the way back `call` gives their gradients.
// The closure is this function's from the beginning, also where it fails.
int shim_differentiable(const tensor output, const tensor* inputs, size_t n, void* closure,
                        const char* (*call)(void*, tensor, tensor*), void (*drop)(void*)) {
  auto node = std::shared_ptr<Closure>(new Closure(), torch::autograd::deleteNode);
  node->closure = closure;
  node->call = call;
  node->drop = drop;
  node->inputs = n;
  return guard([&] {
    node->set_next_edges(torch::autograd::collect_next_edges(list(inputs, n)));
    torch::autograd::set_history(*output, std::move(node));
  });
}

// The gradient of the kernel of a convolution of stride 1, whose output has the gradient `gradient`.
tensor shim_kernel_gradient(const tensor gradient, const tensor input, const tensor kernel, int64_t padding) {
  tensor result = nullptr;
  guard([&] {
    auto all = at::convolution_backward(*gradient, *input, *kernel, {}, {1, 1}, {padding, padding}, {1, 1}, false,
                                        {0, 0}, 1, {false, true, false});
    result = new at::Tensor(std::get<1>(all));
  });
  return result;
}

// Whether autograd records what is computed on this thread.
int shim_is_recording() { return at::GradMode::is_enabled(); }

// Forgets the gradient of a leaf, so that the next one takes its place instead of being added to zeros.
int shim_forget_gradient(const tensor leaf) {
  return guard([&] { leaf->mutable_grad().reset(); });
}

// What computations on CUDA devices may do: with `deterministic`, equal ones give equal bits, and an operator that cannot do
// so fails; else the fastest algorithms are measured. With `tf32`, factors of 32 bits are rounded to 19 of them.
int shim_set_up_cuda(int deterministic, int tf32) {
  return guard([&] {
    Silence silence;  // these setters are old, and the only ones that set everything that belongs together
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(deterministic, false);
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicCuDNN(deterministic);
    context.setBenchmarkCuDNN(!deterministic);
    context.setAllowTF32CuDNN(tf32);
    context.setAllowTF32CuBLAS(tf32);
  });
}

// Bytes of a device's memory: free and all of it, and the most that tensors and libtorch's own reserve had since the last
// shim_forget_peak.
int shim_memory(int device, uint64_t* free, uint64_t* total, uint64_t* most_used, uint64_t* most_reserved) {
  return guard([&] {
    auto place = device_of(device);
    at::globalContext().lazyInitDevice(place.type());
    auto* allocator = c10::getDeviceAllocator(place.type());
    std::tie(*free, *total) = allocator->getMemoryInfo(place.index());
    auto stats = allocator->getDeviceStats(place.index());
    auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    *most_used = stats.allocated_bytes[all].peak;
    *most_reserved = stats.reserved_bytes[all].peak;
  });
}

int shim_forget_peak(int device) {
  return guard([&] {
    auto place = device_of(device);
    at::globalContext().lazyInitDevice(place.type());
    c10::getDeviceAllocator(place.type())->resetPeakStats(place.index());
  });
}

// Lets a device's own random numbers begin anew.
int shim_reseed(int device, uint64_t seed) {
  return guard([&] {
    auto generator = at::globalContext().defaultGenerator(device_of(device));
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_current_seed(seed);
  });
}

// A tensor on a CUDA device with what lies at `data`, which may go as soon as this returns. The copy has a stream of its own,
// so that it is made beside what the device has still to compute.
tensor shim_upload(const void* data, const int64_t* size, size_t dimensions, int kind, int device) {
  tensor result = nullptr;
  guard([&] {
    auto place = device_of(device);
    at::globalContext().lazyInitDevice(place.type());
    auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(kind)).pinned_memory(true);
    auto pinned = at::empty(at::IntArrayRef(size, dimensions), options);
    if (pinned.nbytes() > 0) std::memcpy(pinned.data_ptr(), data, pinned.nbytes());
    c10::impl::VirtualGuardImpl streams(place.type());
    thread_local std::map<c10::DeviceIndex, c10::Stream> copies;
    auto own = copies.find(place.index());
    if (own == copies.end()) own = copies.emplace(place.index(), streams.getStreamFromGlobalPool(place)).first;
    auto computing = streams.getStream(place);
    at::Tensor there;
    {
      c10::StreamGuard on(own->second);
      there = pinned.to(place, pinned.scalar_type(), /*non_blocking=*/true);
      c10::Event copied(place.type());
      copied.record(own->second);
      copied.block(computing);
    }
    there.record_stream(computing);
    result = new at::Tensor(std::move(there));
  });
  return result;
}

// A copy in the host's memory, which is whole once an event that is recorded from now on has come.
tensor shim_download(const tensor there) {
  tensor result = nullptr;
  guard([&] { result = new at::Tensor(there->detach().to(at::Device(at::kCPU), there->scalar_type(), /*non_blocking=*/true)); });
  return result;
}

// An event behind all that the device was told so far.
c10::Event* shim_event(int device) {
  c10::Event* event = nullptr;
  guard([&] {
    auto place = device_of(device);
    auto recorded = std::make_unique<c10::Event>(place.type());
    recorded->record(c10::impl::VirtualGuardImpl(place.type()).getStream(place));
    event = recorded.release();
  });
  return event;
}

// Waits for an event.
int shim_wait(const c10::Event* event) {
  return guard([&] { event->synchronize(); });
}

void shim_forget_event(c10::Event* event) { delete event; }
}
