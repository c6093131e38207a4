/* Damaged files, hostile prompts and hostile calls for run.c; and its ordinary life, to be watched by sanitisers.
 *
 *     fuzz_run fuzz FOUND SEED FIRST COUNT FILE...   variants FIRST to FIRST + COUNT of the files, made from SEED
 *     fuzz_run replay FOUND FILE...                  the files as they are
 *     fuzz_run life FILE...                          sound files: batches, forks, cancellation, two threads
 *
 * A file that makes run.c do wrong is left in the folder FOUND, named after its variant. Whatever happens, run.c may
 * refuse with one line or go on: it may not crash, hang, read beyond the end, use much memory, or give an id that is
 * none.
 *
 * Compile with -DRUN_C='"path of run.c"'. Memory that run.c maps comes from malloc here, each tensor by itself, since
 * the sanitisers know the ends of that.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_MEMORY = 256 << 20 }; // of one request, for files of some kilobytes

static void *mapped(size_t size, int file, bool block) {
    if (block) return malloc(1); // the one in `claim`: what follows it allocates
    if (size > MOST_MEMORY) return MAP_FAILED;
    void *at = file < 0 ? calloc(1, size) : malloc(size);
    if (file >= 0 && pread(file, at, size, 0) != (ssize_t)size) abort();
    return at;
}

#define mmap(at, size, protection, flags, file, offset) mapped(size, file, !strcmp(#size, "size"))
#define munmap(at, size) free(at)
// Within `claim`, whose `bytes` and `wanted` these are: a block of its own for each tensor
#define madvise(at, size, advice) (free(at), (at) = calloc(1, bytes), (size) = wanted)
#define main run_main
#include RUN_C
#undef main
#undef mmap
#undef munmap
#undef madvise

#ifdef __SANITIZE_ADDRESS__
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1"; }
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1:max_allocation_size_mb=256:hard_rss_limit_mb=2048:quarantine_size_mb=8:"
           "detect_stack_use_after_return=0:handle_abort=1";
}
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void __sanitizer_set_death_callback(void (*callback)(void));
#else
static void __sanitizer_set_death_callback(void (*callback)(void)) { (void)callback; }
#endif

/* ---- What is tried, and where it is kept when something goes wrong */

static uint8_t *image; // the file that run.c reads now
static size_t image_size, image_room;
static int image_file;
static char image_path[64];
static const char *found = "."; // folder
static char trying[128] = "start";
static FILE *report; // the true stderr

static void keep_image(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.gguf", found, trying);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file >= 0 && write(file, image, image_size) == (ssize_t)image_size) dprintf(2, "kept as %s\n", path);
    if (file >= 0) close(file);
}

static void wrong(const char *what) {
    fprintf(report, "%s: %s; the last sentence: %s\n", trying, what, failure);
    fflush(report);
    keep_image();
    _exit(3);
}

static void too_long(int signal) {
    (void)signal;
    dprintf(2, "%s: no end after some seconds\n", trying);
    keep_image();
    _exit(4);
}

static void check(bool holds, const char *what) {
    if (!holds) wrong(what);
}

static bool one_line(const char *sentence) {
    size_t size = 0;
    for (; sentence[size]; size++)
        if (sentence[size] < ' ' || sentence[size] > '~') return false; // what a file spells must not reach a terminal
    return size > 0;
}

// After a call that may fail: when it did, it has told why in one line, and lack of memory is no reason.
static bool good(bool worked) {
    if (!worked && !one_line(failure)) wrong("a refusal without one plain line");
    if (!worked && strstr(failure, "no memory")) wrong("too much memory asked for");
    failure[0] = 0;
    return worked;
}

static void show_image(void) {
    check(ftruncate(image_file, 0) == 0 && pwrite(image_file, image, image_size, 0) == (ssize_t)image_size, "no room");
    failure[0] = 0;
    alarm(30);
}

/* ---- Chance */

static uint64_t chance;

static uint64_t any(uint64_t below) { // splitmix64
    uint64_t z = chance += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return below ? (z ^ z >> 31) % below : z ^ z >> 31;
}

static bool once_in(int n) { return any((uint64_t)n) == 0; }

static uint64_t odd_number(void) {
    static const uint64_t numbers[] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 30, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257,
        4095, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1000000000000000,
        0x2000000000000000, 0x4000000000000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
        0xfffffffffffffff8, 0x7f800000, 0xff800000, 0x7fc00000, 0x3f800000}; // the last are floats
    switch (any(4)) {
    case 0: return any(400);
    case 1: return (uint64_t)image_size - any(64);
    default: return numbers[any(sizeof numbers / sizeof *numbers)];
    }
}

