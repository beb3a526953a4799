/* Shows a cache of the caller's own structures: it holds pointers to them, by their real weight, and calls a destructor
 * once for each, when it has left the cache and nobody holds it. */
#include <pinyon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 1000, FIRST = PAGES, SECOND, ALL };

struct page {
    int number;
    size_t length;
    char *text;
};

static int freed[ALL];

static void free_page(void *data, size_t size, void *user) {
    struct page *page = data;
    int *told = user;
    (void)size;
    told[page->number]++;
    free(page->text);
    free(page);
}

static struct page *new_page(int number) {
    struct page *page = malloc(sizeof *page);
    if (page == NULL) return NULL;
    page->number = number;
    page->length = 100 + (size_t)number % 400;
    page->text = malloc(page->length);
    if (page->text == NULL) return free(page), NULL;
    memset(page->text, 'a' + number % 26, page->length);
    return page;
}

int main(void) {
    pinyon_options options = {.struct_size = sizeof options, .capacity = 32 * 1024, .unit = PINYON_BYTES};
    pinyon_entry_options entry = {.struct_size = sizeof entry};
    pinyon_cache *cache;
    pinyon_handle *handle = NULL;
    const void *data = NULL;
    char error[256];

    if (pinyon_create(&options, &cache, error, sizeof error) != PINYON_OK) return fprintf(stderr, "%s\n", error), 1;
    for (int i = 0; i < PAGES; i++) {
        struct page *page = new_page(i);
        if (page == NULL) return perror("malloc"), 1;
        /* The page, its text, and 100 bytes for the entry. The last page is heavier than the cache: freed at once. */
        entry.weight = i < PAGES - 1 ? sizeof *page + page->length + 100 : 1000000;
        int32_t code = pinyon_adopt(cache, &i, sizeof i, page, sizeof *page, free_page, freed, &entry);
        if (code < 0) return fprintf(stderr, "%s\n", pinyon_code_text(code)), 1;
        if (i == 7 && pinyon_get(cache, &i, sizeof i, &handle, &data, NULL) != PINYON_OK) return 1;
    }

    /* Page 7 is removed, and read after that: its handle keeps it. */
    int key = 7, early = 0, bad = 0;
    const struct page *page = data;
    pinyon_remove(cache, &key, sizeof key);
    for (int i = 0; i < PAGES; i++) early += freed[i];
    printf("%d of %d pages freed; page 7 has left, and begins with '%c'\n", early, PAGES, page->text[0]);
    bad += pinyon_contains(cache, &key, sizeof key) != PINYON_MISS;
    bad += freed[7] != 0;
    pinyon_release(handle);

    /* Of two who put a page into its place the first wins; the page of the second is freed by its call. */
    entry.flags = PINYON_IF_ABSENT;
    for (int i = FIRST; i <= SECOND; i++) {
        struct page *own = new_page(i);
        if (own == NULL) return perror("malloc"), 1;
        entry.weight = sizeof *own + own->length + 100;
        int32_t code = pinyon_adopt(cache, &key, sizeof key, own, sizeof *own, free_page, freed, &entry);
        bad += code != (i == FIRST ? PINYON_OK : PINYON_NOT_STORED);
    }
    bad += freed[FIRST] != 0 || freed[SECOND] != 1;
    pinyon_free(cache);
    for (int i = 0; i < ALL; i++) bad += freed[i] != 1;
    printf("%s\n", bad ? "WRONG" : "then each once");
    return bad != 0;
}
