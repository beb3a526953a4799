/// Pinyon for C++17: `pinyon::cache<K, V>` over the C ABI of pinyon.h. Link with libpinyon.
///
///     #include <pinyon.hpp>
///
///     pinyon::options options;
///     options.capacity = 10000;
///     options.ttl = std::chrono::minutes(5);
///     pinyon::cache<std::string, std::string> cache(options);
///
///     cache.set("jay", "ten thousand seeds");
///     if (auto value = cache.get("jay")) std::puts(value->c_str());
///     auto page = cache.get_or_load("home", [] { return render("home"); });     // one caller renders, the others wait
///
/// What a key or a value can be is told by `codec`: text, plain structs, shared pointers (values only), types of yours.
///
/// Errors. No function throws an error of the library, but for the constructor of a cache and `result::value`, which
/// throw `pinyon::error`. What functions of yours throw is passed on, but for those that the library calls at times of
/// its own: see `options`. All of it compiles with -fno-exceptions and -fno-rtti; what would throw then ends the
/// program. Compile all files of a program alike in this.
///
/// Threads. All functions of a cache may run at the same time, but for its move and its destructor. A status, a result,
/// a handle or a writer is of one thread at a time, and may go to another.

#ifndef PINYON_HPP
#define PINYON_HPP

#if __cplusplus < 201703L && !(defined(_MSVC_LANG) && _MSVC_LANG >= 201703L)
#error "pinyon.hpp needs C++17 or later: compile with -std=c++17"
#endif

#include <pinyon.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

namespace pinyon {

// ---------------------------------------------------------------------------------------------- outcomes

/// What became of a call: true if it was done. Else `code` says why not, as in pinyon.h: a positive one is an outcome
/// to expect (`PINYON_MISS`, `PINYON_NOT_STORED`, `PINYON_TOO_HEAVY` ...), a negative one an error.
class status {
public:
    /// Done.
    status() = default;

    /// The code that a function of pinyon.h has just returned on this thread, and the text of its error.
    explicit status(std::int32_t code) : code_(code) {
        if (code >= 0) return;
        char text[256];
        message_.assign(text, std::min(pinyon_last_error(text, sizeof text), sizeof text - 1));
    }

    /// A code with a text of its own.
    status(std::int32_t code, std::string message) : code_(code), message_(std::move(message)) {}

    /// Was it done?
    explicit operator bool() const noexcept { return code_ == PINYON_OK; }

    /// `PINYON_OK` or another code of pinyon.h.
    std::int32_t code() const noexcept { return code_; }

    /// In words, for people; good as long as the status.
    std::string_view message() const noexcept {
        return message_.empty() ? std::string_view(pinyon_code_text(code_)) : std::string_view(message_);
    }

private:
    std::int32_t code_ = PINYON_OK;
    std::string message_;
};

/// An error of the library as an exception.
class error : public std::runtime_error {
public:
    /// From what was not done.
    explicit error(const status& why) : std::runtime_error(std::string(why.message())), code_(why.code()) {}

    /// As `status::code`.
    std::int32_t code() const noexcept { return code_; }

private:
    std::int32_t code_;
};

/// A value, or the status that says why there is none.
///
///     if (auto made = pinyon::cache<int, int>::create(options)) use(*made); else complain(made.message());
template <class T>
class result : public status {
public:
    /// With a value.
    result(T value) : value_(std::move(value)) {}

    /// Without one. The status is not true.
    result(status why) : status(std::move(why)) {}

    /// Is there a value?
    explicit operator bool() const noexcept { return value_.has_value(); }

    /// The value. Throws `error` if there is none; without exceptions that ends the program.
    T& value() & { return demand(), *value_; }
    /// The same.
    const T& value() const& { return demand(), *value_; }
    /// The same, to be moved from.
    T&& value() && { return demand(), *std::move(value_); }

    /// The value, which must be there.
    T& operator*() & { return *value_; }
    /// The same.
    const T& operator*() const& { return *value_; }
    /// The same, to be moved from.
    T&& operator*() && { return *std::move(value_); }
    /// A member of the value, which must be there.
    T* operator->() { return std::addressof(*value_); }
    /// The same.
    const T* operator->() const { return std::addressof(*value_); }

private:
    void demand() const {
        if (value_) return;
#ifdef __cpp_exceptions
        throw error(*this);
#else
        std::terminate();
#endif
    }

