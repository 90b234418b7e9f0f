// Stands in for NVIDIA's libnccl.so.2 in tests where there is no GPU: the functions that Trainyard asks of it, for tensors in the
// host's memory and members that are processes or threads of one machine. They share a file that is mapped; its name is the id.
//
// Exchanges are done when the call returns, and hang as long as a member stays away, as NCCL's do. A sum whose first number is
// BREAKS comes to its end and leaves an error behind, as where a network fails.
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { success = 0, system_error = 2, internal_error = 3, invalid_argument = 4, remote_error = 6 };
enum { uint8 = 1, int64 = 4, float32 = 7, float64 = 8 };
enum { most = 8, chunk = 1 << 16 };
static const float BREAKS = 31337;

typedef struct {
  char name[128];
} Id;

// What the members share: how many have come, and of each the chunks that it has laid out and taken up, and the last of them.
typedef struct {
  atomic_int joined;
  atomic_long laid_out[most], taken_up[most];
  char data[most][chunk];
} Shared;

typedef struct {
  Shared* shared;
  int rank, size;
  long chunks;
  atomic_int aborted, busy, error;
} Communicator;

static _Thread_local char last[64] = "";

static int failed(int code, const char* why) {
  snprintf(last, sizeof last, "%s", why);
  return code;
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL); }

int ncclGetVersion(int* version) {
  *version = 22809;
  return success;
}

const char* ncclGetErrorString(int code) {
  switch (code) {
    case success: return "no error";
    case system_error: return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case invalid_argument: return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case remote_error: return "remote process exited or there was a network error";
    default: return "internal error - please report this issue to the NCCL developers";
  }
}

const char* ncclGetLastError(Communicator* communicator) {
  (void)communicator;
  return last;
}

int ncclGetUniqueId(Id* id) {
  snprintf(id->name, sizeof id->name, "/tmp/nccl-stand-in-XXXXXX");
  int file = mkstemp(id->name);
  if (file < 0 || ftruncate(file, sizeof(Shared))) return failed(system_error, "no file");
  close(file);
  return success;
}

int ncclCommInitRank(Communicator** out, int size, Id id, int rank) {
  if (size > most || rank < 0 || rank >= size) return failed(invalid_argument, "so many members don't fit");
  int file = open(id.name, O_RDWR);
  if (file < 0) return failed(system_error, "the id is gone");
  Shared* shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (shared == MAP_FAILED) return failed(system_error, "no memory");
  atomic_fetch_add(&shared->joined, 1);
  while (atomic_load(&shared->joined) < size) nap();
  if (rank == 0) unlink(id.name);
  Communicator* own = calloc(1, sizeof *own);
  own->shared = shared;
  own->rank = rank;
  own->size = size;
  *out = own;
  return success;
}

static size_t width(int kind) { return kind == uint8 ? 1 : kind == float32 ? 4 : 8; }

static void add(void* to, const void* from, size_t count, int kind) {
  for (size_t i = 0; i < count; ++i) switch (kind) {
      case uint8: ((unsigned char*)to)[i] += ((const unsigned char*)from)[i]; break;
      case int64: ((long*)to)[i] += ((const long*)from)[i]; break;
      case float32: ((float*)to)[i] += ((const float*)from)[i]; break;
      default: ((double*)to)[i] += ((const double*)from)[i];
    }
}

// Waits until all members have come to so many.
static int wait_for(Communicator* own, atomic_long* counts, long number) {
  for (int rank = 0; rank < own->size; ++rank)
    while (atomic_load(&counts[rank]) < number) {
      if (atomic_load(&own->aborted)) return failed(internal_error, "aborted");
      nap();
    }
  return success;
}

// Lays out chunk after chunk, and takes up the sum of all members', or where there is one, that of `root`.
static int exchange(Communicator* own, const char* from, char* to, size_t count, int kind, int root) {
  size_t each = chunk / width(kind);
  for (size_t start = 0; start < count; start += each) {
    size_t part = count - start < each ? count - start : each;
    long number = ++own->chunks;
    Shared* shared = own->shared;
    if (wait_for(own, shared->taken_up, number - 1)) return internal_error;
    memcpy(shared->data[own->rank], from + start * width(kind), part * width(kind));
    atomic_store(&shared->laid_out[own->rank], number);
    if (wait_for(own, shared->laid_out, number)) return internal_error;
    char* place = to + start * width(kind);
    memcpy(place, shared->data[root < 0 ? 0 : root], part * width(kind));
    for (int rank = 1; root < 0 && rank < own->size; ++rank) add(place, shared->data[rank], part, kind);
    atomic_store(&shared->taken_up[own->rank], number);
  }
  return success;
}

static int busily(Communicator* own, const void* from, void* to, size_t count, int kind, int root) {
  if (kind != uint8 && kind != int64 && kind != float32 && kind != float64) return failed(invalid_argument, "no such kind");
  atomic_fetch_add(&own->busy, 1);
  int outcome = exchange(own, from, to, count, kind, root);
  atomic_fetch_sub(&own->busy, 1);
  return outcome;
}

int ncclAllReduce(const void* from, void* to, size_t count, int kind, int op, Communicator* own, void* stream) {
  if (op != 0 || stream) return failed(invalid_argument, "only sums, and no streams");
  if (kind == float32 && count && *(const float*)from == BREAKS) atomic_store(&own->error, remote_error);
  return busily(own, from, to, count, kind, -1);
}

int ncclBroadcast(const void* from, void* to, size_t count, int kind, int root, Communicator* own, void* stream) {
  if (stream) return failed(invalid_argument, "no streams");
  return busily(own, from, to, count, kind, root);
}

int ncclCommGetAsyncError(Communicator* own, int* error) {
  *error = atomic_load(&own->error);
  if (*error) failed(*error, "the cable was pulled");
  return success;
}

int ncclCommDestroy(Communicator* own) {
  munmap(own->shared, sizeof(Shared));
  free(own);
  return success;
}

int ncclCommAbort(Communicator* own) {
  atomic_store(&own->aborted, 1);
  while (atomic_load(&own->busy)) nap();
  return ncclCommDestroy(own);
}
