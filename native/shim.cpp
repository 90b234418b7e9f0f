// What tch does not expose, behind a C interface.
#include "guard.h"

#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/headeronly/version.h>

namespace {
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
}