    std::optional<T> value_;
};

// -------------------------------------------------------------------------------- keys and values as bytes

/// How a `T` becomes bytes, and comes back. There are codecs for
///
/// - `std::string` and `std::string_view` (as values only the first): functions take either as a string_view;
/// - trivially copyable types, by the bytes they have in memory; as keys they must not have padding, whose bytes are
///   anything, nor be pointers, whose bytes are not what they point at;
/// - `std::shared_ptr<T>`, as values only: the cache holds the pointer itself, and what it points at lives until it has
///   left the cache and nobody else has it. Where the capacity is bytes, give its weight.
///
/// For another type, specialise it; for one of the types above, but text, that goes before the codec that is there:
///
///     template <>
///     struct pinyon::codec<user> {
///         static std::string encode(const user& u) { return u.name + '\n' + u.mail; }
///         static std::optional<user> decode(std::string_view bytes) { return parse(bytes); }   // nullopt: not a user
///     };
///
/// `encode` may give whatever has `data()` and `size()` of bytes, which may be its argument's; `decode` may give a
/// plain `T` as well. Keys are equal whose bytes are.
template <class T, class = void>
struct codec {
    static_assert(!sizeof(T*), "pinyon: there is no codec for this type: specialise pinyon::codec");
};

namespace detail {

template <class T>
inline constexpr bool is_text = std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;

/// Of a shared pointer, which only is read as bytes: they lie where it is.
template <class T>
struct shared {
    static const T* decode(std::string_view bytes) noexcept {
        return bytes.size() == sizeof(T) ? reinterpret_cast<const T*>(bytes.data()) : nullptr;
    }
};

/// Does the cache hold the pointer itself?
template <class T>
inline constexpr bool is_shared = std::is_base_of_v<shared<T>, codec<T>>;

struct text {
    static std::string_view encode(std::string_view text) noexcept { return text; }
    static std::optional<std::string_view> decode(std::string_view bytes) noexcept { return bytes; }
};

template <class T>
struct plain {
    static std::string_view encode(const T& value) noexcept {
        return {reinterpret_cast<const char*>(std::addressof(value)), sizeof value};
    }
    static std::optional<T> decode(std::string_view bytes) noexcept {
        if (bytes.size() != sizeof(T)) return std::nullopt;
        alignas(T) unsigned char place[sizeof(T)];
        std::memcpy(place, bytes.data(), sizeof place);
        return *std::launder(reinterpret_cast<const T*>(place));
    }
};

/// As functions take a key or a value, and as an element of a braced list.
template <class T>
using arg = std::conditional_t<is_text<T>, std::string_view, const T&>;
template <class T>
using element = std::conditional_t<is_text<T>, std::string_view, T>;

template <class Encoded>
pinyon_bytes bytes_of(const Encoded& encoded) noexcept {
    static_assert(sizeof *encoded.data() == 1, "pinyon: codec::encode gives bytes");
    return {encoded.data(), encoded.size()};
}

inline std::string_view view(pinyon_bytes bytes) noexcept { return {static_cast<const char*>(bytes.data), bytes.size}; }

/// What a codec makes of bytes, or nothing; `*` gives a T or what a T can be made from.
template <class T>
auto look(std::string_view bytes) {
    if constexpr (std::is_same_v<std::decay_t<decltype(codec<T>::decode(bytes))>, T>) {
        return std::optional<T>(codec<T>::decode(bytes));
    } else {
        return codec<T>::decode(bytes);
    }
}

/// Calls f with a T as `cache::visit` does, if the bytes are one.
template <class T, class F>
bool show(std::string_view bytes, F&& f) {
    auto seen = look<T>(bytes);
    if (seen) f(*std::move(seen));
    return bool(seen);
}

/// Runs f. What it throws goes no further: it is given back.
template <class F>
std::exception_ptr caught(F&& f) noexcept {
#ifdef __cpp_exceptions
    try {
        f();
    } catch (...) {
        return std::current_exception();
    }
#else
    f();
#endif
    return nullptr;
}

inline void pass_on(const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
}

}  // namespace detail

/// Text: itself.
template <>
struct codec<std::string> : detail::text {};
/// Text: itself.
template <>
struct codec<std::string_view> : detail::text {};
/// Plain structs and numbers: their bytes in memory.
template <class T>
struct codec<T, std::enable_if_t<std::is_trivially_copyable_v<T>>> : detail::plain<T> {};
/// Shared pointers: only read as bytes, which lie where the pointer is.
template <class T>
struct codec<std::shared_ptr<T>> : detail::shared<std::shared_ptr<T>> {};

/// The value that a cache of such values holds as these bytes; nothing if they are no T. For what comes as bytes: from
/// `handle::view`, and to `options::on_removed`.
template <class T>
std::optional<T> decode(std::string_view bytes) {
    std::optional<T> value;
    detail::show<T>(bytes, [&](auto&& seen) { value.emplace(std::forward<decltype(seen)>(seen)); });
    return value;
}

// ------------------------------------------------------------------------------------------------ options

/// How long. Nothing is the default, which each use names; 0 is one millisecond. One below 0 is `PINYON_ERR_ARGUMENT`, by the
/// name of its option: of the constructor of a cache as `pinyon::error`, of other functions as status. Nothing is changed
/// then.
using lifetime = std::optional<std::chrono::milliseconds>;
/// For ever, whatever the default.
inline constexpr std::chrono::milliseconds never = std::chrono::milliseconds::max();

/// In what the capacity is counted.
enum class unit : std::uint32_t {
    entries = PINYON_ENTRIES,  ///< A number of entries.
    bytes = PINYON_BYTES,      ///< Bytes: of keys, values and what the library needs for each entry.
    weight = PINYON_WEIGHT     ///< A sum of weights, which each write gives (1 if it gives none).
};

/// What is evicted.
enum class policy : std::uint32_t {
    clock_tinylfu = PINYON_CLOCK_TINYLFU,  ///< CLOCK-TinyLFU with an adapting window: the right one unless you know better.
    clock = PINYON_CLOCK                   ///< CLOCK, the least work for a write.
};

/// Why an entry left.
enum class cause : std::int32_t {
    expired = PINYON_EXPIRED,          ///< Its lifetime was over.
    evicted = PINYON_EVICTED,          ///< There was need for room.
    replaced = PINYON_REPLACED,        ///< Another value was written under its key.
    removed = PINYON_REMOVED,          ///< It was removed by its key.
    cleared = PINYON_CLEARED,          ///< The cache was cleared.
    invalidated = PINYON_INVALIDATED,  ///< Everything, or a tag of it, was invalidated.
    refused = PINYON_REFUSED           ///< It did not come in: it was heavier than the whole cache.
};

/// How a cache is made; the capacity must be given. Set the fields, or from C++20 on write `{.capacity = 10000}`.
struct options {
    /// How much the cache holds, in the unit below; 1 or more, in bytes 1024 or more.
    std::uint64_t capacity = 0;
    /// Of what.
    pinyon::unit unit = pinyon::unit::entries;
    /// What is evicted.
    pinyon::policy policy = pinyon::policy::clock_tinylfu;
    /// Over how many shards writers are spread, 1 to 4096; 0: by the capacity and the cores.
    std::uint32_t shards = 0;
    /// How long entries live after they were written; by default for ever.
    lifetime ttl = std::nullopt;
    /// How long they live unread; by default that does not matter.
    lifetime idle = std::nullopt;
    /// How old a value is when `get_or_load` loads it again; by default it does not. At `ttl` or above it has no effect
    /// on entries without a lifetime of their own.
    lifetime refresh_after = std::nullopt;
    /// Loads values that will expire a little before, at random, the sooner the larger: 1 is usual; 0: does not.
    /// Not negative, and finite.
    double refresh_early = 0;
    /// Are hits and misses counted?
    bool statistics = true;
    /// Is the age of every entry kept, at 32 bytes each, for `metadata::age`?
    bool track_age = false;
    /// Do entries lie on huge pages, if the system has them: for millions of entries?
    bool huge_pages = false;
    /// The time since any moment, not negative; by default the system's, to a few milliseconds. Called on any thread,
    /// often; must not call the cache. If it throws, or goes back, the latest time that it told stands.
    std::function<std::chrono::nanoseconds()> clock = {};
    /// Told of each entry that left, once: the bytes of its key and of its value, good until it returns (see
    /// `decode`), and why. Called in order for each key, on the thread whose call made the entry leave, on several at
    /// the same time, under no lock; may call the cache. What it throws is dropped: the call that made the entry leave
    /// is done all the same. Entries that are in the cache when it is destroyed are not told.
    std::function<void(std::string_view key, std::string_view value, cause why)> on_removed = {};
    /// How many removals to keep for `cache::poll_removals`; 0: none. What they hold is memory beside the capacity.
    std::size_t removal_queue = 0;
};

/// What a write says of its entry: `cache.set(key, value, {std::chrono::seconds(5)})`.
struct entry_options {
    /// How long it lives; by default as the cache says.
    lifetime ttl = std::nullopt;
    /// How long it lives unread; by default as the cache says.
    lifetime idle = std::nullopt;
    /// What it weighs, in place of what the library counts; 0: what it counts. Where the capacity is a number of
    /// entries, of no effect.
    std::uint64_t weight = 0;
    /// Its tags, for `cache::invalidate_tag`: any bytes each.
    std::vector<std::string> tags = {};
    /// It takes no room and is never evicted. Nothing bounds such entries. Where the capacity is a number of entries,
    /// of no effect.
    bool weightless = false;
};

/// What a loader brings if it says something of the entry too: see `cache::get_or_load`.
template <class V>
struct loaded {
    /// The value.
    V value;
    /// Of its entry.
    entry_options options = {};
};

/// What is known of an entry beside its value.
struct metadata {
    /// Since when it is written, if that is known: it has a lifetime, or the cache tracks ages.
    lifetime age;
    /// Until when it lives, rounded up; nothing: for ever.
    lifetime remaining;
    /// How long it lives unread; nothing: that does not matter.
    lifetime idle;
    /// What it weighs.
    std::uint64_t weight;
};

namespace detail {

inline std::uint64_t to_c(lifetime time) noexcept {
    if (!time) return 0;
    return *time == never ? PINYON_NEVER : std::uint64_t(std::max<std::int64_t>(time->count(), 1));
}

/// The error of a time below 0, by the name of its option; else done.
inline status checked(const char* option, lifetime time) {
    if (!time || time->count() >= 0) return {};
    return {PINYON_ERR_ARGUMENT, std::string(option) + " was " + std::to_string(time->count()) +
                                     " ms; allowed: 0 or more, pinyon::never for ever"};
}

/// The first error of several.
inline status first_of(std::initializer_list<status> all) {
    for (const status& each : all) {
        if (!each) return each;
    }
    return {};
}

inline lifetime from_c(std::uint64_t ms) noexcept {
    if (ms == PINYON_NEVER) return std::nullopt;
    return std::chrono::milliseconds(std::min(ms, std::uint64_t(never.count())));
}

/// The options of a write as C has them, with its condition: `PINYON_IF_ABSENT` or another, and what is expected.
class c_entry {
public:
    explicit c_entry(const entry_options& of, std::uint32_t condition = 0, pinyon_bytes expected = {}) {
        if (of.ttl || of.idle) wrong_ = first_of({checked("ttl", of.ttl), checked("idle", of.idle)});
        for (const std::string& tag : of.tags) tags_.push_back(bytes_of(tag));
        all_.struct_size = sizeof all_;
        all_.ttl_ms = to_c(of.ttl);
        all_.idle_ms = to_c(of.idle);
        all_.weight = of.weight;
        all_.tags = tags_.data();
        all_.tag_count = tags_.size();
        all_.flags = (of.weightless ? PINYON_WEIGHTLESS : 0) | condition;
        all_.expected = expected;
    }
    c_entry(const c_entry&) = delete;
    c_entry& operator=(const c_entry&) = delete;
    const pinyon_entry_options* get() const noexcept { return &all_; }
    /// Done, or why there can be no such entry.
    const status& wrong() const noexcept { return wrong_; }

private:
    status wrong_;
    std::vector<pinyon_bytes> tags_;
    pinyon_entry_options all_ = {};
};

using removal_function = decltype(options::on_removed);

inline void tell(void* user, const void* key, std::size_t key_size, const void* value, std::size_t value_size,
                 std::int32_t why) noexcept {
    caught([&] {
        const auto& told = *static_cast<const removal_function*>(user);
        told(view({key, key_size}), view({value, value_size}), cause(why));
    });
}

/// A clock that does not go back, whatever the function does.
struct ticker {
    std::function<std::chrono::nanoseconds()> now;
    std::atomic<std::uint64_t> latest{0};

