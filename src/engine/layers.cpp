// Three stages run at once while blocks stream: a reader fills host buffers (read_ahead.h), a loader puts block l+1 on
// the device, the computing thread works with block l. Each stage waits for the next one's room, so that never more
// than two blocks are resident.
#include "engine/layers.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/error.h"

namespace steergrid {
namespace {

class ResidentLayers final : public Layers {
 public:
  explicit ResidentLayers(std::vector<LayerWeights> layers) : layers_(std::move(layers)) {}
  const LayerWeights& at(int l) override { return layers_[static_cast<std::size_t>(l)]; }

 private:
  std::vector<LayerWeights> layers_;
};

class StreamedLayers final : public Layers {
 public:
  StreamedLayers(Backend& on, const WeightSource& source, std::vector<Piece> pieces, int n_layers)
      : on_(on), n_layers_(n_layers) {
    std::promise<void> promise;
    std::future<void> opened = promise.get_future();
    auto life = [this, &source, pieces = std::move(pieces),
                 promise = std::move(promise)](const std::stop_token& stop) mutable {
      std::unique_ptr<Backend> mine;  // made here: a backend belongs to one thread
      std::unique_ptr<WeightStream> stream;
      try {
        mine = on_.sibling();
        stream = source.open(*mine, std::move(pieces), true);
      } catch (...) {
        return promise.set_exception(std::current_exception());
      }
      promise.set_value();  // from here on the constructor may be over, and the source gone
      work(stop, *stream);
    };
    loader_ = std::jthread(std::move(life));
    opened.get();
  }

  ~StreamedLayers() override {
    try {
      on_.wait();  // nothing queued may still read what goes away
    } catch (const std::exception&) {
      // A device that failed reads nothing any more, and has told the call that met it.
    }
  }

  const LayerWeights& at(int l) override {
    if (now_ == l) return weights_;
    on_.wait();  // the block that goes away may still be read by what is queued
    const double start = monotonic_seconds();
    for (now_ = -1; now_ != l;) take();
    seconds_waited_ += monotonic_seconds() - start;
    return weights_;
  }

  LayerTraffic traffic() const override { return {layers_loaded_, bytes_read_, seconds_waited_}; }

 private:
  /// The next block takes the place of the one at hand.
  void take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_ || trouble_; });
    if (!ready_) give_up();
    weights_ = {};  // before the loader may begin another
    weights_ = std::move(*ready_);
    ready_.reset();
    now_ = next_;
    next_ = (next_ + 1) % n_layers_;
    changed_.notify_all();
  }

  [[noreturn]] void give_up() const try { std::rethrow_exception(trouble_); } catch (const std::exception& e) {
    throw Error(ExitCode::RunAgain, fmt::format("the weights cannot be streamed any further: {}", e.what()));
  }

  void work(const std::stop_token& stop, WeightStream& stream) try {
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return !ready_; })) return;
      }
      LayerWeights weights = next_layer(stream);
      ++layers_loaded_;
      bytes_read_ = stream.bytes_read();
      const std::scoped_lock lock(mutex_);
      ready_ = std::move(weights);
      changed_.notify_all();
    }
  } catch (...) {  // whatever it is, the computing thread gets it
    const std::scoped_lock lock(mutex_);
    trouble_ = std::current_exception();
    changed_.notify_all();
  }

  Backend& on_;
  int n_layers_;
  int now_ = -1;  // the block at hand
  LayerWeights weights_;
  double seconds_waited_ = 0;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  int next_ = 0;                       // the block that `ready_` is, or will be
  std::optional<LayerWeights> ready_;  // loaded, not yet taken
  std::exception_ptr trouble_;
  std::atomic<std::int64_t> layers_loaded_ = 0, bytes_read_ = 0;
  std::jthread loader_;  // last: it stops before the rest goes
};

}  // namespace

std::unique_ptr<Layers> resident_layers(std::vector<LayerWeights> layers) {
  return std::make_unique<ResidentLayers>(std::move(layers));
}

std::unique_ptr<Layers> streamed_layers(Backend& on, const WeightSource& source, std::vector<Piece> pieces,
                                        int n_layers) {
  return std::make_unique<StreamedLayers>(on, source, std::move(pieces), n_layers);
}

}  // namespace steergrid
