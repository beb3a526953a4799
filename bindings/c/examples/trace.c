/* Shows a load from several threads: replays a recorded trace (keys of 8 bytes each, on standard input) through a cache
 * that is read first and written after a miss. Tells the hit ratio and the throughput.
 *
 *     zstd -dc examples/traces/source-tree.u64.zst | trace [THREADS [CAPACITY]]
 */
#define _POSIX_C_SOURCE 200809L
#include <pinyon.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 64 };

static pinyon_cache *cache;
static uint64_t *keys;
static size_t requests, threads = 4;

struct worker {
    pthread_t thread;
    size_t first, hits, errors;
};

/* Every so many requests is this thread's: all move through the trace together. */
static void *replay(void *user) {
    struct worker *worker = user;
    for (size_t i = worker->first; i < requests; i += threads) {
        uint64_t value;
        int32_t code = pinyon_get_copy(cache, &keys[i], sizeof keys[i], &value, sizeof value, NULL);
        if (code == PINYON_OK) {
            worker->hits++;
            worker->errors += value != ~keys[i];
        } else {
            value = ~keys[i];
            worker->errors += code != PINYON_MISS;
            worker->errors += pinyon_set(cache, &keys[i], sizeof keys[i], &value, sizeof value, NULL) != PINYON_OK;
        }
    }
    return NULL;
}

static void read_trace(void) {
    size_t room = 1 << 16;
    keys = malloc(room * sizeof *keys);
    while (keys != NULL) {
        requests += fread(keys + requests, sizeof *keys, room - requests, stdin);
        if (requests < room) return;
        room *= 2;
        uint64_t *more = realloc(keys, room * sizeof *keys);
        if (more == NULL) free(keys);
        keys = more;
    }
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    /* 5 % of the 9,215 keys of the trace that comes with the library. */
    pinyon_options options = {.struct_size = sizeof options, .capacity = 461};
    struct worker workers[MOST] = {{0}};
    char error[256];

    if (count > 1) threads = strtoul(arguments[1], NULL, 10);
    if (count > 2) options.capacity = strtoul(arguments[2], NULL, 10);
    if (threads < 1 || threads > MOST) return fprintf(stderr, "1 to %d threads\n", MOST), 2;
    if (pinyon_create(&options, &cache, error, sizeof error) != PINYON_OK) return fprintf(stderr, "%s\n", error), 2;
    read_trace();
    if (requests == 0) return fprintf(stderr, "there is no trace on standard input\n"), 2;

    double start = seconds();
    for (size_t i = 0; i < threads; i++) {
        workers[i].first = i;
        if (pthread_create(&workers[i].thread, NULL, replay, &workers[i]) != 0) return perror("pthread_create"), 1;
    }
    size_t hits = 0, errors = 0;
    for (size_t i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        hits += workers[i].hits;
        errors += workers[i].errors;
    }
    double took = seconds() - start;
    printf("%zu requests on %zu threads: %.1f %% hits, %.1f million a second, %zu errors; %zu entries\n", requests,
           threads, 100.0 * (double)hits / (double)requests, (double)requests / took / 1e6, errors,
           (size_t)pinyon_count(cache));
    pinyon_free(cache);
    free(keys);
    return errors > 0;
}
