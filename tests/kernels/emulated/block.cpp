// Blocks of the emulated GPU: each thread on a stack of its own, warp by warp, until all wait at a barrier or are done.
#include "tests/kernels/emulated/block.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

// Saves what a function must keep, puts the stack pointer where the first argument says, goes on at the second.
extern "C" void steergrid_switch_stack(void** from, void* to);
asm(R"(
.text
.globl steergrid_switch_stack
.type steergrid_switch_stack, @function
steergrid_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size steergrid_switch_stack, .-steergrid_switch_stack
)");

namespace steergrid::emulated {
namespace {

enum class State { Ready, AtWarp, AtBlock, Done };

struct Thread {
  static constexpr std::size_t kStack = std::size_t{64} << 10;
  std::unique_ptr<std::byte[]> stack;
  void* saved = nullptr;
  State state = State::Done;
  unsigned shows = 0;
  dim3 index;
};

/// Two sets of what lanes show: one is written while the other may still be read.
using Warp = std::array<std::array<Shown, 32>, 2>;

std::vector<Thread> threads;
std::vector<Warp> warps;
Thread* running = nullptr;
void* scheduler = nullptr;
const std::function<void()>* the_body = nullptr;
alignas(16) std::array<std::byte, kMostShared> shared;

[[noreturn]] void broken(const char* name, const char* why) {
  std::fprintf(stderr, "emulated GPU: kernel %s: %s\n", name, why);
  std::abort();
}

void stop(State why) {
  running->state = why;
  steergrid_switch_stack(&running->saved, scheduler);
}

void live() {
  for (;;) {
    (*the_body)();
    stop(State::Done);
  }
}

void prepare(Thread& t) {
  if (t.stack) return;
  t.stack = std::make_unique<std::byte[]>(Thread::kStack);
  auto top = reinterpret_cast<std::uintptr_t>(t.stack.get() + Thread::kStack) & ~std::uintptr_t{15};
  auto** at = reinterpret_cast<void**>(top) - 2;
  *at = reinterpret_cast<void*>(&live);  // where `ret` goes; six saved registers below
  t.saved = at - 6;
  for (void** word = at - 6; word < at; ++word) *word = nullptr;
}

void go_on(Thread& t) {
  running = &t;
  threadIdx = t.index;
  steergrid_switch_stack(&scheduler, t.saved);
}

/// Runs one warp until all its lanes wait for the block or are done; returns which.
State run_warp(const char* name, Thread* lanes) {
  for (;;) {
    for (int i = 0; i < 32; ++i)
      if (lanes[i].state == State::Ready) go_on(lanes[i]);
    for (int i = 1; i < 32; ++i)
      if (lanes[i].state != lanes[0].state) broken(name, "lanes of a warp wait at different barriers");
    if (lanes[0].state != State::AtWarp) return lanes[0].state;
    for (int i = 0; i < 32; ++i) lanes[i].state = State::Ready;
  }
}

void run_block(const char* name, std::size_t n, bool backwards) {
  for (std::size_t i = 0; i < n; ++i) threads[i].state = State::Ready;
  const std::size_t n_warps = n / 32;
  for (;;) {
    State all = State::Done;
    for (std::size_t i = 0; i < n_warps; ++i) {
      const State state = run_warp(name, &threads[(backwards ? n_warps - 1 - i : i) * 32]);
      if (i > 0 && state != all) broken(name, "warps of a block wait at different barriers");
      all = state;
    }
    if (all == State::Done) return;
    for (std::size_t i = 0; i < n; ++i) threads[i].state = State::Ready;
  }
}

}  // namespace

void wait_block() { stop(State::AtBlock); }

const Shown* show(const Shown& mine) {
  const auto at = static_cast<std::size_t>(running - threads.data());
  auto& set = warps[at / 32][running->shows++ % 2];
  set[at % 32] = mine;
  stop(State::AtWarp);
  return set.data();
}

void* shared_memory() { return shared.data(); }

void run_grid(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& body) {
  static unsigned launches = 0;
  const std::size_t n = std::size_t{block.x} * block.y * block.z;
  if (n % 32 != 0) broken(name, "a block is not made of whole warps");
  if (threads.size() < n) threads.resize(n), warps.resize(n / 32);
  for (std::size_t i = 0; i < n; ++i) {
    prepare(threads[i]);
    const auto t = static_cast<unsigned>(i);
    threads[i].index = {t % block.x, t / block.x % block.y, t / block.x / block.y};
  }
  the_body = &body;
  blockDim = block;
  gridDim = grid;
  const bool backwards = ++launches % 2 == 0;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        std::memset(shared.data(), 0xff, shared_bytes);  // NaN
        run_block(name, n, backwards);
      }
}

}  // namespace steergrid::emulated
