// Segments one image with an exported model.
//
// Exit codes: 0; 2 for a faulty argument, image or model; 3 for a file that cannot be
// read or written; 1 for anything else, a fault of this program.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <vector>

#include "arguments.h"
#include "errors.h"
#include "image.h"
#include "segmenter.h"

namespace {

// Prints the share of each class that is there, the largest first.
void print_shares(const Image& labels, const std::vector<std::string>& classes) {
  std::vector<std::size_t> counts(256);
  for (const auto label : labels.pixels) ++counts[label];
  std::vector<std::size_t> order;
  for (std::size_t label = 0; label < classes.size(); ++label)
    if (counts[label] > 0) order.push_back(label);
  std::sort(order.begin(), order.end(),
            [&](std::size_t one, std::size_t two) { return counts[one] > counts[two]; });
  const double total = static_cast<double>(labels.pixels.size());
  for (const auto label : order)
    std::printf("%6.2f %%  %s\n", 100 * static_cast<double>(counts[label]) / total,
                classes[label].c_str());
}

void print_time(Segmenter& segmenter, const Image& image, int repeat) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> milliseconds;
  for (int run = 0; run < repeat; ++run) {
    const auto start = Clock::now();
    segmenter(image);
    const std::chrono::duration<double, std::milli> taken = Clock::now() - start;
    milliseconds.push_back(taken.count());
  }
  if (milliseconds.empty()) return;
  const auto middle = milliseconds.begin() + static_cast<long>(milliseconds.size() / 2);
  std::nth_element(milliseconds.begin(), middle, milliseconds.end());
  std::printf("%.1f ms per image, median of %d\n", *middle, repeat);
}

int run(int count, char** values) {
  const Arguments arguments = parse_arguments(count, values);
  const Image image = read_image(arguments.image);
  Segmenter segmenter(arguments.model, arguments.threads);
  const Image labels = segmenter(image);
  if (!arguments.labels.empty()) write_png(arguments.labels, labels);
  if (!arguments.overlay.empty())
    write_png(arguments.overlay,
              overlay(image, labels, segmenter.palette(), arguments.opacity));
  print_shares(labels, segmenter.classes());
  print_time(segmenter, image, arguments.repeat);
  return 0;
}

}  // namespace

int main(int count, char** values) {
  try {
    return run(count, values);
  } catch (const InputError& error) {
    std::cerr << error.what() << "\n";
    return 2;
  } catch (const StorageError& error) {
    std::cerr << error.what() << "\n";
    return 3;
  } catch (const std::bad_alloc&) {
    std::cerr << "There is not enough memory for this image; give a smaller one.\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "lraspp_segment failed: " << error.what() << "\n";
    return 1;
  }
}
