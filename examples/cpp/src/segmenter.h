// An exported model in ONNX Runtime: image in, labels out.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <string>
#include <vector>

#include "image.h"

// Everything it needs is in the file: the names, types and sizes of its input and
// output, and, as metadata, the classes and their colours.
class Segmenter {
 public:
  // Opens the file; threads 0 takes all cores.
  Segmenter(const std::string& path, int threads);

  // Returns the class of every pixel of an RGB image: one channel, the image's size.
  Image operator()(const Image& image);

  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<Color>& palette() const { return palette_; }

 private:
  void check_interface(const std::string& path);
  void read_metadata(const std::string& path);

  Ort::Env environment_;
  Ort::Session session_;
  std::vector<std::int64_t> input_shape_;  // (batch, height, width, 3); -1: any
  std::vector<std::string> classes_;
  std::vector<Color> palette_;
};
