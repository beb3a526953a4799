/* The shortest use: store a value, read it back. */
#include <pinyon.h>
#include <stdio.h>

int main(void) {
    pinyon_options options = {.struct_size = sizeof options, .capacity = 10000};
    pinyon_cache *cache;
    char value[64], error[256];
    size_t size;

    if (pinyon_create(&options, &cache, error, sizeof error) != PINYON_OK) return fprintf(stderr, "%s\n", error), 1;
    pinyon_set(cache, "jay", 3, "ten thousand seeds", 18, NULL);
    if (pinyon_get_copy(cache, "jay", 3, value, sizeof value, &size) == PINYON_OK) printf("%.*s\n", (int)size, value);
    pinyon_free(cache);
    return 0;
}
