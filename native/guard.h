// What the C interfaces share. A `tensor` is tch's C_tensor.
// Every fallible function returns 0, or -1 with the message left for shim_error().
#pragma once
#include <ATen/ATen.h>

#include <string>
#include <vector>

using tensor = at::Tensor*;

inline thread_local std::string last_error;

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

inline std::vector<at::Tensor> list(const tensor* p, size_t n) {
  std::vector<at::Tensor> v;
  v.reserve(n);
  for (size_t i = 0; i < n; ++i) v.push_back(*p[i]);
  return v;
}