static float odd_float(void) {
    static const float floats[] = {0,     -0.0f,  1,       -1,       0.5f,      0.9f, 2,     1e-45f, -1e-40f, 1e-6f,
                                   1e30f, -1e38f, 3.4e38f, INFINITY, -INFINITY, NAN,  65504, 65536,  127};
    return once_in(2) ? floats[any(sizeof floats / sizeof *floats)] : (float)((double)any(0) * 0x1p-62 - 2);
}

static int32_t odd_int(void) {
    static const int32_t ints[] = {-1, 0,  1,   2,       15,        16,        17,           31,
                                   32, 33, 255, 1 << 20, INT32_MAX, INT32_MIN, INT32_MAX - 1, -2};
    return ints[any(sizeof ints / sizeof *ints)];
}

// Bytes for a text: letters, blanks, pieces of UTF-8, names of special tokens, control characters, anything.
static size_t odd_text(char *to, size_t room) {
    static const char *const parts[] = {
        "the", " cat", "<|im_end|>", "<|im_start|>", "<think>", "<s>", "</s>", "<unk>", "<0x41>", "\xE2\x96\x81",
        "\xE2\x96\x81t", "\xC3\xA9", "\xE6\x97\xA5", "\xF0\x9F\x99\x82", "\xE2\x96", "\xF0\x9F", "\xFF", "\xC0\x80",
        "\xED\xA0\x80", "\xF4\x90\x80\x80", "\r\n", "\n\n", "  ", "\t", "'ll", "'S", "'\xC5\xBF", "12345", "\xC2\xA0",
        "\xE3\x80\x80", "\xC2\x85", "\x1b[2J", "!!!", "\xCC\x81", "\xF4\x8F\xBF\xBF", "\xEF\xBF\xBD"};
    size_t size = 0, wanted = any(room + 1), repeats;
    while (size < wanted) {
        const char *part = parts[any(sizeof parts / sizeof *parts)];
        repeats = once_in(10) ? any(60) : 1;
        if (once_in(6)) to[size++] = (char)any(256);
        for (size_t n = strlen(part); repeats && size + n <= wanted; repeats--, size += n) memcpy(to + size, part, n);
        if (size + 8 > wanted && size < wanted) to[size++] = (char)any(256);
    }
    return size;
}

/* ---- Files and how they are damaged */

enum { IN_HEADER, IN_FACTS, IN_SHAPE, IN_WORDS, IN_TABLE, IN_DATA, N_PARTS };

typedef struct { size_t at, size; bool text; } Spot; // a number or a text
typedef struct { size_t at, end; int part; } Chunk;  // a fact, or a tensor's entry

typedef struct {
    uint8_t *bytes;
    size_t size;
    Spot *spots[N_PARTS];
    int n_spots[N_PARTS], n_chunks, n_facts; // facts first
    Chunk chunks[512];
} Seed;

static Seed seeds[64];
static int n_seeds;

static void add_spot(Seed *s, int part, size_t at, size_t size, bool text) {
    int n = s->n_spots[part]++;
    if ((n & (n - 1)) == 0) s->spots[part] = realloc(s->spots[part], (size_t)(n ? 2 * n : 1) * sizeof(Spot));
    s->spots[part][n] = (Spot){at, size, text};
}

static uint64_t word_at(const Seed *s, size_t at, size_t size) {
    uint64_t word = 0;
    memcpy(&word, s->bytes + at, size);
    return word;
}

static size_t walk_text(Seed *s, int part, size_t at) {
    size_t size = word_at(s, at, 8);
    add_spot(s, part, at, 8, false);
    if (size) add_spot(s, part, at + 8, size, true);
    return at + 8 + size;
}

