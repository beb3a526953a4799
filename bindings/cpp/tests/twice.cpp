// The header may be included twice, and in two files of a program.

#include <pinyon.hpp>
#include <pinyon.hpp>

std::uint64_t size_of(const pinyon::cache<std::string, std::string>& cache) { return cache.size(); }