    static std::uint64_t read(void* user) noexcept {
        auto& self = *static_cast<ticker*>(user);
        std::uint64_t time = 0;
        caught([&] { time = std::uint64_t(self.now().count()); });
        std::uint64_t latest = self.latest.load(std::memory_order_relaxed);
        while (latest < time && !self.latest.compare_exchange_weak(latest, time, std::memory_order_relaxed)) {}
        return std::max(latest, time);
    }
};

/// Frees a cache, then its clock.
struct closer {
    std::unique_ptr<ticker> clock;
    void operator()(pinyon_cache* cache) const noexcept { pinyon_free(cache); }
};

/// Items that are released in any case; `Item` is a `pinyon_item` or has one.
template <class Item>
struct items {
    std::vector<Item> room;
    std::size_t count = 0;

    explicit items(std::size_t size) : room(size) {}
    items(const items&) = delete;
    items& operator=(const items&) = delete;
    ~items() { release(); }
    void release() noexcept {
        for (; count > 0; count--) pinyon_items_release(&of(room[count - 1]), 1);
    }
    static pinyon_item& of(pinyon_item& item) noexcept { return item; }
    static pinyon_item& of(pinyon_removal& removal) noexcept { return removal.item; }
};

/// A lease that is given up unless it is `done`, and what this thread is loading: C does not know who loads.
class lease {
public:
    lease(const pinyon_cache* cache, std::uint64_t token, std::string_view key) noexcept
        : cache_(cache), token_(token), key_(key), outer_(innermost) {
        innermost = this;
    }
    lease(const lease&) = delete;
    lease& operator=(const lease&) = delete;
    ~lease() {
        innermost = outer_;
        if (token_ != 0) pinyon_abandon(cache_, token_);
    }
    std::uint64_t token() const noexcept { return token_; }
    void done() noexcept { token_ = 0; }

