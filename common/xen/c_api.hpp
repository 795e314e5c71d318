// Xen's C headers, which do not say extern "C" themselves.
#pragma once
extern "C" {
#include <xenevtchn.h>
#include <xengnttab.h>
}
