#include "tests/contract/mailbox.hpp"

#include <poll.h>

#include <cstdlib>
#include <sstream>

namespace hush::contract {

Mailbox::Mailbox(std::string directory, const char* reads, const char* writes)
    : directory_(std::move(directory)),
      reads_(directory_ + "/" + reads),
      writes_(directory_ + "/" + writes),
      store_(xs_open(0)) {
  if (store_ && !xs_watch(store_.get(), reads_.c_str(), "mailbox")) store_.reset();
}

void Mailbox::clear() {
  xs_rm(store_.get(), XBT_NULL, directory_.c_str());
}

bool Mailbox::other_is_there() {
  unsigned size = 0;
  void* value = xs_read(store_.get(), XBT_NULL, reads_.c_str(), &size);
  std::free(value);  // NOLINT: libxenstore allocates with malloc
  return value != nullptr;
}

bool Mailbox::put(unsigned number, const std::string& text) {
  const std::string value = std::to_string(number) + " " + text;
  return xs_write(store_.get(), XBT_NULL, writes_.c_str(), value.data(), static_cast<unsigned>(value.size()));
}

bool Mailbox::look(unsigned at_least, unsigned& number, std::string& text) {
  unsigned size = 0;
  char* value = static_cast<char*>(xs_read(store_.get(), XBT_NULL, reads_.c_str(), &size));
  if (value == nullptr) return false;
  std::istringstream words(std::string(value, size));
  std::free(value);  // NOLINT: libxenstore allocates with malloc
  if (!(words >> number) || number < at_least) return false;
  words.get();
  std::getline(words, text, '\0');
  return true;
}

bool Mailbox::wait(int milliseconds) {
  pollfd event{.fd = xs_fileno(store_.get()), .events = POLLIN, .revents = 0};
  if (::poll(&event, 1, milliseconds) != 1) return false;
  unsigned count = 0;
  std::free(xs_read_watch(store_.get(), &count));  // NOLINT: libxenstore allocates with malloc
  return true;
}

bool Mailbox::get(unsigned at_least, unsigned& number, std::string& text) {
  while (!look(at_least, number, text))
    if ((at_least > 0 && !other_is_there()) || !wait(60'000)) return false;
  return true;
}

void Mailbox::await(unsigned at_least, unsigned& number, std::string& text) {
  while (!look(at_least, number, text)) wait(-1);
}

}  // namespace hush::contract
