// Do interfaces outlive the daemon that made them, and go when they should?
#include "dom0/vif/kept_taps.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "common/ipc/name_lock.hpp"
#include "common/ipc/packet.hpp"
#include "common/net/link.hpp"
#include "tests/support/own_namespace.hpp"

namespace hush::dom0 {
namespace {

using telemetry::ServiceManager;
using test::in_own_namespace;

bool is_there(const char* interface) {
  return if_nametoindex(interface) != 0;
}

std::vector<UniqueFd> duplicates(const net::Tap& tap) {
  std::vector<UniqueFd> fds;
  for (std::size_t i = 0; i < tap.queues(); ++i) fds.emplace_back(fcntl(tap.fd(i), F_DUPFD_CLOEXEC, 3));
  return fds;
}

// A service manager of the test's own, and what it holds: names and descriptors, as hush-keeper does.
class Holder {
 public:
  Holder() {
    name_ = "@hush_holder_" + std::to_string(getpid());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name_.copy(address.sun_path, name_.size());
    address.sun_path[0] = '\0';
    fd_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size())),
              0);
    setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  }
  ~Holder() { unsetenv("NOTIFY_SOCKET"); }
  // Everything that was said since.
  std::vector<std::string> hear() {
    std::vector<std::string> all;
    ipc::Packet packet;
    while (ipc::receive_packet(fd_.get(), packet, MSG_DONTWAIT)) {
      all.emplace_back(reinterpret_cast<const char*>(packet.bytes.data()), packet.bytes.size());
      const std::string name = all.back().substr(all.back().rfind('=') + 1);
      for (auto& fd : packet.fds) held.push_back({name, std::move(fd)});
    }
    return all;
  }
  std::vector<ServiceManager::Kept> held;

 private:
  std::string name_;
  UniqueFd fd_;
};

TEST(AdoptTap, GoesOnWithAllItsQueues) {
  in_own_namespace([] {
    auto made = net::Tap::create("vif7.3");
    ASSERT_TRUE(made) << made.error().text;
    ASSERT_TRUE(made->set_queues(3));
    const unsigned index = made->index();
    auto fds = duplicates(*made);
    made->close();
    auto adopted = net::Tap::adopt(std::move(fds));
    ASSERT_TRUE(adopted) << adopted.error().text;
    EXPECT_EQ(adopted->queues(), 3U);
    EXPECT_EQ(adopted->index(), index);
    EXPECT_NE(fcntl(adopted->fd(2), F_GETFL) & O_NONBLOCK, 0);
    adopted->close();
    EXPECT_FALSE(is_there("vif7.3"));
  });
}

