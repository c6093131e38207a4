// Attention for training on a CPU, forwards and backwards: every document of a packed row by itself.
//
// Of the square of a row of 512 tokens that holds four documents an eighth matters; the rest is never touched. Weights
// are not kept for the way back: the logarithm of each row's sum is enough to find them again (Dao 2022,
// "FlashAttention"). Queries and keys are normalised and turned to their positions as they are read, so nobody writes
// them down in between. All is computed in fp32 whatever the type of what comes in. One task is all documents of one row
// for one key head, so results do not depend on the number of threads.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"

#if defined(__AVX512F__)
enum { ROWS = 6, WIDE = 4 }; // 24 registers of sums of 32
#else
enum { ROWS = 3, WIDE = 4 };
#endif
enum { QUERIES = 4 * ROWS }; // at a time: they see the keys up to the last of them

typedef struct {
    int32_t batch, heads, groups, length, width, half, threads; // half: 1 for bf16, 0 for fp32
    float eps;
    const void *qkv;        // (batch, length, heads + 2 groups, width): queries, keys, values
    const float *norms;     // (2, width), of queries and keys; or none
    const float *cos, *sin; // (length, width / 2)
    const int32_t *begins;  // (batch, length): where the document of a token begins
} Input;

// ---- one product for all ----

static inline __attribute__((always_inline)) void tile(
    const int rows, const int wide, long depth, const float *a, long a_row, long a_step, const float *b, long b_row,
    float *c, long c_row, int add) {
    floats sum[ROWS][WIDE];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int w = 0; w < wide; w++) sum[r][w] = add ? *(floats *)(c + r * c_row + w * LANES) : (floats){0};
    for (long i = 0; i < depth; i++) {
        floats right[WIDE];
#pragma GCC unroll 4
        for (int w = 0; w < wide; w++) right[w] = *(const floats *)(b + i * b_row + w * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int w = 0; w < wide; w++) sum[r][w] += a[r * a_row + i * a_step] * right[w];
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int w = 0; w < wide; w++) *(floats *)(c + r * c_row + w * LANES) = sum[r][w];
}

// c (m, n) = a (m, depth) b (depth, n), or += with `add`. a is read with any steps, n is a multiple of LANES.
static void multiply(long m, long n, long depth, const float *a, long a_row, long a_step, const float *b, long b_row,
                     float *c, long c_row, int add) {
    for (long j = 0; j < n; j += WIDE * LANES) {
        const long left = (n - j) / LANES;
        for (long i = 0; i < m; i += ROWS) {
            const float *from = a + i * a_row;
            float *to = c + i * c_row + j;
            const long rows = m - i < ROWS ? m - i : ROWS;
#define TILE(R, W) tile(R, W, depth, from + r * a_row, a_row, a_step, b + j, b_row, to + r * c_row, c_row, add)
#define TILES(W) \
    do { \
        long r = 0; \
        if (rows == ROWS) TILE(ROWS, W); \
        else \
            for (; r < rows; r++) TILE(1, W); \
    } while (0)
            if (left >= 4) TILES(4);
            else if (left == 3) TILES(3);
            else if (left == 2) TILES(2);
            else TILES(1);
        }
    }
}

// ---- numbers in and out ----

// `count` rows of `width` numbers, `step` elements apart, to rows of `room` floats that end in zeros.
static void take(const void *from, long at, long step, int half, long count, long width, float *to, long room) {
    for (long t = 0; t < count; t++, at += step, to += room) {
        if (half)
            for (long d = 0; d < width; d++) {
                union { uint32_t bits; float value; } one = {(uint32_t)((const uint16_t *)from)[at + d] << 16};
                to[d] = one.value;
            }
        else
            memcpy(to, (const float *)from + at, width * sizeof(float));
        for (long d = width; d < room; d++) to[d] = 0;
    }
}

// Rows of `room` floats back to rows of `width` numbers, `step` elements apart.
static void give(void *into, long at, long step, int half, long count, long width, const float *from, long room) {
    for (long t = 0; t < count; t++, at += step, from += room) {
        if (half)
            for (long d = 0; d < width; d++) {
                union { float value; uint32_t bits; } one = {from[d]};
                uint32_t even = one.bits + 0x7fff + (one.bits >> 16 & 1);
                ((uint16_t *)into)[at + d] = one.value == one.value ? even >> 16 : 0x7fc0;
            }
        else
            memcpy((float *)into + at, from, width * sizeof(float));
    }
}

