// A step of a load, and how it is written: idle:SECONDS, stream:FRAME:SECONDS,
// bursts:FRAME:BYTES:EACH_MS:SECONDS.
#pragma once
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>

namespace hush::bench {

struct Step {
  enum class Kind : std::uint8_t { idle, stream, bursts };
  Kind kind = Kind::idle;
  std::uint32_t frame = 0;  // bytes
  std::uint64_t burst = 0;  // bytes
  std::uint32_t each = 0;   // ms from one burst's begin to the next one's
  double seconds = 0;
};

// Throws what is wrong with it.
inline Step step_from(const std::string& text) {
  Step step;
  std::istringstream in(text);
  std::string kind;
  std::getline(in, kind, ':');
  char colon = ':';
  if (kind == "stream") {
    step.kind = Step::Kind::stream;
    in >> step.frame >> colon;
  } else if (kind == "bursts") {
    step.kind = Step::Kind::bursts;
    in >> step.frame >> colon >> step.burst >> colon >> step.each >> colon;
  } else if (kind != "idle") {
    throw std::runtime_error("no such step: " + text);
  }
  in >> step.seconds;
  const bool sends = step.kind != Step::Kind::idle;
  if (!in || !in.eof() || colon != ':' || !(step.seconds > 0) ||
      (sends && (step.frame < 64 || step.frame > 65536)) ||
      (step.kind == Step::Kind::bursts && (step.burst < step.frame || step.each == 0)))
    throw std::runtime_error("not a step: " + text);
  return step;
}

}  // namespace hush::bench