    /// Is this thread inside of a loader of this key?
    static bool has(const pinyon_cache* cache, std::string_view key) noexcept {
        const lease* at = innermost;
        while (at && !(at->cache_ == cache && at->key_ == key)) at = at->outer_;
        return at;
    }

private:
    static inline thread_local const lease* innermost = nullptr;
    const pinyon_cache* cache_;
    std::uint64_t token_;
    std::string_view key_;
    const lease* outer_;
};

inline status no_value() { return {PINYON_ERR_ARGUMENT, "codec::decode: what is stored is not a value of this type"}; }

}  // namespace detail

// ------------------------------------------------------------------------------- values in place, both ways

/// Keeps a value where it is, whatever becomes of its entry and of its cache: true if it has one. It may be destroyed
/// on any thread. What handles keep is memory beside the capacity.
class handle {
public:
    /// Of no value.
    handle() = default;

    /// Takes over a handle of pinyon.h, or NULL, and where its value is.
    handle(pinyon_handle* owned, pinyon_bytes value) noexcept : handle_(owned), value_(value) {}

    /// Is there a value?
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// Where the value is, aligned to 16 (a shared pointer as its type is).
    const void* data() const noexcept { return handle_ ? value_.data : nullptr; }

    /// How many bytes.
    std::size_t size() const noexcept { return handle_ ? value_.size : 0; }

    /// Its bytes, good as long as a handle of this value. `pinyon::decode` makes a value of them.
    std::string_view view() const noexcept { return {static_cast<const char*>(data()), size()}; }

#if __cplusplus >= 202002L
    /// The same.
    std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(data()), size()}; }
#endif

    /// Another handle of the same value, which may have bytes of its own: its `data` says where.
    handle copy() const noexcept {
        handle other(pinyon_retain(handle_.get()), value_);
        // Of a value with very many handles it is one of a copy.
        if (other) pinyon_handle_value(other.handle_.get(), &other.value_.data, &other.value_.size);
        return other;
    }

private:
    struct releaser {
        void operator()(pinyon_handle* owned) const noexcept { pinyon_release(owned); }
    };
    std::unique_ptr<pinyon_handle, releaser> handle_;
    pinyon_bytes value_ = {};
};

/// Room for a value that is written in place: see `cache::reserve`. Nothing is seen of it before `commit`; without, it
/// is discarded.
class writer {
public:
    /// Takes over a reservation of pinyon.h.
    writer(const pinyon_cache* cache, pinyon_reservation* owned, void* data, std::size_t size) noexcept
        : cache_(cache), reservation_(owned), data_(data), size_(size) {}

    /// Where to write, aligned to 16; zeros at first. Not after `commit`.
    char* data() const noexcept { return static_cast<char*>(data_); }

    /// How many bytes.
    std::size_t size() const noexcept { return size_; }

    /// Stores what was written; the cache must still be there. As `cache::set`; a second time is an error. One with a time
    /// below 0 does not count: the writer stays as it is.
    status commit(const entry_options& how = {}) {
        const detail::c_entry options(how);
        if (!options.wrong()) return options.wrong();
        return status(pinyon_commit(cache_, reservation_.release(), options.get()));
    }

private:
    struct discarder {
        void operator()(pinyon_reservation* owned) const noexcept { pinyon_discard(owned); }
    };
    const pinyon_cache* cache_;
    std::unique_ptr<pinyon_reservation, discarder> reservation_;
    void* data_;
    std::size_t size_;
};

// -------------------------------------------------------------------------------------------------- cache

/// A cache of values `V` under keys `K`, shared by all threads; see the head of this file, and `codec` for what K and V
/// can be. It owns its entries. It can be moved, when no call on it is running; a cache that was moved from is only
/// good to be assigned to or destroyed.
///
/// A key or a value is taken as a `const K&`, `const V&`, or as a string_view if it is text. All functions are const as
/// they may run at the same time. Those that only read never block; those that write block for other writers' short
/// critical sections, and may call `on_removed` and destroy shared pointers' objects.
template <class K, class V>
class cache {
    static_assert(!detail::is_shared<K>, "pinyon: a shared pointer is no key");
    static_assert(!std::is_pointer_v<K>, "pinyon: the bytes of a pointer are not what it points at");
    static_assert(!std::is_base_of_v<detail::plain<K>, codec<K>> || std::has_unique_object_representations_v<K>,
                  "pinyon: equal keys of this type can have unequal bytes (padding, floats): specialise pinyon::codec");
    static_assert(!std::is_same_v<V, std::string_view>,
                  "pinyon: a cache owns its values: make it one of std::string; visit and get_handle do not copy");

