// What devices other than the processors are asked for, behind a C interface.
#include "guard.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

namespace {
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
}  // namespace

extern "C" {

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

// What is copied faster than streams are told to wait for each other.
constexpr size_t few_bytes = 1 << 20;

// A tensor on a CUDA device with what lies at `data`, which may go as soon as this returns. A large copy has a stream of its
// own, so that it is made beside what the device has still to compute.
tensor shim_upload(const void* data, const int64_t* size, size_t dimensions, int kind, int device) {
  tensor result = nullptr;
  guard([&] {
    auto place = device_of(device);
    at::globalContext().lazyInitDevice(place.type());
    auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(kind)).pinned_memory(true);
    auto pinned = at::empty(at::IntArrayRef(size, dimensions), options);
    if (pinned.nbytes() > 0) std::memcpy(pinned.data_ptr(), data, pinned.nbytes());
    if (pinned.nbytes() <= few_bytes) {
      result = new at::Tensor(pinned.to(place, pinned.scalar_type(), /*non_blocking=*/true));
      return;
    }
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

// Puts an event, or a new one where `event` is null, behind all that the device was told so far.
c10::Event* shim_event(c10::Event* event, int device) {
  std::unique_ptr<c10::Event> recorded(event);
  int failed = guard([&] {
    auto place = device_of(device);
    if (!recorded) recorded = std::make_unique<c10::Event>(place.type());
    recorded->record(c10::impl::VirtualGuardImpl(place.type()).getStream(place));
  });
  return failed ? nullptr : recorded.release();
}

// Waits for an event.
int shim_wait(const c10::Event* event) {
  return guard([&] { event->synchronize(); });
}

void shim_forget_event(c10::Event* event) { delete event; }

// ---- a stream beside that on which the device computes ----

c10::Stream* shim_stream(int device) {
  c10::Stream* result = nullptr;
  guard([&] {
    auto place = device_of(device);
    at::globalContext().lazyInitDevice(place.type());
    c10::impl::VirtualGuardImpl streams(place.type());
    result = new c10::Stream(streams.getStreamFromGlobalPool(place, /*isHighPriority=*/true));
  });
  return result;
}

void shim_forget_stream(c10::Stream* stream) { delete stream; }

// Lets `call` put work with what lies in `t` on the stream, whose handle it gets: it begins once the device has done all that it was
// told so far. Gives the event of its end.
c10::Event* shim_beside(const c10::Stream* stream, const tensor t, void* closure, void (*call)(void*, void*)) {
  std::unique_ptr<c10::Event> end;
  int failed = guard([&] {
    auto place = stream->device();
    c10::DeviceGuard on(place);
    c10::impl::VirtualGuardImpl streams(place.type());
    c10::Event told(place.type());
    told.record(streams.getStream(place));
    told.block(*stream);
    // Whoever frees the tensor frees it for what comes behind this.
    t->record_stream(*stream);
    call(closure, stream->native_handle());
    end = std::make_unique<c10::Event>(place.type());
    end->record(*stream);
  });
  return failed ? nullptr : end.release();
}

// Has what the device is told from now on wait for an event; the host doesn't.
int shim_hold_back(const c10::Event* event) {
  return guard([&] {
    c10::impl::VirtualGuardImpl streams(event->device_type());
    event->block(streams.getStream(event->device()));
  });
}

// Whether an event has come.
int shim_has_come(const c10::Event* event, int* answer) {
  return guard([&] { *answer = event->query(); });
}

// The device that libraries find when they are called on this thread.
int shim_use_device(int device) {
  return guard([&] {
    auto place = device_of(device);
    at::globalContext().lazyInitDevice(place.type());
    c10::impl::VirtualGuardImpl(place.type()).setDevice(place);
  });
}
}
