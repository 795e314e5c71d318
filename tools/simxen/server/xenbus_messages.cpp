// What happens to each message on its way between a client and the store.
#include <cstdlib>

#include "tools/simxen/server/xenbus.hpp"

namespace hush::simxen {

bool Xenbus::from_client(Client& client, StoreMessage message) {
  // The store would not know whose transaction it is: all clients of a domain are one to it.
  if (message.head.tx_id != 0 && client.transactions.count(message.head.tx_id) == 0) {
    refuse(client, message, "ENOENT");
    return true;
  }
  switch (message.head.type) {
    case XS_WATCH:
      watch(client, std::move(message));
      break;
    case XS_UNWATCH:
      unwatch(client, std::move(message));
      break;
    case XS_TRANSACTION_END:
      client.transactions.erase(message.head.tx_id);
      forward(client.id, message);
      break;
    case XS_RESET_WATCHES:
      // Meant for a whole domain; here it is the client's own watches that go.
      for (const auto& [token, watched] : client.watches) {
        StoreMessage gone;
        gone.head.type = XS_UNWATCH;
        gone.body = StoreMessage::two_strings(watched.first, token);
        forward(0, gone);
      }
      client.watches.clear();
      message.body = std::string("OK") + '\0';
      reply(client, message);
      break;
    default:
      forward(client.id, message);
  }
  return true;
}

void Xenbus::watch(Client& client, StoreMessage message) {
  const auto asked = message.path_and_token();
  if (!asked) {
    refuse(client, message, "EINVAL");
    return;
  }
  // As the kernel's driver: the same watch twice is two watches, each with its own token to the store.
  const std::string token = std::to_string(client.id) + "." + std::to_string(next_watch_++);
  // Known before the store answers: its first event may come right behind the answer.
  client.watches[token] = *asked;
  message.body = StoreMessage::two_strings(asked->first, token);
  forward(client.id, message, token);
}

void Xenbus::unwatch(Client& client, StoreMessage message) {
  const auto asked = message.path_and_token();
  if (!asked) {
    refuse(client, message, "EINVAL");
    return;
  }
  for (auto found = client.watches.begin(); found != client.watches.end(); ++found) {
    if (found->second != *asked) continue;
    message.body = StoreMessage::two_strings(asked->first, found->first);
    client.watches.erase(found);
    forward(client.id, message);
    return;
  }
  // The kernel's driver says OK to an unwatch of nothing.
  message.body = std::string("OK") + '\0';
  reply(client, message);
}

void Xenbus::forward(uint32_t client, const StoreMessage& message, std::string token) {
  const uint32_t request = next_request_++;
  pending_[request] = {client, message.head.req_id, message.head.tx_id, std::move(token)};
  StoreMessage out = message;
  out.head.req_id = request;
  to_ring_ += out.bytes();
}

void Xenbus::reply(Client& client, const StoreMessage& message) {
  client.out += message.bytes();
  if (const auto found = clients_.find(client.id); found != clients_.end()) write(found->second);
}

void Xenbus::refuse(Client& client, const StoreMessage& message, const char* reason) {
  StoreMessage error;
  error.head = message.head;
  error.head.type = XS_ERROR;
  error.body = std::string(reason) + '\0';
  reply(client, error);
}

void Xenbus::from_store(StoreMessage message) {
  if (message.head.type == XS_WATCH_EVENT) {
    const auto event = message.path_and_token();
    if (!event) return;
    const auto found = clients_.find(static_cast<uint32_t>(std::strtoul(event->second.c_str(), nullptr, 10)));
    if (found == clients_.end()) return;
    const auto watched = found->second->watches.find(event->second);
    if (watched == found->second->watches.end()) return;
    message.body = StoreMessage::two_strings(event->first, watched->second.second);
    reply(*found->second, message);
    return;
  }
  const auto waiting = pending_.find(message.head.req_id);
  if (waiting == pending_.end()) return;
  const Pending asked = std::move(waiting->second);
  pending_.erase(waiting);
  const bool began = message.head.type == XS_TRANSACTION_START;
  const uint32_t transaction =
      began ? static_cast<uint32_t>(std::strtoul(message.body.c_str(), nullptr, 10)) : 0;
  const auto found = clients_.find(asked.client);
  if (found == clients_.end()) {
    if (!began) return;
    // Its client went before it knew of the transaction.
    StoreMessage abort;
    abort.head.type = XS_TRANSACTION_END;
    abort.head.tx_id = transaction;
    abort.body = std::string("F") + '\0';
    forward(0, abort);
    return;
  }
  if (began) found->second->transactions.insert(transaction);
  if (message.head.type == XS_ERROR && !asked.token.empty()) found->second->watches.erase(asked.token);
  message.head.req_id = asked.req_id;
  reply(*found->second, message);
}

}  // namespace hush::simxen