    using key_arg = detail::arg<K>;
    using value_arg = detail::arg<V>;

public:
    /// Makes a cache. The error is `PINYON_ERR_ARGUMENT`, and its message says which option.
    [[nodiscard]] static result<cache> create(options how) {
        status wrong = detail::first_of({detail::checked("ttl", how.ttl), detail::checked("idle", how.idle),
                                         detail::checked("refresh_after", how.refresh_after)});
        if (!wrong) return wrong;
        pinyon_options all = {};
        all.struct_size = sizeof all;
        all.capacity = how.capacity;
        all.unit = std::uint32_t(how.unit);
        all.policy = std::uint32_t(how.policy);
        all.shards = how.shards;
        all.flags = std::uint32_t((how.statistics ? 0 : PINYON_NO_STATISTICS) | (how.track_age ? PINYON_TRACK_AGE : 0) |
                                  (how.huge_pages ? PINYON_HUGE_PAGES : 0));
        all.ttl_ms = detail::to_c(how.ttl);
        all.idle_ms = detail::to_c(how.idle);
        all.refresh_after_ms = detail::to_c(how.refresh_after);
        all.refresh_early = how.refresh_early;
        all.removal_queue = how.removal_queue;
        detail::closer closer;
        if (how.clock) {
            closer.clock.reset(new detail::ticker{std::move(how.clock)});
            all.clock = detail::ticker::read;
            all.clock_user = closer.clock.get();
        }
        if (how.on_removed) {
            all.on_removed = detail::tell;
            all.on_removed_user = new detail::removal_function(std::move(how.on_removed));
            all.on_removed_free = [](void* user) { delete static_cast<detail::removal_function*>(user); };
        }
        pinyon_cache* made = nullptr;
        status done(pinyon_create(&all, &made, nullptr, 0));
        if (!done) return done;
        return cache(owner(made, std::move(closer)));
    }

#ifdef __cpp_exceptions
    /// As `create`; throws its error.
    explicit cache(options how) : cache(create(std::move(how)).value()) {}
#endif

    // ------------------------------------------------------------------------------------------- reading

    /// A copy of the value, or of the shared pointer; nothing if there is none. (An error, which only a defect brings,
    /// reads as nothing; so does a value that its codec does not know: `visit` tells.) Is a use; counts a hit or a
    /// miss.
    std::optional<V> get(key_arg key) const {
        std::optional<V> value;
        visit(key, [&](auto&& seen) { value.emplace(std::forward<decltype(seen)>(seen)); });
        return value;
    }

    /// The value without a copy, kept as long as the handle; of no value a handle that is false. Is a use.
    handle get_handle(key_arg key) const { return handle_from(pinyon_get, key); }

    /// Calls f with the value in place: a string_view of a string, a const reference of a shared pointer, else the
    /// value as its codec makes it. f may call the cache; what it throws is passed on. `PINYON_MISS`: f was not called.
    /// Is a use.
    ///
    ///     cache.visit("jay", [&](std::string_view seeds) { total += seeds.size(); });
    template <class F>
    status visit(key_arg key, F&& f) const {
        struct call {
            std::remove_reference_t<F>& f;
            std::exception_ptr thrown;
            bool seen;
        } here{f, nullptr, true};
        const pinyon_visitor visitor = [](void* user, const void* data, std::size_t size) noexcept {
            call& there = *static_cast<call*>(user);
            there.thrown = detail::caught([&] { there.seen = detail::show<V>(detail::view({data, size}), there.f); });
        };
        status done(with_key(pinyon_visit, key, visitor, static_cast<void*>(&here)));
        detail::pass_on(here.thrown);
        return here.seen ? done : detail::no_value();
    }

    /// Is there a value? No use of it.
    bool contains(key_arg key) const { return with_key(pinyon_contains, key) == PINYON_OK; }

    /// What is known of the entry; nothing if there is none. No use of it.
    std::optional<pinyon::metadata> metadata(key_arg key) const {
        pinyon_metadata known = {};
        known.struct_size = sizeof known;
        if (with_key(pinyon_get_metadata, key, &known) != PINYON_OK) return std::nullopt;
        return pinyon::metadata{detail::from_c(known.age_ms), detail::from_c(known.remaining_ms),
                                detail::from_c(known.idle_ms), known.weight};
    }

    /// As `get` of each, in order, but faster than one by one. Takes what `for` goes over: elements of type K, or text.
    ///
    ///     auto values = cache.get_many({"jay", "crow"});
    template <class Keys = std::initializer_list<detail::element<K>>>
    std::vector<std::optional<V>> get_many(const Keys& keys) const {
        const key_list all(keys);
        std::vector<pinyon_found> found(all.bytes.size());
        std::vector<handle> handles;
        handles.reserve(found.size());  // What throws comes before there is anything to be released.
        pinyon_get_many(native(), all.bytes.data(), found.size(), found.data());
        for (pinyon_found& each : found) handles.emplace_back(each.handle, each.value);
        std::vector<std::optional<V>> values(found.size());
        for (std::size_t i = 0; i < found.size(); i++) {
            if (handles[i]) values[i] = decode<V>(handles[i].view());
        }
        return values;
    }

    // ------------------------------------------------------------------------------------------- writing

    /// Writes a value, whatever is there. `PINYON_TOO_HEAVY`: it is heavier than the whole cache, and not stored; what
    /// it was to replace is gone. `PINYON_ERR_MEMORY`: nothing was changed.
    status set(key_arg key, value_arg value, const entry_options& how = {}) const {
        return write(key, value, detail::c_entry(how));
    }

