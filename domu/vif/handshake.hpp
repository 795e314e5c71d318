// The handshake of one device, followed: watches its directory and its back end's state, steps the table of
// frontend_fsm.hpp, and starts over with a growing delay. What a connection consists of, its owner knows: an
// interface with a TAP (vif.hpp), or an application (domu/library).
//
// Control thread only: the one that runs the loop.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "domu/vif/frontend_fsm.hpp"
#include "xenstore/client.hpp"
#include "xenstore/vif_config.hpp"

namespace hush::domu {

class Handshake {
 public:
  enum class Weight : std::uint8_t { debug, info, warning, error };

  // Called on the control thread: by the loop, and from within cut_off(), start_over() and leave().
  class Owner {
   public:
    // The kernel's driver is out of the way, or has been brought out of it. Asked at the beginning and before
    // each connection: its module may be loaded at any time, and it takes each new device of its kind.
    virtual Result<void> keep_kernel_away() = 0;
    // Nodes of the device may have changed, those that the handshake does not ask for too.
    virtual void changed() {}
    // Shares what the back end is to be told of, and publishes it with state Connected. After an error it is
    // disconnected and tried again later.
    virtual Result<void> connect(const xenstore::FrontendSettings& settings) = 0;
    // The back end is connected: traffic begins. The same after an error.
    virtual Result<void> serve(const xenstore::FrontendSettings& settings) = 0;
    // Undoes both; also where either failed, or neither was called.
    virtual void disconnect() = 0;
    // The toolstack has made the device anew after it was cut off.
    virtual void forgiven() = 0;
    // What an admin is to know; without the device's name.
    virtual void say(Weight weight, const std::string& text) = 0;

   protected:
    ~Owner() = default;
  };

  // The device need not be there yet. The first look comes with the loop. owner, loop and store outlive it.
  static Result<std::unique_ptr<Handshake>> begin(std::uint32_t device, boost::asio::io_context& loop,
                                                  xenstore::Client& store, Owner& owner);
  ~Handshake();
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  // The back end lied or refuses: nothing is started over while this device lasts. why: for the device's
  // error node.
  void cut_off(const std::string& why);
  // The connection is lost on this side; another one is made.
  void start_over();
  // The connection went with the domain that this guest was: nobody is told, and the device is looked at
  // anew.
  void lose();
  // Takes leave of the back end, as far as it answers; then gone() holds and on_gone is called. Nothing is
  // started over after this.
  void leave(std::function<void()> on_gone);
  [[nodiscard]] bool gone() const { return leaving_ && !held_; }

  // Of the device, relative to the own domain.
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] XenbusState state() const { return sight_.node; }
  [[nodiscard]] bool serving() const { return serving_; }
  // What is waited for, while it is not serving; empty: nothing was waited for yet.
  [[nodiscard]] const std::string& waiting_for() const { return said_; }
  // When the loop is to be run although nothing has happened.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> due() const {
    return delayed_ ? std::optional(retry_.expiry()) : std::nullopt;
  }

 private:
  // What the nodes say now.
  struct Sight {
    XenbusState node = XenbusState::unknown;
    XenbusState peer = XenbusState::unknown;
    bool online = false;
    xenstore::FrontendSettings settings;
  };

  Handshake(std::uint32_t device, boost::asio::io_context& loop, xenstore::Client& store, Owner& owner);
  void schedule();
  void update();
  Result<Sight> look();
  void follow_backend(const std::string& path);
  bool perform(const Step& step);
  [[nodiscard]] bool is_ours();
  bool connect();
  bool serve();
  void disconnect();
  bool write_state(XenbusState state);
  void forgive();
  [[nodiscard]] std::string error_node() const;
  [[nodiscard]] bool may_start_over();
  void retry_later();
  void say_waiting(Self self);

  boost::asio::io_context& loop_;
  xenstore::Client& store_;
  Owner& owner_;
  std::string directory_;
  Sight sight_;
  std::string watched_;   // the back end's state node
  bool held_ = false;     // the owner has something shared
  bool serving_ = false;  // and traffic
  bool barred_ = false;   // not to be started over while this device lasts
  bool accused_ = false;  // the error node says why
  bool leaving_ = false;
  bool scheduled_ = false;
  std::function<void()> on_gone_;
  std::string said_;  // the last message about waiting: said once

  // How long a start-over waits: a back end that closes at once must not keep both ends busy.
  boost::asio::steady_timer retry_;
  std::chrono::milliseconds delay_{0};
  bool delayed_ = false;    // the timer runs
  bool retry_due_ = false;  // it has just run out
  std::chrono::steady_clock::time_point served_since_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for handlers on their way
};

}  // namespace hush::domu
