// The steps of tests/conformance through pinyon.hpp, in C++20: steps.h, which bindings/c/tests/conformance.py writes, calls what
// is here. Leases by token, counters beside text, and adopted bytes are not in pinyon.hpp: they go through cache.native().

#include <pinyon.hpp>

#include <cstddef>
#include <cstdio>
#include <deque>
#include <set>
#include <thread>

// What a step leaves out of a struct is zero.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

// The arrays and structs of a step live until its call has returned.
#define B(data, size) (pinyon_bytes{data, size})
#define ARRAY(type, ...) (std::initializer_list<type>{__VA_ARGS__}.begin())
#define FIELD(type, name, least, most) {#name, offsetof(type, name), least, most}
#define OPTIONS(...) (pinyon_options{.struct_size = sizeof(pinyon_options), __VA_ARGS__})
#define ENTRY(...) (place(pinyon_entry_options{.struct_size = sizeof(pinyon_entry_options), __VA_ARGS__}))
#define LEASE(...) (place(pinyon_lease_options{.struct_size = sizeof(pinyon_lease_options), __VA_ARGS__}))

namespace {

using bytes = std::string_view;
using text = std::optional<std::string>;
using cache_type = pinyon::cache<std::string, std::string>;
using pinyon::detail::from_c;
using pinyon::detail::to_c;

// Not an optional itself, for which a call of `visit` would be one of std::visit.
struct maybe {
    text is;
};

struct field {
    const char* name;
    std::size_t offset;
    std::uint64_t least, most;
};

struct left {
    pinyon_bytes key, value;
    std::int32_t cause;
};

const maybe none;
const char* file;
int step, steps, failures;
std::uint64_t now;
std::size_t adopted, freed;
std::deque<std::string> repeats;
std::optional<cache_type> cache;

bytes view(pinyon_bytes of) { return pinyon::detail::view(of); }
maybe some(pinyon_bytes of) { return {std::string(view(of))}; }

template <class T>
const T* place(const T& of) {
    return &of;
}

void at(int number) {
    step = number;
    steps++;
}

void differs(const char* what, const std::string& wanted, const std::string& found) {
    std::printf("%s: step %d: %s: wanted %s, found %s\n", file, step, what, wanted.c_str(), found.c_str());
    failures++;
}

void code(std::int32_t wanted, std::int32_t found) {
    if (wanted != found) differs("the code", pinyon_code_text(wanted), pinyon_code_text(found));
}

void code(std::int32_t wanted, const pinyon::status& found) { code(wanted, found.code()); }

void number(const char* what, std::uint64_t least, std::uint64_t most, std::uint64_t found) {
    if (found >= least && found <= most) return;
    differs(what, std::to_string(least) + " to " + std::to_string(most), std::to_string(found));
}

std::string shown(const text& value) {
    std::string all;
    if (!value) return "none";
    for (const char c : value->substr(0, 40)) all += c >= ' ' && c < 127 ? c : '?';
    return all + " (" + std::to_string(value->size()) + " bytes)";
}

void value(const maybe& wanted, const text& found) {
    if (wanted.is != found) differs("the value", shown(wanted.is), shown(found));
}

// Of functions that give a value or none, so that their code is OK or MISS.
void found(std::int32_t wanted, const maybe& given, const text& is) {
    code(wanted, is ? PINYON_OK : PINYON_MISS);
    value(given, is);
}

pinyon_bytes repeated(const char* part, std::size_t size, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; i++) all.append(part, size);
    repeats.push_back(std::move(all));
    return B(repeats.back().data(), repeats.back().size());
}

pinyon::lifetime time(std::uint64_t ms) {
    if (ms == PINYON_NEVER) return pinyon::never;
    return ms == 0 ? std::nullopt : from_c(ms);
}

void begin(const char* name, const pinyon_options& how) {
    file = name;
    step = 0;
    now = 1'000'000'000'000;
    adopted = freed = 0;
    pinyon::options options;
    options.capacity = how.capacity;
    options.unit = pinyon::unit(how.unit);
    options.policy = pinyon::policy(how.policy);
    options.shards = how.shards;
    options.track_age = how.flags & PINYON_TRACK_AGE;
    options.removal_queue = how.removal_queue;
    options.clock = [] { return std::chrono::nanoseconds(now); };
    options.ttl = time(how.ttl_ms);
    options.idle = time(how.idle_ms);
    options.refresh_after = time(how.refresh_after_ms);
    cache = cache_type::create(options).value();
}

