// The C libraries under test, whose headers do not say themselves that they are C.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
}
