#include "arguments.h"

#include <cstdlib>

#include "errors.h"

const char* const kUsage =
    "usage: lraspp_segment MODEL.onnx IMAGE [--labels=FILE.png] [--overlay=FILE.png]\n"
    "                      [--opacity=0.5] [--threads=N] [--repeat=N]\n";

namespace {

double number(const std::string& flag, const std::string& text, double low, double high) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= low && value <= high))
    throw InputError(flag + " is a number from " + std::to_string(low) + " to " +
                     std::to_string(high) + ", not '" + text + "'.");
  return value;
}

int whole(const std::string& flag, const std::string& text) {
  const double value = number(flag, text, 0, 100000);
  if (value != static_cast<int>(value))
    throw InputError(flag + " is a whole number, not '" + text + "'.");
  return static_cast<int>(value);
}

}  // namespace

Arguments parse_arguments(int count, char** values) {
  Arguments parsed;
  int positions = 0;
  for (int index = 1; index < count; ++index) {
    const std::string text = values[index];
    const auto equals = text.find('=');
    const std::string flag = text.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (text.rfind("--", 0) != 0 && positions < 2) {
      (positions++ == 0 ? parsed.model : parsed.image) = text;
    } else if (flag == "--labels") {
      parsed.labels = value;
    } else if (flag == "--overlay") {
      parsed.overlay = value;
    } else if (flag == "--opacity") {
      parsed.opacity = number(flag, value, 0, 1);
    } else if (flag == "--threads") {
      parsed.threads = whole(flag, value);
    } else if (flag == "--repeat") {
      parsed.repeat = whole(flag, value);
    } else {
      throw InputError("There is no argument '" + text + "'.\n" + kUsage);
    }
  }
  if (positions < 2) throw InputError(std::string("Give a model and an image.\n") + kUsage);
  return parsed;
}
