// The softmax of the head, undivided: each logit becomes e to the power of what it is less than its row's largest.
//
// In place: half the memory to go through, and while a chunk of logits is worked on it is all in the last cache.

#include <string.h>

#include "lanes.h"

static void softmax_row(uint16_t *row, long width, float *top, float *sum) {
    const long whole = width / LANES * LANES;
    uint16_t last[LANES];
    for (long j = 0; j < LANES; j++) last[j] = whole + j < width ? row[whole + j] : 0xff80; // -inf
    floats most = widened(last), sums = {0};
    for (long j = 0; j < whole; j += LANES) most = greater(most, widened(row + j));
    *top = greatest(most);
    for (long j = 0; j < whole; j += LANES) {
        const floats e = exponential(widened(row + j) - *top);
        sums += e;
        *(halves *)(row + j) = narrowed(e);
    }
    if (whole < width) {
        floats e = exponential(widened(last) - *top);
        for (long j = width - whole; j < LANES; j++) e[j] = 0;
        sums += e;
        *(halves *)last = narrowed(e);
        memcpy(row + whole, last, (width - whole) * sizeof *last);
    }
    *sum = added(sums);
}

// logits (rows, width) bf16, in place; top and sums (rows).
__attribute__((visibility("default"))) void eyas_softmax(uint16_t *logits, int64_t rows, int64_t width, float *top,
                                                         float *sums, int32_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < rows; row++) softmax_row(logits + row * width, width, top + row, sums + row);
}