    /// Writes a value if nothing is there, else `PINYON_NOT_STORED`. Atomic.
    status add(key_arg key, value_arg value, const entry_options& how = {}) const {
        return write(key, value, detail::c_entry(how, PINYON_IF_ABSENT));
    }

    /// Writes a value if something is there, else `PINYON_MISS`. Atomic.
    status replace(key_arg key, value_arg value, const entry_options& how = {}) const {
        return write(key, value, detail::c_entry(how, PINYON_IF_PRESENT));
    }

    /// Writes a value if what is there is `expected`, byte for byte (a shared pointer: of the same object and owner);
    /// else `PINYON_NOT_STORED`, or `PINYON_MISS`. Atomic.
    status compare_and_swap(key_arg key, value_arg expected, value_arg value, const entry_options& how = {}) const {
        if constexpr (detail::is_shared<V>) {
            static_assert(sizeof(V) == 2 * sizeof(void*), "pinyon: equal shared pointers can have unequal bytes");
            return swap(key, {std::addressof(expected), sizeof expected}, value, how);
        } else {
            static_assert(!std::is_base_of_v<detail::plain<V>, codec<V>> ||
                              std::has_unique_object_representations_v<V> || std::is_same_v<V, float> ||
                              std::is_same_v<V, double>,
                          "pinyon: equal values of this type can have unequal bytes: pass a handle of what is expected");
            const auto encoded = codec<V>::encode(expected);
            return swap(key, detail::bytes_of(encoded), value, how);
        }
    }

    /// The same if what is there is what the handle has: never, if it has none.
    status compare_and_swap(key_arg key, const handle& expected, value_arg value, const entry_options& how = {}) const {
        if (!expected) return status(PINYON_NOT_STORED);
        return swap(key, {expected.data(), expected.size()}, value, how);
    }

    /// Adds to a counter, and tells what it is then; where nothing is there, one is made that is `initial`, and nothing
    /// is added. An entry keeps its lifetime, its tags go; the options are for one that is made. Atomic. Of a cache of
    /// `std::int64_t`. `PINYON_ERR_OVERFLOW`: it was not changed.
    result<std::int64_t> counter_add(key_arg key, std::int64_t delta, std::int64_t initial = 0,
                                     const entry_options& how = {}) const {
        static_assert(std::is_same_v<V, std::int64_t> && std::is_base_of_v<detail::plain<V>, codec<V>>,
                      "pinyon: counters are std::int64_t");
        static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pinyon: counters have their least byte first");
        const detail::c_entry options(how);
        if (!options.wrong()) return options.wrong();
        std::int64_t now = 0;
        status done(with_key(pinyon_counter_add, key, delta, initial, options.get(), &now));
        if (!done) return done;
        return now;
    }

    /// Room for a value of `size` bytes that is to be written in place, and then committed. Of caches of text, or with
    /// a codec that knows what is written.
    ///
    ///     if (auto room = cache.reserve("file", size)) { read(fd, room->data(), size); room->commit(); }
    result<writer> reserve(key_arg key, std::size_t size) const {
        static_assert(!detail::is_shared<V>, "pinyon: a shared pointer is not made of bytes");
        pinyon_reservation* reservation = nullptr;
        void* data = nullptr;
        status done(with_key(pinyon_reserve, key, size, &reservation, &data));
        if (!done) return done;
        return writer(native(), reservation, data, size);
    }

    /// As `set` of each, with the same options. Takes what `for` goes over: pairs of key and value, as a map has them.
    /// What became of each, as codes, in order.
    template <class Pairs = std::initializer_list<std::pair<detail::element<K>, detail::element<V>>>>
    std::vector<std::int32_t> set_many(const Pairs& pairs, const entry_options& how = {}) const {
        const key_list keys(pairs, [](const auto& pair) -> const auto& { return pair.first; });
        const detail::c_entry options(how);
        const std::size_t count = keys.bytes.size();
        std::vector<pinyon_pair> all(count);
        std::vector<std::int32_t> codes(count, options.wrong().code());
        if (!options.wrong()) return codes;
        std::int32_t code;
        for (std::size_t i = 0; i < count; i++) all[i].key = keys.bytes[i];
        if constexpr (detail::is_shared<V>) {
            std::vector<std::unique_ptr<V>> values;
            for (const auto& pair : pairs) values.push_back(std::make_unique<V>(pair.second));
            for (std::size_t i = 0; i < count; i++) all[i].value = {values[i].release(), sizeof(V)};
            code = pinyon_adopt_many(native(), all.data(), count, free_value, nullptr, options.get(), codes.data());
        } else {
            const list<V> values(pairs, [](const auto& pair) -> const auto& { return pair.second; });
            for (std::size_t i = 0; i < count; i++) all[i].value = values.bytes[i];
            code = pinyon_set_many(native(), all.data(), count, options.get(), codes.data());
        }
        if (code < 0 && code != PINYON_ERR_MEMORY) std::fill(codes.begin(), codes.end(), code);
        return codes;
    }

    // ------------------------------------------------------------------------------- removing and lifetime

    /// Removes an entry; `PINYON_MISS` if there is none.
    status remove(key_arg key) const { return status(with_key(pinyon_remove, key)); }

    /// Removes an entry and gives its value; nothing if there is none. Atomic.
    std::optional<V> take(key_arg key) const {
        const handle taken = handle_from(pinyon_take, key);
        return taken ? decode<V>(taken.view()) : std::nullopt;
    }

    /// As `remove` of each. `PINYON_OK` or `PINYON_MISS` of each, in order. Takes keys as `get_many`.
    template <class Keys = std::initializer_list<detail::element<K>>>
    std::vector<std::int32_t> remove_many(const Keys& keys) const {
        const key_list all(keys);
        std::vector<std::int32_t> codes(all.bytes.size());
        const auto code = pinyon_remove_many(native(), all.bytes.data(), codes.size(), codes.data());
        if (code < 0) std::fill(codes.begin(), codes.end(), code);
        return codes;
    }

