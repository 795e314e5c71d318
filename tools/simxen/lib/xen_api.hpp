// Xen's library headers, which do not say themselves that they are C.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
#include <xencall.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
}
