/* The kernel's inner loop, for the same bits as numpy_kernel.py in a third of the time. compiled.py calls it; after a
 * change, `make kernel` makes the machine code anew that binary.py loads.
 *
 * C11 for GCC and Clang on 64-bit little-endian machines; no intrinsics, no memory of its own, nothing but integers. A
 * block of scenarios is done for all loans before the next one, so that what is added up stays in cache.
 *
 * Sources: Salmon et al. 2011 (Philox4x64-10); Steele, Lea and Flood 2014 (SplitMix64).
 */

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the order of the random bytes within a word would differ"
#endif

enum {
    BLOCK = 1024,     /* scenarios at once, a multiple of 64 */
    SLACK = 1 << 20,  /* Q24: how far above a loan's own threshold a screen may lie before a new one pays off */
};

/* What decides the defaults of N loans of one sector in S scenarios and C cases; see trials.Trials. */
typedef struct {
    uint64_t seed;
    int64_t first_scenario, scenarios, cases, loans;
    const uint32_t *phi;  /* normal.table() */
    const int32_t *drift; /* (S) */
    const uint64_t *key;  /* (N) */
    const int32_t *alpha; /* (C, N) */
} Trials;

/* Scenarios start .. start + count, with a byte for each that no case's threshold of a loan exceeds. */
typedef struct {
    int64_t start;
    int count;
    int64_t highest; /* alpha that the screen was made for */
    uint8_t screen[BLOCK];
} Block;

/* A trial that may be a default: its scenario within the block and its 32 random bits. */
typedef struct {
    uint32_t scenario, random;
} Candidate;

static inline uint64_t multiply(uint64_t a, uint64_t b, uint64_t *high) {
    unsigned __int128 product = (unsigned __int128)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}

