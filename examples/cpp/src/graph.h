// Looks into an ONNX file before it is run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Throws InputError for a model that would do more than compute, as a stranger's may:
// for operations outside of a list (loops are), functions, and data in other files.
void check_graph(const std::string& path, const std::vector<std::uint8_t>& model);
