// Loading: which pieces a rank needs, and in which order they come.
#include "engine/llama.h"

namespace steergrid {
namespace {

void append(std::vector<Piece>& to, std::vector<Piece> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

Llama::Llama(Backend& backend, Team& team, const ModelConfig& config, const WeightSource& source, Rounded to,
             Residence residence)
    : backend_(backend), team_(team), config_(config), to_(to) {
  const ModelShape& s = config.shape;
  const Share share{team.rank(), team.size()};
  const bool resident = residence == Residence::Resident;
  std::vector<Piece> pieces{embedding_piece(s, share)}, blocks;
  first_token_ = static_cast<std::int32_t>(pieces[0].first);
  for (int l = 0; l < s.n_layers; ++l) append(resident ? pieces : blocks, layer_pieces(s, share, l));
  pieces.push_back(final_norm_piece(s));
  if (!s.tied_embeddings) pieces.push_back(head_piece(s, share));

  const auto stream = source.open(backend, std::move(pieces), false);
  embedding_ = stream->next();
  std::vector<LayerWeights> layers;
  for (int l = 0; resident && l < s.n_layers; ++l) layers.push_back(next_layer(*stream));
  final_norm_ = stream->next();
  if (!s.tied_embeddings) head_ = stream->next();
  layers_ =
      resident ? resident_layers(std::move(layers)) : streamed_layers(backend, source, std::move(blocks), s.n_layers);

  const std::vector<float> table = rope_table(config.max_positions, s.head_size, config.rope_theta);
  rotary_ = backend.allocate(config.max_positions, s.head_size, DType::Float32);
  backend.upload(rotary_.view(), std::as_bytes(std::span(table)));
}

}  // namespace steergrid