// The transpose of `rows` rows, `width` rows of `to_room`; some rows at a time, so that they stay in the nearest cache.
static void turn(const float *from, long rows, long room, long width, float *to, long to_room) {
    for (long first = 0; first < to_room; first += 4 * LANES) {
        const long end = first + 4 * LANES < to_room ? first + 4 * LANES : to_room, known = end < rows ? end : rows;
        for (long d = 0; d < width; d++) {
            for (long t = first; t < known; t++) to[d * to_room + t] = from[t * room + d];
            for (long t = known; t < end; t++) to[d * to_room + t] = 0;
        }
    }
}

// The largest of the first `seen` of a row; the rest of its `room` becomes as good as nothing.
static float largest(float *x, long seen, long room) {
    for (long j = seen; j < room; j++) x[j] = -INFINITY;
    floats most = *(floats *)x;
    for (long j = LANES; j < room; j += LANES) most = greater(most, *(floats *)(x + j));
    return greatest(most);
}

// exp(scores - top) of the first `seen` of a row, 0 up to its `room`.
static void exponentials(float *scores, long seen, long room, float top) {
    for (long j = 0; j < room; j += LANES) *(floats *)(scores + j) = exponential(*(floats *)(scores + j) - top);
    for (long j = seen; j < room; j++) scores[j] = 0;
}

static float total(const float *x, long room) {
    floats sums = {0};
    for (long j = 0; j < room; j += LANES) sums += *(const floats *)(x + j);
    return added(sums);
}

static float inner(const float *x, const float *y, long room) {
    floats sums = {0};
    for (long j = 0; j < room; j += LANES) sums += *(const floats *)(x + j) * *(const floats *)(y + j);
    return added(sums);
}

// ---- queries and keys on their way in, and their gradients on the way back ----

static inline float inverse_rms(const Input *in, const float *row, long d) {
    return 1 / sqrtf(inner(row, row, d) / in->width + in->eps);
}

// `rows` of tokens from `first` on: normalised where there is a `norm`, turned to their positions, times `scale`.
static void prepare(const Input *in, const float *norm, long first, long count, float scale,
                    const float *restrict rows, float *restrict to, long d) {
    const long pairs = in->width / 2;
    for (long t = 0; t < count; t++, rows += d, to += d) {
        const float *cos = in->cos + (first + t) * pairs, *sin = in->sin + (first + t) * pairs;
        const float factor = norm ? inverse_rms(in, rows, d) * scale : scale;
        for (long j = 0; j < pairs; j++) {
            const float left = rows[j] * factor * (norm ? norm[j] : 1);
            const float right = rows[j + pairs] * factor * (norm ? norm[j + pairs] : 1);
            to[j] = left * cos[j] - right * sin[j];
            to[j + pairs] = right * cos[j] + left * sin[j];
        }
        for (long j = 2 * pairs; j < d; j++) to[j] = 0;
    }
}

// `grads` by prepared rows become those by `rows`; those by the norm are added to `by_norm`.
static void go_back(const Input *in, const float *norm, long first, long count, float scale,
                    const float *restrict rows, float *restrict grads, long d, float *restrict by_norm) {
    const long pairs = in->width / 2;
    for (long t = 0; t < count; t++, rows += d, grads += d) {
        const float *cos = in->cos + (first + t) * pairs, *sin = in->sin + (first + t) * pairs;
        for (long j = 0; j < pairs; j++) {
            const float left = grads[j], right = grads[j + pairs];
            grads[j] = (left * cos[j] + right * sin[j]) * scale;
            grads[j + pairs] = (right * cos[j] - left * sin[j]) * scale;
        }
        if (!norm) continue;
        const float inverse = inverse_rms(in, rows, d);
        for (long j = 0; j < 2 * pairs; j++) {
            by_norm[j] += grads[j] * rows[j] * inverse;
            grads[j] *= norm[j];
        }
        const float share = inner(grads, rows, d) * inverse * inverse / in->width;
        for (long j = 0; j < 2 * pairs; j++) grads[j] = inverse * (grads[j] - rows[j] * share);
    }
}

