// Files as bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Reads a regular file whole. Throws InputError if it is missing, empty, larger than
// `most` bytes, or a folder, pipe or device, which is never waited for.
std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t most);
