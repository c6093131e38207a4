/* limits.c - what this machine can do at most, for `eyas bench`: with the vectors and threads of run.c itself.
 *
 * eyas_limit gives, a second: 0 bytes read from memory, 1 operations on floats, 2 operations on int8.
 */

#define EYAS_LIBRARY
#include "run.c"

typedef struct { int what; const float *memory; size_t count; float sink[64][16]; } Trial;

static void trial_chunk(void *job, int chunk, int worker) {
    Trial *t = job;
    Lanes f[8];
    Ints n[8];
    Bytes bytes = load_bytes((const uint8_t *)t->memory);
    for (int i = 0; i < 8; i++) f[i] = set((float)i), n[i] = ints(i);
    const float *p = t->memory + (size_t)chunk * t->count;
    if (t->what == 0)
        for (size_t i = 0; i < t->count; i += 128) UNROLL for (int j = 0; j < 8; j++) f[j] = add(f[j], load(p + i + 16 * j));
    else if (t->what == 1)
        for (size_t i = 0; i < t->count; i++) UNROLL for (int j = 0; j < 8; j++) f[j] = fma_(f[j], set(0.999f), f[(j + 1) % 8]);
    else
        for (size_t i = 0; i < t->count; i++) UNROLL for (int j = 0; j < 8; j++) n[j] = dot4(n[j], bytes, (int32_t)i);
    for (int j = 1; j < 8; j++) f[0] = add(f[0], add(f[j], floats(n[j])));
    store(t->sink[worker], add(f[0], floats(n[0]))); // what nobody reads the compiler leaves out
}

static double clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

API double eyas_limit(int what, int threads) {
    size_t floats_read = 1u << 26, chunks = 64; // 256 MB: more than caches hold
    Pool pool = {0};
    Trial *t = grab(sizeof *t);
    float *memory = mmap(NULL, what ? 4096 : floats_read * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    double best = 0;
    if (!t || memory == MAP_FAILED) return free(t), 0;
#ifdef MADV_HUGEPAGE
    if (!what) madvise(memory, floats_read * 4, MADV_HUGEPAGE);
#endif
    if (!what) memset(memory, 0, floats_read * 4);
    *t = (Trial){.what = what, .memory = memory, .count = what ? 200000 : floats_read / chunks};
    pool_start(&pool, threads > 0 ? threads : processors());
    double each = what == 0 ? 4.0 * t->count : (what == 1 ? 32.0 : 128.0) * 8 * t->count;
    for (int round = 0; round < 5; round++) {
        double start = clock_now();
        if (what) t->memory = memory;
        in_parallel(&pool, trial_chunk, t, (int)chunks);
        double rate = each * (double)chunks / (clock_now() - start);
        best = rate > best ? rate : best;
    }
    pool_stop(&pool);
    munmap(memory, what ? 4096 : floats_read * 4);
    free(t);
    return best;
}