void end() {
    cache.reset();
    number("adopted values that were freed", adopted, adopted, freed);
    repeats.clear();
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

pinyon::entry_options entry(const pinyon_entry_options* of) {
    pinyon::entry_options how;
    if (!of) return how;
    how.ttl = time(of->ttl_ms);
    how.idle = time(of->idle_ms);
    how.weight = of->weight;
    for (std::size_t i = 0; i < of->tag_count; i++) how.tags.emplace_back(view(of->tags[i]));
    how.weightless = of->flags & PINYON_WEIGHTLESS;
    return how;
}

void set(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    code(wanted, cache->set(view(key), view(v), entry(options)));
}

void add(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    code(wanted, cache->add(view(key), view(v), entry(options)));
}

void replace(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    code(wanted, cache->replace(view(key), view(v), entry(options)));
}

void compare_and_swap(pinyon_bytes key, pinyon_bytes expected, pinyon_bytes v, const pinyon_entry_options* options,
                      std::int32_t wanted) {
    code(wanted, cache->compare_and_swap(view(key), view(expected), view(v), entry(options)));
}

void set_in_place(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    auto room = cache->reserve(view(key), v.size);
    if (!room) return code(wanted, room);
    std::copy_n(view(v).data(), v.size, room->data());
    code(wanted, room->commit(entry(options)));
}

void free_value(void* data, std::size_t, void*) {
    delete[] static_cast<char*>(data);
    freed++;
}

void* lent(pinyon_bytes of) {
    char* const data = new char[of.size];
    std::copy_n(view(of).data(), of.size, data);
    adopted++;
    return data;
}

void adopt(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    code(wanted, pinyon_adopt(cache->native(), key.data, key.size, lent(v), v.size, free_value, nullptr, options));
}

// The options with a condition.
pinyon_entry_options under(const pinyon_entry_options* options, std::uint32_t condition, pinyon_bytes expected) {
    pinyon_entry_options own = options ? *options : pinyon_entry_options{.struct_size = sizeof own};
    own.flags |= condition;
    own.expected = expected;
    return own;
}

void add_adopted(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    adopt(key, v, place(under(options, PINYON_IF_ABSENT, {})), wanted);
}

void replace_adopted(pinyon_bytes key, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    adopt(key, v, place(under(options, PINYON_IF_PRESENT, {})), wanted);
}

void compare_and_swap_adopted(pinyon_bytes key, pinyon_bytes expected, pinyon_bytes v, const pinyon_entry_options* options,
                              std::int32_t wanted) {
    adopt(key, v, place(under(options, PINYON_IF_EQUAL, expected)), wanted);
}

void counter_add(pinyon_bytes key, std::int64_t delta, std::int64_t initial, const pinyon_entry_options* options,
                 std::int32_t wanted, std::int64_t sum) {
    std::int64_t is = sum;
    code(wanted, pinyon_counter_add(cache->native(), key.data, key.size, delta, initial, options, &is));
    if (is != sum) differs("the counter", std::to_string(sum), std::to_string(is));
}

// Reads what was handed out through a second handle, the first given back.
text by_handle(pinyon::handle first) {
    const pinyon::handle second = first.copy();
    first = {};
    return second ? text(second.view()) : std::nullopt;
}

void get(pinyon_bytes key, std::int32_t wanted, const maybe& given) {
    found(wanted, given, by_handle(cache->get_handle(view(key))));
}

void get_into(pinyon_bytes key, std::size_t, std::int32_t wanted, const maybe& given) {
    get(key, wanted, given);
}

// There is no buffer that could be too small.
void get_copy(pinyon_bytes key, std::size_t, std::int32_t wanted, const maybe& given, std::size_t size) {
    const text is = cache->get(view(key));
    number("the size", size, size, is ? is->size() : 0);
    if (wanted != PINYON_TOO_SMALL) found(wanted, given, is);
}

void visit(pinyon_bytes key, std::int32_t wanted, const maybe& given) {
    text seen;
    code(wanted, cache->visit(view(key), [&](bytes there) { seen = there; }));
    value(given, seen);
}

void take(pinyon_bytes key, std::int32_t wanted, const maybe& given) { found(wanted, given, cache->take(view(key))); }

void contains(pinyon_bytes key, std::int32_t wanted) {
    code(wanted, cache->contains(view(key)) ? PINYON_OK : PINYON_MISS);
}

void remove_key(pinyon_bytes key, std::int32_t wanted) { code(wanted, cache->remove(view(key))); }

void touch(pinyon_bytes key, std::int32_t wanted) { code(wanted, cache->touch(view(key))); }

void expire_after(pinyon_bytes key, std::uint64_t ttl_ms, std::int32_t wanted) {
    code(wanted, cache->expire_after(view(key), time(ttl_ms)));
}

template <class Struct>
void fields(const Struct& from, const field* wanted, std::size_t size) {
    for (const field* each = wanted; each != wanted + size; each++) {
        std::uint64_t is = 0;
        std::memcpy(&is, reinterpret_cast<const char*>(&from) + each->offset, sizeof is);
        number(each->name, each->least, each->most, is);
    }
}

void metadata(pinyon_bytes key, std::int32_t wanted, const field* all, std::size_t size) {
    const auto known = cache->metadata(view(key));
    code(wanted, known ? PINYON_OK : PINYON_MISS);
    if (!known) return;
    const auto ms = [](pinyon::lifetime of) { return of ? std::uint64_t(of->count()) : PINYON_NEVER; };
    fields(pinyon_metadata{sizeof(pinyon_metadata), ms(known->age), ms(known->remaining), ms(known->idle), known->weight}, all,
           size);
}

void stats(std::int32_t wanted, const field* all, std::size_t size) {
    code(wanted, PINYON_OK);
    fields(cache->stats(), all, size);
}

void count(std::uint64_t wanted) { number("count", wanted, wanted, cache->size()); }

std::vector<bytes> views(const pinyon_bytes* all, std::size_t size) {
    std::vector<bytes> keys;
    std::transform(all, all + size, std::back_inserter(keys), view);
    return keys;
}

void get_many(const pinyon_bytes* keys, std::size_t size, std::int32_t wanted, const maybe* values) {
    code(wanted, PINYON_OK);
    const auto all = cache->get_many(views(keys, size));
    number("values", size, size, all.size());
    for (std::size_t i = 0; i < all.size(); i++) value(values[i], all[i]);
}

void codes(const std::int32_t* wanted, std::size_t size, const std::vector<std::int32_t>& are) {
    number("codes", size, size, are.size());
    for (std::size_t i = 0; i < are.size(); i++) code(wanted[i], are[i]);
}

void set_many(const pinyon_pair* pairs, std::size_t size, const pinyon_entry_options* options, std::int32_t wanted,
              const std::int32_t* each) {
    std::vector<std::pair<bytes, bytes>> all;
    for (std::size_t i = 0; i < size; i++) all.emplace_back(view(pairs[i].key), view(pairs[i].value));
    const auto are = cache->set_many(all, entry(options));
    codes(each, size, are);
    code(wanted, are.empty() ? PINYON_OK : *std::max_element(are.begin(), are.end()));
}

void set_many_adopted(const pinyon_pair* pairs, std::size_t size, const pinyon_entry_options* options, std::int32_t wanted,
                      const std::int32_t* each) {
    std::vector<pinyon_pair> all(pairs, pairs + size);
    for (pinyon_pair& one : all) one.value.data = lent(one.value);
    std::vector<std::int32_t> are(size);
    code(wanted, pinyon_adopt_many(cache->native(), all.data(), size, free_value, nullptr, options, are.data()));
    codes(each, size, are);
}

void remove_many(const pinyon_bytes* keys, std::size_t size, std::int32_t wanted, const std::int32_t* each) {
    code(wanted, PINYON_OK);
    codes(each, size, cache->remove_many(views(keys, size)));
}

void clear(std::int32_t wanted) { code(wanted, cache->clear()); }

void invalidate_all(std::int32_t wanted) { code(wanted, cache->invalidate_all()); }

void invalidate_tag(pinyon_bytes tag, std::int32_t wanted) { code(wanted, cache->invalidate_tag(view(tag))); }

// `token` and `ticket` are null where there must be none.
void acquired(const pinyon_acquired& got, const maybe& given, std::uint64_t* token, std::uint64_t* ticket) {
    number("is there a token", token != nullptr, token != nullptr, got.token != 0);
    number("is there a ticket", ticket != nullptr, ticket != nullptr, got.ticket != 0);
    if (token) *token = got.token;
    if (ticket) *ticket = got.ticket;
    value(given, by_handle({got.handle, got.value}));
}

void acquire(pinyon_bytes key, const pinyon_lease_options* options, std::int32_t wanted, const maybe& given,
             std::uint64_t* token, std::uint64_t* ticket) {
    pinyon_acquired got;
    code(wanted, pinyon_acquire(cache->native(), key.data, key.size, options, &got));
    acquired(got, given, token, ticket);
}

void wait_for(std::uint64_t ticket, std::uint64_t timeout_ms, std::int32_t wanted, const maybe& given,
              std::uint64_t* token) {
    pinyon_acquired got;
    code(wanted, pinyon_wait(cache->native(), ticket, timeout_ms, &got));
    acquired(got, given, token, nullptr);
}

void complete(std::uint64_t token, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    code(wanted, pinyon_complete(cache->native(), token, v.data, v.size, options));
}

void complete_adopted(std::uint64_t token, pinyon_bytes v, const pinyon_entry_options* options, std::int32_t wanted) {
    code(wanted, pinyon_complete_adopted(cache->native(), token, lent(v), v.size, free_value, nullptr, options));
}

void abandon(std::uint64_t token, std::int32_t wanted) { code(wanted, pinyon_abandon(cache->native(), token)); }

void leave(std::uint64_t ticket, std::int32_t wanted) { code(wanted, pinyon_leave(cache->native(), ticket)); }

// The face has pages of a size of its own.
void items(std::size_t, std::int32_t wanted, const pinyon_pair* all, std::size_t size) {
    std::multiset<std::pair<std::string, std::string>> left_over;
    for (std::size_t i = 0; i < size; i++) left_over.emplace(view(all[i].key), view(all[i].value));
    code(wanted, cache->for_each([&](bytes key, bytes v) {
        const auto place = left_over.find({std::string(key), std::string(v)});
        if (place == left_over.end()) return differs("an entry", "another", std::string(key));
        left_over.erase(place);
    }));
    number("entries that were not seen", 0, 0, left_over.size());
}

void removals(std::int32_t wanted, const left* all, std::size_t size) {
    code(wanted, PINYON_OK);
    std::vector<left> rest(all, all + size);
    const auto told = [&](bytes key, bytes v, pinyon::cause why) {
        const auto of_key = [&](const left& one) { return view(one.key) == key; };
        const auto place = std::find_if(rest.begin(), rest.end(), of_key);
        if (place == rest.end()) return differs("a removal", "none", std::string(key));
        value(some(place->value), std::string(v));
        number("the cause", std::uint64_t(place->cause), std::uint64_t(place->cause), std::uint64_t(why));
        rest.erase(place);
    };
    while (cache->poll_removals(told, 3) == 3) {}
    number("removals that were not told", 0, 0, rest.size());
}

void set_capacity(std::uint64_t capacity, std::int32_t wanted) { code(wanted, cache->set_capacity(capacity)); }

void shrink(std::uint64_t weight, std::int32_t wanted, std::uint64_t evicted) {
    code(wanted, PINYON_OK);
    number("evicted", evicted, evicted, cache->shrink(weight));
}

void maintain(std::size_t budget, std::int32_t wanted) { code(wanted, cache->maintain(budget)); }

#include "steps.h"

}  // namespace

int main() {
    run_all();
    std::printf("C++: %d steps, %d mismatches\n", steps, failures);
    return failures > 0;
}
