// Arithmetic on as many floats as a register of this processor holds.

#include <stdint.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
typedef float floats __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline long up(long n) { return (n + LANES - 1) / LANES * LANES; }

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
