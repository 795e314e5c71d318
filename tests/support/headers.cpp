// Nothing: CMake wants a source in the target whose headers are compiled for all tests
// (tests/CMakeLists.txt).
