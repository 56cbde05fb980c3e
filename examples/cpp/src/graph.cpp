#include "graph.h"

#include <set>
#include <string_view>

#include "errors.h"

namespace {

// What export.py writes, and what quantization and other exporters add.
const std::set<std::string_view> kOperations = {
    "Abs", "Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat",
    "Constant", "Conv", "ConvInteger", "ConvTranspose", "DequantizeLinear", "Div",
    "DynamicQuantizeLinear", "Equal", "Flatten", "Floor", "Gather", "GatherND", "Gemm",
    "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity", "If", "LeakyRelu",
    "MatMul", "Max", "MaxPool", "Min", "Mul", "NonZero", "Not", "Pad", "QLinearConv",
    "QuantizeLinear", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Resize",
    "ScatterND", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub",
    "Sum", "Tanh", "Transpose", "Unsqueeze", "Where"};
constexpr int kDeepest = 16;  // graphs inside of graphs

// A message of protobuf: a number, a type and a value for each field.
class Message {
 public:
  struct Field {
    std::uint64_t number = 0;
    std::uint64_t value = 0;  // of a number, or the length of what follows
    std::string_view bytes;
  };

  explicit Message(std::string_view bytes) : left_(bytes) {}

  bool next(Field& field) {
    if (left_.empty()) return false;
    const std::uint64_t tag = varint();
    field = {tag >> 3, 0, {}};
    const auto type = tag & 7;
    if (type == 0) {
      field.value = varint();
    } else if (type == 1 || type == 5) {
      take(type == 1 ? 8 : 4);
    } else if (type == 2) {
      field.bytes = take(varint());
    } else {
      throw std::runtime_error("a field of an unknown type");
    }
    return true;
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(take(1)[0]);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    throw std::runtime_error("a number that does not end");
  }

  std::string_view take(std::uint64_t count) {
    if (count > left_.size()) throw std::runtime_error("it is cut off");
    const auto taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  std::string_view left_;
};

// The numbers of the fields are those of onnx.proto.
void check_tensor(std::string_view bytes) {
  Message message(bytes);
  for (Message::Field field; message.next(field);)
    if (field.number == 13 || (field.number == 14 && field.value != 0))
      throw InputError("data in another file");
}

void check_nodes(std::string_view bytes, int depth) {
  if (depth > kDeepest) throw InputError("graphs inside of graphs");
  Message graph(bytes);
  for (Message::Field part; graph.next(part);) {
    if (part.number == 5) check_tensor(part.bytes);
    if (part.number == 15) throw InputError("a sparse tensor");
    if (part.number != 1) continue;
    std::string_view operation, domain;
    Message node(part.bytes);
    for (Message::Field field; node.next(field);) {
      if (field.number == 4) operation = field.bytes;
      if (field.number == 7) domain = field.bytes;
      if (field.number != 5) continue;
      Message attribute(field.bytes);
      for (Message::Field value; attribute.next(value);) {
        if (value.number == 5 || value.number == 10) check_tensor(value.bytes);
        if (value.number == 6 || value.number == 11) check_nodes(value.bytes, depth + 1);
        if (value.number == 22 || value.number == 23) throw InputError("a sparse tensor");
      }
    }
    if (kOperations.count(operation) == 0 || !(domain.empty() || domain == "ai.onnx"))
      throw InputError("the operation " + std::string(domain) + " " +
                       std::string(operation.substr(0, 60)));
  }
}

}  // namespace

void check_graph(const std::string& path, const std::vector<std::uint8_t>& model) {
  try {
    Message message({reinterpret_cast<const char*>(model.data()), model.size()});
    for (Message::Field field; message.next(field);) {
      if (field.number == 7) check_nodes(field.bytes, 0);
      if (field.number == 25) throw InputError("functions of its own");
    }
  } catch (const InputError& error) {
    throw InputError(path + " is refused: it has " +
                     first_line(error.what()) + ", which no model of export.py has; export it again.");
  } catch (const std::runtime_error& error) {
    throw InputError(path + " is no model for ONNX Runtime (" + error.what() +
                     "); export it again.");
  }
}
