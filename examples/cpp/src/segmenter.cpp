#include "segmenter.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "errors.h"

namespace {

constexpr const char* kInput = "image";
constexpr const char* kOutput = "labels";

Ort::SessionOptions session_options(int threads) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
  return options;
}

Ort::Session open(const Ort::Env& environment, const std::string& path, int threads) {
  if (!std::filesystem::is_regular_file(path))
    throw StorageError("There is no model " + path + "; check the path.");
  try {
    return Ort::Session(environment, path.c_str(), session_options(threads));
  } catch (const Ort::Exception& error) {
    throw InputError(path + " is no model for ONNX Runtime: " + error.what());
  }
}

bool matches(std::int64_t expected, std::int64_t given) {
  return expected < 0 || expected == given;
}

// Copies the labels of one image into bytes, whatever integers the model returns.
template <typename Integer>
std::vector<std::uint8_t> bytes(const Ort::Value& labels, std::size_t count) {
  const Integer* values = labels.GetTensorData<Integer>();
  return {values, values + count};
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
      input_shape_.size() != 4 || input_shape_[3] != 3)
    throw InputError(path + " does not take bytes (batch, height, width, 3).");
}

void Segmenter::read_metadata(const std::string& path) {
  Ort::AllocatorWithDefaultOptions allocator;
  const auto metadata = session_.GetModelMetadata();
  const auto read = [&](const char* key) {
    const auto text = metadata.LookupCustomMetadataMapAllocated(key, allocator);
    if (!text) throw InputError(path + " has no metadata `" + key + "`.");
    return nlohmann::json::parse(text.get());
  };
  try {
    read("classes").get_to(classes_);
    read("palette").get_to(palette_);
  } catch (const nlohmann::json::exception& error) {
    throw InputError(path + " has metadata that cannot be read: " + error.what());
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
    throw InputError(std::string("The model does not take this image: ") + error.what());
  }

  const auto info = outputs[0].GetTensorTypeAndShapeInfo();
  const auto count = static_cast<std::size_t>(image.height) * image.width;
  if (info.GetElementCount() != count)
    throw InputError("The model returns labels of another size than the image's.");
  Image labels{image.height, image.width, 1, {}};
  switch (info.GetElementType()) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      labels.pixels = bytes<std::uint8_t>(outputs[0], count);
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      labels.pixels = bytes<std::int32_t>(outputs[0], count);
      break;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      labels.pixels = bytes<std::int64_t>(outputs[0], count);
      break;
    default:
      throw InputError("The model's labels are not uint8, int32 or int64.");
  }
  return labels;
}
