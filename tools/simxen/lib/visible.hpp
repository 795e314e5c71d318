// Marks what libsimxen exports: the C ABI of Xen's libraries. Everything else stays inside, so that a
// preloaded program cannot meet our names.
#pragma once

#define SIMXEN_VISIBLE extern "C" __attribute__((visibility("default")))
