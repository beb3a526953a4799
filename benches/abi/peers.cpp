// Pinyon's C ABI beside the caches that a C++ program would take today: RocksDB's HyperClockCache and LRUCache, and oneTBB's
// concurrent_lru_cache. One program, the same keys for all, in turns; `benches/abi/run` compiles and runs it.
//
// A request looks a key of 16 bytes up, reads the value of 64 bytes, and inserts it if it is not there. RocksDB's caches and oneTBB's
// lend a value by a handle with a count. Pinyon does that too (pinyon-handle); its best read of so small a value is a copy into a
// buffer (pinyon), which writes to nothing that threads share. The keys are zipf distributed. All caches have the same bytes, as each counts them with what it needs itself; oneTBB's, which counts entries, gets as
// many unused ones as Pinyon holds in these bytes.

#define TBB_PREVIEW_CONCURRENT_LRU_CACHE 1
#include <oneapi/tbb/concurrent_lru_cache.h>
#include <pinyon.h>
#include <rocksdb/cache.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t value_size = 64;
constexpr std::size_t rounds = 7;

struct key {
    std::uint64_t words[2];
    bool operator<(const key &other) const { return words[0] < other.words[0]; }
};

key key_of(std::uint64_t number) { return {{number * 0x9E3779B97F4A7C15u, number}}; }

struct peer {
    std::string name;
    // One request: true if it was a hit.
    std::function<bool(const key &)> request;
    // What it holds, in entries, and in bytes by its own account.
    std::function<std::pair<std::size_t, std::size_t>()> holds;
};

thread_local std::uint64_t sum;  // So that values are read.
std::atomic<std::uint64_t> sums;

enum class reading { copy, handle };

bool read_copy(pinyon_cache *cache, const key &key) {
    unsigned char value[value_size];
    if (pinyon_get_copy(cache, &key, sizeof key, value, sizeof value, nullptr) != PINYON_OK) return false;
    sum += value[0];
    return true;
}

bool read_handle(pinyon_cache *cache, const key &key) {
    pinyon_handle *handle;
    const void *data;
    std::size_t size;
    if (pinyon_get(cache, &key, sizeof key, &handle, &data, &size) != PINYON_OK) return false;
    sum += *static_cast<const unsigned char *>(data);
    pinyon_release(handle);
    return true;
}

peer pinyon_peer(std::size_t bytes, reading how) {
    pinyon_options options{};
    options.struct_size = sizeof options;
    options.unit = PINYON_BYTES;
    options.capacity = bytes;
    pinyon_cache *made = nullptr;
    char error[256];
    if (pinyon_create(&options, &made, error, sizeof error) != PINYON_OK) {
        std::fprintf(stderr, "%s\n", error);
        std::exit(1);
    }
    std::shared_ptr<pinyon_cache> cache(made, pinyon_free);
    return {how == reading::copy ? "pinyon" : "pinyon-handle",
            [cache, how](const key &key) {
                if (how == reading::copy ? read_copy(cache.get(), key) : read_handle(cache.get(), key)) return true;
                unsigned char value[value_size] = {1};
                pinyon_set(cache.get(), &key, sizeof key, value, sizeof value, nullptr);
                return false;
            },
            [cache] {
                pinyon_stats stats{};
                stats.struct_size = sizeof stats;
                pinyon_get_stats(cache.get(), &stats);
                return std::pair<std::size_t, std::size_t>(stats.entries, stats.weight);
            }};
}

void free_value(const rocksdb::Slice &, void *value) { std::free(value); }

peer rocksdb_peer(std::string name, std::shared_ptr<rocksdb::Cache> cache) {
    return {std::move(name),
            [cache](const key &key) {
                rocksdb::Slice slice(reinterpret_cast<const char *>(&key), sizeof key);
                if (auto *handle = cache->Lookup(slice)) {
                    sum += *static_cast<unsigned char *>(cache->Value(handle));
                    cache->Release(handle);
                    return true;
                }
                void *value = std::calloc(1, value_size);
                // What malloc takes for it, as RocksDB's own callers charge it.
                cache->Insert(slice, value, value_size + 16, free_value).PermitUncheckedError();
                return false;
            },
            [cache] {
                std::size_t entries = 0;
                cache->ApplyToAllEntries([&](auto &&...) { entries++; }, {});
                return std::pair<std::size_t, std::size_t>(entries, cache->GetUsage());
            }};
}

struct value {
    unsigned char bytes[value_size];
};
thread_local bool loaded;

