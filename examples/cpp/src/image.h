// Images in memory and on the disk.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

using Color = std::array<std::uint8_t, 3>;

// Bytes in rows from the top, channels interleaved.
struct Image {
  int height = 0;
  int width = 0;
  int channels = 0;  // 3: RGB; 1: labels
  std::vector<std::uint8_t> pixels;
};

// Reads a JPEG or PNG as RGB. The orientation that a camera noted is not applied.
Image read_image(const std::string& path);

// Writes a PNG.
void write_png(const std::string& path, const Image& image);

// Lays the classes' colours over an image; opacity is 0 to 1, and every label has a colour.
Image overlay(const Image& image, const Image& labels, const std::vector<Color>& palette,
              double opacity);
