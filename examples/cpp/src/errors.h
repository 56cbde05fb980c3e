// What can go wrong, with the exit code that the program ends with.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>

// A faulty argument, image or model: exit code 2.
struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A file that cannot be read or written: exit code 3.
struct StorageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The first line of a library's message, which may repeat any bytes of a file.
inline std::string first_line(const std::string& message) {
  std::string line = message.substr(0, message.find('\n'));
  std::replace_if(line.begin(), line.end(),
                  [](unsigned char one) { return one < 0x20 || one == 0x7F; }, '?');
  return line;
}