peer tbb_peer(std::size_t entries) {
    using cache_type = tbb::concurrent_lru_cache<key, value, std::function<value(key)>>;
    auto load = [](const key &) {
        loaded = true;
        return value{{1}};
    };
    auto cache = std::make_shared<cache_type>(load, entries);
    return {"oneTBB",
            [cache](const key &key) {
                loaded = false;
                auto handle = (*cache)[key];
                sum += handle.value().bytes[0];
                return !loaded;
            },
            [entries] { return std::pair<std::size_t, std::size_t>(entries, 0); }};
}

std::vector<std::uint64_t> zipf(std::size_t keys, double skew, std::size_t count, std::uint64_t seed) {
    std::vector<double> cumulated(keys);
    double total = 0;
    for (std::size_t at = 0; at < keys; at++) cumulated[at] = total += 1 / std::pow(double(at + 1), skew);
    std::vector<std::uint64_t> drawn(count);
    for (auto &one : drawn) {
        seed += 0x9E3779B97F4A7C15u;
        std::uint64_t z = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        double at = double((z ^ z >> 31) >> 11) / double(1ull << 53) * total;
        one = std::uint64_t(std::upper_bound(cumulated.begin(), cumulated.end(), at) - cumulated.begin());
    }
    return drawn;
}

struct result {
    double rate, hits;
};

// Each thread goes over its own keys once.
result run(const peer &peer, const std::vector<std::vector<std::uint64_t>> &keys, std::size_t threads) {
    std::vector<std::size_t> hits(threads);
    auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> workers;
    for (std::size_t thread = 0; thread < threads; thread++) {
        workers.emplace_back([&, thread] {
            std::size_t found = 0;
            for (auto number : keys[thread]) found += peer.request(key_of(number));
            hits[thread] = found;
            sums += sum;
        });
    }
    for (auto &worker : workers) worker.join();
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    double all = double(threads * keys[0].size()), found = 0;
    for (auto some : hits) found += double(some);
    return {all / took.count() / 1e6, found / all};
}

void workload(const char *name, std::size_t keys, double skew, std::size_t bytes, std::size_t requests) {
    std::vector<std::vector<std::uint64_t>> drawn;
    for (std::uint64_t thread = 0; thread < 2; thread++) drawn.push_back(zipf(keys, skew, requests, thread * 977 + 1));
    std::vector<peer> peers;
    peers.push_back(pinyon_peer(bytes, reading::copy));
    peers.push_back(pinyon_peer(bytes, reading::handle));
    // Its estimate is of charges with what it needs itself; with that of the value alone version 7.8 evicts without end.
    peers.push_back(rocksdb_peer("HyperClockCache", rocksdb::HyperClockCacheOptions(bytes, 2 * (value_size + 16)).MakeSharedCache()));
    peers.push_back(rocksdb_peer("LRUCache", rocksdb::NewLRUCache(bytes)));
    run(peers[0], drawn, 1);
    peers.push_back(tbb_peer(peers[0].holds().first));
    for (auto &peer : peers) run(peer, drawn, 1);
    std::printf("\n%s: %zu keys, zipf %.2f, %zu MiB\n", name, keys, skew, bytes >> 20);
    std::printf("%-16s %8s %28s %10s %12s %14s\n", "", "threads", "million requests/s", "hit ratio", "entries", "Pinyon's times");
    for (std::size_t threads = 1; threads <= 2; threads++) {
        std::vector<std::vector<result>> results(peers.size());
        for (std::size_t round = 0; round < rounds; round++) {
            for (std::size_t at = 0; at < peers.size(); at++) results[at].push_back(run(peers[at], drawn, threads));
        }
        double own = 0;
        for (std::size_t at = 0; at < peers.size(); at++) {
            auto &some = results[at];
            std::sort(some.begin(), some.end(), [](auto &a, auto &b) { return a.rate < b.rate; });
            double median = some[rounds / 2].rate;
            own = at == 0 ? median : own;
            std::printf("%-16s %8zu %10.2f (%6.2f to %6.2f) %9.2f%% %12zu %13.2fx\n", peers[at].name.c_str(), threads, median,
                        some.front().rate, some.back().rate, 100 * some[rounds / 2].hits, peers[at].holds().first, own / median);
        }
    }
}

}  // namespace

int main(int count, char **arguments) {
    std::size_t requests = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 2000000;
    std::printf("values of %zu bytes, keys of 16, medians of %zu rounds (least to most)\n", value_size, rounds);
    workload("hits", 100000, 0.99, 64 << 20, requests);
    workload("mixed", 1000000, 0.99, 16 << 20, requests);
    workload("mixed", 10000000, 1.0, 16 << 20, requests);
    std::fprintf(stderr, "%s", sums == 0 ? "nothing was read\n" : "");
}