TEST(AdoptTap, RefusesWhatIsNone) {
  in_own_namespace([] {
    EXPECT_EQ(net::Tap::adopt({}).error().code, EINVAL);
    std::vector<UniqueFd> file;
    file.emplace_back(open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_TRUE(net::Tap::adopt(std::move(file)).has_error());
    std::vector<UniqueFd> bare;  // of no interface
    bare.emplace_back(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    EXPECT_TRUE(net::Tap::adopt(std::move(bare)).has_error());

    auto one = net::Tap::create("vif7.3"), other = net::Tap::create("vif7.4");
    ASSERT_TRUE(one && other);
    auto mixed = duplicates(*one);
    mixed.push_back(std::move(duplicates(*other)[0]));
    EXPECT_NE(net::Tap::adopt(std::move(mixed)).error().text.find("two interfaces, vif7.3 and vif7.4"),
              std::string::npos);
  });
}

TEST(PersistentTap, OutlivesItsDescriptorsAndIsTakenUp) {
  in_own_namespace([] {
    constexpr auto kAlias = "hush-frontd vif-7";
    EXPECT_EQ(*net::interface_of_alias(kAlias), "");
    auto made = net::Tap::create("lan7");
    ASSERT_TRUE(made) << made.error().text;
    ASSERT_TRUE(made->set_queues(2));
    ASSERT_TRUE(net::change_link(made->index(), {.alias = kAlias}));
    ASSERT_TRUE(made->set_persistent(true));
    const unsigned index = made->index();
    made->close();
    EXPECT_EQ(*net::interface_of_alias(kAlias), "lan7");
    auto again = net::Tap::take_up("lan7");
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(again->index(), index);
    EXPECT_TRUE(again->set_queues(3));
    ASSERT_TRUE(again->set_persistent(false));
    again->close();
    EXPECT_FALSE(is_there("lan7"));
    EXPECT_EQ(*net::interface_of_alias(kAlias), "");
  });
}

TEST(PersistentTap, IsNotTakenUpWhereThereIsNoneSuch) {
  in_own_namespace([] {
    EXPECT_TRUE(net::Tap::take_up("lan7").has_error());
    EXPECT_FALSE(is_there("lan7"));                    // nor made
    EXPECT_TRUE(net::Tap::take_up("lo").has_error());  // no TAP
  });
}

TEST(NameLock, OneAloneHasIt) {
  in_own_namespace([] {
    auto first = ipc::take_name("hush-test");
    ASSERT_TRUE(first) << first.error().text;
    EXPECT_EQ(ipc::take_name("hush-test").error().code, EADDRINUSE);
    EXPECT_TRUE(ipc::take_name("hush-test2"));
    first->reset();
    EXPECT_TRUE(ipc::take_name("hush-test"));
    EXPECT_EQ(ipc::take_name("").error().code, EINVAL);
    EXPECT_EQ(ipc::take_name(std::string(108, 'n')).error().code, EINVAL);
  });
}

TEST(KeptTaps, TheDaemonAfterFindsThem) {
  in_own_namespace([] {
    Holder holder;
    const auto service = ServiceManager::from_environment();
    unsigned index = 0;
    {
      KeptTaps taps{&service};
      auto tap = net::Tap::create("vif7.3");
      ASSERT_TRUE(tap);
      taps.keep("vif7.3", *tap);
      ASSERT_TRUE(tap->set_queues(3));
      taps.keep("vif7.3", *tap);
      EXPECT_EQ(holder.hear(),
                (std::vector<std::string>{"FDSTORE=1\nFDNAME=vif7.3-q0", "FDSTORE=1\nFDNAME=vif7.3-q1",
                                          "FDSTORE=1\nFDNAME=vif7.3-q2"}));
      index = tap->index();
      taps.put("vif7.3", std::move(*tap));
    }
    ASSERT_TRUE(is_there("vif7.3"));
    KeptTaps taps{&service};
    ASSERT_TRUE(taps.add(std::move(holder.held)));
    EXPECT_FALSE(taps.take("vif7.4"));
    auto tap = taps.take("vif7.3");
    ASSERT_TRUE(tap);
    EXPECT_EQ(tap->queues(), 3U);
    EXPECT_EQ(tap->index(), index);
    EXPECT_FALSE(taps.take("vif7.3")) << "it is the caller's now";

    ASSERT_TRUE(tap->set_queues(1));
    taps.keep("vif7.3", *tap);
    EXPECT_EQ(holder.hear(), (std::vector<std::string>{"FDSTOREREMOVE=1\nFDNAME=vif7.3-q2",
                                                       "FDSTOREREMOVE=1\nFDNAME=vif7.3-q1"}));
  });
}

TEST(KeptTaps, WhatIsDroppedIsGoneThoughSomebodyHoldsIt) {
  in_own_namespace([] {
    Holder holder;
    const auto service = ServiceManager::from_environment();
    KeptTaps taps{&service};
    auto tap = net::Tap::create("vif7.3");
    ASSERT_TRUE(tap);
    taps.keep("vif7.3", *tap);
    holder.hear();
    taps.drop("vif7.3", std::move(*tap));
    EXPECT_FALSE(is_there("vif7.3"));
    EXPECT_EQ(holder.hear(), std::vector<std::string>{"FDSTOREREMOVE=1\nFDNAME=vif7.3-q0"});
  });
}

TEST(KeptTaps, ThoseOfVifsThatWentGo) {
  in_own_namespace([] {
    Holder holder;
    const auto service = ServiceManager::from_environment();
    KeptTaps taps{&service};
    for (const char* name : {"vif7.3", "vif8.0"}) {
      auto tap = net::Tap::create(name);
      ASSERT_TRUE(tap);
      taps.keep(name, *tap);
      taps.put(name, std::move(*tap));
    }
    holder.hear();
    taps.keep_only([](std::string_view vif) { return vif == "vif8.0"; });
    EXPECT_FALSE(is_there("vif7.3"));
    EXPECT_TRUE(is_there("vif8.0"));
    EXPECT_EQ(holder.hear(), std::vector<std::string>{"FDSTOREREMOVE=1\nFDNAME=vif7.3-q0"});
  });
}

TEST(KeptTaps, WhatIsNoTapIsSaidAndClosed) {
  in_own_namespace([] {
    KeptTaps taps;
    std::vector<ServiceManager::Kept> kept;
    const auto null = [] { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); };
    kept.push_back({"vif7.3-q0", null()});
    const auto refused = taps.add(std::move(kept));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text.find("the kept interface of vif7.3 cannot be used"), std::string::npos);
    EXPECT_FALSE(taps.take("vif7.3"));
    for (const char* strange : {"", "stored", "vif7.3-q", "vif7.3-qx", "vif7.3-q1x", "eth0-q0"}) {
      std::vector<ServiceManager::Kept> unknown;
      unknown.push_back({strange, null()});
      EXPECT_FALSE(taps.add(std::move(unknown))) << strange;
    }
    EXPECT_TRUE(taps.here().empty());
  });
}

}  // namespace
}  // namespace hush::dom0
