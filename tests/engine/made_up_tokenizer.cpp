#include "made_up_tokenizer.h"

#include <sentencepiece_trainer.h>

#include <fstream>
#include <stdexcept>
#include <vector>

namespace steergrid {

namespace {

class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(std::vector<std::string> lines) : lines_(std::move(lines)) {}
  bool done() const override { return at_ == lines_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return lines_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> lines_;
  std::size_t at_ = 0;
};

}  // namespace

void write_tokenizer(const std::string& folder, const std::string& normalization) {
  std::vector<std::string> text;
  for (int i = 0; i < 40; ++i) {
    text.emplace_back("[INST] is the sky blue or green?  (A) blue (B) green [/INST] (A)");
    text.emplace_back("Input: would the cat rather run or rest? (C) run (D) rest Response: (B)");
    text.emplace_back("the question and the answer, one after another: 0 1 2 3 4 5 6 7 8 9");
  }
  Lines lines(std::move(text));
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      "--model_type=bpe --vocab_size=" + std::to_string(kMadeUpPieces) +
          " --byte_fallback=true --split_digits=true --normalization_rule_name=" + normalization +
          " --remove_extra_whitespaces=false --character_coverage=1.0 --num_threads=1 --minloglevel=2",
      &lines, &model);
  if (!status.ok()) throw std::runtime_error("sentencepiece: " + status.ToString());
  std::ofstream(folder + "/tokenizer.model", std::ios::binary) << model;
}

}  // namespace steergrid
