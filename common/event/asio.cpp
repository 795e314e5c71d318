// What Boost.Asio does not keep in templates, compiled once for all of us (BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/impl/src.hpp>
