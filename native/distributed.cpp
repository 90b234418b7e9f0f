// PyTorch's process groups behind a C interface: a store of keys that all processes see, and the exchange of tensors over
// Gloo. libtorch ships Gloo's code without its headers; gloo_decl/ declares what c10d's own headers name of it.
#include "guard.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/utils/tensor_flatten.h>

namespace {
using Store = c10::intrusive_ptr<c10d::Store>;
using Gloo = c10::intrusive_ptr<c10d::ProcessGroupGloo>;
using Work = c10::intrusive_ptr<c10d::Work>;

Store& store(void* handle) { return *static_cast<Store*>(handle); }
Gloo& group(void* handle) { return *static_cast<Gloo*>(handle); }
std::vector<uint8_t> bytes(const uint8_t* data, size_t n) { return {data, data + n}; }

// Lets `exchange` work on one flat tensor in the host's memory with what `p` holds, and writes the outcome back.
template <class F>
void flat(const tensor* p, size_t n, F&& exchange) {
  at::NoGradGuard no_grad;
  auto all = list(p, n);
  std::vector<at::Tensor> here;
  for (auto& tensor : all) here.push_back(tensor.cpu());
  std::vector<at::Tensor> message{torch::utils::flatten_dense_tensors(here)};
  exchange(message);
  auto back = torch::utils::unflatten_dense_tensors(message[0], here);
  for (size_t i = 0; i < n; ++i) all[i].copy_(back[i]);
}
}  // namespace

extern "C" {

// ---- the store ----

// Connects to the store at `host`; with a `listener` (a socket, else -1) this process keeps it.
int shim_store_open(const char* host, int port, int listener, int64_t timeout_ms, void** out) {
  return guard([&] {
    // What fails is told by this program; c10d's own warnings, as of hosts without a name, are for its developers.
    FLAGS_caffe2_log_level = 2;
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(port);
    options.isServer = listener >= 0;
    if (listener >= 0) options.masterListenFd = listener;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(timeout_ms);
    *out = new Store(c10::make_intrusive<c10d::TCPStore>(host, options));
  });
}

void shim_store_free(void* handle) { delete static_cast<Store*>(handle); }

int shim_store_set(void* handle, const char* key, const uint8_t* data, size_t n) {
  return guard([&] { store(handle)->set(key, bytes(data, n)); });
}

// Sets a key that isn't set yet, and leaves any other alone.
int shim_store_set_once(void* handle, const char* key, const uint8_t* data, size_t n) {
  return guard([&] { store(handle)->compareSet(key, std::vector<uint8_t>{}, bytes(data, n)); });
}

// The value of a key; a null where it isn't set. It lives until this thread's next call.
int shim_store_get(void* handle, const char* key, const uint8_t** data, size_t* n) {
  static thread_local std::vector<uint8_t> value;
  *data = nullptr;
  return guard([&] {
    if (!store(handle)->check({key})) return;
    value = store(handle)->get(key);
    *n = value.size();
    *data = value.empty() ? reinterpret_cast<const uint8_t*>("") : value.data();
  });
}

// ---- the group ----

// Joins the group whose members find each other below `prefix` in the store. They reach this one at the network interface
// `interface`, or where that is empty, at `address`.
int shim_group_open(void* handle, const char* prefix, int rank, int size, const char* interface, const char* address,
                    int64_t timeout_ms, void** out) {
  return guard([&] {
    auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::milliseconds(timeout_ms));
    options->devices.push_back(*interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                          : c10d::ProcessGroupGloo::createDeviceForHostname(address));
    Store below = c10::make_intrusive<c10d::PrefixStore>(prefix, store(handle));
    *out = new Gloo(c10::make_intrusive<c10d::ProcessGroupGloo>(below, rank, size, options));
  });
}

void shim_group_free(void* handle) { delete static_cast<Gloo*>(handle); }

// Adds up the tensors of all members, in place; all of one type, in one message.
int shim_group_sum(void* handle, const tensor* p, size_t n) {
  return guard([&] { flat(p, n, [&](auto& message) { group(handle)->allreduce(message)->wait(); }); });
}

// Gives all members the first one's tensors, in place; all of one type, in one message.
int shim_group_broadcast(void* handle, const tensor* p, size_t n) {
  return guard([&] { flat(p, n, [&](auto& message) { group(handle)->broadcast(message)->wait(); }); });
}

// Begins to add up the tensors of all members; `t`, whose elements lie one behind the other, holds the sum after the wait.
int shim_group_begin_sum(void* handle, const tensor t, void** out) {
  return guard([&] {
    TORCH_CHECK(t->is_contiguous(), "a sum needs elements that lie one behind the other");
    std::vector<at::Tensor> message{t->detach()};
    *out = new Work(group(handle)->allreduce(message));
  });
}

int shim_work_wait(void* handle) {
  return guard([&] { (*static_cast<Work*>(handle))->wait(); });
}

void shim_work_free(void* handle) { delete static_cast<Work*>(handle); }
}
