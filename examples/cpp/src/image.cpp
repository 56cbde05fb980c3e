#include "image.h"

#include <png.h>
#include <turbojpeg.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "errors.h"
#include "file.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;  // a header can claim any size
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 28;
// Pixels of all scans together: a progressive JPEG repeats them, at ten or so.
constexpr std::int64_t kMaxScannedPixels = std::int64_t{1} << 30;
// What a byte can stand for at most: a bit for each 8x8 block of a JPEG, and in a PNG
// what deflate repeats.
constexpr std::int64_t kJpegPixelsPerByte = 8 * 64;
constexpr std::int64_t kPngBytesPerByte = 1032;

[[noreturn]] void damaged(const std::string& path, const std::string& reason) {
  throw InputError(path + " is damaged (" + reason + "); replace it.");
}

// Makes room for the pixels that a header claims, if it can be true.
Image claimed(const std::string& path, std::int64_t height, std::int64_t width,
              bool possible) {
  const auto size = std::to_string(width) + "x" + std::to_string(height) + " pixels";
  if (width * height > kMaxPixels)
    throw InputError(path + " claims " + size + ", more than " +
                     std::to_string(kMaxPixels) + "; cut it into smaller images.");
  if (!possible) damaged(path, "it claims " + size + " in too few bytes");
  Image image{static_cast<int>(height), static_cast<int>(width), 3, {}};
  image.pixels.resize(static_cast<std::size_t>(3 * width * height));
  return image;
}

Image read_jpeg(const std::string& path, const Bytes& bytes) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  int width = 0, height = 0, subsampling = 0, colors = 0;
  if (tjDecompressHeader3(decoder.get(), bytes.data(), bytes.size(), &width, &height,
                          &subsampling, &colors) != 0)
    damaged(path, tjGetErrorStr2(decoder.get()));
  if (colors == TJCS_CMYK || colors == TJCS_YCCK)
    throw InputError(path + " has the four colours of print; convert it to RGB.");
  std::int64_t scans = 0;  // their marker is never inside of coded pixels
  for (std::size_t at = 1; at < bytes.size(); ++at)
    scans += bytes[at - 1] == 0xFF && bytes[at] == 0xDA;
  const std::int64_t pixels = std::int64_t{width} * height;
  const auto size = static_cast<std::int64_t>(bytes.size());
  Image image = claimed(path, height, width, pixels <= kJpegPixelsPerByte * size);
  if (scans * pixels > kMaxScannedPixels)
    damaged(path, "it has " + std::to_string(scans) + " scans");
  // Pillow's choice of arithmetic. A warning, as of a file that is cut off, is an error.
  if (tjDecompress2(decoder.get(), bytes.data(), bytes.size(), image.pixels.data(), width,
                    0, height, TJPF_RGB, TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING) != 0)
    damaged(path, tjGetErrorStr2(decoder.get()));
  return image;
}

struct PngSource {
  const Bytes& bytes;
  std::size_t at;
};

void read_part(png_structp png, png_bytep target, std::size_t count) {
  auto* source = static_cast<PngSource*>(png_get_io_ptr(png));
  if (count > source->bytes.size() - source->at) png_error(png, "it is cut off");
  std::memcpy(target, source->bytes.data() + source->at, count);
  source->at += count;
}

void keep_message(png_structp png, png_const_charp message) {
  std::snprintf(static_cast<char*>(png_get_error_ptr(png)), 128, "%s", message);
  png_longjmp(png, 1);
}

void pass_over(png_structp, png_const_charp) {}

// Reads the header, and asks for 8 bits of RGB. An error jumps to what `setjmp` set.
void start_png(png_structp png, png_infop info) {
  png_read_info(png, info);
  png_set_palette_to_rgb(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_gray_to_rgb(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
}

Image read_png(const std::string& path, const Bytes& bytes) {
  char message[128] = "";
  PngSource source{bytes, 0};
  png_structp png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, message, keep_message, pass_over);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (!info) throw std::bad_alloc();
  const auto close = [&](png_structp) { png_destroy_read_struct(&png, &info, nullptr); };
  const std::unique_ptr<png_struct, decltype(close)> closed(png, close);
  png_set_read_fn(png, &source, read_part);
  // No object is made between a `setjmp` and the calls that may jump back to it.
  if (setjmp(png_jmpbuf(png)) != 0) damaged(path, message);
  start_png(png, info);
  const std::int64_t height = png_get_image_height(png, info);
  const std::int64_t width = png_get_image_width(png, info);
  const auto stored = static_cast<std::int64_t>(png_get_rowbytes(png, info)) * height;
  const auto most = kPngBytesPerByte * static_cast<std::int64_t>(bytes.size());
  Image image = claimed(path, height, width, stored <= most);
  std::vector<png_bytep> rows;
  for (std::int64_t row = 0; row < height; ++row)
    rows.push_back(image.pixels.data() + 3 * width * row);
  if (setjmp(png_jmpbuf(png)) != 0) damaged(path, message);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != static_cast<std::size_t>(3 * width))
    damaged(path, "its pixels are no RGB");
  png_read_image(png, rows.data());
  png_read_end(png, nullptr);
  return image;
}

bool starts_with(const Bytes& bytes, std::string_view start) {
  return bytes.size() >= start.size() &&
         std::memcmp(bytes.data(), start.data(), start.size()) == 0;
}

}  // namespace

Image read_image(const std::string& path) {
  const auto bytes = read_file(path, kMaxBytes);
  if (starts_with(bytes, "\xFF\xD8\xFF")) return read_jpeg(path, bytes);
  if (starts_with(bytes, "\x89PNG\r\n\x1A\n")) return read_png(path, bytes);
  throw InputError(path + " is not a JPEG or PNG image; convert it.");
}

void write_png(const std::string& path, const Image& image) {
  // Beside it and renamed, so that a full disk leaves no half picture.
  const std::string temporary = path + ".tmp";
  png_image written{};
  written.version = PNG_IMAGE_VERSION;
  written.width = static_cast<png_uint_32>(image.width);
  written.height = static_cast<png_uint_32>(image.height);
  written.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&written, temporary.c_str(), 0, image.pixels.data(), 0,
                               nullptr) ||
      std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    throw StorageError("Cannot write " + path + "; check the folder and its space.");
  }
}

Image overlay(const Image& image, const Image& labels, const std::vector<Color>& palette,
              double opacity) {
  Image mixed = image;
  for (std::size_t pixel = 0; pixel < labels.pixels.size(); ++pixel) {
    const auto& color = palette[labels.pixels[pixel]];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      auto& value = mixed.pixels[3 * pixel + channel];
      value = static_cast<std::uint8_t>(
          std::lround((1 - opacity) * value + opacity * color[channel]));
    }
  }
  return mixed;
}