static size_t walk_value(Seed *s, int part, size_t at, uint64_t kind) {
    static const size_t sizes[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (kind == 8) return walk_text(s, part, at);
    add_spot(s, part, at, sizes[kind], false);
    return at + sizes[kind];
}

static size_t walk_fact(Seed *s, size_t at) {
    const char *key = (const char *)s->bytes + at + 8;
    int part = !memcmp(key, "tokenizer.", 10) ? IN_WORDS : !memcmp(key, "general.", 8) ? IN_FACTS : IN_SHAPE;
    s->chunks[s->n_chunks].part = part;
    at = walk_text(s, part == IN_WORDS ? IN_FACTS : part, at);
    uint64_t kind = word_at(s, at, 4), count = 1;
    add_spot(s, part, at, 4, false), at += 4;
    if (kind == 9) {
        kind = word_at(s, at, 4), count = word_at(s, at + 4, 8);
        add_spot(s, part, at, 4, false), add_spot(s, part, at + 4, 8, false), at += 12;
    }
    while (count--) at = walk_value(s, part, at, kind);
    return at;
}

static size_t walk_entry(Seed *s, size_t at) {
    s->chunks[s->n_chunks].part = IN_TABLE;
    at = walk_text(s, IN_TABLE, at);
    uint64_t dims = word_at(s, at, 4);
    add_spot(s, IN_TABLE, at, 4, false), at += 4;
    for (; dims; dims--, at += 8) add_spot(s, IN_TABLE, at, 8, false);
    add_spot(s, IN_TABLE, at, 4, false), add_spot(s, IN_TABLE, at + 4, 8, false);
    return at + 12;
}

// Finds what there is to damage in a sound file.
static void walk(Seed *s) {
    size_t at = 24;
    add_spot(s, IN_HEADER, 0, 4, false), add_spot(s, IN_HEADER, 4, 4, false);
    add_spot(s, IN_HEADER, 8, 8, false), add_spot(s, IN_HEADER, 16, 8, false);
    uint64_t tensors = word_at(s, 8, 8), facts = word_at(s, 16, 8);
    s->n_facts = (int)facts;
    for (uint64_t i = 0; i < facts + tensors; i++, s->n_chunks++) {
        size_t end = i < facts ? walk_fact(s, at) : walk_entry(s, at);
        s->chunks[s->n_chunks].at = at, s->chunks[s->n_chunks].end = end;
        at = end;
    }
    for (; at < s->size; at += 32) add_spot(s, IN_DATA, at, s->size - at < 32 ? s->size - at : 32, false);
}

static void read_seed(const char *path, bool sound) {
    Seed *s = &seeds[n_seeds++];
    FILE *file = fopen(path, "rb");
    check(file != NULL, path);
    s->bytes = malloc(1 << 20);
    s->size = fread(s->bytes, 1, 1 << 20, file);
    fclose(file);
    if (sound) walk(s);
}

// Puts `size` bytes in the place of `old` bytes at `at`.
static void replace(size_t at, size_t old, const void *bytes, size_t size) {
    if (at + old > image_size || image_size - old + size > image_room) return;
    uint8_t *copy = malloc(size + 1);
    if (size) memcpy(copy, bytes, size);
    memmove(image + at + size, image + at + old, image_size - at - old);
    if (size) memcpy(image + at, copy, size);
    image_size += size - old;
    free(copy);
}

static void add_to(size_t at, int size, int64_t change) {
    uint64_t number = 0;
    memcpy(&number, image + at, (size_t)size);
    number += (uint64_t)change;
    memcpy(image + at, &number, (size_t)size);
}

static void damage_number(size_t at, size_t size) {
    uint64_t number = odd_number();
    switch (any(4)) {
    case 0: image[at + any(size)] ^= (uint8_t)(1 << any(8)); return;
    case 1: add_to(at, size < 8 ? (int)size : 8, (int64_t)any(7) - 3); return;
    case 2:
        if (size >= 4) {
            float value = odd_float();
            memcpy(image + at, &value, 4);
            return;
        } // fall through
    default: memcpy(image + at, &number, size < 8 ? size : 8);
    }
}

static void damage_data(size_t at, size_t size) {
    static const uint32_t words[] = {0,          0xffffffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7c007c00, 0xfc00fc00,
                                     0x7e007e00, 0x00010001, 0x7bff7bff, 0x7f7fffff, 1,          0x80808080};
    uint32_t word = words[any(sizeof words / sizeof *words)];
    if (once_in(2)) image[at + any(size)] = (uint8_t)any(256);
    else for (size_t i = 0; i + 4 <= size; i += 4) memcpy(image + at + i, &word, 4);
}

// In its place, or longer or shorter with the length before it told right, so that the rest of the file still holds.
static void damage_text(size_t at, size_t size, bool resize) {
    char text[200];
    if (resize) {
        size_t fresh = odd_text(text, once_in(4) ? sizeof text : 12);
        replace(at, size, text, fresh);
        add_to(at - 8, 8, (int64_t)fresh - (int64_t)size);
    } else if (once_in(2)) {
        image[at + any(size)] = (uint8_t)any(256);
    } else {
        size_t fresh = odd_text(text, size < sizeof text ? size : sizeof text);
        memcpy(image + at + any(size - fresh + 1), text, fresh);
    }
}

// Whole facts and tensor entries: dropped, doubled, exchanged, or another file's; mostly the count stays right.
static void damage_chunks(const Seed *s) {
    const Chunk *a = &s->chunks[any((uint64_t)s->n_chunks)], *b = &s->chunks[any((uint64_t)s->n_chunks)];
    const Seed *other = &seeds[any((uint64_t)n_seeds)];
    const Chunk *c = &other->chunks[any((uint64_t)other->n_chunks)];
    int change = 0, what = (int)any(5);
    if (what == 0) replace(a->at, a->end - a->at, NULL, 0), change = -1;
    if (what == 1) replace(b->at, 0, s->bytes + a->at, a->end - a->at), change = 1;
    if (what == 2) replace(b->at, 0, other->bytes + c->at, c->end - c->at), change = 1;
    if (what == 3) { // the same fact of another file, if it has it
        for (int i = 0; i < other->n_facts; i++) {
            const Chunk *d = &other->chunks[i];
            size_t key = 8 + word_at(s, a->at, 8);
            bool long_enough = d->end - d->at >= key && a->end - a->at >= key;
            if (long_enough && !memcmp(other->bytes + d->at, s->bytes + a->at, key)) c = d;
        }
        replace(a->at, a->end - a->at, other->bytes + c->at, c->end - c->at);
    }
    if (what == 4 && a != b) {
        const Chunk *first = a < b ? a : b, *last = a < b ? b : a;
        replace(last->at, last->end - last->at, s->bytes + first->at, first->end - first->at);
        replace(first->at, first->end - first->at, s->bytes + last->at, last->end - last->at);
    }
    const Chunk *changed = what == 1 || what == 2 ? b : a;
    if (!once_in(8)) add_to(changed->part == IN_TABLE ? 8 : 16, 8, change);
}

static void damage_bytes(void) {
    const Seed *other = &seeds[any((uint64_t)n_seeds)];
    size_t at = any(image_size), size = any(200), from = any(other->size);
    if (size > image_size - at) size = image_size - at;
    if (size > other->size - from) size = other->size - from;
    switch (any(6)) {
    case 0: image_size = at; return;
    case 1: replace(at, size, NULL, 0); return;
    case 2: replace(at, 0, image + at, size); return;
    case 3: replace(at, size, other->bytes + from, size); return;
    case 4: replace(at, 0, other->bytes + from, size); return;
    default: image_size -= any(image_size < 300 ? image_size : 300);
    }
}

static bool words_touched, model_touched; // what a variant's damage may show in

static void make_variant(uint64_t seed, uint64_t number) {
    chance = seed * 0xD1342543DE82EF95 + number;
    any(0);
    const Seed *s = &seeds[any((uint64_t)n_seeds)];
    memcpy(image, s->bytes, image_size = s->size);
    static const int parts[] = {IN_HEADER, IN_FACTS, IN_SHAPE, IN_SHAPE, IN_TABLE, IN_TABLE, IN_WORDS, IN_WORDS,
                                IN_WORDS,  IN_WORDS, IN_WORDS, IN_WORDS, IN_DATA,  IN_DATA,  IN_DATA,  IN_DATA};
    int only = once_in(3) ? -1 : parts[any(16)];
    words_touched = once_in(16), model_touched = once_in(16);
    for (int edits = 1 + (int)any(once_in(4) ? 12 : 2); edits; edits--) {
        int part = only < 0 ? parts[any(16)] : only;
        const Spot *spot;
        words_touched |= part == IN_HEADER || part == IN_FACTS || part == IN_WORDS, model_touched |= part != IN_WORDS;
        do spot = &s->spots[part][any((uint64_t)s->n_spots[part])];
        while (part == IN_WORDS && spot->size == 8 && !spot->text && !once_in(20)); // lengths: most cut the file off
        if (part == IN_DATA) damage_data(spot->at, spot->size);
        else if (spot->text) damage_text(spot->at, spot->size, false);
        else damage_number(spot->at, spot->size);
    }
    if (once_in(4)) { // what moves bytes comes last: the spots are no longer where they were
        const Spot *spot = &s->spots[IN_WORDS][any((uint64_t)s->n_spots[IN_WORDS])];
        if (!once_in(4)) memcpy(image, s->bytes, s->size); // nothing else
        words_touched = model_touched = true;
        if (spot->text && once_in(2)) damage_text(spot->at, spot->size, true);
        else if (once_in(2)) damage_chunks(s);
        else damage_bytes();
    }
    if (image_size == 0) image_size = 1;
}

/* ---- Using what could be opened */

static void use_words(const Tokenizer *t, int texts) {
    for (; texts; texts--) {
        char room[700];
        size_t size = odd_text(room, once_in(6) ? sizeof room : 60);
        char *text = malloc(size ? size : 1); // its end is known
        memcpy(text, room, size);
        int capacity = once_in(4) ? (int)any(20) : 3 * (int)size + 3, specials = (int)any(2);
        int32_t *ids = malloc((size_t)capacity * sizeof *ids + 1);
        int count = eyas_encode(t, text, size, specials, ids, capacity);
        check(count >= 0 && count <= 3 * (int)size + 3, "a text could not be encoded");
        for (int i = 0; i < count && i < capacity; i++) {
            int bytes = eyas_piece(t, ids[i], NULL, 0), less = bytes > 0 ? (int)any((uint64_t)bytes + 1) : 0;
            check(bytes >= 0, "an id that is none");
            char *piece = malloc((size_t)less + 1);
            check(eyas_piece(t, ids[i], piece, less) == bytes, "a piece that changes");
            free(piece);
        }
        free(ids), free(text);
    }
    good(eyas_piece(t, odd_int(), NULL, 0) >= 0);
}

static void use_pick(const float *logits, int n) {
    Choice c = {odd_float(), odd_float(), odd_float(), once_in(2) ? 1 : odd_float(), odd_int()};
    if (once_in(2)) c = (Choice){1, 0.9f, 0.05f, 1.1f, 40};
    uint32_t *mask = calloc((size_t)n / 32 + 1, 4);
    int32_t recent[8];
    for (int i = 0; i < n / 32 + 1; i++) mask[i] = once_in(3) ? 0 : (uint32_t)any(0);
    for (int i = 0; i < 8; i++) recent[i] = once_in(4) ? odd_int() : (int32_t)any((uint64_t)n);
    bool masked = once_in(2);
    float logprob, *exact = malloc((size_t)n * 4);
    memcpy(exact, logits, (size_t)n * 4);
    double draw = (double)any(1 << 20) * 0x1p-20;
    int n_recent = (int)any(9);
    int id = eyas_pick(exact, n, &c, masked ? mask : NULL, recent, n_recent, draw, once_in(2) ? &logprob : NULL);
    check(id >= -1 && id < n, "an id that is none was picked");
    check(id < 0 || !masked || mask[id / 32] >> id % 32 & 1, "an id that the mask forbids was picked");
    good(id >= 0);
    free(mask), free(exact);
}

// Reads up to 24 tokens of random sequences; now and then something about them is wrong.
static void use_forward(Engine *e, const Shape *s, const int *known, int n_known) {
    enum { MOST = 24 };
    int n = 1 + (int)any(once_in(3) ? MOST : 4), wanted = 0, reads[16] = {0};
    int32_t tokens[MOST], sequences[MOST], positions[MOST], targets[MOST];
    uint8_t want[MOST];
    float logprobs[MOST];
    uint64_t current = any((uint64_t)n_known);
    for (int i = 0; i < n; i++) {
        if (once_in(4)) current = any((uint64_t)n_known);
        tokens[i] = (int32_t)any((uint64_t)s->vocab_size), sequences[i] = known[current];
        positions[i] = eyas_length(e, known[current]) + reads[current]++;
        want[i] = (uint8_t)once_in(3);
        targets[i] = once_in(3) ? odd_int() : once_in(2) ? -1 : (int32_t)any((uint64_t)s->vocab_size);
        wanted += want[i];
    }
    int32_t *changed[] = {tokens, sequences, positions};
    if (once_in(8)) changed[any(3)][any((uint64_t)n)] = odd_int();
    if (once_in(50)) n = 0;
    float *logits = malloc((size_t)wanted * (size_t)s->vocab_size * sizeof *logits + 1);
    float *hidden = malloc((size_t)wanted * (size_t)s->n_embd * sizeof *hidden + 1);
    bool scores = once_in(2), rows = !once_in(8), seen = !once_in(8);
    int status = eyas_forward(e, n, tokens, sequences, positions, rows ? want : NULL, seen ? logits : NULL,
                              once_in(2) ? hidden : NULL, scores ? targets : NULL, scores ? logprobs : NULL);
    if (good(status == 0) && rows && seen && wanted) use_pick(logits, s->vocab_size);
    free(logits), free(hidden);
}

static void use_engine(Model *m, int steps) {
    static const int64_t rooms[] = {1, 7, 16, 17, 40, 64, 100};
    Shape s;
    eyas_shape(m, &s);
    int64_t room = once_in(40) ? (int64_t)odd_number() : rooms[any(7)];
    Engine *e = eyas_engine(m, once_in(12) ? 2 + (int)any(2) : 1, room);
    // somebody who asks for room without end may well be told that there is none
    if (!e) check(one_line(failure), "a refusal without one plain line"), failure[0] = 0;
    if (!e) return;
    int known[16] = {eyas_sequence(e)}, n_known = 1;
    for (; steps; steps--) {
        int which = (int)any((uint64_t)n_known), length = eyas_length(e, known[which]), number;
        int some = once_in(6) ? odd_int() : length > 0 ? (int)any((uint64_t)length + 1) : 0;
        switch (any(10)) {
        case 0: case 1: case 2:
            number = once_in(3) ? eyas_sequence(e) : eyas_fork(e, known[which], some);
            if (good(number >= 0)) known[n_known < 16 ? n_known++ : 15] = number;
            break;
        case 3: good(eyas_truncate(e, known[which], some) == 0); break;
        case 4: if (once_in(3)) good(eyas_release(e, once_in(4) ? odd_int() : known[which]) == 0); break;
        case 5: good(eyas_length(e, odd_int()) >= 0), eyas_cancel(e); break;
        default: use_forward(e, &s, known, n_known);
        }
        failure[0] = 0;
    }
    eyas_engine_free(e);
}

static bool set_values(Model *m, const char *name, int rows, int columns, int type) {
    float *values = malloc((size_t)rows * (size_t)columns * 4 + 1);
    bool hostile = once_in(3);
    for (int i = 0; i < rows * columns; i++)
        values[i] = hostile && once_in(3) ? odd_float() : (float)any(1000) / 500 - 1;
    bool worked = good(!eyas_set(m, name, values, rows, columns, type));
    free(values);
    return worked;
}

// A matrix or vector that belongs there, of any type; now and then of a wrong size or type before.
static bool set_tensor(Model *m, const char *name, int rows, int columns) {
    static const int types[] = {0, 1, 2, 8, 30};
    const char *other = once_in(2) ? name : "blk.9999999999.x";
    if (once_in(60)) set_values(m, other, 1 + (int)any(40), 1 + (int)any(40), once_in(2) ? odd_int() : 0);
    return set_values(m, name, rows, columns, types[any(5)]);
}

// A model of any small shape, made in memory.
static void use_new(void) {
    Shape s = {.n_layer = 1 + (int)any(2), .n_embd = 1 + (int)any(100), .n_kv_head = 1 + (int)any(3),
               .head_dim = 2 + 2 * (int)any(40), .n_ff = 1 + (int)any(100), .vocab_size = 1 + (int)any(100),
               .max_seq_len = 1 + (int)any(80), .qk_norm = (int)any(2), .tie_embeddings = (int)any(2),
               .qkv_bias = (int)any(2), .rope_interleaved = (int)any(2), .norm_eps = 1e-6f, .rope_theta = 10000};
    s.n_head = s.n_kv_head * (1 + (int)any(5));
    if (once_in(2)) s.n_embd = 32 * (1 + (int)any(3)), s.n_ff = 32 * (1 + (int)any(3));
    if (once_in(10)) s.norm_eps = odd_float(), s.rope_theta = odd_float();
    int32_t *fields = &s.n_layer;
    if (once_in(10)) fields[any(12)] = odd_int();
    Model *m = eyas_new(&s);
    if (!good(m != NULL)) return;
    int queries = s.n_head * s.head_dim, shared = s.n_kv_head * s.head_dim;
    bool small = (int64_t)s.n_layer * (s.n_embd + s.n_ff + s.vocab_size + queries) < 2000;
    bool whole = small && set_tensor(m, "token_embd.weight", s.vocab_size, s.n_embd);
    if (whole) set_tensor(m, "output_norm.weight", 1, s.n_embd);
    if (whole && !s.tie_embeddings) set_tensor(m, "output.weight", s.vocab_size, s.n_embd);
    if (whole && once_in(4)) set_tensor(m, "rope_freqs.weight", 1, s.head_dim / 2);
    for (int i = 0; whole && i < s.n_layer; i++) {
        const struct { const char *name; bool here; int rows, columns; } parts[] = {
            {"attn_norm.weight", true, 1, s.n_embd},
            {"ffn_norm.weight", true, 1, s.n_embd},
            {"attn_q.weight", true, queries, s.n_embd},
            {"attn_k.weight", true, shared, s.n_embd},
            {"attn_v.weight", true, shared, s.n_embd},
            {"attn_output.weight", true, s.n_embd, queries},
            {"ffn_gate.weight", true, s.n_ff, s.n_embd},
            {"ffn_up.weight", true, s.n_ff, s.n_embd},
            {"ffn_down.weight", true, s.n_embd, s.n_ff},
            {"attn_q_norm.weight", s.qk_norm, 1, s.head_dim},
            {"attn_k_norm.weight", s.qk_norm, 1, s.head_dim},
            {"attn_q.bias", s.qkv_bias, 1, queries},
            {"attn_k.bias", s.qkv_bias, 1, shared},
            {"attn_v.bias", s.qkv_bias, 1, shared},
        };
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
            char name[64];
            snprintf(name, sizeof name, "blk.%d.%s", i, parts[k].name);
            if (parts[k].here && !once_in(400)) set_tensor(m, name, parts[k].rows, parts[k].columns);
        }
    }
    use_engine(m, 8);
    eyas_free(m);
}

