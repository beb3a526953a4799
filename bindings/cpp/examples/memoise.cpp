// Shows a slow function memoised: four threads ask for three forecasts at the same time, and each is made once. They
// are shared, not copied, and made anew when their time is over.

#include <pinyon.hpp>

#include <cstdio>
#include <thread>

using namespace std::chrono_literals;

struct forecast {
    std::string city;
    int degrees;
};

static std::shared_ptr<const forecast> slow(const std::string& city) {
    std::this_thread::sleep_for(100ms);
    return std::make_shared<const forecast>(forecast{city, 10 + int(city.size())});
}

int main() {
    pinyon::options options;
    options.capacity = 1000;
    options.ttl = 500ms;
    auto forecasts = pinyon::cache<std::string, std::shared_ptr<const forecast>>::create(options);
    if (!forecasts) return std::fprintf(stderr, "%s\n", std::string(forecasts.message()).c_str()), 1;

    const auto ask = [&](const std::string& city) {
        return *forecasts->get_or_load(city, [&] { return slow(city); });
    };
    const auto ask_for_all = [&] {
        for (const char* city : {"Oslo", "Lima", "Nairobi"}) ask(city);
    };

    const auto made = [&] { return int(forecasts->stats().loads); };

    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) threads.emplace_back(ask_for_all);
    for (auto& thread : threads) thread.join();
    const int first = made();
    std::printf("4 threads asked for 3 forecasts each: %d made\n", first);

    const auto oslo = ask("Oslo");
    std::printf("%s: %d degrees, from the cache\n", oslo->city.c_str(), oslo->degrees);

    std::this_thread::sleep_for(600ms);
    const auto later = ask("Oslo");
    std::printf("its time was over: %d made; who held the old one still has it: %d degrees\n", made(), oslo->degrees);
    const bool good = first == 3 && made() == 4 && later != oslo && later->degrees == oslo->degrees;
    std::printf("%s\n", good ? "each once" : "WRONG");
    return !good;
}
