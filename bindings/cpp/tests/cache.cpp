// Everything that pinyon.hpp promises, one function a subject. Built in C++17, 20 and 23, with and without exceptions.

#include <pinyon.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <set>
#include <thread>

std::uint64_t size_of(const pinyon::cache<std::string, std::string>& cache);  // In twice.cpp.

#define CHECK(...)                                                                  \
    do {                                                                            \
        checks++;                                                                   \
        if (!(__VA_ARGS__)) {                                                       \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #__VA_ARGS__);  \
            std::exit(1);                                                           \
        }                                                                           \
    } while (false)

namespace {

std::atomic<int> checks{0};

using namespace std::chrono_literals;
using text_cache = pinyon::cache<std::string, std::string>;

struct point {
    std::int32_t x, y;
    friend bool operator==(const point& a, const point& b) { return a.x == b.x && a.y == b.y; }
};

// Not trivially copyable, so it needs a codec.
struct user {
    std::string name;
    int age;
};

// Tells how many of it there are.
struct counted {
    static std::atomic<int> alive, made;
    int value;
    explicit counted(int v) : value(v) { alive++, made++; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { alive--; }
};
std::atomic<int> counted::alive{0}, counted::made{0};

}  // namespace

template <>
struct pinyon::codec<user> {
    static std::string encode(const user& u) { return std::to_string(u.age) + " " + u.name; }
    static std::optional<user> decode(std::string_view bytes) {
        const auto space = bytes.find(' ');
        if (space == bytes.npos) return std::nullopt;
        return user{std::string(bytes.substr(space + 1)), std::atoi(std::string(bytes.substr(0, space)).c_str())};
    }
};

namespace {

pinyon::options sized(std::uint64_t capacity) {
    pinyon::options options;
    options.capacity = capacity;
    return options;
}

template <class K, class V>
pinyon::cache<K, V> made(pinyon::options options = sized(1000)) {
    return pinyon::cache<K, V>::create(std::move(options)).value();
}

void a_cache_is_made_or_says_why_not() {
    const auto none = text_cache::create({});
    CHECK(!none);
    CHECK(none.code() == PINYON_ERR_ARGUMENT);
    CHECK(none.message().find("capacity") != std::string_view::npos);

    auto told = std::make_shared<int>(0);
    auto options = sized(0);
    options.on_removed = [told](auto, auto, auto) {};
    CHECK(!text_cache::create(options));
    options.on_removed = nullptr;
    CHECK(told.use_count() == 1);

    auto some = text_cache::create(sized(10));
    CHECK(some && some.code() == PINYON_OK);
    CHECK(some->set("a", "1"));
    text_cache moved = *std::move(some);
    text_cache other = made<std::string, std::string>();
    other.set("b", "2");
    other = std::move(moved);
    CHECK(other.get("a") == "1" && !other.get("b"));
    CHECK(!moved.set("a", "1") && moved.set("a", "1").code() == PINYON_ERR_NULL);
    CHECK(moved.size() == 0 && !moved.get("a") && moved.set_many({{"a", "1"}})[0] == PINYON_ERR_NULL);
    static_assert(!std::is_copy_constructible_v<text_cache> && std::is_nothrow_move_constructible_v<text_cache>);
}

void text_goes_in_and_out() {
    auto cache = made<std::string, std::string>();
    CHECK(!cache.get("jay") && !cache.contains("jay"));
    CHECK(cache.set("jay", "ten thousand seeds"));
    CHECK(cache.set(std::string("crow"), std::string(1, '\0')));
    CHECK(cache.set("", ""));
    CHECK(cache.get("jay") == "ten thousand seeds");
    CHECK(cache.get(std::string_view("crow")) == std::string(1, '\0'));
    CHECK(cache.get("") == "");
    CHECK(cache.contains("") && cache.size() == 3 && size_of(cache) == 3);
    CHECK(cache.take("jay") == "ten thousand seeds" && !cache.take("jay"));
    CHECK(cache.remove("crow") && cache.remove("crow").code() == PINYON_MISS);
    CHECK(!cache.remove("crow").message().empty());

    auto views = made<std::string_view, std::string>();
    views.set("a", "1");
    CHECK(views.get("a") == "1");
}

void plain_types_and_codecs() {
    auto points = made<point, double>();
    CHECK(points.set({1, 2}, 0.5) && points.get({1, 2}) == 0.5 && !points.get({2, 1}));
    CHECK(points.compare_and_swap({1, 2}, 0.5, 0.75) && points.get({1, 2}) == 0.75);

    auto arrays = made<std::array<char, 3>, point>();
    CHECK(arrays.set({'a', 'b', 'c'}, {3, 4}) && arrays.get({'a', 'b', 'c'}) == point{3, 4});

    auto users = made<user, user>();
    CHECK(users.set({"ann", 7}, {"bob", 8}));
    auto bob = users.get({"ann", 7});
    CHECK(bob && bob->name == "bob" && bob->age == 8);
    int age = 0;
    CHECK(users.visit({"ann", 7}, [&](const user& u) { age = u.age; }) && age == 8);

    // Bytes that are no user, written by hand.
    auto writer = users.reserve({"eve", 1}, 3);
    CHECK(writer && writer->commit());
    CHECK(!users.get({"eve", 1}));
    CHECK(users.visit({"eve", 1}, [](const user&) {}).code() == PINYON_ERR_ARGUMENT);
    auto loaded = users.get_or_load({"eve", 1}, [] { return user{"eve", 1}; });
    CHECK(!loaded && loaded.code() == PINYON_ERR_ARGUMENT && !loaded.message().empty());
    int seen = 0;
    CHECK(users.for_each([&](const user&, const user&) { seen++; }) && seen == 1);
}

void handles_beyond_a_count_have_bytes_of_their_own() {
    pinyon::handle last;
    auto cache = made<std::string, std::string>();
    cache.set("a", "one");
    {
        std::vector<pinyon::handle> many;
        many.push_back(cache.get_handle("a"));
        for (int i = 0; i < 40000; i++) many.push_back(many.front().copy());
        last = many.back().copy();
    }
    CHECK(cache.remove("a"));
    for (int i = 0; i < 100; i++) cache.set("b", "two");
    CHECK(last.view() == "one");
}

void handles_keep_their_value() {
    pinyon::handle kept, copy;
    {
        auto cache = made<std::string, std::string>();
        CHECK(!cache.get_handle("a") && cache.get_handle("a").view().empty());
        cache.set("a", "one");
        kept = cache.get_handle("a");
        copy = kept.copy();
        cache.set("a", "two");
        CHECK(kept.view() == "one" && cache.get("a") == "two");
        CHECK(cache.compare_and_swap("a", kept, "three").code() == PINYON_NOT_STORED);
        CHECK(cache.compare_and_swap("a", cache.get_handle("a"), "three") && cache.get("a") == "three");
        cache.set("empty", "");
        CHECK(cache.compare_and_swap("empty", pinyon::handle(), "full").code() == PINYON_NOT_STORED);
        CHECK(cache.get_handle("empty") && cache.get_handle("empty").size() == 0);
    }
    pinyon::handle moved = std::move(kept);
    CHECK(!kept && kept.data() == nullptr && kept.size() == 0);
    CHECK(moved && moved.view() == "one" && moved.size() == 3);
    moved = {};
    std::thread([&] { CHECK(copy.view() == "one"); copy = {}; }).join();
    CHECK(!copy.copy());
    handles_beyond_a_count_have_bytes_of_their_own();
#if __cplusplus >= 202002L
    auto cache = made<std::string, std::int32_t>({.capacity = 10, .ttl = 1min});
    cache.set("n", 7, {.ttl = 5s, .tags = {"a", "b"}});
    const auto handle = cache.get_handle("n");
    CHECK(handle.bytes().size() == 4 && handle.bytes()[0] == std::byte{7});
    CHECK(pinyon::decode<std::int32_t>(handle.view()) == 7);
#endif
}

void conditions() {
    auto cache = made<std::string, std::string>();
    CHECK(cache.replace("a", "0").code() == PINYON_MISS);
    CHECK(cache.compare_and_swap("a", "0", "1").code() == PINYON_MISS);
    CHECK(cache.add("a", "1") && cache.add("a", "2").code() == PINYON_NOT_STORED);
    CHECK(cache.replace("a", "3") && cache.get("a") == "3");
    CHECK(cache.compare_and_swap("a", "1", "4").code() == PINYON_NOT_STORED);
    CHECK(cache.compare_and_swap("a", "3", "4") && cache.get("a") == "4");

    auto counters = made<std::string, std::int64_t>();
    CHECK(*counters.counter_add("n", 5, 100) == 100 && *counters.counter_add("n", 5) == 105);
    CHECK(counters.counter_add("n", -106).value() == -1 && counters.get("n") == -1);
    counters.set("n", INT64_MAX);
    auto over = counters.counter_add("n", 1);
    CHECK(!over && over.code() == PINYON_ERR_OVERFLOW && !over.message().empty());
}

void shared_pointers_are_written_under_conditions() {
    const auto one = std::make_shared<counted>(1), two = std::make_shared<counted>(2);
    const std::shared_ptr<counted> alias(two, one.get()), nothing;
    {
        auto cache = made<int, std::shared_ptr<counted>>();
        CHECK(cache.replace(0, one).code() == PINYON_MISS);
        CHECK(cache.compare_and_swap(0, nothing, one).code() == PINYON_MISS);
        CHECK(cache.add(0, one) && cache.add(0, two).code() == PINYON_NOT_STORED && cache.get(0) == one);
        CHECK(cache.compare_and_swap(0, alias, two).code() == PINYON_NOT_STORED);  // The same object, another owner.
        CHECK(cache.compare_and_swap(0, one, two) && cache.get(0) == two);
        CHECK(cache.compare_and_swap(0, cache.get_handle(0), nothing) && cache.get(0) == nothing);
        CHECK(cache.compare_and_swap(0, nothing, one, {1h}) && cache.metadata(0)->remaining);
        CHECK(cache.replace(0, two) && cache.get(0) == two);
        CHECK(cache.set_many({{1, one}, {2, two}, {1, nothing}}) == std::vector<std::int32_t>(3, PINYON_OK));
        CHECK(cache.get(1) == nothing && cache.get(2) == two);
        const auto moved = std::move(cache);
        CHECK(cache.add(1, one).code() == PINYON_ERR_NULL && cache.set_many({{1, one}})[0] == PINYON_ERR_NULL);
    }
    CHECK(one.use_count() == 1 && two.use_count() == 2);
}

void values_are_written_in_place() {
    auto cache = made<std::string, std::string>();
    {
        auto writer = cache.reserve("a", 5);
        CHECK(writer && writer->size() == 5);
        std::memcpy(writer->data(), "hello", 5);
        CHECK(!cache.contains("a"));
        CHECK(writer->commit({1h}) && !writer->commit());
    }
    CHECK(cache.get("a") == "hello" && cache.metadata("a")->remaining);
    { auto discarded = cache.reserve("b", 5); }
    CHECK(!cache.contains("b"));
    CHECK(cache.reserve("c", SIZE_MAX).code() < 0);
}

void entries_have_lifetimes_weights_and_tags() {
    std::atomic<std::int64_t> now{1000};
    auto options = sized(100);
    options.clock = [&] { return std::chrono::nanoseconds(std::chrono::milliseconds(now)); };
    options.unit = pinyon::unit::weight;
    options.ttl = 10s;
    options.track_age = true;
    auto cache = made<int, std::string>(options);
    cache.set(1, "default");
    cache.set(2, "short", {1s});
    pinyon::entry_options how;
    how.ttl = pinyon::never;
    how.weight = 30;
    how.tags = {"red", "green"};
    cache.set(3, "ever", how);
    pinyon::entry_options idle;
    idle.idle = 2s;
    cache.set(4, "idle", idle);
    how = {};
    how.weight = 101;
    CHECK(cache.set(5, "heavy", how).code() == PINYON_TOO_HEAVY);
    how.weightless = true;
    CHECK(cache.set(5, "light", how) && cache.metadata(5)->weight == 0);
    CHECK(cache.set(6, "over", {0s}));

    CHECK(!cache.metadata(7));
    now += 500;
    auto known = cache.metadata(2);
    CHECK(known && known->age == 500ms && known->remaining == 500ms && !known->idle && known->weight == 1);
    CHECK(cache.metadata(1)->remaining == 9500ms);
    CHECK(!cache.metadata(3)->remaining && cache.metadata(3)->weight == 30);
    CHECK(cache.metadata(4)->idle == 2s);
    CHECK(!cache.contains(6));
    now += 500;
    CHECK(!cache.get(2) && cache.get(1));
    now += 900;
    CHECK(cache.touch(4) && cache.touch(9).code() == PINYON_MISS);
    now += 1500;
    CHECK(cache.contains(4));
    CHECK(cache.expire_after(1, 1s) && cache.expire_after(9, 1s).code() == PINYON_MISS);
    CHECK(cache.metadata(1)->remaining == 1s);
    CHECK(cache.expire_after(1, std::nullopt) && cache.metadata(1)->remaining == 10s);
    CHECK(cache.expire_after(1, pinyon::never) && !cache.metadata(1)->remaining);
    now += 600;
    CHECK(!cache.contains(4));

    CHECK(cache.invalidate_tag("blue") && cache.contains(3));
    CHECK(cache.invalidate_tag("green") && !cache.contains(3));
    CHECK(cache.maintain(100000));
    CHECK(cache.invalidate_all() && !cache.contains(1) && cache.maintain(100000) && cache.size() == 0);

    cache.set(1, "a", {5s});
    now -= 3000;  // A clock that goes back stands still.
    CHECK(cache.metadata(1)->remaining == 5s);
}

void removals_are_told() {
    using pinyon::cause;
    std::vector<std::pair<std::string, cause>> told;
    auto held = std::make_shared<int>(0);
    {
        auto options = sized(100);
        options.shards = 1;
        options.on_removed = [&, held](std::string_view key, std::string_view value, cause why) {
            told.emplace_back(std::string(key) + "=" + std::string(value), why);
#ifdef __cpp_exceptions
            throw 1;  // Goes nowhere.
#endif
        };
        options.removal_queue = 3;
        auto cache = made<std::string, std::string>(std::move(options));
        options.on_removed = nullptr;  // Of what was moved from, something may be left.
        cache.set("a", "1");
        CHECK(cache.set("a", "2"));
        CHECK(cache.remove("a"));
        cache.set("b", "3");
        cache.clear();
        cache.set("c", "4");
        cache.set("d", "5");
        CHECK(cache.shrink(1) == 1);
        CHECK(told.size() == 4 && told[0] == std::pair(std::string("a=1"), cause::replaced));
        CHECK(told[1] == std::pair(std::string("a=2"), cause::removed));
        CHECK(told[2] == std::pair(std::string("b=3"), cause::cleared) && told[3].second == cause::evicted);

        CHECK(cache.stats().removals_lost == 1);
        std::string polled;
        const auto poll = [&](std::string_view key, std::string_view value, cause) { (polled += key) += value; };
        CHECK(cache.poll_removals(poll, 2) == 2);
        CHECK(polled == "a2b3");
        CHECK(cache.poll_removals([](auto, auto, cause why) { CHECK(why == cause::evicted); }) == 1);
        CHECK(cache.poll_removals([](auto, auto, auto) {}) == 0);
        CHECK(held.use_count() == 2);
    }
    CHECK(held.use_count() == 1 && told.size() == 4);
}

void many_at_once() {
    auto cache = made<std::string, std::string>();
    CHECK(cache.set_many({{"a", "1"}, {"b", "2"}}) == std::vector<std::int32_t>(2, PINYON_OK));
    CHECK(cache.set_many(std::map<std::string, std::string>{{"c", "3"}, {"d", "4"}}, {1h}).size() == 2);
    CHECK(cache.metadata("c")->remaining && !cache.metadata("a")->remaining);
    auto got = cache.get_many({"a", "x", "d"});
    CHECK(got.size() == 3 && got[0] == "1" && !got[1] && got[2] == "4");
    CHECK(cache.get_many(std::set<std::string>{"a", "b"})[1] == "2");
    CHECK(cache.get_many(std::vector<std::string_view>{}).empty());
    CHECK(cache.remove_many({"a", "x"}) == std::vector<std::int32_t>{PINYON_OK, PINYON_MISS});
    CHECK(cache.size() == 3);

    auto users = made<user, user>();
    std::vector<std::pair<user, user>> pairs;
    for (int i = 0; i < 100; i++) pairs.push_back({{"k", i}, {"v", i + 1}});
    users.set_many(pairs);
    std::vector<user> keys;
    for (int i = 0; i < 100; i++) keys.push_back({"k", i});
    auto all = users.get_many(keys);
    for (int i = 0; i < 100; i++) CHECK(all[std::size_t(i)]->age == i + 1);

    auto ints = made<int, int>();
    for (int i = 0; i < 1000; i++) ints.set(i, 2 * i);
    int sum = 0, count = 0;
    CHECK(ints.for_each([&](int key, int value) { sum += value - key; count++; }));
    CHECK(count == int(ints.size()) && count > 0);
    if (count == 1000) CHECK(sum == 999 * 500);
}

void the_capacity_changes() {
    auto options = sized(1 << 20);
    options.unit = pinyon::unit::bytes;
    options.policy = pinyon::policy::clock;
    options.statistics = false;
    auto cache = made<int, std::string>(options);
    for (int i = 0; i < 100; i++) cache.set(i, std::string(1000, 'x'));
    CHECK(cache.set_capacity(50000) && cache.size() < 50);
    CHECK(cache.set_capacity(0).code() == PINYON_ERR_ARGUMENT);
    const auto small = cache.set_capacity(1023);
    CHECK(small.code() == PINYON_ERR_ARGUMENT && small.message().find("1024 bytes or more") != std::string_view::npos);
    CHECK(cache.shrink(10000) > 0 && cache.size() < 10);
    CHECK(cache.stats().capacity == 50000 && cache.stats().hits == 0);
    CHECK(cache.set(0, std::string(60000, 'x')).code() == PINYON_TOO_HEAVY);
    CHECK(cache.clear() && cache.size() == 0);
}

void shared_pointers_are_freed_once() {
    counted::made = 0;
    {
        auto options = sized(64);
        options.removal_queue = 8;
        std::atomic<int> told{0};
        options.on_removed = [&](std::string_view, std::string_view value, pinyon::cause) {
            auto pointer = pinyon::decode<std::shared_ptr<counted>>(value);
            CHECK(pointer && (!*pointer || (*pointer)->value >= 0));
            told++;
        };
        auto cache = made<int, std::shared_ptr<counted>>(std::move(options));
        std::shared_ptr<counted> held;
        for (int i = 0; i < 1000; i++) {
            CHECK(cache.set(i, std::make_shared<counted>(i)));
            auto there = cache.get(i);
            if (there) CHECK((*there)->value == i);
            if (i == 500) held = *there;
        }
        CHECK(cache.size() <= 64 && told > 900);
        CHECK(held->value == 500);
        cache.set(7, std::make_shared<counted>(7));
        std::weak_ptr<counted> weak = *cache.get(7);
        CHECK(cache.visit(7, [&](const std::shared_ptr<counted>& p) { CHECK(p.use_count() == 1); }));
        auto handle = cache.get_handle(7);
        auto taken = cache.take(7);
        CHECK(taken && (*taken)->value == 7);
        taken.reset();
        cache.poll_removals([](int, const std::shared_ptr<counted>& p, pinyon::cause) { CHECK(p); }, 100);
        CHECK((*pinyon::decode<std::shared_ptr<counted>>(handle.view()))->value == 7);
        handle = {};
        for (int i = 2000; i < 2100; i++) cache.set(i, nullptr);  // What readers kept is given back by and by.
        cache.set(1, nullptr);
        CHECK(cache.get(1) && !*cache.get(1));
        cache.set_many({{3, std::make_shared<counted>(3)}, {4, std::make_shared<counted>(4)}});
        CHECK((*cache.get_many({3, 4, 99999})[1])->value == 4);
        int seen = 0;
        cache.for_each([&](int, const std::shared_ptr<counted>& p) { seen += bool(p); });
        CHECK(seen > 0);
        auto loaded = cache.get_or_load(5000, [] { return std::make_shared<counted>(9); });
        CHECK(loaded && (*loaded)->value == 9 && *cache.get(5000) == *loaded);
        pinyon::cache<int, std::shared_ptr<counted>> nothing = std::move(cache);
        CHECK(!cache.set(1, std::make_shared<counted>(1)));
    }
    CHECK(counted::made > 1000 && counted::alive == 0);

    auto tight = sized(10000);
    tight.unit = pinyon::unit::bytes;
    auto cache = made<int, std::shared_ptr<const counted>>(tight);
    pinyon::entry_options heavy;
    heavy.weight = 100000;
    CHECK(cache.set(1, std::make_shared<counted>(1), heavy).code() == PINYON_TOO_HEAVY);
    auto loaded = cache.get_or_load(1, [&] {
        return pinyon::loaded<std::shared_ptr<const counted>>{std::make_shared<counted>(2), heavy};
    });
    CHECK(loaded && (*loaded)->value == 2 && !cache.contains(1));
}

void one_loads_and_the_others_wait() {
    counted::made = 0;
    {
        auto cache = made<std::string, std::shared_ptr<counted>>();
        std::vector<std::thread> threads;
        std::atomic<int> sum{0}, ready{0};
        for (int i = 0; i < 8; i++) {
            threads.emplace_back([&] {
                ready++;
                while (ready < 8) std::this_thread::yield();
                auto value = cache.get_or_load("slow", [] {
                    std::this_thread::sleep_for(50ms);
                    return std::make_shared<counted>(5);
                });
                sum += (*value)->value;
            });
        }
        for (auto& thread : threads) thread.join();
        CHECK(counted::made == 1 && sum == 40);
        CHECK(cache.stats().loads == 1 && cache.stats().waiting == 0);
    }
    CHECK(counted::alive == 0);

    // Many keys, small cache, all at once: whoever asks gets the value of its key.
    auto cache = made<int, std::string>(sized(16));
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++) {
        threads.emplace_back([&cache, i] {
            for (int n = 0; n < 2000; n++) {
                const int key = (n * (i + 1)) % 40;
                if (n % 50 == 0) cache.remove(key);
                auto value = cache.get_or_load(key, [&] { return std::to_string(key); });
                CHECK(value && *value == std::to_string(key));
            }
        });
    }
    for (auto& thread : threads) thread.join();
}

void loaders_say_more_than_a_value() {
    auto cache = made<std::string, std::string>();
    CHECK(*cache.get_or_load("a", [] { return "text"; }) == "text");
    const auto kept = cache.get_or_load("a", [] { return "other"; });
    CHECK(*kept == "text" && kept->size() == 4 && kept.value() == "text");
    CHECK(*cache.get_or_load("b", [] {
        pinyon::loaded<std::string> b{"b", {1h}};
        b.options.tags = {std::string(100, 'x')};
        return b;
    }) == "b");
    CHECK(cache.metadata("b")->remaining && !cache.metadata("a")->remaining);

    cache.invalidate_tag(std::string(100, 'x'));
    CHECK(!cache.contains("b") && cache.contains("a"));

    auto failed = cache.get_or_load("c", []() -> std::optional<std::string> { return std::nullopt; });
    CHECK(!failed && failed.code() == PINYON_MISS && !cache.contains("c"));
    CHECK(*cache.get_or_load("c", [] { return std::optional(pinyon::loaded<std::string>{"c", {}}); }) == "c");
    CHECK(cache.stats().load_failures == 1);

    // Overtaken: the caller has what it loaded, the cache what was written meanwhile.
    auto overtaken = cache.get_or_load("d", [&] { return cache.set("d", "written"), "loaded"; });
    CHECK(*overtaken == "loaded" && cache.get("d") == "written");

    // Own key, and other keys.
    std::int32_t code = 0;
    auto outer = cache.get_or_load("e", [&] {
        code = cache.get_or_load("e", [] { return "inner"; }).code();
        return *cache.get_or_load("f", [&] {
            CHECK(cache.get_or_load("e", [] { return "inner"; }).code() == PINYON_OWN_KEY);
            return "f";
        });
    });
    CHECK(code == PINYON_OWN_KEY && *outer == "f" && cache.get("e") == "f");
    const auto removing = cache.get_or_load("h", [&] {
        cache.remove("h");
        code = cache.get_or_load("h", [] { return "within"; }).code();
        return "without";
    });
    CHECK(code == PINYON_OWN_KEY && *removing == "without");
    CHECK(cache.stats().waiting == 0);
    auto other = made<std::string, std::string>();
    CHECK(*cache.get_or_load("g", [&] { return *other.get_or_load("g", [] { return "other"; }); }) == "other");

    std::atomic<std::int64_t> now{1};
    auto options = sized(10);
    options.clock = [&] { return std::chrono::seconds(now); };
    options.refresh_after = 10s;
    auto fresh = made<std::string, int>(options);
    int n = 0;
    auto load = [&] { return ++n; };
    CHECK(*fresh.get_or_load("n", load) == 1 && *fresh.get_or_load("n", load) == 1);
    now += 11;
    CHECK(*fresh.get_or_load("n", [&] {
        CHECK(*fresh.get_or_load("n", load) == 1);  // The others get what is there.
        return ++n;
    }) == 2);
    CHECK(*fresh.get_or_load("n", load) == 2);
}

// By its name, and nothing is changed.
void a_time_below_0_is_refused() {
    const auto refused = [](const pinyon::status& why, const char* text) {
        return why.code() == PINYON_ERR_ARGUMENT &&
               why.message() == std::string(text) + " ms; allowed: 0 or more, pinyon::never for ever";
    };
    auto options = sized(10);
    options.ttl = -1ms;
    CHECK(refused(text_cache::create(options), "ttl was -1"));
    options.ttl = std::chrono::milliseconds::min();
    CHECK(refused(text_cache::create(options), "ttl was -9223372036854775808"));
    options.ttl = 1s;
    options.idle = -2s;
    CHECK(refused(text_cache::create(options), "idle was -2000"));
    options.idle = 1s;
    options.refresh_after = -3s;
    CHECK(refused(text_cache::create(options), "refresh_after was -3000"));

    auto cache = made<std::string, std::string>(sized(10));
    const auto is = [&](const char* text) { return cache.get("a") == text && !cache.metadata("a")->remaining; };
    const pinyon::entry_options bad = {-1s};
    pinyon::entry_options idle;
    idle.idle = -1s;
    cache.set("a", "1");
    CHECK(refused(cache.set("a", "2", bad), "ttl was -1000") && is("1"));
    CHECK(refused(cache.set("a", "2", idle), "idle was -1000") && is("1"));
    CHECK(refused(cache.add("b", "2", bad), "ttl was -1000") && !cache.contains("b"));
    CHECK(refused(cache.replace("a", "2", bad), "ttl was -1000") && is("1"));
    CHECK(refused(cache.compare_and_swap("a", "1", "2", bad), "ttl was -1000") && is("1"));
    CHECK(cache.set_many({{"a", "2"}, {"b", "2"}}, bad) == std::vector<std::int32_t>(2, PINYON_ERR_ARGUMENT) && is("1"));
    CHECK(refused(cache.expire_after("a", -1ms), "ttl was -1") && is("1"));
    CHECK(refused(cache.get_or_load("b", [] { return pinyon::loaded<std::string>{"2", {-1s}}; }), "ttl was -1000"));
    CHECK(!cache.contains("b") && *cache.get_or_load("b", [] { return "3"; }) == "3");

    auto room = cache.reserve("a", 1);
    room->data()[0] = '4';
    CHECK(refused(room->commit(bad), "ttl was -1000") && is("1"));
    CHECK(room->commit() && is("4"));

    auto numbers = made<int, std::int64_t>(sized(10));
    CHECK(refused(numbers.counter_add(1, 1, 0, bad), "ttl was -1000") && !numbers.contains(1));

    counted::alive = 0;
    auto held = made<int, std::shared_ptr<counted>>(sized(10));
    CHECK(refused(held.set(1, std::make_shared<counted>(1), bad), "ttl was -1000"));
    CHECK(held.set_many({{1, std::make_shared<counted>(1)}}, bad)[0] == PINYON_ERR_ARGUMENT);
    CHECK(counted::alive == 0 && held.size() == 0);
}

#ifdef __cpp_exceptions
template <class E, class F>
bool throws(F f) {
    try {
        f();
    } catch (const E&) {
        return true;
    }
    return false;
}

struct unreadable {
    std::string text;
};

struct unwritable {
    std::string text;
};

struct own {
    std::string text;
};

// How many more times this thread is given memory; negative: always.
thread_local int memory_left = -1;

void* take_memory(std::size_t size) {
    if (memory_left == 0) throw std::bad_alloc();
    if (memory_left > 0) memory_left--;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return take_memory(size); }
void* operator new[](std::size_t size) { return take_memory(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

template <>
struct pinyon::codec<unwritable> {
    static std::string encode(const unwritable&) { throw std::logic_error("unwritable"); }
    static unwritable decode(std::string_view bytes) { return {std::string(bytes)}; }
};

template <>
struct pinyon::codec<std::shared_ptr<own>> {
    static std::string encode(const std::shared_ptr<own>& value) { return value->text; }
    static std::shared_ptr<own> decode(std::string_view bytes) {
        return std::make_shared<own>(own{std::string(bytes)});
    }
};

template <>
struct pinyon::codec<unreadable> {
    static const std::string& encode(const unreadable& u) { return u.text; }
    static unreadable decode(std::string_view bytes) {
        if (bytes == "bad") throw std::logic_error("unreadable");
        return {std::string(bytes)};
    }
};

namespace {

void a_codec_of_the_users_goes_before_that_of_shared_pointers() {
    pinyon::cache<int, std::shared_ptr<own>> cache(sized(10));
    CHECK(cache.set(1, std::make_shared<own>(own{"text"})) && cache.get(1).value()->text == "text");
    CHECK(cache.get_handle(1).view() == "text");

    // In every write, and as a key.
    const auto called = [](const char* text) { return std::make_shared<own>(own{text}); };
    pinyon::cache<std::shared_ptr<own>, std::shared_ptr<own>> both(sized(10));
    const auto is = [&](const char* key, const char* text) {
        const auto there = both.get(called(key));
        return there && (*there)->text == text && both.get_handle(called(key)).view() == text;
    };
    CHECK(both.set(called("a"), called("1")) && is("a", "1"));
    CHECK(both.compare_and_swap(called("a"), called("1"), called("2")) && is("a", "2"));
    CHECK(both.set_many({{called("b"), called("3")}})[0] == PINYON_OK && is("b", "3"));
    CHECK((*both.get_or_load(called("c"), [&] { return called("4"); }))->text == "4" && is("c", "4"));
    auto room = both.reserve(called("d"), 1);
    room->data()[0] = '5';
    CHECK(room->commit() && is("d", "5"));
}

void exceptions_are_passed_on() {
    CHECK(throws<pinyon::error>([] { text_cache cache{pinyon::options{}}; }));
    CHECK(throws<std::runtime_error>([] { text_cache::create({}).value(); }));
    auto negative = sized(10);
    negative.ttl = -1s;
    CHECK(throws<pinyon::error>([&] { text_cache cache(negative); }));
    text_cache cache(sized(100));
    cache.set("a", "1");
    CHECK(throws<int>([&] { cache.visit("a", [](std::string_view) { throw 1; }); }));
    CHECK(throws<int>([&] { cache.for_each([](auto, auto) { throw 1; }); }));

    auto queued = sized(10);
    queued.removal_queue = 10;
    text_cache removed(queued);
    for (int i = 0; i < 5; i++) removed.set("a", "1");
    CHECK(throws<int>([&] { removed.poll_removals([](auto, auto, auto) { throw 1; }); }));

    pinyon::cache<int, unreadable> codecs(sized(10));
    codecs.set(1, {"good"});
    codecs.set(2, {"bad"});
    CHECK(codecs.get(1)->text == "good");
    CHECK(throws<std::logic_error>([&] { codecs.get(2); }));
    CHECK(throws<std::logic_error>([&] { codecs.take(2); }));
    codecs.set(2, {"bad"});
    CHECK(throws<std::logic_error>([&] { codecs.get_many({1, 2, 1}); }));
    CHECK(throws<std::logic_error>([&] { codecs.for_each([](int, const unreadable&) {}); }));

    counted::alive = 0;
    pinyon::cache<unwritable, std::shared_ptr<counted>> keyless(sized(10));
    CHECK(throws<std::logic_error>([&] { keyless.set({"a"}, std::make_shared<counted>(1)); }));
    CHECK(counted::alive == 0);

    auto options = sized(10);
    options.ttl = 1h;
    options.clock = []() -> std::chrono::nanoseconds { throw 1; };
    text_cache timeless(options);
    CHECK(timeless.set("a", "1") && timeless.get("a") == "1");

    CHECK(throws<pinyon::error>([&] {
        cache.get_or_load("own", [&] { return cache.get_or_load("own", [] { return ""; }).value(); });
    }));
    CHECK(!cache.contains("own") && *cache.get_or_load("own", [] { return "again"; }) == "again");
}

// Whichever allocation of a call fails, what it held is given back.
void memory_that_ends_takes_nothing_along() {
    using pointer = std::shared_ptr<counted>;
    const auto held = std::make_shared<counted>(1);
    {
        auto options = sized(100);
        options.removal_queue = 100;
        const pinyon::cache<std::string, pointer> cache(options);
        const std::string a(100, 'a'), b(100, 'b'), c(100, 'c');
        const std::vector<std::pair<std::string, pointer>> pairs{{a, held}, {b, held}, {c, held}};
        pinyon::entry_options tagged;
        tagged.tags = {a, b};
        const auto each = [](auto&& call) {
            int failed = 0;
            for (bool done = false; !done; failed += !done) {
                memory_left = failed;
                done = !throws<std::bad_alloc>(call);
                memory_left = -1;
            }
            return failed;
        };
        CHECK(each([&] { cache.set(a, held, tagged); }) > 1);
        CHECK(each([&] { cache.set_many(pairs, tagged); }) > 5);
        CHECK(each([&] { cache.get_many({a, b, c}); }) > 3);
        CHECK(each([&] { cache.for_each([](std::string_view, const pointer&) {}); }) > 0);
        CHECK(each([&] { cache.compare_and_swap(a, held, held); }) > 0);
        CHECK(each([&] {
            cache.remove(c);
            cache.get_or_load(c, [&] { return pinyon::loaded<pointer>{held, tagged}; });
        }) > 3);
        CHECK(each([&] { cache.poll_removals([](std::string_view, const pointer&, pinyon::cause) {}); }) > 0);
    }
    CHECK(held.use_count() == 1);
}

// Each caller's own loader fails, but for one: each of those who failed gets its own exception, the others the value.
void a_failed_load_goes_on_with_the_next() {
    text_cache cache(sized(100));
    std::atomic<int> calls{0}, thrown{0}, values{0}, ready{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++) {
        threads.emplace_back([&] {
            ready++;
            while (ready < 8) std::this_thread::yield();
            try {
                auto value = cache.get_or_load("k", [&]() -> std::string {
                    std::this_thread::sleep_for(20ms);
                    if (calls++ < 3) throw std::runtime_error("no");
                    return "yes";
                });
                CHECK(*value == "yes");
                values++;
            } catch (const std::runtime_error& e) {
                CHECK(std::string_view(e.what()) == "no");
                thrown++;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(calls == 4 && thrown == 3 && values == 5);
    CHECK(cache.stats().load_failures == 3 && cache.stats().loads == 1);
}
#endif

}  // namespace

int main() {
    a_cache_is_made_or_says_why_not();
    text_goes_in_and_out();
    plain_types_and_codecs();
    handles_keep_their_value();
    conditions();
    values_are_written_in_place();
    entries_have_lifetimes_weights_and_tags();
    removals_are_told();
    many_at_once();
    the_capacity_changes();
    shared_pointers_are_freed_once();
    shared_pointers_are_written_under_conditions();
    one_loads_and_the_others_wait();
    loaders_say_more_than_a_value();
    a_time_below_0_is_refused();
#ifdef __cpp_exceptions
    exceptions_are_passed_on();
    a_codec_of_the_users_goes_before_that_of_shared_pointers();
    memory_that_ends_takes_nothing_along();
    a_failed_load_goes_on_with_the_next();
#endif
    std::printf("C++ %ld: %d checks passed\n", __cplusplus, checks.load());
}
