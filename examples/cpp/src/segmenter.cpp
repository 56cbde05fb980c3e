#include "segmenter.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "errors.h"
#include "file.h"
#include "graph.h"

namespace {

constexpr const char* kInput = "image";
constexpr const char* kOutput = "labels";
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;

Ort::SessionOptions session_options(int threads) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
  options.AddConfigEntry("session.load_model_format", "ONNX");  // what was checked
  return options;
}

Ort::Session open(const Ort::Env& environment, const std::string& path, int threads) {
  const auto model = read_file(path, kMaxBytes);
  check_graph(path, model);
  try {
    return Ort::Session(environment, model.data(), model.size(), session_options(threads));
  } catch (const Ort::Exception& error) {
    throw InputError(path + " is no model for ONNX Runtime: " +
                     first_line(error.what()));
  }
}

bool matches(std::int64_t expected, std::int64_t given) {
  return expected < 0 || expected == given;
}

// Copies the labels of one image into bytes, whatever integers the model returns.
template <typename Integer>
std::vector<std::uint8_t> bytes(const Ort::Value& labels, std::size_t count,
                                std::size_t classes) {
  const Integer* values = labels.GetTensorData<Integer>();
  const auto [lowest, highest] = std::minmax_element(values, values + count);
  if (*lowest < 0 || static_cast<std::uint64_t>(*highest) >= classes)
    throw InputError("The model returns labels from " + std::to_string(*lowest) + " to " +
                     std::to_string(*highest) + " of " + std::to_string(classes) +
                     " classes; export it again.");
  return {values, values + count};
}

// A number that is not 0 to 255 would be cut to a byte.
std::vector<Color> colors(const nlohmann::json& palette) {
  const auto is_byte = [](const nlohmann::json& value) {
    return value.is_number_integer() && value >= 0 && value <= 255;
  };
  std::vector<Color> found;
  for (const auto& row : palette) {
    if (!row.is_array() || row.size() != 3 || !std::all_of(row.begin(), row.end(), is_byte))
      throw InputError("a colour is three numbers from 0 to 255");
    found.push_back(row.get<Color>());
  }
  return found;
}

// A name is printed: what would move the cursor of a terminal is none.
std::vector<std::string> names(const nlohmann::json& classes) {
  const auto found = classes.get<std::vector<std::string>>();
  for (const auto& name : found)
    if (std::any_of(name.begin(), name.end(),
                    [](unsigned char one) { return one < 0x20 || one == 0x7F; }))
      throw InputError("a class's name is no text");
  return found;
}

}  // namespace

Segmenter::Segmenter(const std::string& path, int threads)
    : environment_(ORT_LOGGING_LEVEL_ERROR, "lraspp"),
      session_(open(environment_, path, threads)) {
  check_interface(path);
  read_metadata(path);
}

void Segmenter::check_interface(const std::string& path) {
  Ort::AllocatorWithDefaultOptions allocator;
  const auto named = [&](bool input, const std::string& name) {
    const std::size_t count = input ? session_.GetInputCount() : session_.GetOutputCount();
    for (std::size_t index = 0; index < count; ++index) {
      const auto found = input ? session_.GetInputNameAllocated(index, allocator)
                               : session_.GetOutputNameAllocated(index, allocator);
      if (name == found.get()) return true;
    }
    return false;
  };
  if (session_.GetInputCount() != 1 || !named(true, kInput) || !named(false, kOutput))
    throw InputError(path + " does not take `image` and return `labels`; export it with "
                     "keras_lraspp's export.py.");
  const auto type = session_.GetInputTypeInfo(0);
  const auto info = type.GetTensorTypeAndShapeInfo();
  input_shape_ = info.GetShape();
  if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 ||
      input_shape_.size() != 4 || input_shape_[3] < 1)
    throw InputError(path + " does not take bytes (batch, height, width, 3).");
  if (input_shape_[3] != 3)
    throw InputError(path + " takes " + std::to_string(input_shape_[3]) +
                     "-channel images, but this program reads RGB; export a network of 3.");
}

void Segmenter::read_metadata(const std::string& path) {
  Ort::AllocatorWithDefaultOptions allocator;
  const auto metadata = session_.GetModelMetadata();
  const auto read = [&](const char* key) {
    const auto text = metadata.LookupCustomMetadataMapAllocated(key, allocator);
    if (!text) throw InputError(std::string("there is no `") + key + "`");
    return nlohmann::json::parse(text.get());
  };
  try {
    classes_ = names(read("classes"));
    palette_ = colors(read("palette"));
  } catch (const std::exception& error) {  // of JSON, too
    throw InputError(path + " has metadata that cannot be read (" +
                     first_line(error.what()) + "); export it with --format=onnx.");
  }
  if (classes_.empty() || classes_.size() > 256 || classes_.size() != palette_.size())
    throw InputError(path + " names " + std::to_string(classes_.size()) +
                     " classes and " + std::to_string(palette_.size()) +
                     " colours; this program writes 1 to 256.");
}

Image Segmenter::operator()(const Image& image) {
  if (!matches(input_shape_[1], image.height) || !matches(input_shape_[2], image.width))
    throw InputError("The image is " + std::to_string(image.height) + "x" +
                     std::to_string(image.width) + " (height x width), but the model was "
                     "exported for " + std::to_string(input_shape_[1]) + "x" +
                     std::to_string(input_shape_[2]) + "; resize it, or export the model "
                     "without --size.");
  const std::array<std::int64_t, 4> shape{1, image.height, image.width, 3};
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  // ONNX Runtime wants a pointer that could be written to, but only reads.
  auto* pixels = const_cast<std::uint8_t*>(image.pixels.data());
  const Ort::Value input = Ort::Value::CreateTensor<std::uint8_t>(
      memory, pixels, image.pixels.size(), shape.data(), shape.size());
  std::vector<Ort::Value> outputs;
  try {
    outputs = session_.Run(Ort::RunOptions{}, &kInput, &input, 1, &kOutput, 1);
  } catch (const Ort::Exception& error) {
    throw InputError("The model does not take this image: " + first_line(error.what()));
  }

  const auto info = outputs[0].GetTensorTypeAndShapeInfo();
  const auto count = static_cast<std::size_t>(image.height) * image.width;
  if (info.GetShape() != std::vector<std::int64_t>{1, image.height, image.width})
    throw InputError("The model returns labels of another size than the image's.");
  Image labels{image.height, image.width, 1, {}};
  switch (info.GetElementType()) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      labels.pixels = bytes<std::uint8_t>(outputs[0], count, classes_.size());
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      labels.pixels = bytes<std::int32_t>(outputs[0], count, classes_.size());
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      labels.pixels = bytes<std::int64_t>(outputs[0], count, classes_.size());
      break;
    default:
      throw InputError("The model's labels are not uint8, int32 or int64.");
  }
  return labels;
}
