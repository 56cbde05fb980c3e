// The command line.
#pragma once

#include <string>

struct Arguments {
  std::string model;
  std::string image;
  std::string labels;   // PNG with the class of each pixel; empty: none
  std::string overlay;  // PNG with the classes over the image; empty: none
  double opacity = 0.5;
  int threads = 0;  // 0: all cores
  int repeat = 0;   // timed runs after the first
};

extern const char* const kUsage;

// Throws InputError for anything it does not know.
Arguments parse_arguments(int count, char** values);
