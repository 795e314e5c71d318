// Small helpers over descriptors that the server's parts share.
#pragma once

#include <string>

namespace hush::simxen {

// A listening, non-blocking unix socket at the path (what lay there is replaced), or -1 with errno.
int listen_unix(const std::string& path, int type);

}  // namespace hush::simxen
