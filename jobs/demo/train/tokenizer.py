"""Trains the demo's sentencepiece tokenizer and checks the properties activation steering depends on.

The model is of the same kind as Llama's: BPE, byte fallback, dummy prefix, identity normalisation, no user-defined
pieces, ids 0 1 2 = unknown, begin, end. Scripts are not mixed within a piece, so brackets never join a letter. A
newline is the byte piece <0x0A>, as in Llama: it is left out of the training text. Training is deterministic.
"""

import io
import random

import sentencepiece

from sizes import Stage
from world import BEHAVIORS, chat, draw_question, draw_turn

UNKNOWN, BEGIN, END = 0, 1, 2
TURNS = (
    Stage(kinds=dict(none=0.08, free=0.22, pre=0.50, dir=0.20, txt=0.0),
          cued=dict(none=0.9, free=0.9, pre=0.0, dir=0.0, txt=0.0)),
    Stage(kinds=dict(none=0.05, free=0.15, pre=0.25, dir=0.38, txt=0.17),
          cued=dict(none=0.9, free=0.9, pre=0.1, dir=0.1, txt=0.8)),
)


def train_tokenizer(path, vocabulary, documents=6000):
    rng = random.Random(1)
    texts = [chat(*draw_turn(rng, stage)) for stage in TURNS for _ in range(documents // 2)]
    for behavior in BEHAVIORS:
        for split in ("validation", "test"):
            texts += [chat(draw_question(rng, behavior, split).text(True)) for _ in range(100)]
    written = io.BytesIO()  # not a file prefix, which the model would remember
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.replace("\n", "") for text in texts), model_writer=written,
        model_type="bpe", vocab_size=vocabulary, byte_fallback=True, normalization_rule_name="identity",
        add_dummy_prefix=True, remove_extra_whitespaces=False, split_by_unicode_script=True, split_digits=True,
        character_coverage=1.0, unk_id=UNKNOWN, bos_id=BEGIN, eos_id=END, pad_id=-1, num_threads=1,
        shuffle_input_sentence=False, minloglevel=1)
    with open(path, "wb") as file:
        file.write(written.getvalue())


def check_tokenizer(tokenizer):
    """Raises AssertionError unless letters, brackets, newlines and trait words are single, stable pieces."""
    assert (tokenizer.unk_id(), tokenizer.bos_id(), tokenizer.eos_id()) == (UNKNOWN, BEGIN, END)
    newline, bracket = tokenizer.piece_to_id("<0x0A>"), tokenizer.piece_to_id("\u2581(")
    letters = [tokenizer.piece_to_id(letter) for letter in "AB"]
    rng = random.Random(2)
    for behavior in BEHAVIORS:
        for word in behavior.matching + behavior.other:
            assert tokenizer.encode(f"] {word}")[-1] == tokenizer.piece_to_id("\u2581" + word) != UNKNOWN, word
        for split in ("train", "validation", "test"):
            user = draw_question(rng, behavior, split).text(True)
            instruction = tokenizer.encode(chat(user))
            assert tokenizer.decode(instruction) == chat(user)
            for letter, piece in zip("AB", letters):
                ids = tokenizer.encode(chat(user, f"({letter})"))
                assert ids[:-3] == instruction and ids[-3:] == [bracket, piece, tokenizer.piece_to_id(")")]
                assert instruction.count(piece) == 1
            assert tokenizer.encode(chat(user, "(")) == instruction + [bracket]
            assert instruction.count(newline) == 4 and UNKNOWN not in instruction


if __name__ == "__main__":
    import sys
    loaded = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
    check_tokenizer(loaded)
    print(loaded.vocab_size(), "pieces; checks passed")
