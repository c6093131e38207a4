// Attention for training on a CPU, forwards and backwards: every document of a packed row by itself.
//
// Of the square of a row of 512 tokens that holds four documents an eighth matters; the rest is never touched. Weights
// are not kept for the way back: the logarithm of each row's sum is enough to find them again (Dao 2022,
// "FlashAttention"). Queries and keys are normalised and turned to their positions as they are read, so nobody writes
// them down in between. All is computed in fp32, but for the factors of products of bf16 where the processor has tiles for
// them. One task is all documents of one row for one key head, so results do not depend on the number of threads.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"
#include "tiles.h"

#if defined(__AVX512F__)
enum { ROWS = 6, WIDE = 4 }; // 24 registers of sums of 32
#else
enum { ROWS = 3, WIDE = 4 };
#endif
enum { QUERIES = 4 * ROWS, MOST = QUERIES > EDGE ? QUERIES : EDGE };

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

enum { AHEAD = 8 }; // rows that are fetched early: they lie too far apart for the processor to guess them

// `count` rows of `width` numbers, `step` elements apart, to rows of `room` floats that end in zeros.
static void take(const void *from, long at, long step, int half, long count, long width, float *to, long room) {
    const long whole = width / LANES * LANES;
    for (long t = 0; t < count; t++, at += step, to += room) {
        memset(to + whole, 0, (room - whole) * sizeof(float));
        if (half) {
            const uint16_t *row = (const uint16_t *)from + at;
            for (long d = 0; d < whole; d += 2 * LANES) __builtin_prefetch(row + AHEAD * step + d);
            for (long d = 0; d < whole; d += LANES) *(floats *)(to + d) = widened(row + d);
            if (whole < width) {
                uint16_t last[LANES] = {0};
                memcpy(last, row + whole, (width - whole) * sizeof *last);
                *(floats *)(to + whole) = widened(last);
            }
        } else
            memcpy(to, (const float *)from + at, width * sizeof(float));
    }
}

// Rows of `room` floats back to rows of `width` numbers, `step` elements apart.
static void give(void *into, long at, long step, int half, long count, long width, const float *from, long room) {
    const long whole = width / LANES * LANES;
    for (long t = 0; t < count; t++, at += step, from += room) {
        if (half) {
            uint16_t *row = (uint16_t *)into + at;
            for (long d = 0; d < whole; d += LANES) *(halves *)(row + d) = narrowed(*(const floats *)(from + d));
            if (whole < width) {
                const halves last = narrowed(*(const floats *)(from + whole));
                memcpy(row + whole, &last, (width - whole) * sizeof *row);
            }
        } else
            memcpy((float *)into + at, from, width * sizeof(float));
    }
}

