/* Shows a slow function memoised by leases. Of all threads that ask for a value that is not there, one gets a token and
 * computes it; the others get a ticket and wait. So every value is computed once, however many ask at a time. */
#include <pinyon.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8, VALUES = 32 };

static pinyon_cache *cache;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int computed[VALUES];

static void fail(const char *what, int32_t code) {
    fprintf(stderr, "%s: %s\n", what, pinyon_code_text(code));
    exit(1);
}

static uint64_t slow(uint32_t n) { return n < 2 ? n : slow(n - 1) + slow(n - 2); }

static uint64_t memoised(uint32_t n) {
    pinyon_acquired got;
    uint64_t value;
    int32_t code = pinyon_acquire(cache, &n, sizeof n, NULL, &got);

    /* A ticket can lapse, if its value was loaded and evicted before the wait: then ask again. */
    while (code == PINYON_WAIT || code == PINYON_LAPSED) {
        code = code == PINYON_WAIT ? pinyon_wait(cache, got.ticket, PINYON_NEVER, &got)
                                   : pinyon_acquire(cache, &n, sizeof n, NULL, &got);
    }
    if (code == PINYON_OK) {
        value = *(const uint64_t *)got.value.data;
        pinyon_release(got.handle);
    } else {
        if (code != PINYON_LEAD) fail("acquire", code);
        value = slow(n);
        code = pinyon_complete(cache, got.token, &value, sizeof value, NULL);
        if (code < 0) fail("complete", code);
        pthread_mutex_lock(&lock);
        computed[n]++;
        pthread_mutex_unlock(&lock);
    }
    return value;
}

static void *ask_for_all(void *sum) {
    for (uint32_t n = 0; n < VALUES; n++) *(uint64_t *)sum += memoised(VALUES - 1 - n);
    return NULL;
}

int main(void) {
    pinyon_options options = {.struct_size = sizeof options, .capacity = 1000};
    pinyon_stats stats = {.struct_size = sizeof stats};
    pthread_t threads[THREADS];
    uint64_t sums[THREADS] = {0};
    char error[256];

    if (pinyon_create(&options, &cache, error, sizeof error) != PINYON_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, ask_for_all, &sums[i]) != 0) return perror("pthread_create"), 1;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);

    int bad = 0;
    uint64_t sum = slow(VALUES + 1) - 1;
    for (int i = 0; i < THREADS; i++) bad += sums[i] != sum;
    for (int n = 0; n < VALUES; n++) bad += computed[n] != 1;
    pinyon_get_stats(cache, &stats);
    printf("%d threads asked for %d values each: %d computed, %d waited for, %d read; %s\n", THREADS, VALUES,
           (int)stats.loads, (int)stats.coalesced, (int)stats.hits, bad ? "WRONG" : "each computed once");
    pinyon_free(cache);
    return bad != 0;
}