// ---- a task: the documents of one row, for one key head and the query heads that share it ----

// The end of the document that begins at `first`; begins[t] is where the document of token t begins.
static long document_end(const int32_t *begins, long first, long length) {
    long end = first + 1;
    while (end < length && begins[end] == begins[first]) end++;
    return end;
}

static inline long token_step(const Input *in) { return (in->heads + 2L * in->groups) * in->width; }

// Where a head of a token stands: query heads first, then those of keys, then those of values.
static inline long place(const Input *in, long row, long token, long head) {
    return (row * in->length + token) * token_step(in) + head * in->width;
}

static void take_heads(const Input *in, long row, long token, long head, long count, float *to, long d) {
    take(in->qkv, place(in, row, token, head), token_step(in), in->half, count, in->width, to, d);
}

static long room_needed(long length, long width, int back) {
    const long l = up(length), d = up(width);
    return (back ? 7 : 3) * l * d + 2 * QUERIES * l + 4 * QUERIES * d;
}

static void forward_task(const Input *in, void *out, float *logs, long row, long group, float *memory) {
    const long length = in->length, width = in->width, d = up(width), share = in->heads / in->groups;
    const long out_step = (long)in->heads * width;
    const float scale = 1 / sqrtf(width), *k_norm = in->norms ? in->norms + width : NULL;
    const int32_t *begins = in->begins + row * length;
    for (long first = 0, end; first < length; first = end) {
        end = document_end(begins, first, length);
        const long size = end - first, l = up(size);
        float *turned = memory, *keys = turned + d * l, *values = keys + l * d, *weights = values + l * d;
        float *raw = weights + QUERIES * l, *queries = raw + QUERIES * d, *seen = queries + QUERIES * d;
        take_heads(in, row, first, in->heads + group, size, values, d);
        prepare(in, k_norm, first, size, 1, values, keys, d);
        turn(keys, size, d, width, turned, l);
        take_heads(in, row, first, in->heads + in->groups + group, size, values, d);
        for (long head = group * share; head < (group + 1) * share; head++) {
            float *log = logs + (row * in->heads + head) * length + first;
            for (long i = 0; i < size; i += QUERIES) {
                const long count = size - i < QUERIES ? size - i : QUERIES, known = i + count, room = up(known);
                take_heads(in, row, first + i, head, count, raw, d);
                prepare(in, in->norms, first + i, count, scale, raw, queries, d);
                multiply(count, room, width, queries, d, 1, turned, l, weights, l, 0);
                for (long t = 0; t < count; t++) {
                    float *mine = weights + t * l, top = largest(mine, i + t + 1, room);
                    exponentials(mine, i + t + 1, room, top);
                    log[i + t] = total(mine, room);
                    for (long j = 0; j < room; j += LANES) *(floats *)(mine + j) /= log[i + t];
                    log[i + t] = top + logf(log[i + t]);
                }
                multiply(count, d, known, weights, l, 1, values, d, seen, d, 0);
                give(out, (row * length + first + i) * out_step + head * width, out_step, in->half, count, width, seen,
                     d);
            }
        }
    }
}

