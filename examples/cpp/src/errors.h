// What can go wrong, with the exit code that the program ends with.
#pragma once

#include <stdexcept>

// A faulty argument, image or model: exit code 2.
struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A file that cannot be read or written: exit code 3.
struct StorageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