// The transpose of `rows` rows: `width` rows of `to_room`, which end in zeros. Both are read and written as far as the
// last register that they begin in.
static void turn(const float *from, long rows, long room, long width, float *to, long to_room) {
    for (long t = 0; t < to_room; t += LANES)
        for (long d = 0; d < width; d += LANES) {
            floats square[LANES];
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++)
                square[r] = t + r < rows ? *(const floats *)(from + (t + r) * room + d) : (floats){0};
            turn_square(square);
#pragma GCC unroll 16
            for (int r = 0; r < LANES; r++) *(floats *)(to + (d + r) * to_room + t) = square[r];
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

// Queries at a time: they see the keys up to the last of them.
static inline long at_once(int tiles) { return tiles ? EDGE : QUERIES; }

static inline long padded(int tiles, long n) { return tiles ? (n + EDGE - 1) / EDGE * EDGE : up(n); }

// The step from one row of weights to the next: rows of a power of two would all meet in a few places of the cache.
static inline long spaced(long l) { return l + LANES; }

static long room_needed(int tiles, long length, long width, int back) {
    const long line = spaced(padded(tiles, length)), d = padded(tiles, width), block = at_once(tiles);
    return back ? 7 * line * d + 3 * block * line + 6 * block * d : 3 * line * d + block * line + 3 * block * d;
}

// The turned rows of keys or values, each a right factor for `against`. Tiles take the place of `rows`.
static inline void turned_rows(const int tiles, float *rows, long size, long d, float *turned, long line) {
    if (tiles) to_left(rows, size, d, d);
    turn(rows, size, d, tiles ? d / 2 : d, turned, line);
}

// `rows` of keys or values as a right factor for `mixed`, in their place.
static inline void paired_rows(const int tiles, float *rows, long size, long l, long d) {
    if (!tiles) return;
    memset(rows + size * d, 0, (l - size) * d * sizeof(float));
    to_right(rows, l, d, d, rows);
}

// to (count, room) = rows (count, d) times what was turned. Tiles take the place of `rows`.
static inline void against(const int tiles, long count, long room, long width, float *rows, long d, const float *turned,
                           float *to, long line) {
    if (tiles) {
        to_left(rows, count, d, d);
        tile_multiply(EDGE, room, d, rows, d, turned, line, to, line, 0);
    } else
        multiply(count, room, width, rows, d, 1, turned, line, to, line, 0);
}

// to (count, d) = weights (count, known) times rows (known, d). Tiles take the place of the weights.
static inline void mixed(const int tiles, long count, long known, float *weights, long line, const float *rows, long d,
                         float *to) {
    if (tiles) {
        const long room = padded(1, known);
        to_left(weights, count, room, line);
        tile_multiply(EDGE, d, room, weights, line, rows, 2 * d, to, d, 0);
    } else
        multiply(count, d, known, weights, line, 1, rows, d, to, d, 0);
}

// sums += the transpose of weights (count, known) times rows (count, d): (known, d), with tiles (d, known), where
// `turned` are the rows, and `pairs` takes the weights.
static inline void gathered(const int tiles, long count, long known, float *weights, long line, const float *rows,
                            long d, const float *turned, float *pairs, float *sums) {
    if (tiles) {
        const long room = padded(1, known);
        memset(weights + count * line, 0, (EDGE - count) * line * sizeof(float));
        to_right(weights, EDGE, room, line, pairs);
        tile_multiply(d, room, EDGE, turned, EDGE, pairs, 2 * line, sums, line, 1);
    } else
        multiply(known, d, count, weights, 1, line, rows, d, sums, d, 1);
}

static inline __attribute__((always_inline)) void forward_task(
    const int tiles, const Input *in, void *out, float *logs, long row, long group, float *memory) {
    const long length = in->length, width = in->width, d = padded(tiles, width), share = in->heads / in->groups;
    const long block = at_once(tiles), out_step = (long)in->heads * width;
    const float scale = 1 / sqrtf(width), *k_norm = in->norms ? in->norms + width : NULL;
    const int32_t *begins = in->begins + row * length;
    for (long first = 0, end; first < length; first = end) {
        end = document_end(begins, first, length);
        const long size = end - first, l = padded(tiles, size), line = spaced(l);
        float *turned = memory, *keys = turned + d * line, *values = keys + l * d, *weights = values + l * d;
        float *raw = weights + block * line, *queries = raw + block * d, *seen = queries + block * d;
        take_heads(in, row, first, in->heads + group, size, values, d);
        prepare(in, k_norm, first, size, 1, values, keys, d);
        turned_rows(tiles, keys, size, d, turned, line);
        take_heads(in, row, first, in->heads + in->groups + group, size, values, d);
        paired_rows(tiles, values, size, l, d);
        for (long head = group * share; head < (group + 1) * share; head++) {
            float *log = logs + (row * in->heads + head) * length + first;
            for (long i = 0; i < size; i += block) {
                const long count = size - i < block ? size - i : block, known = i + count, room = padded(tiles, known);
                float sums[MOST];
                take_heads(in, row, first + i, head, count, raw, d);
                prepare(in, in->norms, first + i, count, scale, raw, queries, d);
                against(tiles, count, room, width, queries, d, turned, weights, line);
                for (long t = 0; t < count; t++) {
                    float *mine = weights + t * line, top = largest(mine, i + t + 1, room);
                    exponentials(mine, i + t + 1, room, top);
                    sums[t] = total(mine, room);
                    log[i + t] = top + logf(sums[t]);
                }
                mixed(tiles, count, known, weights, line, values, d, seen);
                for (long t = 0; t < count; t++)
                    for (long j = 0; j < d; j += LANES) *(floats *)(seen + t * d + j) /= sums[t];
                give(out, (row * length + first + i) * out_step + head * width, out_step, in->half, count, width, seen,
                     d);
            }
        }
    }
}

static inline __attribute__((always_inline)) void backward_task(
    const int tiles, const Input *in, const void *out, const float *logs, const void *grad, void *grad_qkv,
    float *grad_norms, long row, long group, float *memory) {
    const long length = in->length, width = in->width, d = padded(tiles, width), share = in->heads / in->groups;
    const long block = at_once(tiles), out_step = (long)in->heads * width, step = token_step(in);
    const float scale = 1 / sqrtf(width), *k_norm = in->norms ? in->norms + width : NULL;
    const int32_t *begins = in->begins + row * length;
    for (long first = 0, end; first < length; first = end) {
        end = document_end(begins, first, length);
        const long size = end - first, l = padded(tiles, size), line = spaced(l);
        float *raw_keys = memory, *keys = raw_keys + l * d, *turned_keys = keys + l * d;
        float *values = turned_keys + d * line, *turned_values = values + l * d;
        float *to_keys = turned_values + d * line, *to_values = to_keys + line * d;
        float *weights = to_values + line * d, *scores = weights + block * line, *pairs = scores + block * line;
        float *raw = pairs + block * line, *queries = raw + block * d, *grads = queries + block * d;
        float *mine = grads + block * d, *turned_queries = mine + block * d, *turned_grads = turned_queries + block * d;
        take_heads(in, row, first, in->heads + group, size, raw_keys, d);
        prepare(in, k_norm, first, size, 1, raw_keys, keys, d);
        memcpy(values, keys, size * d * sizeof(float));
        turned_rows(tiles, values, size, d, turned_keys, line);
        paired_rows(tiles, keys, size, l, d);
        take_heads(in, row, first, in->heads + in->groups + group, size, values, d);
        turned_rows(tiles, values, size, d, turned_values, line);
        memset(to_keys, 0, 2 * line * d * sizeof(float));
        for (long head = group * share; head < (group + 1) * share; head++)
            for (long i = 0; i < size; i += block) {
                const long count = size - i < block ? size - i : block, known = i + count, room = padded(tiles, known);
                const long token = first + i, out_at = (row * length + token) * out_step + head * width;
                float delta[MOST];
                take(out, out_at, out_step, in->half, count, width, mine, d);
                take(grad, out_at, out_step, in->half, count, width, grads, d);
                for (long t = 0; t < count; t++) delta[t] = inner(mine + t * d, grads + t * d, d);
                take_heads(in, row, token, head, count, raw, d);
                prepare(in, in->norms, token, count, scale, raw, queries, d);
                if (tiles) {
                    turn(queries, count, d, d, turned_queries, EDGE);
                    turn(grads, count, d, d, turned_grads, EDGE);
                    to_left(turned_queries, d, EDGE, EDGE);
                    to_left(turned_grads, d, EDGE, EDGE);
                }
                against(tiles, count, room, width, queries, d, turned_keys, weights, line);
                against(tiles, count, room, width, grads, d, turned_values, scores, line);
                const float *log = logs + (row * in->heads + head) * length + token;
                for (long t = 0; t < count; t++) {
                    float *p = weights + t * line, *g = scores + t * line;
                    exponentials(p, i + t + 1, room, log[t]);
                    for (long j = 0; j < room; j += LANES)
                        *(floats *)(g + j) = *(floats *)(p + j) * (*(floats *)(g + j) - delta[t]);
                }
                gathered(tiles, count, known, weights, line, grads, d, turned_grads, pairs, to_values);
                gathered(tiles, count, known, scores, line, queries, d, turned_queries, pairs, to_keys);
                mixed(tiles, count, known, scores, line, keys, d, mine); // queries carry the scale
                go_back(in, in->norms, token, count, scale, raw, mine, d, grad_norms);
                give(grad_qkv, place(in, row, token, head), step, in->half, count, width, mine, d);
            }
        if (tiles) {
            turn(to_keys, d, line, size, keys, d);
            turn(to_values, d, line, size, values, d);
        }
        float *by_keys = tiles ? keys : to_keys, *by_values = tiles ? values : to_values;
        go_back(in, k_norm, first, size, 1, raw_keys, by_keys, d, grad_norms + width);
        give(grad_qkv, place(in, row, first, in->heads + group), step, in->half, size, width, by_keys, d);
        give(grad_qkv, place(in, row, first, in->heads + in->groups + group), step, in->half, size, width, by_values,
             d);
    }
}

// ---- what is called; 0 when there is no memory ----

// From the beginning of a line of the cache on: registers and tiles are as long as one.
static float *zeros(long count) {
    const size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
    float *all = aligned_alloc(64, bytes);
    if (all) memset(all, 0, bytes);
    return all;
}

static int tiles_for(const Input *in) {
    static int lent = -1; // whoever asks at the same time is told the same
    if (lent < 0) lent = tiles_lent();
    return lent && in->half;
}

// -> out (batch, length, heads, width) and logs (batch, heads, length).
__attribute__((visibility("default"))) int eyas_attend(const Input *in, void *out, float *logs) {
    const int tiles = tiles_for(in);
    int fine = 1;
#pragma omp parallel num_threads(in->threads)
    {
        float *memory = zeros(room_needed(tiles, in->length, in->width, 0));
        if (!memory) fine = 0;
        if (tiles) tiles_begin();
#pragma omp for schedule(dynamic)
        for (long task = 0; task < (long)in->batch * in->groups; task++) {
            const long row = task / in->groups, group = task % in->groups;
            if (memory && tiles) forward_task(1, in, out, logs, row, group, memory);
            else if (memory) forward_task(0, in, out, logs, row, group, memory);
        }
        if (tiles) tiles_end();
        free(memory);
    }
    return fine;
}

// grad (as out) -> grad_qkv (as qkv), and the shares of each task in those by the norms (batch, groups, 2, width), which
// are zeros when this is called.
__attribute__((visibility("default"))) int eyas_attend_back(const Input *in, const void *out, const float *logs,
                                                            const void *grad, void *grad_qkv, float *grad_norms) {
    const int tiles = tiles_for(in);
    int fine = 1;
#pragma omp parallel num_threads(in->threads)
    {
        float *memory = zeros(room_needed(tiles, in->length, in->width, 1));
        if (!memory) fine = 0;
        if (tiles) tiles_begin();
#pragma omp for schedule(dynamic)
        for (long task = 0; task < (long)in->batch * in->groups; task++) {
            const long row = task / in->groups, group = task % in->groups;
            float *by_norms = grad_norms + task * 2 * in->width;
            if (memory && tiles) backward_task(1, in, out, logs, grad, grad_qkv, by_norms, row, group, memory);
            else if (memory) backward_task(0, in, out, logs, grad, grad_qkv, by_norms, row, group, memory);
        }
        if (tiles) tiles_end();
        free(memory);
    }
    return fine;
}