    /// Counts as a use of an entry and restarts its idle time; `PINYON_MISS` if there is none.
    status touch(key_arg key) const { return status(with_key(pinyon_touch, key)); }

    /// Gives an entry another time to live, from now; nothing: the cache's own. `PINYON_MISS` if there is none. Is a
    /// use.
    status expire_after(key_arg key, lifetime ttl) const {
        status wrong = detail::checked("ttl", ttl);
        if (!wrong) return wrong;
        return status(with_key(pinyon_expire_after, key, detail::to_c(ttl)));
    }

    /// Removes every entry. O(entries); see `invalidate_all`.
    status clear() const { return status(pinyon_clear(native())); }

    /// Outdates every entry at once, and what is being loaded; their memory goes with the writes that follow, or by
    /// `maintain`. O(shards).
    status invalidate_all() const { return status(pinyon_invalidate_all(native())); }

    /// Outdates every entry that has this tag, as `invalidate_all` does all.
    status invalidate_tag(std::string_view tag) const {
        return status(pinyon_invalidate_tag(native(), tag.data(), tag.size()));
    }

    // ------------------------------------------------------------------------------------------- loading

    /// Reads a value, or loads it: of all who ask for a key that is not there one runs its `load`, on its own thread
    /// and under no lock, and the others wait for what it brings. `load` returns
    ///
    /// - what a V can be made from, or `pinyon::loaded<V>` to say something of the entry as well;
    /// - or a `std::optional` of V or loaded, in which nothing means that it failed: the caller gets `PINYON_MISS`.
    ///
    /// If it fails, or throws, which is passed on, only its own caller is told; one of those who wait loads next, with
    /// its own `load`. The value is given to all, and stored unless its key was written or removed meanwhile, or it is
    /// heavier than the cache. Where `refresh_after` or `refresh_early` say so, one caller loads again while the others
    /// get the value that is there.
    ///
    /// `PINYON_OWN_KEY`: the `load` of this very key, on this thread, asked for it. (Loads on several threads that ask
    /// for one another's keys in a ring wait for ever; so does, in the child of a fork, who waits for a thread of the
    /// parent.)
    ///
    ///     auto user = users.get_or_load(id, [&] { return find(id); });
    ///     auto brief = users.get_or_load(id, [&] { return pinyon::loaded<user>{find(id), {1min}}; });
    template <class F>
    result<V> get_or_load(key_arg key, F&& load) const {
        const auto encoded = codec<K>::encode(key);
        const auto k = detail::bytes_of(encoded);
        pinyon_lease_options lasting = {};
        lasting.struct_size = sizeof lasting;
        lasting.lasting_ms = PINYON_NEVER;  // It ends with the load, whatever happens.
        pinyon_acquired got = {};
        std::int32_t code = PINYON_LAPSED;
        while (code == PINYON_LAPSED || code == PINYON_WAIT) {
            if (code == PINYON_LAPSED) {
                code = pinyon_acquire(native(), k.data, k.size, &lasting, &got);
            } else if (detail::lease::has(native(), detail::view(k))) {
                pinyon_leave(native(), got.ticket);
                code = PINYON_OWN_KEY;
            } else {
                code = pinyon_wait(native(), got.ticket, PINYON_NEVER, &got);
            }
        }
        if (got.token != 0 && code >= 0) {
            handle(got.handle, got.value);  // What is stale goes.
            // The entry was removed while this thread loads it.
            if (detail::lease::has(native(), detail::view(k))) {
                pinyon_abandon(native(), got.token);
                return status(PINYON_OWN_KEY);
            }
            detail::lease lease(native(), got.token, detail::view(k));
            return bring(lease, std::forward<F>(load));
        }
        if (code != PINYON_OK && code != PINYON_STALE) return status(code);
        const handle found(got.handle, got.value);
        if (auto value = decode<V>(found.view())) return *std::move(value);
        return detail::no_value();
    }

    // ------------------------------------------------------------------------------------ the whole of it

    /// Calls `f(key, value)` for every entry, each as `visit` shows a value, under no lock; f may call the cache. What
    /// is there for the whole of the call is seen once; what comes and goes meanwhile may be seen or not. What f throws
    /// is passed on. Entries that their codecs do not know are passed over. No use of them.
    template <class F>
    status for_each(F&& f) const {
        detail::items<pinyon_item> page(64);
        std::uint64_t cursor = PINYON_START;
        std::int32_t code = PINYON_OK;
        while (code == PINYON_OK) {
            page.release();
            std::size_t count = 0;
            code = pinyon_next_page(native(), &cursor, page.room.data(), page.room.size(), &count);
            if (code == PINYON_TOO_SMALL) {
                page.room.resize(count);
                code = PINYON_OK;
                continue;
            }
            page.count = count;
            for (std::size_t i = 0; i < count; i++) show(page.room[i], f);
        }
        return status(code == PINYON_END ? PINYON_OK : code);
    }

    /// Calls `f(key, value, cause)` for what has left since the last time, the oldest first, at most `most` of them;
    /// how many there were. Of a cache with a `removal_queue`. What f throws is passed on; what it was not told is
    /// lost.
    template <class F>
    std::size_t poll_removals(F&& f, std::size_t most = 256) const {
        detail::items<pinyon_removal> left(most);
        pinyon_poll_removals(native(), left.room.data(), most, &left.count);
        const std::size_t count = left.count;
        for (std::size_t i = 0; i < count; i++) {
            show(left.room[i].item, [&](auto&& key, auto&& value) { f(key, value, cause(left.room[i].cause)); });
        }
        return count;
    }