// The command line, on this file: what it writes is thrown away, but what it complains of is one line.
static void use_program(void) {
    static char *const numbers[] = {"0", "1", "0.5", "7", "-1", "nan", "1e400", "99999999999", "", "x"};
    static char *const flags[] = {"--temperature", "--top-k",   "--top-p",   "--min-p",   "--repetition-penalty",
                                  "--seed",        "--threads", "--context", "--nonsense"};
    char prompt[80], line[80], *said = NULL;
    size_t size = 0;
    prompt[odd_text(prompt, sizeof prompt - 1)] = 0;
    size_t typed = odd_text(line, sizeof line - 1);
    line[typed++] = '\n';
    char *words[10] = {"run", image_path, prompt, "-n", "5"};
    int count = 5;
    if (once_in(2)) words[count++] = "--chat";
    if (once_in(2)) words[count++] = flags[any(9)], words[count++] = numbers[any(10)];
    FILE *in = stdin, *errors = stderr;
    stdin = fmemopen(line, typed, "r"), stderr = open_memstream(&said, &size);
    int status = run_main(count, words);
    fclose(stdin), fclose(stderr);
    stdin = in, stderr = errors;
    size_t lines = 0;
    for (size_t i = 0; i < size; i++) lines += said[i] == '\n';
    check(status == 0 || (size > 0 && lines > 0 && said[size - 1] == '\n'), "the program failed without a line");
    free(said);
}

