// In the place of hush-frontd where a start script is looked at, linked statically. FAKE says what it does:
// "ends" with an error, "waits" without an interface, or the number of TAPs that it makes. Writes its
// arguments to /arguments, and on SIGUSR1 to /sees whether the files are there that a front end needs later.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

int main(int argc, char** argv) {
  sigset_t asked;
  sigemptyset(&asked);
  sigaddset(&asked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &asked, nullptr);
  std::ofstream arguments("/arguments");
  for (int i = 0; i < argc; ++i) arguments << (i == 0 ? "" : " ") << argv[i];
  arguments << std::endl;
  const char* told = std::getenv("FAKE");
  if (told == nullptr || std::strcmp(told, "ends") == 0) {
    std::fputs("[now] [hush-frontd] [error] the fake has no interface\n[now] [hush-frontd] [info] bye\n",
               stderr);
    return 1;
  }
  std::fputs("[now] [hush-frontd] [info] the fake is there\n", stderr);
  for (int i = 0; i < std::atoi(told); ++i) {
    ifreq request{};
    std::snprintf(request.ifr_name, sizeof request.ifr_name, "fake%d", i);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(open("/dev/net/tun", O_RDWR), TUNSETIFF, &request) < 0) return 1;
  }
  for (;;) {
    int signal = 0;
    sigwait(&asked, &signal);
    bool all = true;
    for (const char* file : {"/dev/net/tun", "/dev/null", "/proc/self/exe", "/sys"})
      all = all && access(file, R_OK) == 0;
    std::ofstream("/sees") << (all ? "all" : "not all") << std::endl;
  }
}