    /// How many entries are in the cache, expired ones that were not noticed yet among them.
    std::uint64_t size() const noexcept { return pinyon_count(native()); }

    /// What the cache has done: see `pinyon_stats` in pinyon.h.
    pinyon_stats stats() const noexcept {
        pinyon_stats all = {};
        all.struct_size = sizeof all;
        pinyon_get_stats(native(), &all);
        return all;
    }

    /// Sets the capacity, in the unit of the cache, and evicts what is above it. `PINYON_ERR_ARGUMENT`: it is 0, or of
    /// bytes below 1024; then nothing changes.
    status set_capacity(std::uint64_t capacity) const { return status(pinyon_set_capacity(native(), capacity)); }

    /// Evicts entries until what is left weighs no more than this, for a moment when memory is short; the capacity
    /// stays. How many it evicted.
    std::uint64_t shrink(std::uint64_t weight) const noexcept {
        std::uint64_t evicted = 0;
        pinyon_shrink(native(), weight, &evicted);
        return evicted;
    }

    /// Does upkeep that writes would do little by little, at most so many steps: takes out what has expired or was
    /// invalidated. `PINYON_MORE`: some is left. For idle moments, and for caches that are written seldom.
    status maintain(std::size_t budget) const { return status(pinyon_maintain(native(), budget)); }

    /// The cache for functions of pinyon.h; it stays this object's.
    const pinyon_cache* native() const noexcept { return owner_.get(); }

private:
    using owner = std::unique_ptr<pinyon_cache, detail::closer>;
    owner owner_;

    explicit cache(owner made) noexcept : owner_(std::move(made)) {}

    static void free_value(void* data, std::size_t, void*) noexcept { delete static_cast<V*>(data); }

    /// Keys or values, encoded.
    template <class T>
    struct list {
        std::vector<std::decay_t<decltype(codec<T>::encode(std::declval<detail::arg<T>>()))>> encoded;
        std::vector<pinyon_bytes> bytes;

        template <class Range, class Part>
        list(const Range& range, Part part) {
            for (auto&& each : range) {
                using element = std::decay_t<decltype(part(each))>;
                static_assert(std::is_lvalue_reference_v<decltype(each)> &&
                                  (std::is_same_v<element, T> ||
                                   (detail::is_text<T> && std::is_convertible_v<element, std::string_view>)),
                              "pinyon: the elements are of the cache's own types, and stay where they are");
                encoded.push_back(codec<T>::encode(part(each)));
            }
            bytes.reserve(encoded.size());
            for (const auto& each : encoded) bytes.push_back(detail::bytes_of(each));
        }
    };

    struct key_list : list<K> {
        using list<K>::list;
        template <class Range>
        explicit key_list(const Range& keys) : list<K>(keys, [](const auto& key) -> const auto& { return key; }) {}
    };

    template <class Function, class... Rest>
    std::int32_t with_key(Function function, key_arg key, Rest... rest) const {
        const auto encoded = codec<K>::encode(key);
        const auto k = detail::bytes_of(encoded);
        return function(native(), k.data, k.size, rest...);
    }

    status write(key_arg key, value_arg value, const detail::c_entry& options) const {
        if (!options.wrong()) return options.wrong();
        if constexpr (detail::is_shared<V>) {
            const auto encoded = codec<K>::encode(key);
            const auto k = detail::bytes_of(encoded);
            return status(pinyon_adopt(native(), k.data, k.size, new V(value), sizeof(V), free_value, nullptr,
                                       options.get()));
        } else {
            const auto encoded = codec<V>::encode(value);
            const auto v = detail::bytes_of(encoded);
            return status(with_key(pinyon_set, key, v.data, v.size, options.get()));
        }
    }

    status swap(key_arg key, pinyon_bytes expected, value_arg value, const entry_options& how) const {
        return write(key, value, detail::c_entry(how, PINYON_IF_EQUAL, expected));
    }

    template <class Function>
    handle handle_from(Function function, key_arg key) const {
        pinyon_handle* found = nullptr;
        pinyon_bytes value = {};
        with_key(function, key, &found, &value.data, &value.size);
        return {found, value};
    }

    template <class F>
    static void show(const pinyon_item& item, F&& f) {
        detail::show<K>(detail::view(item.key), [&](auto&& key) {
            detail::show<V>(detail::view(item.value), [&](auto&& value) { f(key, value); });
        });
    }

    /// What a loader returned, in its fullest form.
    template <class Returned>
    static std::optional<loaded<V>> in_full(Returned&& returned) {
        using type = std::decay_t<Returned>;
        if constexpr (std::is_same_v<type, loaded<V>>) {
            return std::forward<Returned>(returned);
        } else if constexpr (!std::is_same_v<type, V> && (std::is_same_v<type, std::optional<V>> ||
                                                         std::is_same_v<type, std::optional<loaded<V>>>)) {
            if (!returned) return std::nullopt;
            return in_full(*std::forward<Returned>(returned));
        } else {
            return loaded<V>{V(std::forward<Returned>(returned))};
        }
    }

    template <class F>
    result<V> bring(detail::lease& lease, F&& load) const {
        std::optional<loaded<V>> brought = in_full(std::forward<F>(load)());
        if (!brought) return status(PINYON_MISS);
        const detail::c_entry options(brought->options);
        if (!options.wrong()) return options.wrong();
        std::int32_t code;
        if constexpr (detail::is_shared<V>) {
            code = pinyon_complete_adopted(native(), lease.token(), new V(brought->value), sizeof(V), free_value,
                                           nullptr, options.get());
        } else {
            const auto encoded = codec<V>::encode(brought->value);
            const auto v = detail::bytes_of(encoded);
            code = pinyon_complete(native(), lease.token(), v.data, v.size, options.get());
        }
        if (code < 0) return status(code);
        lease.done();
        return std::move(brought->value);
    }
};

}  // namespace pinyon

#endif
