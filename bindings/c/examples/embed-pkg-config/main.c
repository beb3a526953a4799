/* Shows a program that is built with pkg-config: it asks whether the library that it runs with has the ABI of the
 * header that it was compiled with, then counts. */
#include <inttypes.h>
#include <pinyon.h>
#include <stdio.h>

int main(void) {
    uint32_t library = pinyon_version();
    printf("header %d.%d.%d, library %" PRIu32 ".%" PRIu32 ".%" PRIu32 "\n", PINYON_VERSION_MAJOR,
           PINYON_VERSION_MINOR, PINYON_VERSION_PATCH, library >> 16, library >> 8 & 255, library & 255);
    if (library >> 8 != (PINYON_VERSION_MAJOR << 8 | PINYON_VERSION_MINOR)) return 1;

    pinyon_options options = {.struct_size = sizeof options, .capacity = 10000};
    pinyon_cache *cache;
    char error[256];
    int64_t seeds = 0;
    int32_t code = pinyon_create(&options, &cache, error, sizeof error);
    for (int day = 0; day < 5 && code == PINYON_OK; day++) {
        code = pinyon_counter_add(cache, "seeds", 5, 100, 100, NULL, &seeds);
    }
    if (code == PINYON_OK) {
        printf("%" PRId64 " seeds\n", seeds);
    } else {
        pinyon_last_error(error, sizeof error);
        fprintf(stderr, "%s\n", error);
    }
    pinyon_free(cache);
    return code != PINYON_OK;
}