static int n_models, n_words;

static void use_image(void) {
    show_image();
    Tokenizer *t = words_touched ? eyas_tokenizer(image_path) : NULL;
    if (t || (words_touched && good(false))) n_words++, use_words(t, 4);
    eyas_tokenizer_free(t);
    Model *m = model_touched ? eyas_open(image_path) : NULL;
    if (m || (model_touched && good(false))) n_models++, use_engine(m, 6);
    eyas_free(m);
    if (once_in(t || m ? 20 : 300)) use_program();
}

static double seconds_used(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void fuzz(uint64_t seed, uint64_t first, uint64_t count) {
    double start = seconds_used(), slowest = 0;
    uint64_t slow = first;
    for (uint64_t i = first; i < first + count; i++) {
        double before = seconds_used();
        snprintf(trying, sizeof trying, "fuzz-%llu-%llu", (unsigned long long)seed, (unsigned long long)i);
        make_variant(seed, i);
        use_image();
        if (once_in(24)) use_new();
        double took = seconds_used() - before;
        if (took > slowest) slowest = took, slow = i;
    }
    double rate = (double)count / (seconds_used() - start);
    fprintf(report, "%llu variants, %d tokenizers and %d models of them opened, %.0f a second",
            (unsigned long long)count, n_words, n_models, rate);
    fprintf(report, ", the slowest (%llu) took %.2f s\n", (unsigned long long)slow, slowest);
}

static void replay(const char *path) {
    const Seed *s = &seeds[n_seeds - 1];
    const char *name = strrchr(path, '/');
    snprintf(trying, sizeof trying, "again-%.100s", name ? name + 1 : path);
    memcpy(image, s->bytes, image_size = s->size);
    words_touched = model_touched = true;
    for (chance = 0; chance < 20; chance++) {
        uint64_t round = chance;
        use_image();
        chance = round;
    }
}

/* ---- The ordinary life of a sound file */

typedef struct { Engine *e; _Atomic bool over; } Breaker;

static void *cancel_often(void *argument) {
    Breaker *b = argument;
    while (!atomic_load(&b->over)) {
        eyas_cancel(b->e);
        for (volatile int i = 0; i < 3000; i++) {}
    }
    return NULL;
}

static bool read_tokens_of(Engine *e, int sequence, int n, float *last) {
    int32_t tokens[64], sequences[64], positions[64];
    uint8_t want[64] = {0};
    int start = eyas_length(e, sequence);
    for (int i = 0; i < n; i++) tokens[i] = (start + i) % 50, sequences[i] = sequence, positions[i] = start + i;
    want[n - 1] = 1;
    int status = eyas_forward(e, n, tokens, sequences, positions, want, last, NULL, NULL, NULL);
    check(status >= 0 && eyas_length(e, sequence) == (status ? start : start + n), "a forward that failed or forgot");
    return status == 0;
}

static void live_with(Model *m, int threads) {
    Shape s;
    eyas_shape(m, &s);
    size_t row = (size_t)s.vocab_size * sizeof(float);
    float *alone = malloc(row), *again = malloc(row);
    Engine *e = eyas_engine(m, threads, 256);
    check(e != NULL, "no engine");
    int one = eyas_sequence(e);
    check(read_tokens_of(e, one, 40, alone), "a forward was cancelled by nobody");
    int twin = eyas_fork(e, one, 21);
    check(twin >= 0 && read_tokens_of(e, twin, 19, again), "a fork that cannot go on");
    check(!memcmp(alone, again, row), "a fork that thinks otherwise");
    check(!eyas_truncate(e, one, 7) && read_tokens_of(e, one, 33, again), "a truncation after which nothing goes on");
    check(!memcmp(alone, again, row), "a truncation that shows");
    Breaker breaker = {.e = e};
    pthread_t other;
    check(!pthread_create(&other, NULL, cancel_often, &breaker), "no thread");
    int done = 0, cancelled = 0;
    for (int i = 0; i < 200; i++) {
        int fresh = eyas_sequence(e);
        if (read_tokens_of(e, fresh, 40, again)) done += !memcmp(alone, again, row);
        else cancelled++;
        eyas_release(e, fresh);
    }
    atomic_store(&breaker.over, true);
    pthread_join(other, NULL);
    check(done + cancelled == 200, "a cancellation that shows in another forward");
    check(!eyas_release(e, one) && !eyas_release(e, twin) && eyas_length(e, one) == -1, "a release");
    eyas_engine_free(e);
    fprintf(report, "%s with %d threads: %d read, %d cancelled\n", trying, threads, done, cancelled);
    free(alone), free(again);
}

// Thirty thousand times the same: encoding may not take the square of that.
static void use_long(const Tokenizer *t) {
    enum { TIMES = 1 << 15 };
    static const char *const parts[] = {" ", "a", "the ", "\n", "'", "<|im_start|", "\xE2\x96\x81", "\xF0\x9F", " \n"};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        size_t size = strlen(parts[k]);
        char *text = malloc(TIMES * size);
        for (size_t i = 0; i < TIMES; i++) memcpy(text + i * size, parts[k], size);
        for (int specials = 0; specials < 2; specials++)
            check(eyas_encode(t, text, TIMES * size, specials, NULL, 0) > 0, "a long text");
        free(text);
    }
}

