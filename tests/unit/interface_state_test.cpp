// An interface's addresses and routes move to another one, as `ip` shows them. In a network namespace of its
// own; as root.
#include "common/net/interface_state.hpp"

#include <gmock/gmock.h>
#include <net/if.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <regex>

#include "common/net/link.hpp"
#include "common/net/tap.hpp"
#include "tests/support/own_namespace.hpp"

namespace hush::net {
namespace {

using test::in_own_namespace;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The output of a command in the thread's own namespace.
std::string output(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe{popen((command + " 2>&1").c_str(), "r"), pclose};
  std::string text;
  std::array<char, 4096> part{};
  while (const std::size_t had = fread(part.data(), 1, part.size(), pipe.get()))
    text.append(part.data(), had);
  return text;
}

void run(const std::string& command) {
  EXPECT_EQ(output(command), "") << command;
}

// What `ip` says of the interface, the number and the name taken out, what is left of lifetimes, and whether
// the kernel still tries whether its own link-local address is somebody else's (a second, or more where the
// machine has other work).
std::string shown(const std::string& name) {
  std::string text =
      output("ip address show dev " + name + " | tail -n +2; ip route show table 77; ip route show dev " +
             name + "; ip -6 route show dev " + name + " | grep -v fe80");
  text = std::regex_replace(text, std::regex(name), "IT");
  text = std::regex_replace(text, std::regex("scope link tentative"), "scope link");
  text = std::regex_replace(text, std::regex("lft [0-9]+sec"), "lft some");
  return std::regex_replace(text, std::regex("expires [0-9]+sec"), "expires");
}

class InterfaceStateTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  static Tap make_tap(const std::string& name) {
    auto tap = Tap::create(name);
    EXPECT_TRUE(tap) << (tap ? "" : tap.error().text);
    EXPECT_TRUE(tap->set_carrier(true));
    return std::move(*tap);
  }
};

TEST_F(InterfaceStateTest, AllOfItMovesToAnother) {
  in_own_namespace([] {
    auto before = make_tap("old0");
    run("ip link set old0 address 00:16:3e:00:00:07 mtu 1400 up");
    run("ip address add 10.1.0.2/24 brd + dev old0");
    run("ip address add 10.1.0.3/24 dev old0 label old0:1 valid_lft 4000 preferred_lft 3000");
    run("ip address add 10.2.0.2 peer 10.2.0.9 dev old0");
    run("ip address add fd00::2/64 dev old0 nodad");
    run("ip address add fd00::3/64 dev old0 nodad valid_lft 4000 preferred_lft 3000");
    run("ip route add default via 10.1.0.1 metric 50");
    run("ip route add 10.9.0.0/16 via 192.0.2.1 dev old0 onlink table 77");
    run("ip route add 10.8.0.0/16 dev old0 scope link src 10.1.0.2 mtu 1300");
    run("ip route add 10.20.0.0/24 dev old0");
    run("ip route add 8.0.0.0/8 via 10.20.0.1");
    run("ip -6 route add fd01::/64 via fd00::1 dev old0");
    const std::string was = shown("old0");
    EXPECT_THAT(was, HasSubstr("10.9.0.0/16 via 192.0.2.1"));

    const auto state = read_interface("old0");
    ASSERT_TRUE(state) << state.error().text;
    EXPECT_EQ(state->name, "old0");
    EXPECT_EQ(state->mac, "00:16:3e:00:00:07");
    EXPECT_EQ(state->mtu, 1400U);
    EXPECT_TRUE(state->up);
    EXPECT_EQ(state->master, "");

    before.close();
    const auto after = make_tap("new0");
    ASSERT_TRUE(change_link(after.index(), {.up = {}, .mtu = state->mtu, .mac = state->mac, .master = {}}));
    EXPECT_THAT(furnish(after.index(), *state), IsEmpty());
    EXPECT_EQ(shown("new0"), was);
    EXPECT_THAT(furnish(after.index(), *state), IsEmpty()) << "what is there already is no error";
  });
}

TEST_F(InterfaceStateTest, WhatIsDownStaysDownAndAPortStaysAPort) {
  in_own_namespace([] {
    auto before = make_tap("old0");
    run("ip link add br0 type bridge");
    run("ip link set old0 master br0");
    const auto state = read_interface("old0");
    ASSERT_TRUE(state) << state.error().text;
    before.close();
    const auto after = make_tap("new0");
    EXPECT_THAT(furnish(after.index(), *state), IsEmpty());
    EXPECT_THAT(output("ip -o link show new0"), HasSubstr("master br0 state DOWN"));
  });
}

TEST_F(InterfaceStateTest, RoutesMoveWhileTheLinkIsDown) {
  in_own_namespace([] {
    auto before = make_tap("old0");
    run("ip link set old0 up");
    run("ip address add 10.1.0.2/24 dev old0");
    run("ip route add default via 10.1.0.1");
    ASSERT_TRUE(before.set_carrier(false));
    const auto state = read_interface("old0");
    ASSERT_TRUE(state) << state.error().text;
    EXPECT_THAT(output("ip route"), HasSubstr("linkdown"));
    before.close();
    const auto after = make_tap("new0");
    EXPECT_THAT(furnish(after.index(), *state), IsEmpty());
    EXPECT_THAT(output("ip route"), HasSubstr("default via 10.1.0.1 dev new0"));
  });
}

TEST_F(InterfaceStateTest, WhatCannotBeGivenIsSaidAndTheRestIsGiven) {
  in_own_namespace([] {
    auto before = make_tap("old0");
    run("ip link set old0 up");
    run("ip address add 10.1.0.2/24 dev old0");
    run("ip route add default via 10.1.0.1");
    run("ip route add 10.8.0.0/16 dev old0");
    auto state = read_interface("old0");
    ASSERT_TRUE(state) << state.error().text;
    before.close();
    const auto after = make_tap("new0");
    state->addresses.clear();
    EXPECT_THAT(furnish(after.index(), *state),
                ElementsAre(HasSubstr("route 10.1.0.0/24 cannot be given to new0"),
                            HasSubstr("route default cannot be given to new0")));
    EXPECT_THAT(output("ip route"), HasSubstr("10.8.0.0/16 dev new0"));
  });
}

TEST_F(InterfaceStateTest, AnInterfaceThatIsNotThereIsNamed) {
  in_own_namespace([] {
    const auto state = read_interface("none0");
    ASSERT_FALSE(state);
    EXPECT_THAT(state.error().text, HasSubstr("none0"));
    const auto changed = change_link(if_nametoindex("none0"), {.up = true});
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, ENODEV);
    EXPECT_TRUE(remove_link(if_nametoindex("none0")));  // as it is
  });
}

}  // namespace
}  // namespace hush::net
