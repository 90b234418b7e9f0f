// What tch does not expose of gradients: calls when a leaf has got its own, and putting one there.
#include "guard.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace {
// Calls Rust with the gradient that a leaf has got. `drop` is called in the end.
struct Listener final : torch::autograd::PostAccumulateGradHook {
  void* closure;
  void (*call)(void*, tensor);
  void (*drop)(void*);

  ~Listener() override { drop(closure); }

  void operator()(const torch::autograd::Variable& leaf) override {
    at::Tensor gradient = leaf.grad();
    call(closure, &gradient);
  }
};
}  // namespace

extern "C" {

// From now on `call` gets every gradient of `leaf` on the way back, once it is complete. The closure is this function's from the
// beginning, also where it fails.
int shim_listen_to_gradient(const tensor leaf, void* closure, void (*call)(void*, tensor), void (*drop)(void*)) {
  auto listener = std::make_unique<Listener>();
  listener->closure = closure;
  listener->call = call;
  listener->drop = drop;
  return guard([&] { torch::autograd::impl::set_post_acc_grad_hooks(*leaf, std::move(listener)); });
}

// Nobody listens any more.
int shim_leave_gradient(const tensor leaf) {
  return guard([&] { torch::autograd::impl::set_post_acc_grad_hooks(*leaf, nullptr); });
}

// Makes `gradient` that of a leaf, without a copy.
int shim_set_gradient(const tensor leaf, const tensor gradient) {
  return guard([&] { leaf->mutable_grad() = *gradient; });
}
}
