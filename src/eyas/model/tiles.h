// Products of bf16 by the tiles that some processors have (AMX): 16 rows of 64 bytes each.
//
// The left factor is read along its rows. The right one is read two rows at a time, whose numbers stand side by side in
// words of 32 bits. Both take the place of fp32 rows, so that those need no other room. Rows, columns and depth are
// multiples of EDGE.

#if defined(EYAS_TILES) // a test brings its own
#elif defined(__AMX_BF16__) && defined(__AVX512BF16__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EDGE = 32 };

// Linux lends its tiles to a process that asks.
static int tiles_lent(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
}

static void tiles_begin(void) {
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } all = {.palette = 1, .bytes = {[0 ... 7] = 64}, .rows = {[0 ... 7] = 16}};
    _tile_loadconfig(&all);
}

static void tiles_end(void) { _tile_release(); }

// fp32 rows of `width` numbers become left factors in their place.
static void to_left(float *rows, long count, long width, long room) {
    for (long t = 0; t < count; t++, rows += room)
        for (long j = 0; j < width; j += EDGE) {
            const __m512 low = _mm512_loadu_ps(rows + j), high = _mm512_loadu_ps(rows + j + EDGE / 2);
            _mm512_storeu_ps(rows + j / 2, (__m512)_mm512_cvtne2ps_pbh(high, low));
        }
}

// fp32 rows become right factors: each second row of `to`, which may be `from`, holds two of them.
static void to_right(const float *from, long count, long width, long room, float *to) {
    for (long t = 0; t < count; t += 2, from += 2 * room, to += 2 * room)
        for (long j = 0; j < width; j += EDGE / 2) {
            const __m256i one = (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + j));
            const __m256i next = (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + room + j));
            const __m512i words = _mm512_slli_epi32(_mm512_cvtepu16_epi32(next), 16);
            _mm512_storeu_si512(to + j, _mm512_or_si512(words, _mm512_cvtepu16_epi32(one)));
        }
}

// c (m, n) = left (m, depth) right (depth, n), or += with `add`; the steps are from row to row, in words of 32 bits.
static void tile_multiply(long m, long n, long depth, const float *left, long left_step, const float *right,
                          long right_step, float *c, long c_step, int add) {
    __asm__ volatile("" ::: "memory"); // GCC does not know that tiles are loaded from memory: what was written goes first
    for (long j = 0; j < n; j += EDGE)
        for (long i = 0; i < m; i += EDGE) {
            float *to = c + i * c_step + j, *below = to + EDGE / 2 * c_step;
            if (add) {
                _tile_loadd(0, to, 4 * c_step);
                _tile_loadd(1, to + EDGE / 2, 4 * c_step);
                _tile_loadd(2, below, 4 * c_step);
                _tile_loadd(3, below + EDGE / 2, 4 * c_step);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (long k = 0; k < depth; k += EDGE) {
                const float *a = left + i * left_step + k / 2, *b = right + k / 2 * right_step + j;
                _tile_loadd(4, a, 4 * left_step);
                _tile_loadd(6, b, 4 * right_step);
                _tile_dpbf16ps(0, 4, 6);
                _tile_loadd(7, b + EDGE / 2, 4 * right_step);
                _tile_dpbf16ps(1, 4, 7);
                _tile_loadd(5, a + EDGE / 2 * left_step, 4 * left_step);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, to, 4 * c_step);
            _tile_stored(1, to + EDGE / 2, 4 * c_step);
            _tile_stored(2, below, 4 * c_step);
            _tile_stored(3, below + EDGE / 2, 4 * c_step);
        }
}

#else
enum { EDGE = 1 };
static int tiles_lent(void) { return 0; }
static void tiles_begin(void) {}
static void tiles_end(void) {}
static void to_left(float *rows, long count, long width, long room) {}
static void to_right(const float *from, long count, long width, long room, float *to) {}
static void tile_multiply(long m, long n, long depth, const float *left, long left_step, const float *right,
                          long right_step, float *c, long c_step, int add) {}
#endif
