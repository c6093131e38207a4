// Arithmetic on as many floats as a register of this processor holds.

#include <stdint.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
typedef float floats __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint32_t bits __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint16_t halves __attribute__((vector_size(LANES * 2), aligned(2), may_alias)); // bf16

static inline long up(long n) { return (n + LANES - 1) / LANES * LANES; }

static inline floats widened(const uint16_t *from) {
    return (floats)(__builtin_convertvector(*(const halves *)from, bits) << 16);
}

// To the nearest bf16, of two as near the even one. What is no number stays none: its mark is in the upper half.
static inline halves narrowed(floats x) {
    const bits b = (bits)x;
    return __builtin_convertvector((b + 0x7fff + (b >> 16 & 1)) >> 16, halves);
}

static inline floats greater(floats x, floats y) {
    const ints first = x > y;
    return (floats)(((ints)x & first) | ((ints)y & ~first));
}

// e^x for x <= 0, within 2e-7 of it down to -1 and 2e-6 down to -87, the least it tells apart: 2 to the power of a whole number n
// and the rest, by the polynomial of fifth degree that is nearest to 2^rest. What is added for a moment leaves n in the
// last bits of a float.
static inline floats exponential(floats x) {
    const floats magic = (floats){0} + 12582912.0f;
    x = greater((floats){0} - 87.0f, x); // in this order what is no number stays none
    const floats whole = x * 1.44269504f + magic;
    const floats rest = x * 1.44269504f - (whole - magic);
    floats p = rest * 1.32647273e-3f + 9.67151299e-3f;
    p = p * rest + 5.55073358e-2f;
    p = p * rest + 2.40222424e-1f;
    p = p * rest + 6.93147004e-1f;
    p = p * rest + 1.0f;
    return (floats)((ints)p + ((ints)whole << 23));
}

// By halves: one lane after the other is a chain of sixteen sums, each waiting for the one before.
static inline float added(floats x) {
    typedef float four __attribute__((vector_size(16)));
    const union { floats all; four part[LANES / 4]; } halves = {x};
    four sum = halves.part[0] + halves.part[1];
    if (LANES == 16) sum += halves.part[LANES / 4 - 2] + halves.part[LANES / 4 - 1];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static inline float greatest(floats x) {
    float most = x[0];
    for (int i = 1; i < LANES; i++) most = x[i] > most ? x[i] : most;
    return most;
}

// Lane i is a[which[i]], or b[which[i] - LANES].
static inline floats picked(floats a, floats b, ints which) {
#if defined(__clang__)
    floats all;
    for (int i = 0; i < LANES; i++) all[i] = which[i] < LANES ? a[which[i]] : b[which[i] - LANES];
    return all;
#else
    return __builtin_shuffle(a, b, which);
#endif
}

// The transpose of LANES rows: squares change their corners, the smallest first.
static inline void turn_square(floats rows[LANES]) {
#if defined(__AVX512F__)
    const ints lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#else
    const ints lane = {0, 1, 2, 3, 4, 5, 6, 7};
#endif
#pragma GCC unroll 4
    for (int size = 1; size < LANES; size *= 2) {
        const ints far = lane / size % 2, upper = lane + far * (LANES - size);
#pragma GCC unroll 8
        for (int pair = 0; pair < LANES / 2; pair++) {
            floats *one = rows + pair / size * 2 * size + pair % size, *other = one + size;
            const floats above = *one, below = *other;
            *one = picked(above, below, upper);
            *other = picked(above, below, upper + size);
        }
    }
}