static inline void philox(uint64_t counter, uint64_t key0, uint64_t key1, uint64_t out[4]) {
    uint64_t c0 = counter, c1 = 0, c2 = 0, c3 = 0;
    for (int round = 0; round < 10; round++) {
        uint64_t high0, high2;
        uint64_t low0 = multiply(UINT64_C(0xD2E7470EE14C6C93), c0, &high0);
        uint64_t low2 = multiply(UINT64_C(0xCA5A826395121157), c2, &high2);
        c0 = high2 ^ c1 ^ key0;
        c1 = low2;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += UINT64_C(0x9E3779B97F4A7C15);
        key1 += UINT64_C(0xBB67AE8584CAA73B);
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static inline uint64_t mix64(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* normal.threshold(phi, alpha - drift); the difference wraps around as NumPy's does. */
static inline uint32_t threshold(const uint32_t *phi, int32_t alpha, int32_t drift) {
    const int32_t lowest = -(8 << 24), highest = (8 << 24) - 1;
    int32_t x = (int32_t)((uint32_t)alpha - (uint32_t)drift);
    uint32_t offset = (uint32_t)((x < lowest ? lowest : x > highest ? highest : x) - lowest);
    const uint32_t *cell = phi + (offset >> 12);
    return cell[0] + (((cell[1] - cell[0]) * (offset & 4095)) >> 12);
}

static Block block_at(const Trials *trials, int64_t start) {
    int64_t left = trials->scenarios - start;
    return (Block){.start = start, .count = left < BLOCK ? (int)left : BLOCK, .highest = INT64_MIN};
}

/* Make the block's screen fit the loan. Loans come by descending alpha, so it seldom has to be made anew. */
static void screen_for(const Trials *trials, int64_t loan, Block *block) {
    int32_t highest = trials->alpha[loan];
    for (int64_t c = 1; c < trials->cases; c++) {
        int32_t alpha = trials->alpha[c * trials->loans + loan];
        highest = alpha > highest ? alpha : highest;
    }
    if (highest <= block->highest && block->highest - highest <= SLACK) return;
    const int32_t *drift = trials->drift + block->start;
    for (int k = 0; k < block->count; k++) block->screen[k] = threshold(trials->phi, highest, drift[k]) >> 24;
    block->highest = highest;
}

/* The trials of a loan within the block that may be defaults; returns how many there are. */
static inline int find_candidates(const Trials *trials, int64_t loan, const Block *block, Candidate candidates[BLOCK]) {
    uint64_t words[BLOCK / 8], flags[BLOCK / 8];
    const uint8_t *bytes = (const uint8_t *)words;
    uint8_t *flag = (uint8_t *)flags;
    uint64_t key = trials->key[loan];
    uint64_t first = (uint64_t)(trials->first_scenario + block->start);
    for (int k = 0; k < block->count; k += 32) philox((first + k) / 32 + 1, trials->seed, key, words + k / 8);
    for (int k = 0; k < block->count; k++) flag[k] = bytes[k] <= block->screen[k];
    memset(flag + block->count, 0, BLOCK - block->count);

    int found = 0;
    for (int k = 0; k < BLOCK; k += 64) {
        uint64_t left = 0; /* 64 flags as bits: the product brings a word's eight together in its highest byte */
        for (int word = 0; word < 8; word++)
            left |= (flags[k / 8 + word] * UINT64_C(0x0102040810204080) >> 56) << 8 * word;
        for (; left; left &= left - 1) candidates[found++].scenario = k + __builtin_ctzll(left);
    }

    uint64_t state = mix64(key + trials->seed);
    for (int n = 0; n < found; n++) {
        uint64_t scenario = candidates[n].scenario;
        uint64_t tie_bits = mix64(state + (first + scenario) * UINT64_C(0x9E3779B97F4A7C15)) >> 40;
        candidates[n].random = (uint32_t)bytes[scenario] << 24 | (uint32_t)tie_bits;
    }
    return found;
}

/* Adds each default's loss to its region's cell of by_region (C, regions, S) and, for each of D dimensions, to the cell
 * of the loan's row (D, N) of by_row (C, rows, S); and its scenario's weight to the loan's of frequency (C, N). */
void add_losses(uint64_t seed, int64_t first_scenario, int64_t scenarios, int64_t cases, int64_t loans,
                const uint32_t *phi, const int32_t *drift, const uint64_t *key, const int32_t *alpha,
                const int64_t *loss, const int16_t *region, const int64_t *weight, int64_t regions,
                int64_t *by_region, int64_t *frequency, int64_t dimensions, const int32_t *row, int64_t rows,
                int64_t *by_row) {
    const Trials trials = {seed, first_scenario, scenarios, cases, loans, phi, drift, key, alpha};
    Candidate candidates[BLOCK];
    uint32_t defaulted[BLOCK];
    for (int64_t start = 0; start < scenarios; start += BLOCK) {
        Block block = block_at(&trials, start);
        for (int64_t loan = 0; loan < loans; loan++) {
            screen_for(&trials, loan, &block);
            int found = find_candidates(&trials, loan, &block, candidates);
            for (int64_t c = 0; c < cases; c++) {
                int64_t *cells = by_region + (c * regions + region[loan]) * scenarios + start;
                int32_t own = alpha[c * loans + loan];
                int64_t lost = loss[loan], weighted = 0;
                for (int n = 0; n < found; n++) {
                    uint32_t s = candidates[n].scenario;
                    /* All bits set for a default, none otherwise: no branch that the processor could guess wrong. The
                     * empty instruction hides from Clang what the mask is, which would make a branch of it again. */
                    int64_t mask = -(int64_t)(candidates[n].random < threshold(phi, own, drift[start + s]));
                    __asm__("" : "+r"(mask));
                    cells[s] += lost & mask;
                    weighted += weight[start + s] & mask;
                }
                frequency[c * loans + loan] += weighted;
                if (!dimensions) continue;
                int defaults = 0;
                for (int n = 0; n < found; n++) { /* again, rather than noted down above, where most want no rows */
                    uint32_t s = candidates[n].scenario;
                    defaulted[defaults] = s; /* overwritten by the next one unless it is a default */
                    defaults += candidates[n].random < threshold(phi, own, drift[start + s]);
                }
                for (int64_t d = 0; d < dimensions; d++) {
                    cells = by_row + (c * rows + row[d * loans + loan]) * scenarios + start;
                    for (int n = 0; n < defaults; n++) cells[defaulted[n]] += lost;
                }
            }
        }
    }
}

/* Lists the defaults as loan * S + scenario in defaults (C, N * S), in no order, and counts them in found (C). */
void find_defaults(uint64_t seed, int64_t first_scenario, int64_t scenarios, int64_t cases, int64_t loans,
                   const uint32_t *phi, const int32_t *drift, const uint64_t *key, const int32_t *alpha,
                   int64_t *defaults, int64_t *found) {
    const Trials trials = {seed, first_scenario, scenarios, cases, loans, phi, drift, key, alpha};
    Candidate candidates[BLOCK];
    memset(found, 0, cases * sizeof *found);
    for (int64_t start = 0; start < scenarios; start += BLOCK) {
        Block block = block_at(&trials, start);
        for (int64_t loan = 0; loan < loans; loan++) {
            screen_for(&trials, loan, &block);
            int near = find_candidates(&trials, loan, &block, candidates);
            for (int64_t c = 0; c < cases; c++) {
                int64_t *first = defaults + c * loans * scenarios, *next = first + found[c];
                int32_t own = alpha[c * loans + loan];
                for (int n = 0; n < near; n++) {
                    uint32_t s = candidates[n].scenario;
                    *next = loan * scenarios + start + s; /* overwritten by the next one unless it is a default */
                    next += candidates[n].random < threshold(phi, own, drift[start + s]);
                }
                found[c] = next - first;
            }
        }
    }
}

/* Philox4x64-10's words for counters 1, 2 ..: the raw speed of the generator, for the benchmark. */
void random_words(uint64_t seed, uint64_t key, int64_t words, uint64_t *out) {
    for (int64_t n = 0; n < words; n += 4) philox(n / 4 + 1, seed, key, out + n);
}
