#include "image.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "errors.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb_image.h>
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace {

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;  // a header can claim any size

std::vector<std::uint8_t> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw StorageError("Cannot read " + path + "; check the path.");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Image read_image(const std::string& path) {
  const auto bytes = read_bytes(path);
  const int size = static_cast<int>(bytes.size());
  Image image;
  int channels = 0;
  if (!stbi_info_from_memory(bytes.data(), size, &image.width, &image.height, &channels))
    throw InputError(path + " is not a JPEG, PNG or BMP image; convert it.");
  if (std::int64_t{image.width} * image.height > kMaxPixels)
    throw InputError(path + " claims " + std::to_string(image.width) + "x" +
                     std::to_string(image.height) + " pixels, more than " +
                     std::to_string(kMaxPixels) + "; cut it into smaller images.");
  stbi_uc* decoded = stbi_load_from_memory(bytes.data(), size, &image.width,
                                           &image.height, &channels, 3);
  if (!decoded)
    throw InputError(path + " is damaged (" + stbi_failure_reason() + "); replace it.");
  image.channels = 3;
  image.pixels.assign(decoded, decoded + std::size_t{3} * image.width * image.height);
  stbi_image_free(decoded);
  return image;
}

void write_png(const std::string& path, const Image& image) {
  // Beside it and renamed, so that a full disk leaves no half picture.
  const std::string temporary = path + ".tmp";
  const int stride = image.width * image.channels;
  if (!stbi_write_png(temporary.c_str(), image.width, image.height, image.channels,
                      image.pixels.data(), stride) ||
      std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    throw StorageError("Cannot write " + path + "; check the folder and its space.");
  }
}

Image overlay(const Image& image, const Image& labels, const std::vector<Color>& palette,
              double opacity) {
  Image mixed = image;
  for (std::size_t pixel = 0; pixel < labels.pixels.size(); ++pixel) {
    const std::size_t label = labels.pixels[pixel];
    if (label >= palette.size()) continue;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      auto& value = mixed.pixels[3 * pixel + channel];
      value = static_cast<std::uint8_t>(
          std::lround((1 - opacity) * value + opacity * palette[label][channel]));
    }
  }
  return mixed;
}