static void live(const char *path) {
    const Seed *s = &seeds[n_seeds - 1];
    snprintf(trying, sizeof trying, "%.100s", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
    memcpy(image, s->bytes, image_size = s->size);
    show_image();
    Tokenizer *t = eyas_tokenizer(image_path);
    Model *m = eyas_open(image_path);
    check(t && m, "a sound file was refused");
    chance = 1;
    use_words(t, 50);
#ifndef __SANITIZE_THREAD__ // which is slow, and there is one thread
    use_long(t);
#endif
    for (int i = 0; i < 20; i++) use_engine(m, 10), use_program();
    for (int threads = 1; threads <= 3; threads++) alarm(60), live_with(m, threads);
    eyas_tokenizer_free(t);
    eyas_free(m);
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    bool fuzzing = !strcmp(what, "fuzz"), again = !strcmp(what, "replay");
    int files = fuzzing ? 6 : again ? 3 : 2;
    if (argc <= files) return fprintf(stderr, "usage: see the head of fuzz_run.c\n"), 2;
    report = fdopen(dup(2), "w");
    if (!freopen("/dev/null", "w", stdout)) return 2;
    image = malloc(image_room = 1 << 21);
    image_file = memfd_create("image", MFD_CLOEXEC);
    snprintf(image_path, sizeof image_path, "/proc/self/fd/%d", image_file);
    signal(SIGALRM, too_long);
    __sanitizer_set_death_callback(keep_image);
    if (fuzzing || again) found = argv[2];
    for (int i = files; i < argc && n_seeds < 64; i++) {
        read_seed(argv[i], !again);
        if (again) replay(argv[i]), free(seeds[--n_seeds].bytes);
        if (!fuzzing && !again) live(argv[i]);
    }
    if (fuzzing) fuzz(strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
    return 0;
}
