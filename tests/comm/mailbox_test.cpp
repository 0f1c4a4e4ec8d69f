#include "comm/mailbox.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <set>
#include <thread>

#include "comm/mpi_team.h"
#include "tests/comm/mpi_main.h"

namespace steergrid {
namespace {

std::vector<std::byte> letter_of(std::size_t size, int mark) { return {size, static_cast<std::byte>(mark)}; }

TEST(Mailbox, HasNothingWhereNothingWasPosted) {
  const Communicator c = session().world().duplicate();
  Mailbox mail(c);
  EXPECT_FALSE(mail.take());
  EXPECT_TRUE(mail.deliver(0));
}

TEST(Mailbox, LettersOfOneSenderArriveInTheirOrderWhateverTheirSize) {
  const Communicator c = session().world().duplicate();
  Mailbox mail(c);
  const std::vector<std::size_t> sizes = {1, 3'000'000, 0, 70'000, 5};
  for (std::size_t i = 0; i < sizes.size(); ++i) mail.post(0, letter_of(sizes[i], static_cast<int>(i)));
  if (c.rank() == 0) {
    std::vector<std::size_t> next(static_cast<std::size_t>(c.size()));
    for (std::size_t n = 0; n < sizes.size() * next.size(); ++n) {
      const Letter letter = mail.wait();
      const std::size_t i = next[static_cast<std::size_t>(letter.from)]++;
      EXPECT_EQ(letter.bytes, letter_of(sizes[i], static_cast<int>(i)));
    }
  }
  EXPECT_TRUE(mail.deliver(30));
}

TEST(Mailbox, PostingALargeLetterDoesNotWaitForItsReader) {
  const Communicator c = session().world().duplicate();
  Mailbox mail(c);
  MpiTeam all(session().world().duplicate());
  if (c.rank() == 0) mail.post(c.size() - 1, letter_of(20'000'000, 1));
  all.gather_host({});
  std::vector<std::byte> go;
  all.broadcast(go);  // everybody is here although nobody has read
  if (c.rank() == c.size() - 1) {
    EXPECT_EQ(mail.wait().bytes.size(), 20'000'000u);
  }
  EXPECT_TRUE(mail.deliver(30));
}

TEST(Mailbox, WaitingDoesNotBurnACore) {
  const Communicator c = session().world().duplicate();
  Mailbox mail(c);
  if (c.size() == 1) return;
  if (c.rank() == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    for (int r = 1; r < c.size(); ++r) mail.post(r, letter_of(1, 1));
    EXPECT_TRUE(mail.deliver(10));
    return;
  }
  const std::clock_t before = std::clock();
  mail.wait();
  EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 0.25);
}

}  // namespace
}  // namespace steergrid
