#include "tests/contract/actor.hpp"

#include <poll.h>

#include <cerrno>
#include <iostream>

namespace hush::contract {
namespace {

std::string error() {
  return "error " + std::to_string(errno);
}
std::string ok(bool worked) {
  return worked ? "ok" : error();
}

template <typename T>
T next(std::istringstream& words) {
  T value{};
  words >> value;
  return value;
}

}  // namespace

Actor::Actor()
    : gnttab_(xengnttab_open(nullptr, 0)),
      gntshr_(xengntshr_open(nullptr, 0)),
      evtchn_(xenevtchn_open(nullptr, 0)) {
  verbs_["hello"] = [this](Words&) {
    return ok(gnttab_ != nullptr && gntshr_ != nullptr && evtchn_ != nullptr);
  };
  add_grant_verbs();
  add_event_verbs();
  add_store_verbs();
}

Actor::~Actor() {
  for (const auto& [number, handle] : stores_) xs_close(handle);
  if (evtchn_ != nullptr) xenevtchn_close(evtchn_);
  if (gntshr_ != nullptr) xengntshr_close(gntshr_);
  if (gnttab_ != nullptr) xengnttab_close(gnttab_);
}

std::string Actor::act(const std::string& line) {
  Words words(line);
  const auto verb = verbs_.find(next<std::string>(words));
  return verb == verbs_.end() ? "error " + std::to_string(ENOTSUP) : verb->second(words);
}

int Actor::serve() {
  Actor actor;
  for (std::string line; std::getline(std::cin, line);) std::cout << actor.act(line) << std::endl;
  return 0;
}

std::string Actor::keep(void* at, uint32_t pages) {
  if (at == nullptr) return error();
  ranges_[next_range_] = {static_cast<uint8_t*>(at), pages};
  return "ok " + std::to_string(next_range_++);
}

void Actor::add_grant_verbs() {
  // share DOMID PAGES WRITABLE -> RANGE GREF...
  verbs_["share"] = [this](Words& words) {
    const auto domid = next<uint32_t>(words);
    const auto pages = next<uint32_t>(words);
    const auto writable = next<int>(words);
    std::vector<uint32_t> refs(pages);
    void* at = xengntshr_share_pages(gntshr_, domid, static_cast<int>(pages), refs.data(), writable);
    std::string answer = keep(at, pages);
    for (size_t i = 0; at != nullptr && i < refs.size(); ++i) answer += " " + std::to_string(refs[i]);
    return answer;
  };
  // share-notify DOMID OFFSET PORT -> RANGE GREF
  verbs_["share-notify"] = [this](Words& words) {
    const auto domid = next<uint32_t>(words);
    const auto offset = static_cast<uint32_t>(next<int64_t>(words));
    const auto port = static_cast<evtchn_port_t>(next<int64_t>(words));
    uint32_t ref = 0;
    void* at = xengntshr_share_page_notify(gntshr_, domid, &ref, 1, offset, port);
    return keep(at, 1) + (at == nullptr ? "" : " " + std::to_string(ref));
  };
  verbs_["unshare"] = [this](Words& words) {
    const Range range = ranges_[next<unsigned>(words)];
    return ok(xengntshr_unshare(gntshr_, range.at, range.pages) == 0);
  };
  // map DOMID PROTECTION GREF... -> RANGE
  verbs_["map"] = [this](Words& words) {
    const auto domid = next<uint32_t>(words);
    const auto protection = next<int>(words);
    std::vector<uint32_t> refs;
    for (uint32_t ref = 0; words >> ref;) refs.push_back(ref);
    const auto pages = static_cast<uint32_t>(refs.size());
    return keep(xengnttab_map_domain_grant_refs(gnttab_, pages, domid, refs.data(), protection), pages);
  };
  // map-notify DOMID GREF OFFSET PORT -> RANGE
  verbs_["map-notify"] = [this](Words& words) {
    const auto domid = next<uint32_t>(words);
    const auto ref = next<uint32_t>(words);
    const auto offset = static_cast<uint32_t>(next<int64_t>(words));
    const auto port = static_cast<evtchn_port_t>(next<int64_t>(words));
    return keep(xengnttab_map_grant_ref_notify(gnttab_, domid, ref, 3, offset, port), 1);
  };
  verbs_["unmap"] = [this](Words& words) {
    const Range range = ranges_[next<unsigned>(words)];
    return ok(xengnttab_unmap(gnttab_, range.at, range.pages) == 0);
  };
  // poke RANGE OFFSET VALUE, peek RANGE OFFSET -> VALUE
  verbs_["poke"] = [this](Words& words) {
    const Range range = ranges_[next<unsigned>(words)];
    const auto offset = next<size_t>(words);
    __atomic_store_n(range.at + offset, static_cast<uint8_t>(next<unsigned>(words)), __ATOMIC_SEQ_CST);
    return std::string("ok");
  };
  verbs_["peek"] = [this](Words& words) {
    const Range range = ranges_[next<unsigned>(words)];
    const auto offset = next<size_t>(words);
    return "ok " + std::to_string(__atomic_load_n(range.at + offset, __ATOMIC_SEQ_CST));
  };
  // fill RANGE SEED: byte i becomes (i * 7 + SEED) mod 251
  verbs_["fill"] = [this](Words& words) {
    const Range range = ranges_[next<unsigned>(words)];
    const auto seed = next<unsigned>(words);
    for (uint32_t i = 0; i < range.pages * 4096; ++i)
      range.at[i] = static_cast<uint8_t>((i * 7 + seed) % 251);
    return std::string("ok");
  };
}

std::string Actor::wait(int milliseconds) {
  pollfd event{.fd = xenevtchn_fd(evtchn_), .events = POLLIN, .revents = 0};
  const int ready = ::poll(&event, 1, milliseconds);
  if (ready == 0) return "ok none";
  if (ready < 0) return error();
  const int port = xenevtchn_pending(evtchn_);
  return port < 0 ? error() : "ok " + std::to_string(port);
}

void Actor::add_event_verbs() {
  verbs_["bind-unbound"] = [this](Words& words) {
    const int port = xenevtchn_bind_unbound_port(evtchn_, next<uint32_t>(words));
    return port < 0 ? error() : "ok " + std::to_string(port);
  };
  verbs_["bind"] = [this](Words& words) {
    const auto domid = next<uint32_t>(words);
    const int port = xenevtchn_bind_interdomain(evtchn_, domid, next<evtchn_port_t>(words));
    return port < 0 ? error() : "ok " + std::to_string(port);
  };
  verbs_["unbind"] = [this](Words& words) {
    return ok(xenevtchn_unbind(evtchn_, next<evtchn_port_t>(words)) == 0);
  };
  verbs_["notify"] = [this](Words& words) {
    return ok(xenevtchn_notify(evtchn_, next<evtchn_port_t>(words)) == 0);
  };
  verbs_["unmask"] = [this](Words& words) {
    return ok(xenevtchn_unmask(evtchn_, next<evtchn_port_t>(words)) == 0);
  };
  // wait -> PORT, which is masked from then on; the limit only ends a test that has failed already
  verbs_["wait"] = [this](Words&) { return wait(20'000); };
  // look -> PORT or none
  verbs_["look"] = [this](Words&) { return wait(0); };
}

xs_handle* Actor::store(unsigned number) {
  xs_handle*& handle = stores_[number];
  if (handle == nullptr) handle = xs_open(0);
  return handle;
}

void Actor::add_store_verbs() {
  // Each takes the number of the connection first, and where it says so a transaction (0 for none).
  verbs_["xs-read"] = [this](Words& words) {
    xs_handle* handle = store(next<unsigned>(words));
    const auto transaction = next<xs_transaction_t>(words);
    unsigned size = 0;
    char* value = static_cast<char*>(xs_read(handle, transaction, next<std::string>(words).c_str(), &size));
    if (value == nullptr) return error();
    const std::string answer = "ok " + std::string(value, size);
    std::free(value);  // NOLINT: libxenstore allocates with malloc
    return answer;
  };
  verbs_["xs-write"] = [this](Words& words) {
    xs_handle* handle = store(next<unsigned>(words));
    const auto transaction = next<xs_transaction_t>(words);
    const auto path = next<std::string>(words);
    const auto value = next<std::string>(words);
    return ok(xs_write(handle, transaction, path.c_str(), value.data(), static_cast<unsigned>(value.size())));
  };
  verbs_["xs-rm"] = [this](Words& words) {
    xs_handle* handle = store(next<unsigned>(words));
    return ok(xs_rm(handle, XBT_NULL, next<std::string>(words).c_str()));
  };
  verbs_["xs-start"] = [this](Words& words) {
    const xs_transaction_t transaction = xs_transaction_start(store(next<unsigned>(words)));
    return transaction == XBT_NULL ? error() : "ok " + std::to_string(transaction);
  };
  verbs_["xs-end"] = [this](Words& words) {
    xs_handle* handle = store(next<unsigned>(words));
    const auto transaction = next<xs_transaction_t>(words);
    return ok(xs_transaction_end(handle, transaction, next<int>(words) != 0));
  };
  verbs_["xs-watch"] = [this](Words& words) {
    xs_handle* handle = store(next<unsigned>(words));
    const auto path = next<std::string>(words);
    return ok(xs_watch(handle, path.c_str(), next<std::string>(words).c_str()));
  };
  verbs_["xs-unwatch"] = [this](Words& words) {
    xs_handle* handle = store(next<unsigned>(words));
    const auto path = next<std::string>(words);
    return ok(xs_unwatch(handle, path.c_str(), next<std::string>(words).c_str()));
  };
  // xs-event -> PATH TOKEN
  verbs_["xs-event"] = [this](Words& words) {
    xs_handle* handle = store(next<unsigned>(words));
    pollfd event{.fd = xs_fileno(handle), .events = POLLIN, .revents = 0};
    if (::poll(&event, 1, 20'000) != 1) return std::string("ok none");
    unsigned count = 0;
    char** fields = xs_read_watch(handle, &count);
    if (fields == nullptr) return error();
    const std::string answer = std::string("ok ") + fields[XS_WATCH_PATH] + " " + fields[XS_WATCH_TOKEN];
    std::free(fields);  // NOLINT: libxenstore allocates with malloc
    return answer;
  };
  verbs_["xs-close"] = [this](Words& words) {
    const auto number = next<unsigned>(words);
    xs_close(store(number));
    stores_.erase(number);
    return std::string("ok");
  };
}

}  // namespace hush::contract
