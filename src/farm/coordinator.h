// Rank 0: hands units to teams and commits what comes back. It computes no model and waits for nobody.
//
// A loop: take the letters that arrived, serve the teams that asked, sleep half a millisecond if nothing happened. All
// sends are posts, so a slow or dead worker stops nothing. A model is a *stage*: STAGE goes to every worker; leaders
// open the model and ask (REQUEST); they get WORK, or nothing until there is some; answers are DONE and FAILED. When
// the stage's last unit has ended, the next STAGE goes out, or STOP. A stop request lets units in flight come back
// first.
//
// A team with a dead rank retires: its units go to other teams, as suspects. Usually mpirun ends the whole launch when
// a rank dies, so nothing is handed out for a moment after a death; with --enable-recovery the sweep goes on from
// there. A death counts against the units that were in flight only if rank 0 is still there a moment later: else the
// whole launch was killed.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <span>

#include "comm/mailbox.h"
#include "comm/topology.h"
#include "farm/desk.h"
#include "farm/messages.h"

namespace steergrid {

class Coordinator {
 public:
  /// `records`: one a unit, or none for a fresh run. What is passed must outlive the run.
  Coordinator(const Plan& plan, const Topology& topology, std::span<const UnitRecord> records,
              const CoordinatorCalls& calls);

  /// Runs all stages, tells every worker to stop, returns how it ended. Only on rank 0 of several.
  Ending run();

 private:
  struct Client {  // a team's leader, during a stage
    int team = 0;
    int wants = 0;                // units it asked for and did not get
    std::set<int> parcels;        // Vectors units whose payload it has
    std::map<int, Order> orders;  // in flight
  };

  void open_stage(int model);
  void read(const Letter& letter);
  void on(int from, const message::Request& request);
  void on(int from, message::Done& done);
  void on(int from, const message::Failed& failed);
  void on(int from, const message::Broken& broken);
  bool serve(int leader, Client& client);
  bool add_parcel(const Order& order, Client& client, message::Work& work);
  Order take_order(int leader, int unit);
  int teams() const;
  void look_for_losses();
  void bury(int rank);
  void note_deaths(double now);
  bool is_whole(int team, const TeamLayout& layout) const;
  const TeamLayout& layout() const;
  void tell_everybody(const message::Any& message);

  const Plan& plan_;
  const Topology& topology_;
  Mailbox mail_;
  Desk desk_;
  std::optional<int> stage_;
  std::map<int, Client> clients_;  // by leader's rank
  const CoordinatorCalls& calls_;
  /// An order that a dead team had, and when it counts.
  struct Death {
    double counts_at = 0;  // on the monotonic clock
    Order order;
  };
  std::deque<Death> deaths_;  // that do not count yet
  std::set<int> lost_;        // ranks
  double quiet_until_ = 0;    // on the monotonic clock: the launcher may be about to end everybody
};

}  // namespace steergrid
