/* Shows a program that is built with CMake: it stores a value for a minute, and reads it in place. */
#include <pinyon.h>
#include <stdio.h>

int main(void) {
    pinyon_options options = {.struct_size = sizeof options, .capacity = 64 * 1024 * 1024, .unit = PINYON_BYTES};
    pinyon_entry_options minute = {.struct_size = sizeof minute, .ttl_ms = 60000};
    pinyon_cache *cache;
    pinyon_handle *handle;
    const void *data;
    char error[256];
    size_t size;

    if (pinyon_create(&options, &cache, error, sizeof error) != PINYON_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    int32_t code = pinyon_set(cache, "jay", 3, "ten thousand seeds", 18, &minute);
    if (code == PINYON_OK) code = pinyon_get(cache, "jay", 3, &handle, &data, &size);
    if (code == PINYON_OK) {
        printf("%.*s\n", (int)size, (const char *)data);
        pinyon_release(handle);
    } else {
        fprintf(stderr, "%s\n", pinyon_code_text(code));
    }
    pinyon_free(cache);
    return code != PINYON_OK;
}
