/* Calls the kernel's library on another processor: the arguments come in as bytes, the results go out as bytes.
 *
 *     on_arm64 LIBRARY < arguments > results
 *
 * Arguments: ten int64 (seed, first scenario, S scenarios, C cases, N loans, regions, entries of phi, random words, D
 * dimensions, rows), then phi, drift (S), key (N), alpha (C, N), loss (N), region (N), weight (S) and row (D, N), each of
 * its own type. Results: by_region (C, regions, S), by_row (C, rows, S), frequency (C, N), found (C), defaults (C, N * S) and the random words.
 */

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*AddLosses)(uint64_t, int64_t, int64_t, int64_t, int64_t, const uint32_t *, const int32_t *,
                          const uint64_t *, const int32_t *, const int64_t *, const int16_t *, const int64_t *, int64_t,
                          int64_t *, int64_t *, int64_t, const int32_t *, int64_t, int64_t *);
typedef void (*FindDefaults)(uint64_t, int64_t, int64_t, int64_t, int64_t, const uint32_t *, const int32_t *,
                             const uint64_t *, const int32_t *, int64_t *, int64_t *);
typedef void (*RandomWords)(uint64_t, uint64_t, int64_t, uint64_t *);

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static void *function(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (!found) fail(dlerror());
    return found;
}

static void *take(size_t count, size_t size) {
    void *values = calloc(count + 1, size);
    if (!values || fread(values, size, count, stdin) != count) fail("the arguments end early");
    return values;
}

static void *room(size_t count) {
    void *values = calloc(count + 1, sizeof(int64_t));
    if (!values) fail("there is no memory");
    return values;
}

static void give(const void *values, size_t count) {
    if (fwrite(values, sizeof(int64_t), count, stdout) != count) fail("the results cannot be written");
}

int main(int count, char **arguments) {
    if (count != 2) fail("name the library");
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (!library) fail(dlerror());

    const int64_t *sizes = take(10, sizeof *sizes);
    int64_t first = sizes[1], s = sizes[2], c = sizes[3], n = sizes[4], regions = sizes[5], words = sizes[7];
    int64_t dimensions = sizes[8], rows = sizes[9];
    uint64_t seed = (uint64_t)sizes[0];
    const uint32_t *phi = take(sizes[6], sizeof *phi);
    const int32_t *drift = take(s, sizeof *drift);
    const uint64_t *key = take(n, sizeof *key);
    const int32_t *alpha = take(c * n, sizeof *alpha);
    const int64_t *loss = take(n, sizeof *loss);
    const int16_t *region = take(n, sizeof *region);
    const int64_t *weight = take(s, sizeof *weight);
    const int32_t *row = take(dimensions * n, sizeof *row);

    int64_t *by_region = room(c * regions * s), *frequency = room(c * n), *found = room(c), *defaults = room(c * n * s);
    int64_t *by_row = room(c * rows * s);
    uint64_t *raw = room(words);
    ((AddLosses)function(library, "add_losses"))(seed, first, s, c, n, phi, drift, key, alpha, loss, region, weight,
                                                 regions, by_region, frequency, dimensions, row, rows, by_row);
    ((FindDefaults)function(library, "find_defaults"))(seed, first, s, c, n, phi, drift, key, alpha, defaults, found);
    ((RandomWords)function(library, "random_words"))(seed, key[0], words, raw);

    give(by_region, c * regions * s);
    give(by_row, c * rows * s);
    give(frequency, c * n);
    give(found, c);
    give(defaults, c * n * s);
    give(raw, words);
    return 0;
}
