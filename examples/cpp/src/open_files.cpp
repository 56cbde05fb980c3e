// Opens images and models, each named on the command line, and says how each went: with
// faulty ones and sanitizers it shows that no bytes make the program leave its memory.

#include <iostream>
#include <string>

#include "errors.h"
#include "image.h"
#include "segmenter.h"

int main(int count, char** values) {
  const Image gray{8, 8, 3, std::vector<std::uint8_t>(3 * 8 * 8, 128)};
  for (int index = 1; index < count; ++index) {
    const std::string path = values[index];
    std::cout << path << ": " << std::flush;
    try {
      if (path.size() > 5 && path.substr(path.size() - 5) == ".onnx")
        Segmenter(path, 1)(gray);
      else
        read_image(path);
      std::cout << "good" << std::endl;
    } catch (const InputError& error) {
      std::cout << error.what() << std::endl;
    }
  }
}
