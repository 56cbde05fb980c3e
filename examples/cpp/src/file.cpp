#include "file.h"

#include <filesystem>
#include <fstream>

#include "errors.h"

namespace fs = std::filesystem;

std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t most) {
  std::error_code error;
  const auto kind = fs::status(path, error).type();
  if (kind == fs::file_type::not_found)
    throw InputError("There is no file " + path + "; check the path.");
  if (kind == fs::file_type::none)  // a link to itself, a folder that is closed to us
    throw InputError("Cannot look at " + path + " (" + error.message() +
                     "); check the path.");
  if (kind != fs::file_type::regular)
    throw InputError(path + " is a folder, pipe or device; give a file.");
  const std::uint64_t size = fs::file_size(path, error);
  if (error || size == 0 || size > most)
    throw InputError(path + " has " + std::to_string(error ? 0 : size) +
                     " bytes; give a file of 1 to " + std::to_string(most) + ".");
  std::vector<std::uint8_t> bytes(size);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(bytes.data()),
                 static_cast<std::streamsize>(size)))
    throw StorageError("Cannot read " + path + "; check that it may be read.");
  return bytes;
}