static void backward_task(const Input *in, const void *out, const float *logs, const void *grad, void *grad_qkv,
                          float *grad_norms, long row, long group, float *memory) {
    const long length = in->length, width = in->width, d = up(width), share = in->heads / in->groups;
    const long out_step = (long)in->heads * width, step = token_step(in);
    const float scale = 1 / sqrtf(width), *k_norm = in->norms ? in->norms + width : NULL;
    const int32_t *begins = in->begins + row * length;
    for (long first = 0, end; first < length; first = end) {
        end = document_end(begins, first, length);
        const long size = end - first, l = up(size);
        float *raw_keys = memory, *keys = raw_keys + l * d, *turned_keys = keys + l * d;
        float *values = turned_keys + d * l, *turned_values = values + l * d;
        float *to_keys = turned_values + d * l, *to_values = to_keys + l * d;
        float *weights = to_values + l * d, *scores = weights + QUERIES * l, *raw = scores + QUERIES * l;
        float *queries = raw + QUERIES * d, *grads = queries + QUERIES * d, *mine = grads + QUERIES * d;
        take_heads(in, row, first, in->heads + group, size, raw_keys, d);
        prepare(in, k_norm, first, size, 1, raw_keys, keys, d);
        take_heads(in, row, first, in->heads + in->groups + group, size, values, d);
        turn(keys, size, d, width, turned_keys, l);
        turn(values, size, d, width, turned_values, l);
        memset(to_keys, 0, 2 * l * d * sizeof(float));
        for (long head = group * share; head < (group + 1) * share; head++)
            for (long i = 0; i < size; i += QUERIES) {
                const long count = size - i < QUERIES ? size - i : QUERIES, known = i + count, room = up(known);
                const long token = first + i, out_at = (row * length + token) * out_step + head * width;
                float delta[QUERIES];
                take(out, out_at, out_step, in->half, count, width, mine, d);
                take(grad, out_at, out_step, in->half, count, width, grads, d);
                for (long t = 0; t < count; t++) delta[t] = inner(mine + t * d, grads + t * d, d);
                take_heads(in, row, token, head, count, raw, d);
                prepare(in, in->norms, token, count, scale, raw, queries, d);
                multiply(count, room, width, queries, d, 1, turned_keys, l, weights, l, 0);
                multiply(count, room, width, grads, d, 1, turned_values, l, scores, l, 0);
                const float *log = logs + (row * in->heads + head) * length + token;
                for (long t = 0; t < count; t++) {
                    float *p = weights + t * l, *g = scores + t * l;
                    exponentials(p, i + t + 1, room, log[t]);
                    for (long j = 0; j < room; j += LANES)
                        *(floats *)(g + j) = *(floats *)(p + j) * (*(floats *)(g + j) - delta[t]);
                }
                multiply(count, d, known, scores, l, 1, keys, d, mine, d, 0);
                multiply(known, d, count, scores, 1, l, queries, d, to_keys, d, 1); // queries carry the scale
                multiply(known, d, count, weights, 1, l, grads, d, to_values, d, 1);
                go_back(in, in->norms, token, count, scale, raw, mine, d, grad_norms);
                give(grad_qkv, place(in, row, token, head), step, in->half, count, width, mine, d);
            }
        go_back(in, k_norm, first, size, 1, raw_keys, to_keys, d, grad_norms + width);
        give(grad_qkv, place(in, row, first, in->heads + group), step, in->half, size, width, to_keys, d);
        give(grad_qkv, place(in, row, first, in->heads + in->groups + group), step, in->half, size, width, to_values, d);
    }
}

// ---- what is called; 0 when there is no memory ----

// -> out (batch, length, heads, width) and logs (batch, heads, length).
__attribute__((visibility("default"))) int eyas_attend(const Input *in, void *out, float *logs) {
    int fine = 1;
#pragma omp parallel num_threads(in->threads)
    {
        float *memory = calloc(room_needed(in->length, in->width, 0), sizeof(float));
        if (!memory) fine = 0;
#pragma omp for schedule(dynamic)
        for (long task = 0; task < (long)in->batch * in->groups; task++)
            if (memory) forward_task(in, out, logs, task / in->groups, task % in->groups, memory);
        free(memory);
    }
    return fine;
}

// grad (as out) -> grad_qkv (as qkv), and the shares of each task in those by the norms (batch, groups, 2, width), which
// are zeros when this is called.
__attribute__((visibility("default"))) int eyas_attend_back(const Input *in, const void *out, const float *logs,
                                                            const void *grad, void *grad_qkv, float *grad_norms) {
    int fine = 1;
#pragma omp parallel num_threads(in->threads)
    {
        float *memory = calloc(room_needed(in->length, in->width, 1), sizeof(float));
        if (!memory) fine = 0;
#pragma omp for schedule(dynamic)
        for (long task = 0; task < (long)in->batch * in->groups; task++)
            if (memory)
                backward_task(in, out, logs, grad, grad_qkv, grad_norms + task * 2 * in->width, task / in->groups,
                              task % in->groups, memory);
        free(memory);
    }
    return fine;
}
