/* run.c - runs a language model: `./run NAME.gguf "prompt"`.
 *
 * A language model is two files. The other one, NAME.gguf, holds the parameters, the words and the shape; this one
 * knows what to do with them. It needs a C compiler and nothing else:
 *
 *     cc -O3 -march=native -o run run.c -lm -lpthread
 *
 * It reads from top to bottom: the file, the words, the numbers (the Transformer is the function `transform`), the
 * choice of the next word, the command line. Python drives the same functions as a library (those marked API).
 */

// The same bits from every compiler: products and sums are fused only where the text says so.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "numbers are taken from the file as they are, and they are little-endian there"
#endif

/* ---- 1. What every part uses ------------------------------------------------------------------------------------- */

#define API __attribute__((visibility("default")))
#define LENGTH(array) ((int)(sizeof(array) / sizeof *(array)))

typedef struct { const char *at; size_t size; } Text; // bytes of somebody else's memory, not terminated

static bool same(Text a, Text b) { return a.size == b.size && (a.size == 0 || !memcmp(a.at, b.at, a.size)); }
static Text text_of(const char *terminated) { return (Text){terminated, strlen(terminated)}; }
static bool is(Text a, const char *word) { return same(a, text_of(word)); }

// Why the last call on this thread failed, in one sentence.
static _Thread_local char failure[512];

API const char *eyas_failure(void) { return failure; }

__attribute__((format(printf, 1, 2))) static bool fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(failure, sizeof failure, format, values);
    va_end(values);
    return false;
}

// Puts the name of the file that the last failure is about before its sentence.
static bool blame(const char *path) {
    char why[sizeof failure];
    memcpy(why, failure, sizeof why);
    return fail("%.200s: %.300s", path, why);
}

// Zeroed memory, or NULL and a sentence.
static void *grab(size_t bytes) {
    void *memory = calloc(bytes ? bytes : 1, 1);
    if (!memory) fail("there is no memory for %zu more bytes", bytes);
    return memory;
}

// --- Heap: the smallest of many numbers is always at hand. `rising` makes such numbers of floats, in the same order.

typedef struct { uint64_t *keys; int count; } Heap;

static uint64_t rising(float x) {
    uint32_t bits;
    x += 0; // there is but one zero
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static void heap_push(Heap *h, uint64_t key) {
    int at = h->count++;
    for (; at > 0 && key < h->keys[(at - 1) / 2]; at = (at - 1) / 2) h->keys[at] = h->keys[(at - 1) / 2];
    h->keys[at] = key;
}

static void heap_sink(Heap *h, int at) {
    uint64_t key = h->keys[at];
    for (int child; (child = 2 * at + 1) < h->count; at = child) {
        if (child + 1 < h->count && h->keys[child + 1] < h->keys[child]) child++;
        if (h->keys[child] >= key) break;
        h->keys[at] = h->keys[child];
    }
    h->keys[at] = key;
}

// Takes the smallest out; it comes to lie just behind the heap, so what was taken lies there in falling order.
static uint64_t heap_pop(Heap *h) {
    uint64_t smallest = h->keys[0];
    h->keys[0] = h->keys[--h->count];
    h->keys[h->count] = smallest;
    heap_sink(h, 0);
    return smallest;
}

/* ---- 2. The file ----------------------------------------------------------------------------------------------------
 *
 * A GGUF file holds a model in one piece: a list of facts (`key = value`: the shape of the network, the vocabulary, the
 * chat template), a list of tensors (name, shape, type, place), and then the numbers themselves. It is mapped into
 * memory rather than read: the numbers come from the disk when they are first touched, and programs that run the same
 * file share one copy.
 *
 *     "GGUF"  version  n_tensors  n_facts      4 + 4 + 8 + 8 bytes; all numbers are little-endian
 *     n_facts times:    key  kind  value       a text is its length (8 bytes) and its bytes
 *     n_tensors times:  name  n_dims  dims...  type  offset
 *     padding to a multiple of the alignment, then the tensors one after the other, each padded likewise
 *
 * The file may come from anybody, so nothing in it is believed: every length is held against what is left of the file.
 */

// A name from the file for an error message: cut when long, harmless on a terminal. Good until the next call.
static const char *shown(Text name) {
    static _Thread_local char line[64];
    size_t n = name.size < sizeof line - 1 ? name.size : sizeof line - 1;
    for (size_t i = 0; i < n; i++) line[i] = name.at[i] >= ' ' && name.at[i] <= '~' ? name.at[i] : '?';
    line[n] = 0;
    return line;
}

// --- Index: from a name to the place of the item that bears it. The items lie in an array of their own, each a struct
// that begins with its name; the index is a table of places, and a name is searched from where its hash points onwards.

typedef struct {
    const char *items;
    size_t item_size, mask;
    uint64_t seed;
    uint32_t *slots; // place + 1; 0 is free
} Index;

// An index of `count` items yet to be entered. `items` may be what `grab` gave: without memory there is no index.
static bool index_new(Index *x, const void *items, size_t item_size, size_t count) {
    size_t size = 16;
    while (size < 2 * count) size *= 2; // at most half full, or searches grow long
    // Nobody can foresee the seed when writing a file: names chosen to collide would make the table slow.
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t seed = ((uint64_t)now.tv_nsec ^ (uintptr_t)items >> 4) * 0xD6E8FEB86659FD93;
    *x = (Index){items, item_size, size - 1, seed, items ? grab(size * sizeof(uint32_t)) : NULL};
    return x->slots != NULL;
}

// The slot that holds `name`, or the free one where it belongs.
static uint32_t *index_slot(const Index *x, Text name) {
    uint64_t hash = x->seed ^ name.size;
    for (size_t i = 0; i < name.size; i++) hash = (hash ^ (uint8_t)name.at[i]) * 0x9E3779B97F4A7C15;
    for (size_t at = hash ^ hash >> 32;; at++) {
        uint32_t *slot = &x->slots[at & x->mask];
        if (!*slot || same(*(const Text *)(x->items + (*slot - 1) * x->item_size), name)) return slot;
    }
}

static int64_t index_find(const Index *x, Text name) { return (int64_t)*index_slot(x, name) - 1; } // -1: not there

// Enters the item at `place`; false when its name is taken.
static bool index_add(Index *x, size_t place) {
    uint32_t *slot = index_slot(x, *(const Text *)(x->items + place * x->item_size));
    if (*slot) return false;
    *slot = (uint32_t)place + 1;
    return true;
}

// --- Reading: a reader never goes beyond its end. It notes that it would have had to, and gives zeros from then on.

typedef struct { const uint8_t *at, *end; bool cut; } Reader;

static const uint8_t *take(Reader *r, uint64_t size) {
    const uint8_t *at = r->at;
    if (size > (uint64_t)(r->end - at)) r->cut = true;
    if (r->cut) return NULL;
    r->at += size;
    return at;
}

static uint64_t read_number(Reader *r, size_t size) {
    uint64_t number = 0;
    const uint8_t *at = take(r, size);
    if (at) memcpy(&number, at, size);
    return number;
}

static Text read_text(Reader *r) {
    uint64_t size = read_number(r, 8);
    const uint8_t *at = take(r, size);
    return at ? (Text){(const char *)at, size} : (Text){"", 0};
}

// --- Facts

enum {
    KIND_U8, KIND_I8, KIND_U16, KIND_I16, KIND_U32, KIND_I32, KIND_F32, KIND_BOOL, KIND_TEXT, KIND_ARRAY,
    KIND_U64, KIND_I64, KIND_F64, N_KINDS
};
static const size_t kind_size[N_KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

typedef struct {
    Text key;
    int kind, item_kind; // item_kind: of an array's items
    uint64_t count;      // 1 when it is no array
    const uint8_t *at;   // the value, or the first item
} Fact;

typedef struct { Text name; int n_dims; int64_t shape[4]; int type; const uint8_t *data; size_t bytes; } Tensor;

typedef struct Gguf {
    const uint8_t *at;
    size_t size;
    Fact *facts;
    Tensor *tensors;
    uint64_t n_facts, n_tensors;
    Index by_key, by_name;
} Gguf;

static bool read_fact(Gguf *g, Reader *r, Fact *fact) {
    fact->key = read_text(r);
    fact->kind = fact->item_kind = (int)read_number(r, 4);
    fact->count = 1;
    if (fact->kind == KIND_ARRAY) {
        fact->item_kind = (int)read_number(r, 4);
        fact->count = read_number(r, 8);
    }
    fact->at = r->at;
    if (r->cut) return fail("it is cut off within its list of facts");
    if (fact->item_kind < 0 || fact->item_kind >= N_KINDS || fact->item_kind == KIND_ARRAY)
        return fail("the fact `%s` is of an unknown kind %d", shown(fact->key), fact->item_kind);
    size_t size = kind_size[fact->item_kind];
    for (uint64_t i = 0; !size && i < fact->count && !r->cut; i++) read_text(r);
    if (size && fact->count > (uint64_t)(r->end - r->at) / size) r->cut = true;
    take(r, fact->count * size);
    if (r->cut) return fail("it is cut off within the fact `%s`", shown(fact->key));
    return index_add(&g->by_key, (size_t)(fact - g->facts)) || fail("it has two facts `%s`", shown(fact->key));
}

static const Fact *gguf_fact(const Gguf *g, const char *key) {
    int64_t place = index_find(&g->by_key, text_of(key));
    return place < 0 ? NULL : &g->facts[place];
}

// The fact `key` when it is an array of that kind, else NULL.
static const Fact *gguf_array(const Gguf *g, const char *key, int item_kind) {
    const Fact *fact = gguf_fact(g, key);
    return fact && fact->kind == KIND_ARRAY && fact->item_kind == item_kind ? fact : NULL;
}

// A number or truth value; false when absent or of another kind. Whole numbers up to 2^53 are exact.
static bool gguf_number(const Gguf *g, const char *key, double *value) {
    const Fact *fact = gguf_fact(g, key);
    if (!fact || !kind_size[fact->kind]) return false;
    union { float f32; double f64; uint64_t bits; } raw = {.bits = 0};
    memcpy(&raw, fact->at, kind_size[fact->kind]);
    int kind = fact->kind, unused = 64 - 8 * (int)kind_size[kind];
    bool has_sign = kind == KIND_I8 || kind == KIND_I16 || kind == KIND_I32 || kind == KIND_I64;
    if (kind == KIND_F32) *value = raw.f32;
    else if (kind == KIND_F64) *value = raw.f64;
    else *value = has_sign ? (double)((int64_t)(raw.bits << unused) >> unused) : (double)raw.bits;
    return true;
}

static bool gguf_text(const Gguf *g, const char *key, Text *value) {
    const Fact *fact = gguf_fact(g, key);
    if (!fact || fact->kind != KIND_TEXT) return false;
    *value = read_text(&(Reader){fact->at, g->at + g->size, false});
    return true;
}

// --- Tensors. A quantised matrix is stored in blocks: so many values of a row in so many bytes.

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14, BF16 = 30 };

static const struct { int values, bytes; } blocks[] = { // 0: a type that is not read here
    [F32] = {1, 4}, [F16] = {1, 2}, [BF16] = {1, 2},
    [Q4_0] = {32, 18}, [Q4_1] = {32, 20}, [Q5_0] = {32, 22}, [Q5_1] = {32, 24}, [Q8_0] = {32, 34},
    [Q4_K] = {256, 144}, [Q5_K] = {256, 176}, [Q6_K] = {256, 210},
};

static size_t bytes_of(int type, int64_t values) {
    return (size_t)(values / blocks[type].values * blocks[type].bytes);
}

// Sets how many bytes the tensor takes, having checked its shape and type.
static bool measure(const Gguf *g, Tensor *t) {
    if (t->type < 0 || t->type >= LENGTH(blocks) || !blocks[t->type].values)
        return fail("the tensor `%s` is of ggml type %d; this program reads f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, "
                    "q8_0, q4_K, q5_K and q6_K", shown(t->name), t->type);
    int64_t values = 1;
    for (int i = 0; i < 4; i++) { // a value takes half a byte at least, so a larger product cannot be in this file
        if (t->shape[i] < 1 || t->shape[i] > INT32_MAX || t->shape[i] > (int64_t)(2 * g->size) / values)
            return fail("the tensor `%s` has an impossible shape", shown(t->name));
        values *= t->shape[i];
    }
    t->bytes = bytes_of(t->type, values);
    return t->shape[0] % blocks[t->type].values == 0 ||
           fail("the rows of the tensor `%s` are no whole number of blocks", shown(t->name));
}

static uint64_t round_up(uint64_t number, uint64_t step) { return (number + step - 1) / step * step; }

// Reads the entry of a tensor whose data, as all data, must begin where those before it ended: at `*offset`.
static bool read_tensor(Gguf *g, Reader *r, Tensor *t, uint64_t *offset, uint64_t alignment) {
    t->name = read_text(r);
    uint64_t n_dims = read_number(r, 4);
    if (!r->cut && (n_dims < 1 || n_dims > 4))
        return fail("the tensor `%s` has %d dimensions", shown(t->name), (int)n_dims);
    t->n_dims = (int)n_dims;
    for (int i = 0; i < 4; i++) t->shape[i] = i < t->n_dims ? (int64_t)read_number(r, 8) : 1;
    t->type = (int)read_number(r, 4);
    uint64_t begin = read_number(r, 8);
    if (r->cut) return fail("it is cut off within its list of tensors");
    if (!measure(g, t)) return false;
    if (begin != *offset) return fail("the tensor `%s` does not begin where the one before it ends", shown(t->name));
    *offset = round_up(begin + t->bytes, alignment);
    return index_add(&g->by_name, (size_t)(t - g->tensors)) || fail("it has two tensors `%s`", shown(t->name));
}

static bool read_tensors(Gguf *g, Reader *r) {
    double given = 32;
    if (gguf_fact(g, "general.alignment") && !gguf_number(g, "general.alignment", &given)) given = 0;
    uint64_t alignment = given >= 8 && given <= 1 << 20 ? (uint64_t)given : 0, offset = 0;
    if (!alignment || alignment & (alignment - 1)) return fail("its general.alignment is no power of two from 8 on");
    g->tensors = grab(g->n_tensors * sizeof(Tensor));
    if (!index_new(&g->by_name, g->tensors, sizeof(Tensor), g->n_tensors)) return false;
    for (uint64_t i = 0; i < g->n_tensors; i++)
        if (!read_tensor(g, r, &g->tensors[i], &offset, alignment)) return false;
    uint64_t end = (uint64_t)(r->at - g->at);
    for (Tensor *t = g->tensors; t < g->tensors + g->n_tensors; t++) {
        uint64_t begin = round_up(end, alignment);
        if (begin > g->size || t->bytes > g->size - begin)
            return fail("it is cut off within the tensor `%s`", shown(t->name));
        t->data = g->at + begin;
        end = begin + t->bytes;
    }
    return true;
}

static bool read_gguf(Gguf *g) {
    Reader r = {g->at, g->at + g->size, false};
    if (read_number(&r, 4) != 0x46554747) return fail("it is no GGUF file");
    uint32_t version = (uint32_t)read_number(&r, 4);
    if (version != 2 && version != 3)
        return fail("it is GGUF of version %u; this program reads 2 and 3, little-endian", version);
    g->n_tensors = read_number(&r, 8);
    g->n_facts = read_number(&r, 8);
    // The shortest fact takes 13 bytes and the shortest tensor's entry 32: counts that cannot be are refused before
    // memory is asked for.
    if (r.cut || g->n_facts > g->size / 13 || g->n_tensors > g->size / 32 || g->n_facts + g->n_tensors > INT32_MAX)
        return fail("it is cut off: it announces more than it holds");
    g->facts = grab(g->n_facts * sizeof(Fact));
    if (!index_new(&g->by_key, g->facts, sizeof(Fact), g->n_facts)) return false;
    for (uint64_t i = 0; i < g->n_facts; i++)
        if (!read_fact(g, &r, &g->facts[i])) return false;
    double parts;
    if (gguf_number(g, "split.count", &parts) && parts > 1)
        return fail("it is one of %.0f parts of a model; join them with gguf-split --merge", parts);
    return read_tensors(g, &r);
}

static bool map_file(Gguf *g, const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe must not make us wait
    if (file < 0) return fail("it cannot be opened: %s", strerror(errno));
    struct stat about;
    bool regular = fstat(file, &about) == 0 && S_ISREG(about.st_mode);
    void *at = regular && about.st_size > 0 ? mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0) : NULL;
    close(file);
    if (!at) return fail(regular ? "it is empty" : "it is no file");
    if (at == MAP_FAILED) return fail("it cannot be mapped into memory: %s", strerror(errno));
    g->at = at;
    g->size = (size_t)about.st_size;
    return true;
}

static void gguf_close(Gguf *g) {
    if (!g) return;
    if (g->at) munmap((void *)g->at, g->size);
    void *parts[] = {g->by_key.slots, g->by_name.slots, g->facts, g->tensors, g};
    for (int i = 0; i < LENGTH(parts); i++) free(parts[i]);
}

// NULL when it fails; the sentence does not name the file yet, see `blame`.
static Gguf *gguf_open(const char *path) {
    Gguf *g = grab(sizeof *g);
    if (g && map_file(g, path) && read_gguf(g)) return g;
    gguf_close(g);
    return NULL;
}

static const Tensor *gguf_tensor(const Gguf *g, const char *name) {
    int64_t place = index_find(&g->by_name, text_of(name));
    return place < 0 ? NULL : &g->tensors[place];
}

/* ---- 3. Words -------------------------------------------------------------------------------------------------------
 *
 * A model reads numbers: the ids of pieces of text. The vocabulary grew by merging the most frequent pair of neighbours
 * again and again (byte-pair encoding), and a text is encoded by repeating those merges in the same order. Two kinds:
 *
 *   gpt2   begins with bytes and merges within words only; a fixed rule (qwen2, llama-bpe, gpt-2) cuts text into words.
 *   llama  (SentencePiece) begins with characters and merges anywhere; a space belongs to the word behind it, and a
 *          character that is not in the vocabulary falls back to its bytes.
 */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE }; // kinds of tokens, as GGUF numbers them

typedef struct {
    Text bytes;  // what it stands for: bytes of text, or the name of a special token
    int32_t kind;
    bool ends;   // after it the model has no more to say
    float score; // SentencePiece: the higher, the earlier two parts are merged into it
} Token;

typedef struct { Text key; int32_t pair[2], id; } Merge; // key: the bytes of `pair`, the ids that become `id`

typedef struct Tokenizer {
    Gguf *file;
    Token *tokens;
    int count;
    Index plain;               // tokens that text can become, by their bytes
    Index named;               // special tokens, by their names
    uint8_t longest_name[256]; // of the special tokens that begin with this byte
    int32_t byte_ids[256];     // the token of each single byte
    char *spelled;             // room for bytes that the file spells in another alphabet,
    uint16_t byte_of[324];     // which is this: the character's byte + 1, or 0
    Merge *merges;             // in the order in which they were learned
    Index by_pair;
    uint8_t *classes;          // of every Unicode character: OTHER, LETTER, NUMBER or SPACE
    enum { QWEN2_WORDS, LLAMA_WORDS, GPT2_WORDS } rule; // how to cut a text into words
    bool sentencepiece, space_first, bos_first;
    int32_t bos, eos;          // -1 when there is none
} Tokenizer;

typedef struct { int32_t *at; int count, room; } Ids; // a list that grows

static bool append(Ids *ids, int32_t id) {
    if (ids->count == ids->room) {
        int room = ids->room ? 2 * ids->room : 64;
        int32_t *at = realloc(ids->at, (size_t)room * sizeof *at);
        if (!at) return fail("no memory is left for %d tokens", room);
        *ids = (Ids){at, ids->count, room};
    }
    ids->at[ids->count++] = id;
    return true;
}

// --- UTF-8

enum { BAD = 0xFFFD, CUT = 0x110000 };
static const char bad_char[] = "\xEF\xBF\xBD";   // U+FFFD
static const char blank_char[] = "\xE2\x96\x81"; // U+2581, how SentencePiece spells a space

// Reads one character: its number to `*c`, its size is returned. Bytes that are no character are BAD, as many together
// as a character could have begun with (what Python's "replace" does); when the text ends within a character it is CUT.
static size_t read_char(const char *text, size_t left, uint32_t *c) {
    const uint8_t *at = (const uint8_t *)text;
    *c = at[0];
    if (at[0] < 0x80) return 1;
    size_t size = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    // Second bytes are narrower after some first ones: no second spelling of a shorter form, no surrogates, no number
    // above 0x10FFFF.
    uint8_t low = at[0] == 0xE0 ? 0xA0 : at[0] == 0xF0 ? 0x90 : 0x80;
    uint8_t high = at[0] == 0xED ? 0x9F : at[0] == 0xF4 ? 0x8F : 0xBF;
    *c = BAD;
    if (at[0] < 0xC2 || at[0] > 0xF4) return 1;
    uint32_t number = at[0] & (0x7F >> size);
    for (size_t i = 1; i < size; i++, low = 0x80, high = 0xBF) {
        if (i == left) *c = CUT;
        if (i == left || at[i] < low || at[i] > high) return i;
        number = number << 6 | (at[i] & 0x3F);
    }
    *c = number;
    return size;
}

// --- Cutting a text into words, for byte-level BPE. These functions are the regular expression of Qwen
//
//   '(?:s|t|re|ve|m|ll|d) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N} | ?[^\s\p{L}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//
// (its first part in capitals too); of Llama 3, which takes up to three digits together, \p{N}{1,3}; and of GPT-2:
//
//   '(?:s|t|re|ve|m|ll|d) | ?\p{L}+ | ?\p{N}+ | ?[^\s\p{L}\p{N}]+ | \s+(?!\S) | \s+

enum { OTHER, LETTER, NUMBER, SPACE, END };

static void unicode_classes(uint8_t *classes); // at the very end of this file, where the tables are

// The class of the character at `at`, and where the next one begins.
static int look(const Tokenizer *t, Text text, size_t at, size_t *next) {
    uint32_t c;
    *next = at;
    if (at >= text.size) return END;
    *next = at + read_char(text.at + at, text.size - at, &c);
    return c < CUT ? t->classes[c] : OTHER;
}

static size_t run_end(const Tokenizer *t, Text text, size_t at, int class) {
    for (size_t next; look(t, text, at, &next) == class;) at = next;
    return at;
}

static bool ends_line(char c) { return c == '\n' || c == '\r'; }

// Where a contraction ('s, 're, ...) at `at` ends; `at` itself when there is none.
static size_t contraction_end(const Tokenizer *t, Text text, size_t at) {
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    const char *c = text.at + at;
    for (int i = 0; i < LENGTH(endings) && *c == '\''; i++) {
        size_t size = strlen(endings[i]);
        if (text.size - at <= size) continue;
        int differs = t->rule == GPT2_WORDS ? memcmp(c + 1, endings[i], size) : strncasecmp(c + 1, endings[i], size);
        if (!differs) return at + 1 + size;
    }
    return at;
}

// White space goes up to its last line end, or to the end of the text, or up to the blank before the next word.
static size_t blanks_end(const Tokenizer *t, Text text, size_t start) {
    size_t at = start, last = start, behind_line = start;
    for (size_t next; look(t, text, at, &next) == SPACE; at = next) {
        last = at;
        if (ends_line(text.at[at]) && t->rule != GPT2_WORDS) behind_line = next;
    }
    if (behind_line > start) return behind_line;
    return at == text.size || last == start ? at : last;
}

static size_t word_end(const Tokenizer *t, Text text, size_t start) {
    size_t second = start, third = start, end = contraction_end(t, text, start);
    if (end > start) return end;
    int first = look(t, text, start, &second), follower = look(t, text, second, &third);
    bool blank = text.at[start] == ' ';
    if (t->rule == GPT2_WORDS) {
        if (first != SPACE) return run_end(t, text, second, first);
        bool leads = blank && follower != SPACE && follower != END;
        return leads ? run_end(t, text, third, follower) : blanks_end(t, text, start);
    }
    if (first == LETTER) return run_end(t, text, second, LETTER);
    if (first == NUMBER) {
        if (t->rule != LLAMA_WORDS || follower != NUMBER) return second;
        return look(t, text, third, &end) == NUMBER ? end : third;
    }
    if (follower == LETTER && !ends_line(text.at[start])) return run_end(t, text, third, LETTER);
    if (first != OTHER && !(blank && follower == OTHER)) return blanks_end(t, text, start);
    end = run_end(t, text, second, OTHER);
    while (end < text.size && ends_line(text.at[end])) end++;
    return end;
}

// --- Merging. A piece of text is a chain of parts; whenever two neighbours may become one, that is an offer. The best
// offer is taken, which makes new ones, until none is left. A heap keeps the best at hand, so that even a "word" of a
// million characters takes no more than n log n steps.

typedef struct { uint32_t start, size; int32_t id, before, after; } Part; // size 0: merged into the one before

typedef struct {
    const Tokenizer *t;
    Text text;
    Part *parts;
    Heap heap; // of offers: how late the merge comes and, in the lower half, the left part
    size_t room;
    int n_parts;
} Bench;

static bool make_room(Bench *b, size_t parts) {
    if (parts <= b->room) return true;
    free(b->parts);
    free(b->heap.keys);
    b->room = parts < 64 ? 64 : parts;
    b->parts = grab(b->room * sizeof(Part));
    b->heap.keys = grab(2 * b->room * sizeof(uint64_t)); // one for each pair, and a merge takes one away and makes two
    return b->parts && b->heap.keys;
}

// What part `left` and the one after it become and when: false when they stay two.
static bool find_merge(const Bench *b, int32_t left, uint64_t *key, int32_t *id) {
    if (left < 0 || b->parts[left].size == 0 || b->parts[left].after < 0) return false;
    const Part *a = &b->parts[left], *c = &b->parts[a->after];
    int32_t pair[2] = {a->id, c->id};
    bool scored = b->t->sentencepiece;
    Text name = {scored ? b->text.at + a->start : (const char *)pair, scored ? a->size + c->size : sizeof pair};
    int64_t found = index_find(scored ? &b->t->plain : &b->t->by_pair, name);
    if (found < 0) return false;
    *id = scored ? (int32_t)found : b->t->merges[found].id;
    *key = (scored ? rising(-b->t->tokens[found].score) : (uint64_t)found) << 32 | (uint32_t)left;
    return true;
}

static void offer(Bench *b, int32_t left) {
    uint64_t key;
    int32_t id;
    if (find_merge(b, left, &key, &id)) heap_push(&b->heap, key);
}

static void merge_parts(Bench *b) {
    uint64_t key;
    int32_t id;
    b->heap.count = 0;
    for (int32_t i = 0; i + 1 < b->n_parts; i++) offer(b, i);
    while (b->heap.count) {
        uint64_t taken = heap_pop(&b->heap);
        int32_t left = (int32_t)(uint32_t)taken;
        // Out of date when either part has been merged with another since: then they are another pair.
        if (!find_merge(b, left, &key, &id) || key != taken) continue;
        Part *a = &b->parts[left], *c = &b->parts[a->after];
        *a = (Part){a->start, a->size + c->size, id, a->before, c->after};
        c->size = 0;
        if (a->after >= 0) b->parts[a->after].before = left;
        offer(b, a->before);
        offer(b, left);
    }
}

// Encodes a word, or with SentencePiece any text: cut it as small as can be, then merge.
static bool encode_piece(Bench *b, Text text, Ids *ids) {
    const Tokenizer *t = b->t;
    int64_t whole = t->rule == LLAMA_WORDS ? index_find(&t->plain, text) : -1;
    if (whole >= 0) return append(ids, (int32_t)whole);
    if (!make_room(b, text.size)) return false;
    b->text = text;
    b->n_parts = 0;
    for (size_t at = 0, size = 1; at < text.size; at += size, b->n_parts++) {
        uint32_t c;
        if (t->sentencepiece) size = read_char(text.at + at, text.size - at, &c);
        int64_t id = t->sentencepiece ? index_find(&t->plain, (Text){text.at + at, size})
                                      : t->byte_ids[(uint8_t)text.at[at]];
        int32_t next = at + size < text.size ? b->n_parts + 1 : -1;
        b->parts[b->n_parts] = (Part){(uint32_t)at, (uint32_t)size, (int32_t)id, b->n_parts - 1, next};
    }
    merge_parts(b);
    for (int32_t i = b->n_parts ? 0 : -1; i >= 0; i = b->parts[i].after) {
        const Part *part = &b->parts[i];
        if (part->id >= 0 && !append(ids, part->id)) return false;
        for (size_t k = 0; part->id < 0 && k < part->size; k++)
            if (!append(ids, t->byte_ids[(uint8_t)text.at[part->start + k]])) return false;
    }
    return true;
}

// --- Encoding a text

// The longest special token that `text` begins with, or -1.
static int64_t special_at(const Tokenizer *t, Text text) {
    size_t longest = t->longest_name[(uint8_t)*text.at];
    int64_t id = -1;
    for (size_t size = longest < text.size ? longest : text.size; size > 0 && id < 0; size--)
        id = index_find(&t->named, (Text){text.at, size});
    return id;
}

// A copy that is valid UTF-8, with one byte of room before it.
static char *clean(const Tokenizer *t, Text text, size_t *size) {
    char *copy = grab(3 * text.size + 1);
    if (!copy) return NULL;
    char *to = copy + 1;
    for (size_t at = 0, n; at < text.size; at += n) {
        uint32_t c;
        n = read_char(text.at + at, text.size - at, &c);
        bool bad = c == CUT || c == BAD, blank = t->sentencepiece && c == 0x2581; // vocabularies spell it as a space
        Text kept = bad ? text_of(bad_char) : blank ? text_of(" ") : (Text){text.at + at, n};
        memcpy(to, kept.at, kept.size);
        to += kept.size;
    }
    *size = (size_t)(to - copy - 1);
    return copy;
}

// Encodes what has no special tokens in it. The byte before it may be overwritten.
static bool encode_plain(Bench *b, char *at, size_t size, Ids *ids) {
    Text text = {at, size};
    if (size && b->t->sentencepiece) {
        if (b->t->space_first) text = (Text){at - 1, size + 1}, at[-1] = ' ';
        return encode_piece(b, text, ids);
    }
    for (size_t start = 0, end; start < size; start = end) {
        end = word_end(b->t, text, start);
        if (!encode_piece(b, (Text){at + start, end - start}, ids)) return false;
    }
    return true;
}

// Appends the ids of `text`. Only with `specials` does a text that spells a special token's name become that token:
// never ask for it on text that comes from outside.
static bool encode(const Tokenizer *t, Text text, bool specials, Ids *ids) {
    if (text.size > 1 << 28) return fail("a text of %zu bytes is too long to encode in one piece", text.size);
    size_t size, done = 0;
    char *copy = clean(t, text, &size);
    if (!copy) return false;
    char *start = copy + 1;
    Bench bench = {.t = t};
    bool good = true;
    for (size_t at = 0; good && specials && at < size; at++) {
        int64_t id = special_at(t, (Text){start + at, size - at});
        if (id < 0) continue;
        good = encode_plain(&bench, start + done, at - done, ids) && append(ids, (int32_t)id);
        done = at + t->tokens[id].bytes.size;
        at = done - 1;
    }
    good = good && encode_plain(&bench, start + done, size - done, ids);
    free(copy);
    free(bench.parts);
    free(bench.heap.keys);
    return good;
}

// --- Reading the vocabulary

// Byte-level vocabularies spell bytes as characters that can be seen: printable Latin-1 as itself, the other 68 bytes
// as U+0100 and on.
static void learn_spelling(uint16_t byte_of[324]) {
    for (int byte = 0, next = 256; byte < 256; byte++) {
        bool printable = (byte > ' ' && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        byte_of[printable ? byte : next++] = (uint16_t)(byte + 1);
    }
}

// Writes the bytes that `name` spells to `to` and returns how many; -1 when it is not in that alphabet. SentencePiece
// spells only spaces in a way of its own.
static int64_t spell(const Tokenizer *t, Text name, char *to) {
    char *start = to;
    for (size_t at = 0, size; at < name.size; at += size) {
        uint32_t c;
        size = read_char(name.at + at, name.size - at, &c);
        if (t->sentencepiece) {
            bool blank = size == 3 && !memcmp(name.at + at, blank_char, 3);
            memcpy(to, blank ? " " : name.at + at, blank ? 1 : size);
            to += blank ? 1 : size;
        } else if (c < 324 && t->byte_of[c]) {
            *to++ = (char)(t->byte_of[c] - 1);
        } else {
            return -1;
        }
    }
    return to - start;
}

// The byte that a SentencePiece token like <0x0A> stands for, or -1.
static int named_byte(Text name) {
    char copy[8] = {0}, end = 0;
    unsigned byte;
    memcpy(copy, name.at, name.size < 7 ? name.size : 7);
    return name.size == 6 && sscanf(copy, "<0x%2X%c", &byte, &end) == 2 && end == '>' ? (int)byte : -1;
}

// Enters token `id`, whose name in the file is `name`; its bytes lie in the file or are written to `*room`.
static bool read_token(Tokenizer *t, int32_t id, Text name, char **room) {
    Token *token = &t->tokens[id];
    token->bytes = name;
    if (token->kind == UNUSED) {
        token->bytes.size = 0;
    } else if (token->kind == BYTE && t->sentencepiece) {
        int byte = named_byte(name);
        if (byte < 0) return fail("token %d `%s` stands for no byte", id, shown(name));
        t->byte_ids[byte] = id;
        **room = (char)byte;
        token->bytes = (Text){(*room)++, 1};
    } else if (token->kind == NORMAL || token->kind == BYTE) {
        int64_t size = spell(t, name, *room);
        if (size <= 0) return true; // no text can become it
        token->bytes = (Text){*room, (size_t)size};
        *room += size;
        bool first = index_add(&t->plain, (size_t)id);
        if (first && size == 1 && !t->sentencepiece) t->byte_ids[(uint8_t)token->bytes.at[0]] = id;
    } else if ((token->kind == CONTROL || token->kind == USER_DEFINED) && name.size > 0 && name.size < 256) {
        uint8_t *longest = &t->longest_name[(uint8_t)name.at[0]];
        if (index_add(&t->named, (size_t)id) && name.size > *longest) *longest = (uint8_t)name.size;
    }
    return true;
}

static bool read_kinds(Tokenizer *t) {
    const Fact *kinds = gguf_array(t->file, "tokenizer.ggml.token_type", KIND_I32);
    const Fact *scores = gguf_array(t->file, "tokenizer.ggml.scores", KIND_F32);
    if (t->sentencepiece && !scores) return fail("its tokens have no scores");
    if ((kinds && kinds->count < (uint64_t)t->count) || (scores && scores->count < (uint64_t)t->count))
        return fail("it has kinds or scores of only some of its tokens");
    for (int i = 0; i < t->count; i++) {
        Token *token = &t->tokens[i];
        token->kind = NORMAL;
        if (kinds) memcpy(&token->kind, kinds->at + 4 * (size_t)i, 4);
        if (scores) memcpy(&token->score, scores->at + 4 * (size_t)i, 4);
        if (isnan(token->score)) return fail("the score of token %d is no number", i);
    }
    return true;
}

static bool read_tokens(Tokenizer *t) {
    const Fact *names = gguf_array(t->file, "tokenizer.ggml.tokens", KIND_TEXT);
    if (!names || names->count < 1 || names->count > 1 << 24) return fail("it has no vocabulary");
    t->count = (int)names->count;
    Reader r = {names->at, t->file->at + t->file->size, false};
    for (int i = 0; i < t->count; i++) read_text(&r);
    t->spelled = grab((size_t)(r.at - names->at)); // no token spells more than its name takes
    t->tokens = grab((size_t)t->count * sizeof(Token));
    if (!t->spelled || !index_new(&t->plain, t->tokens, sizeof(Token), (size_t)t->count) ||
        !index_new(&t->named, t->tokens, sizeof(Token), (size_t)t->count) || !read_kinds(t)) return false;
    char *room = t->spelled;
    memset(t->byte_ids, -1, sizeof t->byte_ids);
    r.at = names->at;
    for (int32_t i = 0; i < t->count; i++)
        if (!read_token(t, i, read_text(&r), &room)) return false;
    for (int byte = 0; byte < 256; byte++) // bytes that no UTF-8 contains need no token
        if (t->byte_ids[byte] < 0 && byte != 0xC0 && byte != 0xC1 && byte < 0xF5)
            return fail("its vocabulary has no token for the byte %d", byte);
    return true;
}

// The special token of that name, or -1.
static int32_t special(const Tokenizer *t, const char *name) { return (int32_t)index_find(&t->named, text_of(name)); }

// Which tokens begin a document and end what the model says.
static void read_ends(Tokenizer *t) {
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    static const char *const names[] = {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>"};
    int32_t ids[4];
    for (int i = 0; i < 4; i++) {
        double given;
        bool known = gguf_number(t->file, keys[i], &given) && given >= 0 && given < t->count;
        ids[i] = known ? (int32_t)given : -1;
        if (known && i > 0) t->tokens[ids[i]].ends = true;
        int32_t id = special(t, names[i]);
        if (id >= 0 && t->tokens[id].kind == CONTROL) t->tokens[id].ends = true;
    }
    t->bos = ids[0];
    t->eos = ids[1];
}

// A merge is two tokens' names with a space between; they and what they become are in the vocabulary.
static bool read_merge(Tokenizer *t, int32_t rank, Text line) {
    char bytes[4096];
    const char *gap = line.size > 1 && line.size <= sizeof bytes ? memchr(line.at + 1, ' ', line.size - 1) : NULL;
    if (!gap) return fail("merge %d `%s` is damaged", rank, shown(line));
    size_t left = (size_t)(gap - line.at);
    int64_t n = spell(t, (Text){line.at, left}, bytes);
    int64_t m = n < 0 ? -1 : spell(t, (Text){gap + 1, line.size - left - 1}, bytes + n);
    int64_t a = m < 0 ? -1 : index_find(&t->plain, (Text){bytes, (size_t)n});
    int64_t b = m < 0 ? -1 : index_find(&t->plain, (Text){bytes + n, (size_t)m});
    int64_t both = m < 0 ? -1 : index_find(&t->plain, (Text){bytes, (size_t)(n + m)});
    if (a < 0 || b < 0 || both < 0)
        return fail("merge %d `%s` is not of tokens in the vocabulary", rank, shown(line));
    Merge *merge = &t->merges[rank];
    *merge = (Merge){{(const char *)merge->pair, sizeof merge->pair}, {(int32_t)a, (int32_t)b}, (int32_t)both};
    index_add(&t->by_pair, (size_t)rank);
    return true;
}

static bool read_merges(Tokenizer *t) {
    const Fact *lines = gguf_array(t->file, "tokenizer.ggml.merges", KIND_TEXT);
    size_t count = lines ? lines->count : 0;
    if (count > 1 << 24) return fail("it has too many merges");
    t->merges = grab(count * sizeof(Merge));
    if (!index_new(&t->by_pair, t->merges, sizeof(Merge), count)) return false;
    Reader r = {lines ? lines->at : t->file->at, t->file->at + t->file->size, false};
    for (size_t i = 0; i < count; i++)
        if (!read_merge(t, (int32_t)i, read_text(&r))) return false;
    return true;
}

// Which kind of tokenizer it is; what this program does not know it refuses, since guessing would give wrong ids.
static bool read_model(Tokenizer *t) {
    static const struct { const char *pre; int rule; } rules[] = {
        {"qwen2", QWEN2_WORDS},      {"deepseek-r1-qwen", QWEN2_WORDS}, {"megrez", QWEN2_WORDS},
        {"llama-bpe", LLAMA_WORDS},  {"llama3", LLAMA_WORDS},           {"llama-v3", LLAMA_WORDS},
        {"falcon3", LLAMA_WORDS},    {"gpt-2", GPT2_WORDS},             {"phi-2", GPT2_WORDS},
    };
    Text model = {"", 0}, pre = {"", 0};
    gguf_text(t->file, "tokenizer.ggml.model", &model);
    gguf_text(t->file, "tokenizer.ggml.pre", &pre);
    t->sentencepiece = is(model, "llama");
    if (!t->sentencepiece && !is(model, "gpt2"))
        return fail("its tokenizer is of the model `%s`; this program knows gpt2 and llama", shown(model));
    bool known = t->sentencepiece;
    for (int i = 0; !known && i < LENGTH(rules); i++) {
        known = is(pre, rules[i].pre);
        t->rule = rules[i].rule;
    }
    if (!known)
        return fail("its tokenizer cuts words as `%s` does; this program knows qwen2, llama-bpe and gpt-2", shown(pre));
    double space = t->sentencepiece, bos = t->sentencepiece || t->rule == LLAMA_WORDS; // unless the file says otherwise
    gguf_number(t->file, "tokenizer.ggml.add_space_prefix", &space);
    gguf_number(t->file, "tokenizer.ggml.add_bos_token", &bos);
    t->space_first = space != 0;
    t->bos_first = bos != 0;
    return true;
}

static bool read_tokenizer(Tokenizer *t, const char *path) {
    if (!(t->file = gguf_open(path)) || !read_model(t) || !(t->classes = grab(CUT))) return false;
    unicode_classes(t->classes);
    learn_spelling(t->byte_of);
    if (!read_tokens(t) || (!t->sentencepiece && !read_merges(t))) return false;
    read_ends(t);
    return true;
}

API void eyas_tokenizer_free(Tokenizer *t) {
    if (!t) return;
    gguf_close(t->file);
    void *parts[] = {t->tokens, t->spelled, t->plain.slots, t->named.slots, t->merges, t->by_pair.slots, t->classes, t};
    for (int i = 0; i < LENGTH(parts); i++) free(parts[i]);
}

API Tokenizer *eyas_tokenizer(const char *gguf_path) {
    Tokenizer *t = grab(sizeof *t);
    if (t && (read_tokenizer(t, gguf_path) || blame(gguf_path))) return t;
    eyas_tokenizer_free(t);
    return NULL;
}

// The ids of a text: writes at most `capacity` of them and returns how many there are, or -1.
API int eyas_encode(const Tokenizer *t, const char *text, size_t size, int specials, int32_t *ids, int capacity) {
    Ids found = {0};
    bool good = encode(t, (Text){text, size}, specials != 0, &found);
    for (int i = 0; good && i < found.count && i < capacity; i++) ids[i] = found.at[i];
    free(found.at);
    return good ? found.count : -1;
}

// The bytes of a token: writes at most `capacity` of them and returns how many there are; -1 for an id that is none.
API int eyas_piece(const Tokenizer *t, int id, char *out, int capacity) {
    if (id < 0 || id >= t->count) return fail("there is no token %d", id), -1;
    Text bytes = t->tokens[id].bytes;
    if (out && capacity > 0) memcpy(out, bytes.at, bytes.size < (size_t)capacity ? bytes.size : (size_t)capacity);
    return (int)bytes.size;
}

/* ---- 4. Numbers -----------------------------------------------------------------------------------------------------
 *
 * Sixteen numbers at a time. Every sum of a product is taken in ONE order, whatever the processor, the batch or the
 * threads: lane r of a vector belongs to output row r, and its products are added one by one from the first column to
 * the last, each with a fused multiply-add. So a token's logits are the same bits alone and in a crowd.
 *
 * A `Lanes` holds 16 floats, an `Ints` 16 int32, a `Bytes` 64 bytes (4 for each of 16 rows), in PARTS registers of the
 * processor. The compilers know arithmetic on vectors; a processor adds what there is no word for in C. Four follow,
 * plain C last. All give the same bits, but that AVX-512 with BF16 rounds products of bf16 in its own way.
 */

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VNNI__) && !defined(EYAS_PLAIN)
#define PARTS 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && !defined(EYAS_PLAIN)
#define PARTS 2
#else
#define PARTS 4
#endif

#define UNROLL _Pragma("GCC unroll 8")
#define INLINE static inline __attribute__((always_inline))
enum { WIDTH = 16 / PARTS }; // numbers in a part
typedef float FloatPart __attribute__((vector_size(4 * WIDTH)));
typedef int32_t IntPart __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t WordPart __attribute__((vector_size(4 * WIDTH)));
typedef int8_t SmallPart __attribute__((vector_size(WIDTH)));
typedef FloatPart FloatsThere __attribute__((aligned(4), may_alias)); // the same anywhere in memory
typedef WordPart WordsThere __attribute__((aligned(2), may_alias));
typedef SmallPart SmallThere __attribute__((aligned(1), may_alias));

static inline float from_bits(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
static inline uint32_t bits_of(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }

#if PARTS == 1
#include <immintrin.h>
#ifdef __AVX512BF16__
#define SIMD "avx512 vnni bf16"
#else
#define SIMD "avx512 vnni"
#endif
#define FMA _mm512_fmadd_ps
#define LARGER _mm512_max_ps
#define NEAREST(a) _mm512_roundscale_ps(a, 8)
#define LOAD_F16(p) _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(p)))
#define DOT4(sum, w, x) (IntPart)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(w), (__m512i)(x))

#elif PARTS == 2
#include <immintrin.h>
#define SIMD "avx2"
#define FMA _mm256_fmadd_ps
#define LARGER _mm256_max_ps
#define NEAREST(a) _mm256_round_ps(a, 8)
#define LOAD_F16(p) _mm256_cvtph_ps(_mm_loadu_si128((const void *)(p)))
static inline IntPart DOT4(IntPart sum, WordPart w, IntPart x) {
    // maddubs saturates at 16 bits, so the top bit of each weight goes its own way: w = (w & 127) + 128 (w >> 7)
    __m256i ones = _mm256_set1_epi16(1), four = (__m256i)x;
    __m256i low = _mm256_maddubs_epi16((__m256i)(w & 0x7f7f7f7f), four);
    __m256i top = _mm256_maddubs_epi16((__m256i)(w >> 7 & 0x01010101), four);
    // unsigned: so the compiler may add in the order that waits least
    WordPart rest = (WordPart)_mm256_madd_epi16(top, ones) << 7;
    return (IntPart)((WordPart)sum + (WordPart)_mm256_madd_epi16(low, ones) + rest);
}

#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(EYAS_PLAIN)
#include <arm_neon.h>
#define SIMD "neon"
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define LARGER vmaxq_f32
#define NEAREST vrndnq_f32
#define LOAD_F16(p) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))
static inline IntPart DOT4(IntPart sum, WordPart w, IntPart four) {
    // signed bytes w - 128, and what that leaves out (128 x) in pairs of 16 bits
    int8x16_t below = (int8x16_t)(w ^ 0x80808080), x = (int8x16_t)four;
    int16x8_t first = vmull_s8(vget_low_s8(below), vget_low_s8(x)), second = vmull_high_s8(below, x);
    return sum + vpaddq_s32(vpaddlq_s16(first), vpaddlq_s16(second)) + (vpaddlq_s16(vpaddlq_s8(x)) << 7);
}

#else
#define SIMD "plain"
#define EACH_OF(type, value) type z; for (int i = 0; i < WIDTH; i++) z[i] = value; return z
static inline float from_half(uint16_t h) { // 2^112 mends the exponent of normal and subnormal numbers alike
    uint32_t rest = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u) << 16;
    if (rest >= 0x7c00u) return from_bits(sign | 0x7f800000u | rest << 13);
    float x = from_bits(rest << 13) * 0x1p112f;
    return sign ? -x : x;
}
static inline FloatPart FMA(FloatPart a, FloatPart b, FloatPart c) { EACH_OF(FloatPart, fmaf(a[i], b[i], c[i])); }
static inline FloatPart LARGER(FloatPart a, FloatPart b) { EACH_OF(FloatPart, a[i] > b[i] ? a[i] : b[i]); }
static inline FloatPart NEAREST(FloatPart a) { EACH_OF(FloatPart, rintf(a[i])); }
static inline FloatPart LOAD_F16(const uint16_t *p) { EACH_OF(FloatPart, from_half(p[i])); }
static inline IntPart DOT4(IntPart sum, WordPart w, IntPart x) {
    for (int shift = 0; shift < 32; shift += 8) sum += (IntPart)(w >> shift & 255) * ((x << (24 - shift)) >> 24);
    return sum;
}
#endif

typedef struct { FloatPart part[PARTS]; } Lanes;
typedef struct { IntPart part[PARTS]; } Ints;
typedef struct { WordPart part[PARTS]; } Bytes;
#define EACH(type, value) type z; for (int i = 0; i < PARTS; i++) z.part[i] = value; return z
#define THERE(type, p) (*(type *)((p) + sizeof(type) / sizeof *(p) * (size_t)i)) // part i of what lies at p

static inline Lanes set(float x) { EACH(Lanes, x - (FloatPart){0}); }
static inline Lanes load(const float *p) { EACH(Lanes, THERE(const FloatsThere, p)); }
static inline void store(float *p, Lanes a) { for (int i = 0; i < PARTS; i++) THERE(FloatsThere, p) = a.part[i]; }
static inline Lanes add(Lanes a, Lanes b) { EACH(Lanes, a.part[i] + b.part[i]); }
static inline Lanes mul(Lanes a, Lanes b) { EACH(Lanes, a.part[i] * b.part[i]); }
static inline Lanes divide(Lanes a, Lanes b) { EACH(Lanes, a.part[i] / b.part[i]); }
static inline Lanes fma_(Lanes a, Lanes b, Lanes c) { EACH(Lanes, FMA(a.part[i], b.part[i], c.part[i])); }
static inline Lanes larger(Lanes a, Lanes b) { EACH(Lanes, LARGER(a.part[i], b.part[i])); }
static inline Lanes unless_below(Lanes a, Lanes b, Lanes c) { // c, but 0 where a < b
    EACH(Lanes, (FloatPart)((WordPart)(a.part[i] >= b.part[i]) & (WordPart)c.part[i]));
}
static inline Lanes magnitude(Lanes a) { EACH(Lanes, (FloatPart)((WordPart)a.part[i] & 0x7fffffff)); }
static inline Lanes nearest(Lanes a) { EACH(Lanes, NEAREST(a.part[i])); }
static inline Ints to_ints(Lanes a) { EACH(Ints, __builtin_convertvector(a.part[i], IntPart)); }
static inline Lanes floats(Ints a) { EACH(Lanes, __builtin_convertvector(a.part[i], FloatPart)); }
static inline Lanes two_to(Ints n) { EACH(Lanes, (FloatPart)((n.part[i] + 127) << 23)); }
static inline Ints ints(int32_t x) { EACH(Ints, x - (IntPart){0}); }
static inline Lanes load_f16(const uint16_t *p) { EACH(Lanes, LOAD_F16(p + WIDTH * i)); }
static inline Lanes even_bf16(const uint16_t *p) { EACH(Lanes, (FloatPart)(THERE(const WordsThere, p) << 16)); }
static inline Lanes odd_bf16(const uint16_t *p) { EACH(Lanes, (FloatPart)(THERE(const WordsThere, p) & 0xffff0000)); }
static inline Bytes load_bytes(const uint8_t *p) { EACH(Bytes, THERE(const WordsThere, p)); }
static inline Bytes low_nibbles(Bytes b) { EACH(Bytes, b.part[i] & 0x0f0f0f0f); }
static inline Bytes high_nibbles(Bytes b) { EACH(Bytes, b.part[i] >> 4 & 0x0f0f0f0f); }
static inline Ints dot4(Ints sum, Bytes w, int32_t x) { EACH(Ints, DOT4(sum.part[i], w.part[i], x - (IntPart){0})); }
static inline void store_i8(int8_t *p, Ints a) {
    for (int i = 0; i < PARTS; i++) THERE(SmallThere, p) = __builtin_convertvector(a.part[i], SmallPart);
}

static inline float from_bf16(uint16_t b) { return from_bits((uint32_t)b << 16); }

static inline uint16_t to_bf16(float x) { // to the nearest, ties to even; NaN stays NaN
    uint32_t bits = bits_of(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

// Adds the products of two columns of 16 rows, bf16 side by side, and two numbers.
static inline Lanes dot2_bf16(Lanes sum, const uint16_t *w, const uint16_t *x) {
#if PARTS == 1 && defined(__AVX512BF16__)
    int32_t both;
    memcpy(&both, x, 4);
    sum.part[0] = _mm512_dpbf16_ps(sum.part[0], (__m512bh)_mm512_loadu_si512(w), (__m512bh)_mm512_set1_epi32(both));
    return sum;
#else
    return fma_(even_bf16(w), set(from_bf16(x[0])), fma_(odd_bf16(w), set(from_bf16(x[1])), sum));
#endif
}

// The first n of 16 numbers, `rest` behind them; and the way back.
static inline Lanes load_some(const float *p, int n, float rest) {
    float some[16];
    if (n >= 16) return load(p);
    for (int i = 0; i < 16; i++) some[i] = i < n ? p[i] : rest;
    return load(some);
}

static inline void store_some(float *p, Lanes a, int n) {
    float all[16];
    if (n < 16) store(all, a), memcpy(p, all, (size_t)n * sizeof *p);
    else store(p, a);
}

// The sum of all sixteen: the order is fixed, halves onto halves.
static inline float sum_of(Lanes a) {
    float f[16];
    store(f, a);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) f[i] += f[i + half];
    return f[0];
}

static inline float largest_of(Lanes a) {
    float f[16];
    store(f, a);
    for (int i = 1; i < 16; i++) f[0] = f[i] > f[0] ? f[i] : f[0];
    return f[0];
}

// e^x to about one unit in the last place: x = n ln 2 + r, a polynomial for e^r, times 2^n. Beyond +-87 it stays there.
INLINE Lanes exponential(Lanes x) {
    static const float factors[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1, 1};
    x = mul(set(-1), larger(mul(set(-1), larger(x, set(-87))), set(-87)));
    Lanes n = nearest(mul(x, set(1.44269504f)));
    Lanes r = fma_(n, set(-1.42860677e-6f), fma_(n, set(-0.693145752f), x));
    Lanes p = set(1.0f / 5040);
    UNROLL for (int i = 0; i < LENGTH(factors); i++) p = fma_(p, r, set(factors[i]));
    return mul(p, two_to(to_ints(n)));
}

// --- Threads. A piece of work is a function and a number of chunks. Everybody takes the next chunk until none is left,
// and the caller waits for chunks, never for threads: a thread that the system has put aside holds up nobody unless it
// sits on a chunk. Idle threads spin for some microseconds, since the next work mostly comes at once, then they sleep.

typedef void Work(void *job, int chunk, int worker);

#ifdef __linux__
typedef cpu_set_t Places; // processors that a thread may run on

static int places_of_thread(Places *places) { // how many they are, 0 when nobody knows
    return pthread_getaffinity_np(pthread_self(), sizeof *places, places) ? 0 : CPU_COUNT(places);
}

static void move_thread(const Places *places) { pthread_setaffinity_np(pthread_self(), sizeof *places, places); }

// Keep this thread on the `which`-th of its processors, so that two of ours never share one.
static void stay_on(int which) {
    cpu_set_t allowed, one;
    int cpu = -1;
    if (which >= places_of_thread(&allowed)) return;
    for (int passed = -1; passed < which;) passed += CPU_ISSET(++cpu, &allowed) != 0;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    move_thread(&one);
}
#else // the system decides
typedef int Places;
static int places_of_thread(Places *places) { return *places = 0; }
static void move_thread(const Places *places) { (void)places; }
static void stay_on(int which) { (void)which; }
#endif

static int processors(void) {
    Places allowed;
    int known = places_of_thread(&allowed);
    long count = known ? known : sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

typedef struct {
    int threads; // the caller included
    pthread_t workers[64];
    _Atomic uint64_t ticket; // chunks << 32 | the next one to take
    _Atomic int done, sleepers, started;
    _Atomic bool over;
    Work *work;
    void *job;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Places before; // where the caller may run
    bool held;
} Pool;

// The caller's thread is somebody else's: it is held to one processor only while it works here.
static void pool_enter(Pool *pool) {
    pool->held = pool->threads > 1 && places_of_thread(&pool->before);
    if (pool->held) stay_on(0);
}

static void pool_leave(Pool *pool) {
    if (pool->held) move_thread(&pool->before);
}

static inline void breathe(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline bool chunks_left(uint64_t ticket) { return (uint32_t)ticket < ticket >> 32; }

static void take_chunks(Pool *pool, int worker) {
    while (chunks_left(atomic_load(&pool->ticket))) {
        uint64_t mine = atomic_fetch_add(&pool->ticket, 1);
        if (!chunks_left(mine)) return;
        pool->work(pool->job, (int)(uint32_t)mine, worker);
        atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
    }
}

static void *labour(void *argument) {
    Pool *pool = argument;
    int worker = 1 + atomic_fetch_add(&pool->started, 1);
    stay_on(worker);
    while (!atomic_load(&pool->over)) {
        for (int spins = 0; spins < 2000 && !chunks_left(atomic_load(&pool->ticket)); spins++) breathe();
        if (!chunks_left(atomic_load(&pool->ticket))) {
            pthread_mutex_lock(&pool->lock);
            atomic_fetch_add(&pool->sleepers, 1); // told before the last look, so that no work is missed
            while (!chunks_left(atomic_load(&pool->ticket)) && !atomic_load(&pool->over))
                pthread_cond_wait(&pool->wake, &pool->lock);
            atomic_fetch_sub(&pool->sleepers, 1);
            pthread_mutex_unlock(&pool->lock);
        }
        take_chunks(pool, worker);
    }
    return NULL;
}

static void wake_all(Pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

static void in_parallel(Pool *pool, Work *work, void *job, int chunks) {
    if (pool->threads == 1 || chunks == 1) {
        for (int chunk = 0; chunk < chunks; chunk++) work(job, chunk, 0);
        return;
    }
    pool->work = work, pool->job = job;
    atomic_store(&pool->done, 0);
    atomic_store(&pool->ticket, (uint64_t)chunks << 32);
    if (atomic_load(&pool->sleepers)) wake_all(pool);
    take_chunks(pool, 0);
    for (int spins = 0; atomic_load_explicit(&pool->done, memory_order_acquire) < chunks; spins++)
        if (spins < 20000) breathe();
        else sched_yield(); // somebody was put aside with a chunk in hand: let them finish
}

static void pool_start(Pool *pool, int threads) {
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (pool->threads = 1; pool->threads < threads; pool->threads++)
        if (pthread_create(&pool->workers[pool->threads], NULL, labour, pool)) break; // fewer will do
}

static void pool_stop(Pool *pool) {
    atomic_store(&pool->over, true);
    wake_all(pool);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->workers[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
}

// --- Matrices. A matrix turns `columns` numbers into `rows` numbers. It is repacked when loaded, so that a thread
// reads it from one end to the other, and one load brings the same columns of sixteen rows (a group). Four groups lie
// together (at the end one to four): first all their first columns, then all their next ones. What a group has:
//
//   f32, f16   [16] for each column           bf16   [16][2] for two columns
//   q8_0       [16][4] for four columns, each + 128; a scale per row and 32 columns lies in a table of its own
//   q4_0       [16][4] for eight columns, each + 8: of every 32, byte i of the w-th four holds column 4 w + i and, in
//              its upper half, 16 + 4 w + i; scales as for q8_0

typedef struct {
    int rows, columns, type; // a type that is `multiplied`
    uint8_t *data;
    uint16_t *scales;
} Matrix;

// What a product reads: the same n vectors in each form that some matrix wants.
typedef struct {
    float *f32;      // (n, columns)
    uint16_t *bf16;  // (n, columns)
    int8_t *q8;      // (n, columns), in blocks of 32 that share a scale
    float *scales;   // (n, columns / 32)
    int32_t *totals; // (n, columns / 32): the sum of each block's q8
    int columns;
} Input;

static inline bool in_blocks(int type) { return type == Q8_0 || type == Q4_0; }
static inline bool multiplied(int type) { return type == F32 || type == F16 || type == BF16 || in_blocks(type); }

// Bytes of a group for one unit of columns, and how many columns that is.
static inline size_t unit_bytes(int type) { return type == F16 ? 32 : 64; }
static inline int unit_columns(int type) { return type == Q4_0 ? 8 : type == Q8_0 ? 4 : type == BF16 ? 2 : 1; }

static inline int groups_of(const Matrix *m) { return (m->rows + 15) / 16; }
static inline size_t group_bytes(const Matrix *m) {
    return (size_t)(m->columns / unit_columns(m->type)) * unit_bytes(m->type);
}

// Where a group begins, how many groups lie together there, and how many bytes it is to the next columns.
typedef struct { uint8_t *at; uint16_t *scales; size_t step; int together; } Strip;

static inline Strip strip_of(const Matrix *m, int group) {
    int first = group / 4 * 4, rest = groups_of(m) - first, together = rest < 4 ? rest : 4;
    size_t unit = unit_bytes(m->type), blocks_of_row = (size_t)m->columns / 32;
    return (Strip){m->data + (size_t)first * group_bytes(m) + (size_t)(group - first) * unit,
                   m->scales ? m->scales + ((size_t)first * blocks_of_row + (size_t)(group - first)) * 16 : NULL,
                   (size_t)together * unit, together};
}

// --- The kernels. Each multiplies G groups of 16 rows with T vectors, from the `first` on, and keeps the T x G sums in
// registers; T and G are constants where they are called, so the loops unroll. Few vectors leave the memory waiting, so
// they take more rows.

#define KERNEL INLINE void

KERNEL product_float(Strip w, int columns, const Input *in, int first, Lanes sum[4][4], const int T, const int G,
                     const bool half) {
    const float *x = in->f32 + (size_t)first * columns;
    for (int k = 0; k < columns; k++, w.at += w.step) {
        Lanes rows[4];
        UNROLL for (int g = 0; g < G; g++)
            rows[g] = half ? load_f16((const uint16_t *)w.at + 16 * g) : load((const float *)w.at + 16 * g);
        UNROLL for (int t = 0; t < T; t++) {
            Lanes value = set(x[(size_t)t * columns + k]);
            UNROLL for (int g = 0; g < G; g++) sum[t][g] = fma_(rows[g], value, sum[t][g]);
        }
    }
}

KERNEL product_bf16(Strip w, int columns, const Input *in, int first, Lanes sum[4][4], const int T, const int G) {
    const uint16_t *x = in->bf16 + (size_t)first * columns;
    for (int k = 0; k < columns; k += 2, w.at += w.step)
        UNROLL for (int g = 0; g < G; g++)
            UNROLL for (int t = 0; t < T; t++)
                sum[t][g] = dot2_bf16(sum[t][g], (const uint16_t *)w.at + 32 * g, x + (size_t)t * columns + k);
}

// int8: 32 columns are summed exactly in integers, then scaled and added. Weights are stored + 128 (or + 8), since the
// processor multiplies unsigned with signed bytes; the sum starts at what that adds too much.
KERNEL product_int(Strip w, int columns, const Input *in, int first, Lanes sum[4][4], const int T, const int G,
                   const bool nibbles) {
    const int units = nibbles ? 4 : 8, offset = nibbles ? -8 : -128;
    int n_blocks = columns / 32;
    const int8_t *x = in->q8 + (size_t)first * columns;
    const float *scales = in->scales + (size_t)first * n_blocks;
    const int32_t *totals = in->totals + (size_t)first * n_blocks;
    for (int b = 0; b < n_blocks; b++, w.scales += 16 * w.together) {
        Ints dot[4][4];
        UNROLL for (int t = 0; t < T; t++)
            UNROLL for (int g = 0; g < G; g++) dot[t][g] = ints(offset * totals[(size_t)t * n_blocks + b]);
        UNROLL for (int j = 0; j < units; j++) {
            Bytes rows[4];
            UNROLL for (int g = 0; g < G; g++) rows[g] = load_bytes(w.at + 64 * g);
            w.at += w.step;
            UNROLL for (int t = 0; t < T; t++) {
                const int8_t *at = x + (size_t)t * columns + b * 32 + j * 4;
                int32_t four, upper;
                memcpy(&four, at, 4);
                memcpy(&upper, nibbles ? at + 16 : at, 4);
                UNROLL for (int g = 0; g < G; g++) {
                    dot[t][g] = dot4(dot[t][g], nibbles ? low_nibbles(rows[g]) : rows[g], four);
                    if (nibbles) dot[t][g] = dot4(dot[t][g], high_nibbles(rows[g]), upper);
                }
            }
        }
        UNROLL for (int g = 0; g < G; g++) {
            Lanes scale = load_f16(w.scales + 16 * g);
            UNROLL for (int t = 0; t < T; t++)
                sum[t][g] = fma_(floats(dot[t][g]), mul(scale, set(scales[(size_t)t * n_blocks + b])), sum[t][g]);
        }
    }
}

// One product: out = matrix x + bias for each of n vectors x.
typedef struct {
    const Matrix *matrix;
    float *out;        // (n, rows)
    const float *bias; // (rows) or NULL
    bool add;          // to what `out` holds, instead of replacing it
} Product;

KERNEL tile(const Product *p, const Input *in, int group, int first, const int T, const int G) {
    const Matrix *m = p->matrix;
    Strip w = strip_of(m, group);
    int columns = m->columns;
    Lanes sum[4][4];
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int g = 0; g < G; g++) sum[t][g] = set(0);
    if (m->type == F32) product_float(w, columns, in, first, sum, T, G, false);
    else if (m->type == F16) product_float(w, columns, in, first, sum, T, G, true);
    else if (m->type == BF16) product_bf16(w, columns, in, first, sum, T, G);
    else if (m->type == Q8_0) product_int(w, columns, in, first, sum, T, G, false);
    else product_int(w, columns, in, first, sum, T, G, true);
    for (int t = 0; t < T; t++)
        for (int g = 0; g < G; g++) {
            int row = 16 * (group + g), rows = m->rows - row;
            float *out = p->out + (size_t)(first + t) * m->rows + row;
            Lanes value = add(sum[t][g], p->bias ? load_some(p->bias + row, rows, 0) : set(0));
            store_some(out, p->add ? add(load_some(out, rows, 0), value) : value, rows);
        }
}

// n vectors through the groups that lie together from `group` on.
static void multiply_strip(const Product *p, const Input *in, int n, int group) {
    int together = strip_of(p->matrix, group).together, t = 0;
    bool integers = in_blocks(p->matrix->type); // these keep twice as many sums a tile
    if (together < 4) {
        for (int g = 0; g < together; g++)
            for (t = 0; t < n; t++) tile(p, in, group + g, t, 1, 1);
        return;
    }
    for (int rest; (rest = n - t) > 1;)
        if (rest >= 4 && !integers) tile(p, in, group, t, 4, 4), t += 4;
        else if (rest >= 3 && rest != 4) tile(p, in, group, t, 3, 4), t += 3;
        else tile(p, in, group, t, 2, 4), t += 2;
    if (t < n) tile(p, in, group, t, 1, 4);
}

typedef struct { const Input *in; const Product *products; int n, count, share, chunks[3]; } Multiply;

static void multiply_chunk(void *job, int chunk, int worker) {
    const Multiply *m = job;
    int i = 0;
    (void)worker;
    for (; chunk >= m->chunks[i]; i++) chunk -= m->chunks[i];
    int groups = groups_of(m->products[i].matrix), begin = chunk * m->share, end = begin + m->share;
    for (int group = begin; group < end && group < groups; group += 4)
        multiply_strip(&m->products[i], m->in, m->n, group);
}

// Up to three products of the same n vectors, as one piece of parallel work.
static void multiply(Pool *pool, const Input *in, int n, const Product *products, int count) {
    Multiply job = {.in = in, .products = products, .n = n, .count = count};
    int chunks = 0;
    // four groups at a time, more where that is less than 32 KB: a chunk should outlast its handing out
    size_t bytes = 4 * group_bytes(products[0].matrix);
    job.share = 4 * (int)((32768 + bytes - 1) / bytes);
    for (int i = 0; i < count; i++)
        chunks += job.chunks[i] = (groups_of(products[i].matrix) + job.share - 1) / job.share;
    in_parallel(pool, multiply_chunk, &job, chunks);
}

// A vector in the forms that its readers want. Blocks of 32 become int8 with a scale of their own.
static void prepare(const Input *in, int at, const float *x, const Matrix *const *readers, int count) {
    bool f32 = false, bf16 = false, q8 = false;
    for (int i = 0; i < count; i++) {
        int type = readers[i]->type;
        f32 |= type == F32 || type == F16, bf16 |= type == BF16, q8 |= in_blocks(type);
    }
    size_t columns = (size_t)in->columns, n_blocks = columns / 32, start = (size_t)at * columns;
    if (f32 && x != in->f32 + start) memcpy(in->f32 + start, x, columns * sizeof *x);
    for (size_t k = 0; bf16 && k < columns; k++) in->bf16[start + k] = to_bf16(x[k]);
    for (size_t b = 0; q8 && b < n_blocks; b++) {
        Lanes low = load(x + 32 * b), high = load(x + 32 * b + 16);
        float most = largest_of(larger(magnitude(low), magnitude(high)));
        Lanes inverse = set(most > 0 ? 127 / most : 0);
        int8_t *out = in->q8 + start + 32 * b;
        store_i8(out, to_ints(nearest(mul(low, inverse))));
        store_i8(out + 16, to_ints(nearest(mul(high, inverse))));
        int32_t total = 0;
        for (int i = 0; i < 32; i++) total += out[i];
        in->scales[at * n_blocks + b] = most / 127;
        in->totals[at * n_blocks + b] = total;
    }
}

// --- Loading: a row of a tensor as the file spells it, into its lane of the packed group.

static uint16_t to_half(float x) { // to the nearest, ties to even
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (rest >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); // too large: infinity
    // a subnormal half: adding 0.5 leaves its bits, rounded, at the bottom
    if (rest < 0x38800000u) return (uint16_t)(sign | (bits_of(from_bits(rest) + 0.5f) - 0x3f000000u));
    return (uint16_t)(sign | ((rest - 0x38000000u + 0xfffu + (rest >> 13 & 1)) >> 13));
}

static uint16_t half_at(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static float f16_at(const uint8_t *p) {
    uint16_t sixteen[16] = {half_at(p)};
    float f[16];
    store(f, load_f16(sixteen));
    return f[0];
}

// The numbers in a block of 32, and in the K types' blocks of 256.
static void unpack_32(int type, const uint8_t *p, float *x) {
    bool has_least = type == Q4_1 || type == Q5_1, has_fifth = type == Q5_0 || type == Q5_1;
    float d = f16_at(p), least = has_least ? f16_at(p + 2) : 0;
    const uint8_t *q = p + (has_least ? 4 : 2);
    uint32_t fifth = 0;
    for (int i = 0; type == Q8_0 && i < 32; i++) x[i] = d * (int8_t)q[i];
    if (type == Q8_0) return;
    if (has_fifth) memcpy(&fifth, q, 4), q += 4;
    int middle = type == Q4_0 ? 8 : type == Q5_0 ? 16 : 0;
    for (int i = 0; i < 16; i++) {
        int low = (q[i] & 15) | (int)(fifth >> i & 1) << 4, high = q[i] >> 4 | (int)(fifth >> (i + 16) & 1) << 4;
        x[i] = d * (float)(low - middle) + least;
        x[i + 16] = d * (float)(high - middle) + least;
    }
}

static void unpack_4k_5k(int type, const uint8_t *p, float *x) {
    float d = f16_at(p), d_least = f16_at(p + 2);
    const uint8_t *s = p + 4, *fifth = p + 16, *q = type == Q5_K ? p + 48 : p + 16;
    for (int block = 0; block < 8; block++) { // eight blocks of 32, each with a scale and a least of six bits
        int scale = block < 4 ? s[block] & 63 : (s[block + 4] & 15) | (s[block - 4] >> 6) << 4;
        int least = block < 4 ? s[block + 4] & 63 : s[block + 4] >> 4 | (s[block] >> 6) << 4;
        float each = d * (float)scale, under = d_least * (float)least;
        for (int i = 0; i < 32; i++) {
            int value = q[32 * (block / 2) + i] >> (block % 2 * 4) & 15;
            if (type == Q5_K) value |= (fifth[i] >> block & 1) << 4;
            x[32 * block + i] = each * (float)value - under;
        }
    }
}

static void unpack_6k(const uint8_t *p, float *x) {
    float d = f16_at(p + 208);
    for (int i = 0; i < 256; i++) { // four bits in the first 128 bytes, two in the next 64, sixteen int8 scales
        int half = i / 128, j = i % 128, quarter = j / 32, l = j % 32;
        int low = p[64 * half + 32 * (quarter % 2) + l] >> (quarter / 2 * 4) & 15;
        int high = p[128 + 32 * half + l] >> (2 * quarter) & 3;
        int8_t scale = (int8_t)p[192 + i / 16];
        x[i] = d * (float)scale * (float)((low | high << 4) - 32);
    }
}

// `count` numbers (whole blocks) of a ggml type as floats: exactly what the type means.
API void eyas_dequantize(int type, const uint8_t *p, float *x, int64_t count) {
    for (const float *end = x + count; x < end; x += blocks[type].values, p += blocks[type].bytes)
        if (type == F32) memcpy(x, p, 4);
        else if (type == F16) *x = f16_at(p);
        else if (type == BF16) *x = from_bf16(half_at(p));
        else if (type == Q6_K) unpack_6k(p, x);
        else if (type == Q4_K || type == Q5_K) unpack_4k_5k(type, p, x);
        else unpack_32(type, p, x);
}

// x without its fraction, or the nearer bound; what is no number becomes `least`.
static int within(float x, int least, int most) {
    return !(x >= (float)least) ? least : x >= (float)most ? most : (int)x;
}

// Floats as one row of a type that is `multiplied`, in ggml's layout.
static void quantize(int type, const float *x, uint8_t *p, int count) {
    for (const float *end = x + count; x < end; x += blocks[type].values, p += blocks[type].bytes) {
        uint16_t half = type == BF16 ? to_bf16(*x) : to_half(*x);
        memcpy(p, type == F32 ? (const void *)x : &half, type == F32 ? 4 : 2);
        if (!in_blocks(type)) continue;
        float peak = 0;
        for (int i = 0; i < 32; i++) peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
        float d = type == Q8_0 ? fabsf(peak) / 127 : peak / -8, inverse = d != 0 ? 1 / d : 0;
        half = to_half(d);
        memcpy(p, &half, 2);
        for (int i = 0; type == Q8_0 && i < 32; i++) p[2 + i] = (uint8_t)within(roundf(x[i] * inverse), -127, 127);
        for (int i = 0; type == Q4_0 && i < 16; i++) { // -8 to 7, stored + 8; the peak itself is always -8
            int low = within(x[i] * inverse + 8.5f, 0, 15), high = within(x[i + 16] * inverse + 8.5f, 0, 15);
            p[2 + i] = (uint8_t)(low | high << 4);
        }
    }
}

// The next n columns (32, or fewer at the end) of one lane as the bytes that ggml has for them. The strip goes on.
static inline void unpack_columns(const Matrix *m, Strip *w, int lane, int n, uint8_t *p) {
    size_t size = unit_bytes(m->type) / 16;
    uint32_t word, flip = m->type == Q8_0 ? 0x80808080u : 0; // - 128
    if (in_blocks(m->type)) memcpy(p, w->scales + lane, 2), w->scales += 16 * w->together, p += 2;
    for (int k = 0; k < n; k += unit_columns(m->type), w->at += w->step, p += size) {
        memcpy(&word, w->at + (size_t)lane * size, size == 4 ? 4 : 2);
        word ^= flip;
        memcpy(p, &word, size == 4 ? 4 : 2);
    }
}

// The other way round, a type at a time: this is where the start of a program spends its time.
static void pack_row(const Matrix *m, int row, const uint8_t *p) {
    Strip w = strip_of(m, row / 16);
    int lane = row % 16, words = m->type == Q8_0 ? 8 : 4;
    if (m->type == F16)
        for (int k = 0; k < m->columns; k++, w.at += w.step, p += 2) memcpy(w.at + 2 * lane, p, 2);
    else if (!in_blocks(m->type)) // a float, or two bf16
        for (int k = 0; k < m->columns; k += unit_columns(m->type), w.at += w.step, p += 4)
            memcpy(w.at + 4 * lane, p, 4);
    else
        for (int k = 0; k < m->columns; k += 32, p += 2 + 4 * words, w.scales += 16 * w.together) {
            memcpy(w.scales + lane, p, 2);
            for (int j = 0; j < words; j++, w.at += w.step) {
                uint32_t word;
                memcpy(&word, p + 2 + 4 * j, 4);
                if (m->type == Q8_0) word ^= 0x80808080u; // + 128
                memcpy(w.at + 4 * lane, &word, 4);
            }
        }
}

// One row as floats: how a token's vector is read from the table of embeddings.
static void matrix_row(const Matrix *m, int row, float *x) {
    Strip w = strip_of(m, row / 16);
    uint8_t bytes[128];
    for (int k = 0; k < m->columns; k += 32) {
        int n = m->columns - k < 32 ? m->columns - k : 32;
        unpack_columns(m, &w, row % 16, n, bytes);
        eyas_dequantize(m->type, bytes, x + k, n);
    }
}

// --- The model: its shape and its parameters

typedef struct {
    int32_t n_layer, n_embd, n_head, n_kv_head, head_dim, n_ff, vocab_size, max_seq_len;
    int32_t qk_norm, tie_embeddings, qkv_bias, rope_interleaved;
    float norm_eps, rope_theta;
} Shape;

typedef struct {
    float *attn_norm, *q_bias, *k_bias, *v_bias, *q_norm, *k_norm, *mlp_norm;
    Matrix q, k, v, o, gate, up, down;
} Layer;

typedef struct { void *at; size_t size, used; } Block;

typedef struct {
    Shape shape;
    Matrix embed, head;         // a tied model has no head: the table of embeddings serves twice
    float *norm, *rope_factors; // (n_embd); (head_dim / 2), what each frequency is divided by
    Layer *layers;
    Block *blocks;              // the memory all parameters lie in
    int n_blocks;
} Model;

// Parameters lie together in large blocks on huge pages: a token's way through them touches few entries of the TLB.
static void *claim(Model *m, size_t bytes) {
    size_t huge = 2u << 20, wanted = (bytes + 63) & ~(size_t)63;
    Block *last = m->n_blocks ? &m->blocks[m->n_blocks - 1] : NULL;
    if (!last || last->size - last->used < wanted) {
        size_t size = ((wanted > 64 * huge ? wanted : 64 * huge) + huge - 1) & ~(huge - 1);
        Block *more = realloc(m->blocks, (size_t)(m->n_blocks + 1) * sizeof *more);
        if (!more) return fail("there is no memory for the parameters"), NULL;
        m->blocks = more;
        void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at == MAP_FAILED) return fail("there is no memory for %zu more bytes of parameters", size), NULL;
#ifdef MADV_HUGEPAGE
        madvise(at, size, MADV_HUGEPAGE);
#endif
        last = &m->blocks[m->n_blocks++];
        *last = (Block){at, size, 0};
    }
    void *at = (char *)last->at + last->used;
    last->used += wanted;
    return at;
}

static bool claim_matrix(Model *model, Matrix *m, int rows, int columns, int type) {
    if (in_blocks(type) && columns % 32) type = F16;
    if (type == BF16 && columns % 2) type = F32;
    if (m->data && m->type == type) return true;
    *m = (Matrix){.rows = rows, .columns = columns, .type = type};
    m->data = claim(model, group_bytes(m) * (size_t)groups_of(m));
    if (m->data && in_blocks(type)) m->scales = claim(model, (size_t)groups_of(m) * (size_t)columns);
    return m->data && (m->scales || !in_blocks(type));
}

// Where a tensor belongs, under the name that GGUF has for it, and its size. Vectors are always floats.
typedef struct { const char *name; Matrix *matrix; float **vector; int rows, columns; bool here; } Place;

enum { MOST_PLACES = 14 };

// The places of a layer, or with -1 those outside the layers: gives back how many there are.
static int list_places(Model *m, int layer, Place *places) {
    const Shape *s = &m->shape;
    int queries = s->n_head * s->head_dim, shared = s->n_kv_head * s->head_dim;
    if (layer < 0) {
        const Place whole[] = {
            {"token_embd.weight", &m->embed, NULL, s->vocab_size, s->n_embd, true},
            {"output.weight", &m->head, NULL, s->vocab_size, s->n_embd, !s->tie_embeddings},
            {"output_norm.weight", NULL, &m->norm, 1, s->n_embd, true},
            {"rope_freqs.weight", NULL, &m->rope_factors, 1, s->head_dim / 2, true},
        };
        memcpy(places, whole, sizeof whole);
        return LENGTH(whole);
    }
    Layer *l = &m->layers[layer];
    const Place parts[MOST_PLACES] = {
        {"attn_norm.weight", NULL, &l->attn_norm, 1, s->n_embd, true},
        {"attn_q.weight", &l->q, NULL, queries, s->n_embd, true},
        {"attn_k.weight", &l->k, NULL, shared, s->n_embd, true},
        {"attn_v.weight", &l->v, NULL, shared, s->n_embd, true},
        {"attn_q.bias", NULL, &l->q_bias, 1, queries, s->qkv_bias},
        {"attn_k.bias", NULL, &l->k_bias, 1, shared, s->qkv_bias},
        {"attn_v.bias", NULL, &l->v_bias, 1, shared, s->qkv_bias},
        {"attn_q_norm.weight", NULL, &l->q_norm, 1, s->head_dim, s->qk_norm},
        {"attn_k_norm.weight", NULL, &l->k_norm, 1, s->head_dim, s->qk_norm},
        {"attn_output.weight", &l->o, NULL, s->n_embd, queries, true},
        {"ffn_norm.weight", NULL, &l->mlp_norm, 1, s->n_embd, true},
        {"ffn_gate.weight", &l->gate, NULL, s->n_ff, s->n_embd, true},
        {"ffn_up.weight", &l->up, NULL, s->n_ff, s->n_embd, true},
        {"ffn_down.weight", &l->down, NULL, s->n_embd, s->n_ff, true},
    };
    memcpy(places, parts, sizeof parts);
    return LENGTH(parts);
}

static bool find_place(Model *m, const char *name, Place *place) {
    Place places[MOST_PLACES];
    int layer = -1, end = 0;
    if (sscanf(name, "blk.%6d.%n", &layer, &end) != 1 || !end || layer < 0) layer = -1, end = 0;
    for (int i = layer < m->shape.n_layer ? list_places(m, layer, places) : 0; i > 0; i--) {
        *place = places[i - 1];
        if (place->here && !strcmp(name + end, place->name)) return true;
    }
    return fail("%.80s has no place in a model of this shape", name);
}

// Whether every parameter is there.
static bool complete(Model *m) {
    Place places[MOST_PLACES];
    for (int layer = -1; layer < m->shape.n_layer; layer++)
        for (int i = list_places(m, layer, places); i > 0; i--) {
            const Place *p = &places[i - 1];
            if (!p->here || (p->vector ? (void *)*p->vector : p->matrix->data)) continue;
            return layer < 0 ? fail("%s is missing", p->name) : fail("layer %d lacks %s", layer, p->name);
        }
    return true;
}

// Put a tensor in its place: rows of `type` as ggml lays them out. The five types with a kernel are held as they are,
// the others as q8_0, the nearest of them (a q6_K value moves by less than a quarter of its own step).
static bool place_tensor(Model *m, const char *name, int rows, int columns, int type, const uint8_t *data, int held) {
    Place place;
    if (!find_place(m, name, &place)) return false;
    if (rows != place.rows || columns != place.columns)
        return fail("%.80s has %d rows of %d, but the model's shape asks for %d of %d", name, rows, columns, place.rows,
                    place.columns);
    if (place.vector) {
        if (!*place.vector && !(*place.vector = claim(m, (size_t)columns * sizeof(float)))) return false;
        eyas_dequantize(type, data, *place.vector, columns);
        return true;
    }
    if (!claim_matrix(m, place.matrix, rows, columns, held)) return false;
    held = place.matrix->type;
    size_t stride = bytes_of(type, columns);
    float *values = grab((size_t)columns * sizeof(float));
    uint8_t *row_bytes = grab(stride > bytes_of(held, columns) ? stride : bytes_of(held, columns));
    bool whole = values && row_bytes;
    for (int row = 0; whole && row < rows; row++) {
        const uint8_t *p = data + (size_t)row * stride;
        if (type == held) memcpy(row_bytes, p, stride);
        else eyas_dequantize(type, p, values, columns), quantize(held, values, row_bytes, columns);
        pack_row(place.matrix, row, row_bytes);
    }
    free(values);
    free(row_bytes);
    return whole;
}

// The eight sizes that a shape begins with.
static const struct { const char *name; int32_t most; } sizes[] = {
    {"n_layer", 1024}, {"n_embd", 1 << 17}, {"n_head", 1024}, {"n_kv_head", 1024}, {"head_dim", 1024},
    {"n_ff", 1 << 19}, {"vocab_size", 1 << 22}, {"max_seq_len", 1 << 24},
};

static bool sound_shape(const Shape *s) {
    for (int i = 0; i < LENGTH(sizes); i++) {
        int32_t size = ((const int32_t *)s)[i];
        if (size < 1 || size > sizes[i].most)
            return fail("%s is %d; it must be between 1 and %d", sizes[i].name, size, sizes[i].most);
    }
    if (s->n_head % s->n_kv_head)
        return fail("%d heads cannot share %d key-value heads evenly", s->n_head, s->n_kv_head);
    if (s->head_dim % 2) return fail("head_dim is %d; it must be even", s->head_dim);
    return (s->norm_eps >= 0 && s->norm_eps < 1 && s->rope_theta > 0) ||
           fail("norm_eps or rope_theta is no sensible number");
}

API void eyas_free(Model *m) {
    if (!m) return;
    for (int i = 0; i < m->n_blocks; i++) munmap(m->blocks[i].at, m->blocks[i].size);
    free(m->blocks);
    free(m->layers);
    free(m);
}

API Model *eyas_new(const Shape *shape) {
    Model *m = sound_shape(shape) ? grab(sizeof *m) : NULL;
    if (!m) return NULL;
    m->shape = *shape;
    m->layers = grab((size_t)shape->n_layer * sizeof *m->layers);
    m->rope_factors = claim(m, (size_t)shape->head_dim / 2 * sizeof(float));
    if (!m->layers || !m->rope_factors) return eyas_free(m), NULL;
    for (int i = 0; i < shape->head_dim / 2; i++) m->rope_factors[i] = 1;
    return m;
}

API int eyas_set(Model *m, const char *name, const float *values, int64_t rows, int64_t columns, int type) {
    if (!multiplied(type))
        return fail("a matrix cannot be held as type %d; use f32, f16, bf16, q8_0 or q4_0", type), -1;
    if (rows < 1 || columns < 1 || rows > INT32_MAX || columns > INT32_MAX)
        return fail("%s has no sensible size", name), -1;
    return place_tensor(m, name, (int)rows, (int)columns, F32, (const uint8_t *)values, type) ? 0 : -1;
}

API int eyas_shape(const Model *m, Shape *shape) { return *shape = m->shape, 0; }

// --- Opening a GGUF: its facts tell the shape, its tensors go to their places

// A number of the model's architecture, or `fallback` when the file does not tell.
static double shape_number(const Gguf *g, const char *arch, const char *name, double fallback) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", arch, name);
    gguf_number(g, key, &fallback);
    return fallback;
}

static bool read_shape(const Gguf *g, Shape *s) {
    static const char *const known[] = {"qwen3", "qwen2", "llama"};
    static const char *const keys[] = {"block_count", "embedding_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length", "feed_forward_length", NULL, "context_length"};
    const char *arch = NULL;
    Text name, scaling;
    char key[96];
    if (!gguf_text(g, "general.architecture", &name)) return fail("the file names no general.architecture");
    for (int i = 0; i < LENGTH(known); i++)
        if (is(name, known[i])) arch = known[i];
    if (!arch) return fail("architecture %s is none of those computed here: qwen3, qwen2, llama", shown(name));
    const Tensor *embed = gguf_tensor(g, "token_embd.weight");
    if (!embed || embed->n_dims != 2) return fail("the file has no table token_embd.weight");
    snprintf(key, sizeof key, "%s.rope.scaling.type", arch);
    if (gguf_text(g, key, &scaling) && !is(scaling, "none"))
        return fail("RoPE scaling of type %s is not computed here", shown(scaling));
    if (shape_number(g, arch, "expert_count", 0) > 0) return fail("a mixture of experts is not computed here");
    if (shape_number(g, arch, "attention.sliding_window", 0) > 0)
        return fail("sliding-window attention is not computed here");
    for (int i = 0; i < LENGTH(keys); i++) { // what the file leaves open follows from the sizes before
        double usual = i == 3 ? s->n_head : i == 4 && s->n_head > 0 ? s->n_embd / s->n_head : 0;
        double size = keys[i] ? shape_number(g, arch, keys[i], usual) : (double)embed->shape[1];
        ((int32_t *)s)[i] = size >= 0 && size <= INT32_MAX ? (int32_t)size : 0;
    }
    s->qk_norm = !strcmp(arch, "qwen3");
    s->qkv_bias = gguf_tensor(g, "blk.0.attn_q.bias") != NULL;
    s->rope_interleaved = !strcmp(arch, "llama");
    s->tie_embeddings = gguf_tensor(g, "output.weight") == NULL;
    s->norm_eps = (float)shape_number(g, arch, "attention.layer_norm_rms_epsilon", 1e-6);
    s->rope_theta = (float)shape_number(g, arch, "rope.freq_base", 10000);
    if (shape_number(g, arch, "attention.value_length", s->head_dim) != s->head_dim)
        return fail("values of another width than keys are not computed here");
    if (shape_number(g, arch, "rope.dimension_count", s->head_dim) != s->head_dim)
        return fail("RoPE over a part of each head is not computed here");
    return sound_shape(s);
}

// The parameters of an opened file, or NULL and a sentence without the file's name.
static Model *model_of(const Gguf *g) {
    Shape shape = {0};
    Model *m = read_shape(g, &shape) ? eyas_new(&shape) : NULL;
    bool good = m != NULL;
    for (uint64_t i = 0; good && i < g->n_tensors; i++) {
        const Tensor *t = &g->tensors[i];
        const char *name = shown(t->name); // all of it, if it is one that is known here
        if (t->n_dims > 2) good = fail("%s has too many dimensions", name);
        else good = place_tensor(m, name, (int)t->shape[1], (int)t->shape[0], t->type, t->data,
                                 multiplied(t->type) ? t->type : Q8_0);
    }
    if (good && complete(m)) return m;
    eyas_free(m);
    return NULL;
}

API Model *eyas_open(const char *path) {
    Gguf *g = gguf_open(path);
    Model *m = g ? model_of(g) : NULL;
    if (!m) blame(path);
    gguf_close(g);
    return m;
}

// --- The memory of what was read. Each layer keeps a key and a value for every token and key-value head. Sixteen
// tokens make a page, and a sequence is a list of pages, so sequences grow without copying and share the pages of a
// common beginning. Within a page and head, keys lie as [head_dim][16] (one load brings a number of sixteen tokens, as
// in the packed matrices), values as [16][value_dim], value_dim being head_dim rounded up to whole vectors.

enum { PAGE = 16, BATCH = 256, ROWS = 16 }; // ROWS: of logits that are computed together, since they are large

typedef struct {
    int32_t *pages;
    int length, room; // tokens; pages that the list has room for
    bool used;
} Sequence;

typedef struct { int token, count; } Span; // tokens of one sequence that stand together in a batch

typedef struct Engine Engine;
typedef void TokenWork(const Engine *e, int token);

struct Engine {
    Model *model;
    Pool pool;
    float *pages;         // [page][layer][kv head][keys, then values]
    size_t pages_size, head_size, page_size; // bytes; floats of a head in a page; floats of a page
    int value_dim, n_pages, n_free;
    int32_t *free_pages, *owners; // the stack of unused pages; how many sequences hold each page
    Sequence *sequences;
    int n_sequences;
    _Atomic bool cancelled, running;
    // What a batch of up to BATCH tokens needs on its way
    char *memory;         // all of it
    float *x, *q, *k, *v, *seen, *gate, *up, *cos, *sin, *scores, *logits;
    Input narrow, heads, wide; // inputs of width n_embd, n_head * head_dim and n_ff
    Span spans[BATCH];
    int scores_size, count, n_spans;
    const int32_t *tokens, *at, *positions; // sequence and position of each token of the batch
    int layer;
    TokenWork *work;
};

static int pages_for(int tokens) { return (tokens + PAGE - 1) / PAGE; }

static float *page_at(const Engine *e, int page) { return e->pages + (size_t)page * e->page_size; }

static float *head_page(const Engine *e, int page, int layer, int head) {
    return page_at(e, page) + ((size_t)layer * e->model->shape.n_kv_head + head) * e->head_size;
}

static Sequence *sequence_of(const Engine *e, int number) {
    bool there = number >= 0 && number < e->n_sequences && e->sequences[number].used;
    if (!there) fail("there is no sequence %d", number);
    return there ? &e->sequences[number] : NULL;
}

static bool list_room(Sequence *q, int pages) {
    if (pages <= q->room) return true;
    int32_t *more = realloc(q->pages, (size_t)pages * 2 * sizeof *more);
    if (!more) return fail("there is no memory for a list of pages");
    q->pages = more, q->room = pages * 2;
    return true;
}

// Room for one more token, on a page that is this sequence's own: others may hold its last one as well, after a fork.
// Pages come out clean, so that nothing of an earlier owner can be read.
static bool token_room(Engine *e, Sequence *q) {
    int last = q->length / PAGE, old = q->length % PAGE ? q->pages[last] : -1;
    if (old >= 0 && e->owners[old] == 1) return true;
    if (!e->n_free)
        return fail("the key-value memory of %d tokens is full; release sequences or make it larger",
                    e->n_pages * PAGE);
    if (!list_room(q, last + 1)) return false;
    int page = q->pages[last] = e->free_pages[--e->n_free];
    e->owners[page] = 1;
    if (old >= 0) e->owners[old]--, memcpy(page_at(e, page), page_at(e, old), e->page_size * sizeof(float));
    else memset(page_at(e, page), 0, e->page_size * sizeof(float));
    return true;
}

API int eyas_sequence(Engine *e) {
    int number = 0;
    while (number < e->n_sequences && e->sequences[number].used) number++;
    if (number == e->n_sequences) {
        int more = e->n_sequences * 2 + 16;
        Sequence *list = realloc(e->sequences, (size_t)more * sizeof *list);
        if (!list) return fail("there is no memory for more sequences"), -1;
        memset(list + e->n_sequences, 0, (size_t)(more - e->n_sequences) * sizeof *list);
        e->sequences = list, e->n_sequences = more;
    }
    e->sequences[number].used = true;
    return number;
}

// The sequence of that number, when it has `length` tokens or more.
static Sequence *sequence_with(const Engine *e, int number, int length) {
    Sequence *q = sequence_of(e, number);
    if (!q || (length >= 0 && length <= q->length)) return q;
    return fail("sequence %d has %d tokens, not %d", number, q->length, length), NULL;
}

API int eyas_truncate(Engine *e, int number, int length) {
    Sequence *q = sequence_with(e, number, length);
    if (!q) return -1;
    for (int i = pages_for(length); i < pages_for(q->length); i++)
        if (--e->owners[q->pages[i]] == 0) e->free_pages[e->n_free++] = q->pages[i];
    q->length = length;
    return 0;
}

API int eyas_release(Engine *e, int number) {
    if (eyas_truncate(e, number, 0)) return -1;
    free(e->sequences[number].pages);
    e->sequences[number] = (Sequence){0};
    return 0;
}

API int eyas_length(Engine *e, int number) {
    Sequence *q = sequence_of(e, number);
    return q ? q->length : -1;
}

// A sequence that begins as `from` does: whole pages are shared, the last one, if begun, is copied.
API int eyas_fork(Engine *e, int from, int length) {
    int number = sequence_with(e, from, length) ? eyas_sequence(e) : -1;
    if (number < 0) return -1;
    Sequence *twin = &e->sequences[number];
    if (!list_room(twin, pages_for(length) + 1)) return eyas_release(e, number), -1;
    for (int i = 0; i < pages_for(length); i++) e->owners[twin->pages[i] = e->sequences[from].pages[i]]++;
    twin->length = length;
    if (length % PAGE && !token_room(e, twin)) return eyas_release(e, number), -1;
    return number;
}

// --- Attention: for each token and head, how well its query fits the key of every token up to its own, and the mean of
// their values, weighed by that. Up to four queries that read the same keys go together: heads that share them, or
// neighbouring tokens.

// A query sees the first `length` tokens: `scores` says how well they fit, `out` is the mean.
typedef struct { const float *at; float *scores, *out; int length; } Query;

KERNEL fit_pages(const Engine *e, const Query *query, const int32_t *pages, int head, int first, const int T,
                 const int G) {
    const float *keys[4];
    Lanes sum[4][4];
    UNROLL for (int g = 0; g < G; g++) keys[g] = head_page(e, pages[first + g], e->layer, head);
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int g = 0; g < G; g++) sum[t][g] = set(0);
    for (int d = 0; d < e->model->shape.head_dim; d++) {
        Lanes key[4];
        UNROLL for (int g = 0; g < G; g++) key[g] = load(keys[g] + 16 * d);
        UNROLL for (int t = 0; t < T; t++) {
            Lanes value = set(query[t].at[d]);
            UNROLL for (int g = 0; g < G; g++) sum[t][g] = fma_(key[g], value, sum[t][g]);
        }
    }
    UNROLL for (int t = 0; t < T; t++)
        UNROLL for (int g = 0; g < G; g++) store(query[t].scores + PAGE * (first + g), sum[t][g]);
}

// Scores to weights, unnormalised; gives back 1 / their sum. Beyond its own token a query's weights are 0.
static float soften(const Query *r, float scale, int pages) {
    int own = pages_for(r->length);
    for (int i = r->length; i < own * PAGE; i++) r->scores[i] = -INFINITY;
    Lanes most = load(r->scores), total = set(0);
    for (int p = 1; p < own; p++) most = larger(most, load(r->scores + PAGE * p));
    Lanes under = set(-largest_of(most) * scale);
    for (int p = 0; p < own; p++) {
        float *scores = r->scores + PAGE * p;
        store(scores, exponential(fma_(load(scores), set(scale), under)));
        Lanes weights = load_some(scores, r->length - PAGE * p, 0);
        store(scores, weights);
        total = add(total, weights);
    }
    memset(r->scores + PAGE * own, 0, (size_t)(pages - own) * PAGE * sizeof(float));
    return 1 / sum_of(total);
}

// The means: V vectors of each value, from `column` on. Narrow heads keep several sums, taken in turn by the tokens,
// since one alone would wait for itself.
KERNEL gather(const Engine *e, const Query *query, const float *share, const int32_t *pages, int head, int column,
              const int T, const int V) {
    const int turns = V == 1 ? 4 : V == 2 ? 2 : 1;
    int longest = 0, head_dim = e->model->shape.head_dim;
    Lanes sum[4][4];
    UNROLL for (int t = 0; t < T; t++) {
        longest = query[t].length > longest ? query[t].length : longest;
        UNROLL for (int i = 0; i < V * turns; i++) sum[t][i] = set(0);
    }
    for (int p = 0; p * PAGE < longest; p++) {
        const float *values = head_page(e, pages[p], e->layer, head) + PAGE * head_dim + column;
        int count = longest - p * PAGE < PAGE ? longest - p * PAGE : PAGE;
        for (int i = 0; i < count; i += turns) // what lies beyond has weight 0
            UNROLL for (int turn = 0; turn < turns; turn++, values += e->value_dim) {
                Lanes value[4];
                UNROLL for (int j = 0; j < V; j++) value[j] = load(values + 16 * j);
                UNROLL for (int t = 0; t < T; t++) {
                    Lanes weight = set(query[t].scores[PAGE * p + i + turn]);
                    UNROLL for (int j = 0, at = V * turn; j < V; j++, at++)
                        sum[t][at] = fma_(value[j], weight, sum[t][at]);
                }
            }
    }
    int wanted = head_dim - column < 16 * V ? head_dim - column : 16 * V;
    UNROLL for (int t = 0; t < T; t++) {
        float out[64];
        UNROLL for (int j = 0; j < V; j++) {
            UNROLL for (int turn = 1; turn < turns; turn++) sum[t][j] = add(sum[t][j], sum[t][V * turn + j]);
            store(out + 16 * j, mul(sum[t][j], set(share[t])));
        }
        memcpy(query[t].out + column, out, (size_t)wanted * sizeof(float));
    }
}

KERNEL attend(const Engine *e, const Query *query, const int32_t *pages, int head, const int T) {
    int longest = 0, p = 0, column = 0;
    float share[4];
    for (int t = 0; t < T; t++) longest = query[t].length > longest ? query[t].length : longest;
    int count = pages_for(longest);
    for (; p + 4 <= count; p += 4) fit_pages(e, query, pages, head, p, T, 4);
    for (; p < count; p++) fit_pages(e, query, pages, head, p, T, 1);
    for (int t = 0; t < T; t++) share[t] = soften(&query[t], 1 / sqrtf((float)e->model->shape.head_dim), count);
    for (; column + 64 <= e->value_dim; column += 64) gather(e, query, share, pages, head, column, T, 4);
    int rest = (e->value_dim - column) / 16;
    if (rest == 3) gather(e, query, share, pages, head, column, T, 3);
    if (rest == 2) gather(e, query, share, pages, head, column, T, 2);
    if (rest == 1) gather(e, query, share, pages, head, column, T, 1);
}

// One key-value head for the tokens of one span.
static void attention_chunk(void *job, int chunk, int worker) {
    const Engine *e = job;
    const Shape *s = &e->model->shape;
    const Span *span = &e->spans[chunk / s->n_kv_head];
    int head = chunk % s->n_kv_head, sharing = s->n_head / s->n_kv_head, count = span->count * sharing, held = 0;
    const int32_t *pages = e->sequences[e->at[span->token]].pages;
    Query queries[4];
    for (int i = 0; i < count; i++) {
        int token = span->token + i / sharing;
        size_t start = ((size_t)token * s->n_head + head * sharing + i % sharing) * s->head_dim;
        float *scores = e->scores + (size_t)(worker * 4 + held) * e->scores_size;
        queries[held++] = (Query){e->q + start, scores, e->seen + start, e->positions[token] + 1};
        if (held == 4) attend(e, queries, pages, head, 4), held = 0;
    }
    if (held >= 2) attend(e, queries, pages, head, 2);
    if (held % 2) attend(e, queries + held - 1, pages, head, 1);
}

// --- The Transformer

static void normalize(float *out, const float *x, const float *weight, int n, float eps) {
    Lanes squares = set(0);
    for (int i = 0; i < n; i += 16) {
        Lanes some = load_some(x + i, n - i, 0);
        squares = fma_(some, some, squares);
    }
    float scale = 1 / sqrtf(sum_of(squares) / (float)n + eps);
    for (int i = 0; i < n; i++) out[i] = x[i] * scale * weight[i];
}

// Turn each pair of numbers by an angle that grows with the position (RoPE, Su et al. 2021).
static void rotate(const Shape *s, float *head, const float *cos, const float *sin) {
    int half = s->head_dim / 2, step = s->rope_interleaved ? 2 : 1, apart = s->rope_interleaved ? 1 : half;
    for (int i = 0; i < half; i++) {
        float a = head[i * step], b = head[i * step + apart];
        head[i * step] = a * cos[i] - b * sin[i];
        head[i * step + apart] = b * cos[i] + a * sin[i];
    }
}

static void embed_token(const Engine *e, int t) {
    const Shape *s = &e->model->shape;
    int half = s->head_dim / 2;
    matrix_row(&e->model->embed, e->tokens[t], e->x + (size_t)t * s->n_embd);
    for (int i = 0; i < half; i++) {
        float frequency = 1.0f / powf(s->rope_theta, (float)(2 * i) / (float)s->head_dim);
        float angle = (float)e->positions[t] * frequency / e->model->rope_factors[i];
        e->cos[t * half + i] = cosf(angle), e->sin[t * half + i] = sinf(angle);
    }
}

// Token `t` of the batch, normed, as the `at`-th input of width n_embd.
static float *norm_token(const Engine *e, int t, int at, const float *norm, const Matrix *const *readers, int count) {
    const Shape *s = &e->model->shape;
    float *normed = e->narrow.f32 + (size_t)at * s->n_embd;
    normalize(normed, e->x + (size_t)t * s->n_embd, norm, s->n_embd, s->norm_eps);
    prepare(&e->narrow, at, normed, readers, count);
    return normed;
}

static void before_attention(const Engine *e, int t) {
    const Layer *l = &e->model->layers[e->layer];
    norm_token(e, t, t, l->attn_norm, (const Matrix *[]){&l->q, &l->k, &l->v}, 3);
}

// Queries and keys get their position, keys and values go to memory.
static void remember(const Engine *e, int t) {
    const Shape *s = &e->model->shape;
    const Layer *l = &e->model->layers[e->layer];
    int half = s->head_dim / 2, position = e->positions[t];
    int page = e->sequences[e->at[t]].pages[position / PAGE], slot = position % PAGE;
    const float *cos = e->cos + (size_t)t * half, *sin = e->sin + (size_t)t * half;
    for (int h = 0; h < s->n_head; h++) {
        float *query = e->q + ((size_t)t * s->n_head + h) * s->head_dim;
        if (s->qk_norm) normalize(query, query, l->q_norm, s->head_dim, s->norm_eps);
        rotate(s, query, cos, sin);
    }
    for (int h = 0; h < s->n_kv_head; h++) {
        size_t here = ((size_t)t * s->n_kv_head + h) * s->head_dim;
        float *key = e->k + here, *keys = head_page(e, page, e->layer, h), *values = keys + PAGE * s->head_dim;
        if (s->qk_norm) normalize(key, key, l->k_norm, s->head_dim, s->norm_eps);
        rotate(s, key, cos, sin);
        for (int d = 0; d < s->head_dim; d++) keys[PAGE * d + slot] = key[d];
        memcpy(values + (size_t)slot * e->value_dim, e->v + here, (size_t)s->head_dim * sizeof(float));
    }
}

static void after_attention(const Engine *e, int t) {
    const Layer *l = &e->model->layers[e->layer];
    prepare(&e->heads, t, e->seen + (size_t)t * e->heads.columns, (const Matrix *[]){&l->o}, 1);
}

static void before_mlp(const Engine *e, int t) {
    const Layer *l = &e->model->layers[e->layer];
    norm_token(e, t, t, l->mlp_norm, (const Matrix *[]){&l->gate, &l->up}, 2);
}

// silu(gate) * up, silu(z) = z / (1 + e^-z)
static void open_gates(const Engine *e, int t) {
    const Layer *l = &e->model->layers[e->layer];
    int n = e->model->shape.n_ff;
    float *gate = e->gate + (size_t)t * n, *up = e->up + (size_t)t * n;
    for (int i = 0; i < n; i += 16) {
        Lanes z = load_some(gate + i, n - i, 0), u = load_some(up + i, n - i, 0);
        store_some(gate + i, mul(divide(z, add(set(1), exponential(mul(set(-1), z)))), u), n - i);
    }
    prepare(&e->wide, t, gate, (const Matrix *[]){&l->down}, 1);
}

static void token_chunk(void *job, int token, int worker) {
    const Engine *e = job;
    (void)worker;
    e->work(e, token);
}

// Work on each token of the batch: shared among threads when there are many, since starting costs something too.
static void each_token(Engine *e, TokenWork *work) {
    e->work = work;
    if (e->count >= 4) in_parallel(&e->pool, token_chunk, e, e->count);
    else for (int t = 0; t < e->count; t++) work(e, t);
}

// The whole Transformer. Each token is a vector x of n_embd numbers. Every layer adds to it twice: what the token
// gathers from the tokens before it (attention), and what it makes of that (the feed-forward network).
// Gives back false when cancelled.
static bool transform(Engine *e) {
    Model *m = e->model;
    Pool *pool = &e->pool;
    each_token(e, embed_token);
    for (e->layer = 0; e->layer < m->shape.n_layer; e->layer++) {
        Layer *l = &m->layers[e->layer];
        if (atomic_load(&e->cancelled)) return false;

        each_token(e, before_attention);
        Product looks[] = {{&l->q, e->q, l->q_bias, 0}, {&l->k, e->k, l->k_bias, 0}, {&l->v, e->v, l->v_bias, 0}};
        multiply(pool, &e->narrow, e->count, looks, 3);
        each_token(e, remember);
        in_parallel(pool, attention_chunk, e, e->n_spans * m->shape.n_kv_head);
        each_token(e, after_attention);
        multiply(pool, &e->heads, e->count, (Product[]){{&l->o, e->x, NULL, true}}, 1);

        each_token(e, before_mlp);
        multiply(pool, &e->narrow, e->count, (Product[]){{&l->gate, e->gate, NULL, 0}, {&l->up, e->up, NULL, 0}}, 2);
        each_token(e, open_gates);
        multiply(pool, &e->wide, e->count, (Product[]){{&l->down, e->x, NULL, true}}, 1);
    }
    return true;
}

// log of the probability that the logits give to `id`
static float largest_in(const float *x, int n) {
    Lanes most = set(-INFINITY);
    for (int i = 0; i < n; i += 16) most = larger(most, load_some(x + i, n - i, -INFINITY));
    return largest_of(most);
}

static float log_probability(const float *logits, int n, int id) {
    float largest = largest_in(logits, n);
    Lanes total = set(0);
    for (int i = 0; i < n; i += 16)
        total = add(total, exponential(add(load_some(logits + i, n - i, -INFINITY), set(-largest))));
    return logits[id] - largest - logf(sum_of(total));
}

// --- Running it

API void eyas_cancel(Engine *e) {
    if (atomic_load(&e->running)) atomic_store(&e->cancelled, true);
}

static bool check_batch(Engine *e, int n, const int32_t *tokens, const int32_t *sequences, const int32_t *positions) {
    const Shape *s = &e->model->shape;
    if (n < 1) return fail("there are no tokens to read");
    for (int i = 0; i < n; i++) {
        Sequence *q = sequence_of(e, sequences[i]);
        if (!q) return false;
        if (tokens[i] < 0 || tokens[i] >= s->vocab_size)
            return fail("token %d lies beyond the model's vocabulary of %d", tokens[i], s->vocab_size);
        if (positions[i] >= s->max_seq_len)
            return fail("%u tokens do not fit the model's context of %d", positions[i] + 1u, s->max_seq_len);
        if (positions[i] != q->length)
            return fail("sequence %d goes on at position %d, not %d", sequences[i], q->length, positions[i]);
        if (!token_room(e, q)) return false;
        q->length++;
    }
    return true;
}

// What the caller wants of each token that is read; see eyas_forward.
typedef struct {
    const uint8_t *want;
    float *logits, *hidden;
    const int32_t *targets;
    float *logprobs;
    int rows; // written so far
} Answers;

// What the `row`-th of the logits computed together says of a token, to where the caller wants it.
static void answer_token(const Engine *e, Answers *a, int token, int row) {
    const Shape *s = &e->model->shape;
    const float *logits = e->logits + (size_t)row * s->vocab_size, *normed = e->narrow.f32 + (size_t)row * s->n_embd;
    int target = a->targets && a->logprobs ? a->targets[token] : -1;
    if (target >= 0)
        a->logprobs[token] = target < s->vocab_size ? log_probability(logits, s->vocab_size, target) : -INFINITY;
    if (!a->want || !a->want[token]) return;
    size_t at = (size_t)a->rows++;
    if (a->logits) memcpy(a->logits + at * s->vocab_size, logits, (size_t)s->vocab_size * sizeof(float));
    if (a->hidden) memcpy(a->hidden + at * s->n_embd, normed, (size_t)s->n_embd * sizeof(float));
}

// The tokens of the batch that somebody asked for: the final norm, then a product with the head (or the table of
// embeddings). The batch's first token was given as `start`.
static void answer_batch(Engine *e, Answers *a, int start) {
    const Matrix *head = e->model->shape.tie_embeddings ? &e->model->embed : &e->model->head;
    bool need = a->logits || (a->targets && a->logprobs);
    for (int t = 0; t < e->count;) {
        int which[ROWS], rows = 0;
        for (; t < e->count && rows < ROWS; t++)
            if ((a->want && a->want[start + t]) || (a->targets && a->targets[start + t] >= 0)) which[rows++] = t;
        for (int row = 0; row < rows; row++) norm_token(e, which[row], row, e->model->norm, &head, need);
        if (need && rows) multiply(&e->pool, &e->narrow, rows, (Product[]){{head, e->logits, NULL, false}}, 1);
        for (int row = 0; row < rows; row++) answer_token(e, a, start + which[row], row);
    }
}

// Reads n tokens, in any mixture of sequences, each at the position where its sequence goes on. Where want[i] is set,
// the next row of `logits` and of `hidden` (what the head reads) is that token's; where targets[i] >= 0, logprobs[i] is
// the log-probability of that id behind it. Any of the four may be NULL. 0: done; else all sequences are as before, and
// 1 means cancelled, -1 failed.
API int eyas_forward(Engine *e, int n, const int32_t *tokens, const int32_t *sequences, const int32_t *positions,
                     const uint8_t *want, float *logits, float *hidden, const int32_t *targets, float *logprobs) {
    Answers answers = {want, logits, hidden, targets, logprobs, 0};
    int few = 16 * e->model->shape.n_kv_head / e->model->shape.n_head; // tokens in a chunk of attention
    int *before = grab((size_t)e->n_sequences * sizeof *before);
    if (!before) return -1;
    for (int i = 0; i < e->n_sequences; i++) before[i] = e->sequences[i].length;
    atomic_store(&e->cancelled, false), atomic_store(&e->running, true);
    pool_enter(&e->pool);
    int status = check_batch(e, n, tokens, sequences, positions) ? 0 : -1;
    for (int start = 0; !status && start < n; start += BATCH) {
        e->count = n - start < BATCH ? n - start : BATCH, e->n_spans = 0;
        e->tokens = tokens + start, e->at = sequences + start, e->positions = positions + start;
        for (int i = 0; i < e->count; i++) {
            Span *last = e->n_spans ? &e->spans[e->n_spans - 1] : NULL;
            if (last && e->at[i] == e->at[last->token] && last->count < few) last->count++;
            else e->spans[e->n_spans++] = (Span){i, 1};
        }
        if (transform(e)) answer_batch(e, &answers, start);
        else status = 1;
    }
    for (int i = 0; status && i < e->n_sequences; i++)
        if (e->sequences[i].used) eyas_truncate(e, i, before[i]);
    atomic_store(&e->running, false);
    pool_leave(&e->pool);
    free(before);
    return status;
}

static void *carve(char *memory, size_t *used, size_t bytes) {
    void *at = memory ? memory + *used : NULL;
    *used += round_up(bytes, 64);
    return at;
}

// Lays out what the engine works with from `memory` on and gives back how many bytes that takes (NULL: only that).
static size_t lay_out(Engine *e, char *memory, int threads) {
    const Shape *s = &e->model->shape;
    size_t used = 0, each = BATCH * sizeof(float), width = (size_t)s->head_dim;
    size_t queries = width * s->n_head, shared = width * s->n_kv_head;
    const struct { float **at; size_t bytes; } parts[] = {
        {&e->x, each * s->n_embd}, {&e->q, each * queries}, {&e->k, each * shared}, {&e->v, each * shared},
        {&e->seen, each * queries}, {&e->gate, each * s->n_ff}, {&e->up, each * s->n_ff},
        {&e->cos, each * width / 2}, {&e->sin, each * width / 2},
        {&e->scores, (size_t)threads * 4 * e->scores_size * sizeof(float)},
        {&e->logits, ROWS * (size_t)s->vocab_size * sizeof(float)},
    };
    for (int i = 0; i < LENGTH(parts); i++) *parts[i].at = carve(memory, &used, parts[i].bytes);
    e->free_pages = carve(memory, &used, (size_t)e->n_pages * sizeof *e->free_pages);
    e->owners = carve(memory, &used, (size_t)e->n_pages * sizeof *e->owners);
    Input *inputs[] = {&e->narrow, &e->heads, &e->wide};
    size_t widths[] = {(size_t)s->n_embd, queries, (size_t)s->n_ff};
    for (int i = 0; i < LENGTH(inputs); i++) {
        size_t n = BATCH * widths[i];
        *inputs[i] = (Input){carve(memory, &used, 4 * n), carve(memory, &used, 2 * n), carve(memory, &used, n),
                             carve(memory, &used, n / 8), carve(memory, &used, n / 8), (int)widths[i]};
    }
    return used;
}

API void eyas_engine_free(Engine *e) {
    if (!e) return;
    if (e->pool.threads) pool_stop(&e->pool);
    for (int i = 0; i < e->n_sequences; i++) free(e->sequences[i].pages);
    if (e->pages) munmap(e->pages, e->pages_size);
    free(e->sequences);
    free(e->memory);
    free(e);
}

static double multiplying(const Shape *s) { // parameters that a token is multiplied with
    double layer = (double)s->n_embd * s->head_dim * (2.0 * s->n_head + 2.0 * s->n_kv_head) + 3.0 * s->n_embd * s->n_ff;
    return s->n_layer * layer + (double)s->vocab_size * s->n_embd;
}

API Engine *eyas_engine(Model *m, int threads, int64_t kv_tokens) {
    const Shape *s = &m->shape;
    if (!complete(m)) return NULL;
    if (kv_tokens < 1 || kv_tokens > INT32_MAX / 2)
        return fail("room for %lld tokens makes no sense", (long long)kv_tokens), NULL;
    Engine *e = grab(sizeof *e);
    if (!e) return NULL;
    if (threads <= 0) threads = multiplying(s) < 1e6 ? 1 : processors();
    if (threads > LENGTH(e->pool.workers)) threads = LENGTH(e->pool.workers);
    e->model = m;
    e->value_dim = (s->head_dim + 15) / 16 * 16;
    e->head_size = (size_t)PAGE * (size_t)(s->head_dim + e->value_dim);
    e->page_size = e->head_size * (size_t)s->n_layer * (size_t)s->n_kv_head;
    e->n_pages = pages_for((int)kv_tokens);
    e->scores_size = (int)round_up((uint64_t)(s->max_seq_len < kv_tokens ? s->max_seq_len : kv_tokens) + 1, PAGE);
    e->pages_size = (size_t)e->n_pages * e->page_size * sizeof(float);
    void *pages = mmap(NULL, e->pages_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    e->pages = pages == MAP_FAILED ? NULL : pages;
    e->memory = grab(lay_out(e, NULL, threads));
    if (!e->pages || !e->memory) {
        fail("there is no memory to run this model with room for %lld tokens", (long long)kv_tokens);
        return eyas_engine_free(e), NULL;
    }
    lay_out(e, e->memory, threads);
    for (int i = 0; i < e->n_pages; i++) e->free_pages[e->n_free++] = e->n_pages - 1 - i;
    pool_start(&e->pool, threads);
    return e;
}

API const char *eyas_simd(void) { return SIMD; }

/* ---- 5. Choosing the next word --------------------------------------------------------------------------------------
 *
 * Temperature, then the likeliest top_k, then the likeliest that together hold top_p, then those of at least min_p
 * times the likeliest's probability; from what remains one is drawn. Temperature 0 takes the likeliest.
 */

typedef struct { float temperature, top_p, min_p, repetition_penalty; int32_t top_k; } Choice;

// A candidate's key: of the likeliest the smallest, of equals that of the smaller id, which is the lower half.
static uint64_t key_of(float x, int id) { return rising(-x) << 32 | (uint32_t)id; }
static int id_of(uint64_t key) { return (int)(uint32_t)key; }

static int by_id(const void *a, const void *b) { return id_of(*(const uint64_t *)a) - id_of(*(const uint64_t *)b); }

// Cut `keys` (n of them) down to what top_k and top_p keep, by rising id; gives back where they begin.
static int keep_likeliest(const float *x, uint64_t *keys, int n, const Choice *c, float most) {
    Heap heap = {keys, n};
    double total = 0, held = 0;
    bool limited = c->top_k > 0 && c->top_k < n;
    for (int i = n / 2 - 1; i >= 0; i--) heap_sink(&heap, i);
    if (limited) // the first k, and those that equal the last of them
        while (heap.count && (n - heap.count < c->top_k || keys[0] >> 32 == keys[heap.count] >> 32)) heap_pop(&heap);
    int first = limited ? heap.count : 0; // the candidates of top_p
    for (int i = first; i < n; i++) total += expf(x[id_of(keys[i])] - most);
    if (c->top_p < 1) {
        int last = n; // walk from the likeliest: it stays, and others while those before them hold less than top_p
        while (last > first && (last == n || held < c->top_p)) {
            if (last == heap.count) heap_pop(&heap);
            held += expf(x[id_of(keys[--last])] - most) / total;
        }
        first = last;
    }
    qsort(keys + first, (size_t)(n - first), sizeof *keys, by_id);
    return first;
}

static int draw_one(float *x, uint64_t *keys, int n, const Choice *c, float most, double draw) {
    bool filtered = (c->top_k > 0 && c->top_k < n) || c->top_p < 1;
    int first = filtered ? keep_likeliest(x, keys, n, c, most) : 0, last = first, id = -1;
    float least = c->min_p > 0 ? most + logf(fminf(c->min_p, 1)) : -INFINITY;
    double total = 0, sum = 0;
    for (int i = first; i < n; i++) {
        id = id_of(keys[i]);
        x[id] = x[id] < least ? 0 : expf(x[id] - most);
        if (x[id] > 0) last = i;
        total += x[id];
    }
    for (int i = first; i <= last && sum <= draw * total; i++) sum += x[id = id_of(keys[i])];
    return id;
}

// --- Most words are chosen from all, without masks, penalties or filters. Then nothing need be sorted.

static int likeliest(const float *x, int n) { // -1 when there is none
    float largest = largest_in(x, n);
    for (int from = 0, found = 0; from < n && isfinite(largest); from += 256) {
        int to = from + 256 < n ? from + 256 : n;
        for (int i = from; i < to; i++) found |= x[i] == largest; // without a way out, so many at a time
        for (int i = from; found && i < to; i++)
            if (x[i] == largest) return i;
    }
    return -1;
}

// weights[i] = e^(scale (x[i] - most)), 0 below e^least; gives their sum.
static double weigh(const float *x, float *weights, int n, float most, float scale, float least) {
    Lanes total = set(0);
    for (int i = 0; i < n; i += 16) {
        Lanes power = mul(add(load_some(x + i, n - i, -INFINITY), set(-most)), set(scale));
        Lanes weight = unless_below(power, set(least), exponential(power));
        store_some(weights + i, weight, n - i);
        total = add(total, weight);
    }
    return sum_of(total);
}

// Draws one of all: first a block of them by its weight, then one of the block.
static int draw_from_all(const float *x, int n, const Choice *c, double draw) {
    int best = likeliest(x, n), block = (n / 256 + 16) / 16 * 16, blocks = 0, at = 0, id = -1;
    float scale = 1 / c->temperature, least = c->min_p > 0 ? fmaxf(logf(fminf(c->min_p, 1)), -87) : -87;
    double sums[256], total = 0, sum = 0;
    float *weights = best < 0 || !isfinite(scale) ? NULL : grab((size_t)n * sizeof *weights);
    if (!weights) return -1;
    for (int i = 0; i < n; i += block)
        total += sums[blocks++] = weigh(x + i, weights + i, n - i < block ? n - i : block, x[best], scale, least);
    while (at < blocks - 1 && sum + sums[at] <= draw * total) sum += sums[at++];
    for (int i = at * block; i < n && (id < 0 || sum <= draw * total); i++)
        if (weights[i] > 0) sum += weights[id = i];
    free(weights);
    return id;
}

// --- The other words, and numbers that are none.

static int pick_with_care(const float *logits, int n, const Choice *c, const uint32_t *mask, const int32_t *recent,
                          int n_recent, double draw) {
    float *x = grab((size_t)n * sizeof *x), most = -INFINITY;
    uint64_t *keys = grab((size_t)n * sizeof *keys);
    int allowed = 0, choice = -1;
    bool room = x && keys;
    if (room) memcpy(x, logits, (size_t)n * sizeof *x);
    for (int i = 0; room && c->repetition_penalty != 1 && i < n_recent; i++) {
        int id = recent[i];
        if (id < 0 || id >= n || x[id] != logits[id]) continue; // no such id, or done already
        x[id] = x[id] > 0 ? x[id] / c->repetition_penalty : x[id] * c->repetition_penalty;
    }
    bool draws = c->temperature > 0;
    for (int i = 0; room && i < n; i++)
        if ((!mask || mask[i / 32] >> (i % 32) & 1) && x[i] > -INFINITY) {
            if (x[i] > most) most = x[i], choice = i;
            if (draws) x[i] /= c->temperature;
            keys[allowed++] = key_of(x[i], i);
        }
    if (room && !allowed) fail("the mask leaves no token that may be said");
    most /= draws ? c->temperature : 1;
    if (allowed && draws && isfinite(most)) // else so cold that numbers overflow: as good as 0
        choice = draw_one(x, keys, allowed, c, most, draw);
    free(x);
    free(keys);
    return choice;
}

// mask: bit i allows id i (NULL: all). recent: ids that the penalty makes less likely. logprob: of what was taken,
// under the model's own distribution. -1 when nothing may be said.
API int eyas_pick(const float *logits, int n, const Choice *c, const uint32_t *mask, const int32_t *recent,
                  int n_recent, double draw, float *logprob) {
    bool draws = c->temperature > 0, filtered = draws && ((c->top_k > 0 && c->top_k < n) || c->top_p < 1);
    int choice = -1;
    if (!mask && !filtered && (c->repetition_penalty == 1 || n_recent == 0))
        choice = draws ? draw_from_all(logits, n, c, draw) : likeliest(logits, n);
    if (choice < 0) choice = pick_with_care(logits, n, c, mask, recent, n_recent, draw);
    if (choice >= 0 && logprob) *logprob = log_probability(logits, n, choice);
    return choice;
}

// Numbers in [0, 1) that depend on (seed, row) alone: Philox 4x64-10 (Salmon et al. 2011), the stream that NumPy's
// Generator(Philox(key=[seed, row])) draws from.
API double eyas_uniform(uint64_t seed, uint64_t row, uint64_t draw) {
    uint64_t x[4] = {draw / 4 + 1, 0, 0, 0}, key[2] = {seed, row};
    for (int round = 0; round < 10; round++) {
        unsigned __int128 a = (unsigned __int128)x[0] * 0xD2E7470EE14C6C93u;
        unsigned __int128 b = (unsigned __int128)x[2] * 0xCA5A826395121157u;
        uint64_t high_a = (uint64_t)(a >> 64), high_b = (uint64_t)(b >> 64);
        uint64_t next[4] = {high_b ^ x[1] ^ key[0], (uint64_t)b, high_a ^ x[3] ^ key[1], (uint64_t)a};
        memcpy(x, next, sizeof x);
        key[0] += 0x9E3779B97F4A7C15u, key[1] += 0xBB67AE8584CAA73Bu;
    }
    return (double)(x[draw % 4] >> 11) * 0x1p-53;
}

#ifndef EYAS_LIBRARY
/* ---- 6. The command line ----------------------------------------------------------------------------------------- */

static const char usage[] =
    "usage: ./run NAME.gguf [PROMPT] [options]      continue PROMPT, or begin a document\n"
    "       ./run NAME.gguf [PROMPT] --chat [...]   talk: PROMPT, then each line of the input, is a turn\n"
    "  --system TEXT            the system prompt of a chat\n";

// The options that take a number.
enum { LIMIT, TEMPERATURE, TOP_K, TOP_P, MIN_P, PENALTY, SEED, THREADS, CONTEXT, N_OPTIONS };
static const struct { const char *flag; double low, high; bool whole; double usual; const char *help; } options[] = {
    {"-n", 1, INT32_MAX, true, 256, "the most tokens to write, in a chat for each answer (256)"},
    {"--temperature", 0, 1e6, false, 0, "0 takes the likeliest token always, 1 draws as the model says (0)"},
    {"--top-k", 0, INT32_MAX, true, 0, "draw from the N likeliest tokens (0: all)"},
    {"--top-p", 1e-6, 1, false, 1, "draw from the likeliest tokens that hold this probability together (1)"},
    {"--min-p", 0, 1, false, 0, "leave out tokens below this share of the likeliest one's probability (0)"},
    {"--repetition-penalty", 1e-6, 1e6, false, 1, "make tokens that stand in the text less likely (1: no)"},
    {"--seed", 0, 1LL << 53, true, 0, "the same seed gives the same text (0)"},
    {"--threads", 0, 1024, true, 0, "(0: as many as help)"},
    {"--context", 0, INT32_MAX, true, 0,
     "tokens that prompt and answers may have together (0: the model's, at most 4096)"},
};

static bool print_usage(void) {
    fputs(usage, stdout);
    for (int i = 0; i < N_OPTIONS; i++)
        printf("  %s %c%*s%s\n", options[i].flag, options[i].whole ? 'N' : 'F', 23 - (int)strlen(options[i].flag), "",
               options[i].help);
    return fflush(stdout) == 0;
}

typedef struct {
    const char *file, *prompt, *system;
    bool chat, help;
    double number[N_OPTIONS];
} Wishes;

static bool parse_number(int option, const char *value, double *number) {
    char *end;
    *number = strtod(value, &end);
    bool good = end != value && !*end && *number >= options[option].low && *number <= options[option].high;
    if (good && (!options[option].whole || *number == floor(*number))) return true;
    return fail("%s must be a %snumber from %.10g to %.10g, not `%s`", options[option].flag,
                options[option].whole ? "whole " : "", options[option].low, options[option].high, value);
}

static bool parse_command(int argc, char **argv, Wishes *w) {
    bool only_words = false; // after "--"
    for (int i = 0; i < N_OPTIONS; i++) w->number[i] = options[i].usual;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (only_words || word[0] != '-' || !word[1]) {
            if (w->prompt) return fail("there is a word too many: `%s`; put a prompt of several words in quotes", word);
            if (w->file) w->prompt = word; else w->file = word;
            continue;
        }
        int option = 0;
        while (option < N_OPTIONS && strcmp(options[option].flag, word)) option++;
        bool system = !strcmp(word, "--system");
        if (!strcmp(word, "--")) only_words = true;
        else if (!strcmp(word, "--chat")) w->chat = true;
        else if (!strcmp(word, "--help") || !strcmp(word, "-h")) w->help = true;
        else if (!system && option == N_OPTIONS) return fail("there is no option `%s`; see ./run --help", word);
        else if (++i == argc) return fail("%s needs a value", word);
        else if (system) w->system = argv[i];
        else if (!parse_number(option, argv[i], &w->number[option])) return false;
    }
    if (w->system && !w->chat) return fail("--system is for chats; add --chat");
    return w->file || w->help || fail("name a GGUF file; see ./run --help");
}

// --- What the reader sees: whole characters, and in a chat neither thoughts nor calls of tools nor special tokens.

typedef struct {
    const Tokenizer *t;
    bool chat, terminal;
    bool hidden, called; // within a thought or a call; whether a tool was called
    bool drop_blank;     // SentencePiece begins every document with a blank that is not the document's
    int drop_lines;      // line ends still to leave out: the chat's form puts two behind a thought
    char held[4], last;  // bytes of a character that is not whole yet; the last byte shown
    size_t n_held;
} Screen;

static void show_char(Screen *s, const char *at, size_t size, uint32_t c) {
    if (c == BAD || c == CUT) at = bad_char, size = 3;
    // On a terminal no model may move the cursor or set the title.
    bool control = (c < ' ' && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0);
    if (s->terminal && control) printf("\\x%02x", c);
    else fwrite(at, 1, size, stdout);
    s->last = at[size - 1];
}

static void show_bytes(Screen *s, Text bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        bool dropped = (s->drop_blank && bytes.at[i] == ' ') || (s->drop_lines && bytes.at[i] == '\n');
        s->drop_lines = dropped && s->drop_lines ? s->drop_lines - 1 : 0;
        s->drop_blank = false;
        if (dropped) continue;
        s->held[s->n_held++] = bytes.at[i];
        for (uint32_t c; s->n_held;) {
            size_t size = read_char(s->held, s->n_held, &c);
            if (c == CUT) break;
            show_char(s, s->held, size, c);
            s->n_held -= size;
            memmove(s->held, s->held + size, s->n_held);
        }
    }
}

static void show_token(Screen *s, int32_t id) {
    const Token *token = &s->t->tokens[id];
    bool is_special = token->kind == CONTROL || token->kind == USER_DEFINED;
    if (s->chat && is_special) {
        bool thought = is(token->bytes, "</think>"), call = is(token->bytes, "<tool_call>");
        if (call || is(token->bytes, "<think>")) s->hidden = true;
        if (thought || is(token->bytes, "</tool_call>")) s->hidden = false, s->drop_lines = thought ? 2 : 0;
        s->called |= call;
    } else if (!s->hidden) {
        show_bytes(s, token->bytes);
    }
    fflush(stdout);
}

static void end_shown(Screen *s) {
    if (s->n_held) show_char(s, s->held, s->n_held, CUT);
    if (s->last != '\n') putchar('\n');
    if (s->called) fprintf(stderr, "[it called a tool; this program has none]\n");
    *s = (Screen){.t = s->t, .chat = s->chat, .terminal = s->terminal};
    fflush(stdout);
}

// --- Reading and writing

typedef struct {
    Tokenizer *words;
    Model *model;
    Engine *engine;
    Shape shape;
    Choice choice;
    uint64_t seed;
    int limit, context, sequence;
    Ids ids;                 // the text so far
    int read;                // how many of them the engine has read
    float *logits;           // of the token after the last one read
    double reading, writing; // seconds
    long n_read, n_written;
    Screen screen;
} Run;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// Lets the engine read the ids that it has not read yet.
static bool read_on(Run *r) {
    enum { CHUNK = 512 };
    int32_t sequences[CHUNK], positions[CHUNK];
    uint8_t want[CHUNK];
    while (r->read < r->ids.count) {
        int n = r->ids.count - r->read < CHUNK ? r->ids.count - r->read : CHUNK;
        for (int i = 0; i < n; i++) {
            sequences[i] = r->sequence;
            positions[i] = r->read + i;
            want[i] = r->read + i + 1 == r->ids.count;
        }
        if (eyas_forward(r->engine, n, r->ids.at + r->read, sequences, positions, want, r->logits, NULL, NULL, NULL))
            return false;
        r->read += n;
    }
    return true;
}

// Writes until the model ends, the limit, or the end of the context. This loop is all there is to "generation": read,
// choose one token of those the model expects, and read that.
static bool write_on(Run *r, uint64_t seed) {
    int known = r->shape.vocab_size < r->words->count ? r->shape.vocab_size : r->words->count;
    int room = r->context - r->ids.count, limit = room < r->limit ? room : r->limit;
    int n = 0, unread = r->ids.count - r->read;
    bool ended = false;
    double start = seconds();
    if (!read_on(r)) return false;
    double middle = seconds();
    for (; n < limit && !ended; n++) {
        if (!read_on(r)) return false;
        double draw = eyas_uniform(seed, 0, (uint64_t)n);
        int id = eyas_pick(r->logits, known, &r->choice, NULL, r->ids.at, r->ids.count, draw, NULL);
        if (id < 0) return false;
        ended = r->words->tokens[id].ends;
        if (!ended && !append(&r->ids, id)) return false;
        if (!ended) show_token(&r->screen, id);
        if (ferror(stdout)) return fail("the output cannot be written: %s", strerror(errno));
    }
    r->reading += middle - start, r->writing += seconds() - middle;
    r->n_read += unread, r->n_written += n;
    end_shown(&r->screen);
    if (!ended && limit == room) fprintf(stderr, "[cut off: the context of %d tokens is full]\n", r->context);
    return true;
}

// Continues `prompt` as a document: behind the token that begins one, where the model was trained with it.
static bool write_document(Run *r, const char *prompt) {
    const Tokenizer *t = r->words;
    Text text = text_of(prompt ? prompt : "");
    int32_t start = t->bos >= 0 ? t->bos : t->eos;
    bool marked = t->bos_first || text.size == 0;
    if (marked && start < 0) return fail("this model cannot begin a document from nothing; give it a prompt");
    if ((marked && !append(&r->ids, start)) || !encode(t, text, false, &r->ids)) return false;
    if (r->ids.count >= r->context)
        return fail("a prompt of %d tokens does not fit the context of %d", r->ids.count, r->context);
    show_bytes(&r->screen, text);
    r->screen.drop_blank = text.size == 0 && t->sentencepiece && t->space_first;
    return write_on(r, r->seed);
}

// --- Chats. A conversation is a document too, in a form (ChatML) that the model has learned to continue:
//
//     <|im_start|>user
//     Hello!<|im_end|>
//     <|im_start|>assistant
//     Hi. What can I do for you?<|im_end|>
//
// The marks are tokens of their own, which no text can spell: a user who types <|im_end|> does not end his turn.

static bool can_chat(const Tokenizer *t) {
    Text template;
    bool has = gguf_text(t->file, "tokenizer.chat_template", &template);
    if (has && !memmem(template.at, template.size, "<|im_start|>", 12))
        return fail("its chat template is not ChatML, the one form of chat this program knows");
    return (special(t, "<|im_start|>") >= 0 && special(t, "<|im_end|>") >= 0) ||
           fail("it has no chat tokens, so it cannot chat; give it a text to continue");
}

static bool end_turn(const Tokenizer *t, Ids *ids) {
    return append(ids, special(t, "<|im_end|>")) && encode(t, text_of("\n"), false, ids);
}

// Appends "<|im_start|>role\n" and `text`: encoded together, as the words of a chat always are.
static bool begin_turn(const Tokenizer *t, const char *role, Text text, Ids *ids) {
    size_t header = strlen(role) + 1;
    char *turn = grab(header + text.size + 1);
    if (!turn) return false;
    sprintf(turn, "%s\n", role);
    memcpy(turn + header, text.at, text.size);
    bool good = append(ids, special(t, "<|im_start|>")) && encode(t, (Text){turn, header + text.size}, false, ids);
    free(turn);
    return good;
}

// One turn: what was said before stays read, so only the new tokens cost time.
static bool answer(Run *r, Text said, int turn) {
    const Tokenizer *t = r->words;
    if (turn > 0 && !end_turn(t, &r->ids)) return false;
    if (!begin_turn(t, "user", said, &r->ids) || !end_turn(t, &r->ids)) return false;
    if (!begin_turn(t, "assistant", text_of(""), &r->ids)) return false;
    if (r->ids.count >= r->context)
        return fail("the conversation has outgrown the context of %d tokens; begin a new one", r->context);
    return write_on(r, r->seed + (uint64_t)turn);
}

static Text trimmed(Text line) {
    while (line.size && strchr(" \t\r\n", line.at[line.size - 1])) line.size--;
    while (line.size && strchr(" \t\r\n", *line.at)) line.at++, line.size--;
    return line;
}

static bool converse(Run *r, const Wishes *w) {
    if (!can_chat(r->words)) return blame(w->file);
    Text words = text_of(w->system ? w->system : "");
    bool good = !words.size || (begin_turn(r->words, "system", words, &r->ids) && end_turn(r->words, &r->ids));
    bool asks = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    int turn = 0;
    if (good && w->prompt) good = answer(r, text_of(w->prompt), turn++);
    char *line = NULL;
    size_t room = 0;
    while (good) {
        if (asks) fputs("> ", stdout), fflush(stdout);
        ssize_t size = getline(&line, &room, stdin);
        if (size < 0) break;
        Text said = trimmed((Text){line, (size_t)size});
        if (said.size) good = answer(r, said, turn++);
    }
    free(line);
    return good;
}

static bool start(Run *r, const Wishes *w) {
    const double *number = w->number;
    if (!(r->words = eyas_tokenizer(w->file)) || !(r->model = eyas_open(w->file))) return false;
    eyas_shape(r->model, &r->shape);
    int most = r->shape.max_seq_len;
    if (number[CONTEXT] > most)
        return fail("--context %.0f is more than the %d tokens of this model", number[CONTEXT], most);
    r->context = number[CONTEXT] ? (int)number[CONTEXT] : most < 4096 ? most : 4096;
    r->limit = (int)number[LIMIT];
    r->seed = (uint64_t)number[SEED];
    r->choice = (Choice){(float)number[TEMPERATURE], (float)number[TOP_P], (float)number[MIN_P], (float)number[PENALTY],
                         (int32_t)number[TOP_K]};
    r->screen = (Screen){.t = r->words, .chat = w->chat, .terminal = isatty(STDOUT_FILENO)};
    return (r->logits = grab((size_t)r->shape.vocab_size * sizeof(float))) &&
           (r->engine = eyas_engine(r->model, (int)number[THREADS], r->context)) &&
           (r->sequence = eyas_sequence(r->engine)) >= 0;
}

static void stop(Run *r) {
    free(r->ids.at);
    free(r->logits);
    eyas_engine_free(r->engine);
    eyas_free(r->model);
    eyas_tokenizer_free(r->words);
}

int main(int argc, char **argv) {
    Wishes w = {0};
    Run r = {0};
    if (!parse_command(argc, argv, &w)) return fprintf(stderr, "run: %s\n", failure), 2;
    if (w.help) return !print_usage();
    bool good = start(&r, &w) && (w.chat ? converse(&r, &w) : write_document(&r, w.prompt));
    if (!good) fprintf(stderr, "run: %s\n", failure);
    if (good && r.n_written)
        fprintf(stderr, "[read %ld tokens at %.0f a second, wrote %ld at %.0f a second]\n", r.n_read,
                (double)r.n_read / (r.reading + 1e-9), r.n_written, (double)r.n_written / (r.writing + 1e-9));
    stop(&r);
    return !good;
}
#endif

/* ---- 7. Letters, numbers and white space ----------------------------------------------------------------------------
 *
 * For part 3, of all Unicode. Each table is a walk through the characters: so many that do not belong to it, so many
 * that do, and so on in turn.
 */

/* generated by tools/unicode_tables.py */
static const uint16_t letter_runs[] = {
65,26,6,26,47,1,10,1,4,1,5,23,1,31,1,458,4,12,14,5,7,1,1,1,129,5,1,2,2,4,1,1,6,1,1,3,1,1,1,20,1,83,1,139,8,166,1,38,2,1,
6,41,71,27,4,4,45,43,35,2,1,99,1,1,15,2,7,2,10,3,2,1,16,1,1,30,29,89,11,1,24,33,9,2,4,1,5,22,4,1,9,1,3,1,23,25,7,11,5,
24,1,6,17,42,58,54,3,1,18,1,7,10,15,16,4,8,2,2,2,22,1,7,1,1,3,4,3,1,16,1,13,2,1,3,14,2,10,1,8,6,4,2,2,22,1,7,1,2,1,2,1,
2,31,4,1,1,19,3,16,9,1,3,1,22,1,7,1,2,1,5,3,1,18,1,15,2,23,1,11,8,2,2,2,22,1,7,1,2,1,5,3,1,30,2,1,3,15,1,17,1,1,6,3,3,1,
4,3,2,1,1,1,2,3,2,3,3,3,12,22,1,52,8,1,3,1,23,1,16,3,1,26,3,2,1,2,2,30,1,4,8,1,3,1,23,1,10,1,5,3,1,31,2,1,2,15,2,17,9,1,
3,1,41,2,1,16,1,5,3,8,3,24,6,5,18,3,24,1,9,1,1,2,7,58,48,1,2,12,7,58,2,1,1,1,5,1,24,1,1,1,10,1,2,9,1,2,5,1,1,21,4,32,1,
63,8,1,36,27,5,115,43,20,1,16,6,4,4,3,1,3,2,7,3,4,13,12,1,17,38,1,1,5,1,2,43,1,333,1,4,2,7,1,1,1,4,2,41,1,4,2,33,1,4,2,
7,1,1,1,4,2,15,1,57,1,4,2,67,37,16,16,86,2,6,3,620,2,17,1,26,5,75,6,8,7,18,13,19,14,18,14,13,1,3,15,52,35,1,4,1,67,89,7,
5,2,34,1,1,5,70,10,31,49,30,2,5,11,44,4,26,54,23,9,53,82,1,93,47,17,8,54,30,13,2,10,44,26,36,41,3,10,36,2,11,5,43,2,3,
41,4,1,6,1,2,3,1,5,192,64,278,2,6,2,38,2,6,2,8,1,1,1,1,1,1,1,31,2,53,1,7,1,1,3,3,1,7,3,4,2,6,4,13,5,3,1,7,116,1,13,1,16,
13,101,1,4,1,2,10,1,1,3,5,6,1,1,1,1,1,1,4,1,11,2,4,5,5,4,1,52,2,2683,229,6,4,3,2,12,38,1,1,5,1,2,56,7,1,16,23,9,7,1,7,1,
7,1,7,1,7,1,7,1,7,1,7,80,1,469,2,42,5,5,2,4,86,6,3,1,90,1,4,5,43,1,94,17,32,48,16,512,6592,64,22157,67,46,2,269,3,16,10,
2,20,47,16,31,2,70,49,9,2,103,2,67,2,2,1,1,1,8,21,16,1,3,1,4,1,23,29,52,14,50,62,6,3,1,1,2,11,28,10,23,25,29,7,47,28,1,
16,5,1,10,10,5,1,41,23,3,1,8,20,23,3,1,3,50,1,1,3,2,2,5,2,1,1,1,24,3,2,11,7,3,12,6,2,6,2,6,9,7,1,7,1,43,1,14,6,115,29,
11172,12,23,4,49,8452,366,2,106,38,7,12,5,5,1,1,10,1,13,1,5,1,1,1,2,1,2,1,108,33,363,18,64,2,54,40,12,116,5,1,135,36,26,
6,26,11,89,3,6,2,6,2,6,2,3,35,12,1,26,1,19,1,2,1,15,2,14,34,123,389,29,3,49,47,32,13,20,1,8,6,38,10,30,2,36,4,8,48,158,
18,36,4,36,4,40,8,52,12,11,1,15,1,7,1,2,1,11,1,15,1,7,1,2,3,52,12,311,9,22,10,8,24,6,1,42,1,9,69,6,2,1,1,44,1,2,3,1,2,
23,10,23,9,31,65,19,1,2,10,22,10,26,70,56,6,2,64,1,15,4,1,3,1,29,42,29,3,29,35,8,1,28,27,54,10,22,10,19,13,18,110,73,55,
51,13,51,13,36,38,28,9,23,250,42,6,2,16,3,59,29,10,1,8,22,42,18,46,21,27,23,12,53,57,2,2,1,13,45,32,25,26,36,29,1,2,1,8,
35,3,1,12,48,14,4,21,1,1,1,35,18,1,25,19,2,63,7,1,1,1,4,1,15,1,10,7,47,38,8,2,2,2,22,1,7,1,2,1,5,3,1,18,1,12,5,30,10,1,
1,2,1,1,38,1,1,25,1,1,1,44,53,18,4,20,3,30,48,20,2,1,1,184,47,41,4,36,48,20,1,59,43,13,1,71,27,37,7,185,44,116,64,31,8,
2,1,2,8,1,2,1,24,15,1,1,1,94,8,2,39,16,1,1,1,28,1,10,40,7,1,21,1,11,46,19,1,18,73,199,33,31,9,1,37,17,1,49,30,112,7,1,2,
1,38,21,1,25,6,1,2,1,32,14,1,327,19,15,1,1,13,1,34,124,1,79,922,230,196,2636,97,15,1072,17,6,25,3995,5,583,6841,30,1762,
569,7,31,17,79,17,30,18,48,16,4,31,21,5,19,432,45,211,64,128,75,5,1,66,13,64,2,1,1,28,6136,8,1238,41,10,8935,4,1,7,1,2,
1,291,15,1,29,3,2,1,14,4,8,396,2308,107,5,13,3,9,7,10,5990,85,1,71,1,2,2,1,2,2,2,4,1,12,1,1,1,7,1,65,1,4,2,8,1,7,1,28,1,
4,1,5,1,1,3,7,1,340,2,25,1,25,1,31,1,25,1,31,1,25,1,31,1,25,1,31,1,25,1,8,1844,31,6,6,261,62,146,45,10,7,16,1,321,30,18,
44,484,28,228,30,2,1,495,7,1,4,1,2,1,15,1,197,59,68,7,1,1204,4,1,27,1,2,1,1,2,1,1,10,1,4,1,1,1,1,6,1,4,1,1,1,1,1,1,3,1,
2,1,1,2,1,1,1,1,1,1,1,1,1,1,2,1,1,2,4,1,7,1,4,1,4,1,1,1,10,1,17,5,3,1,5,1,17,4420,42720,32,4154,6,222,2,5762,14,7473,15,
622,2466,542,1506,4939,5,4192,
};
static const uint16_t number_runs[] = {
48,10,120,2,5,1,2,3,1441,10,134,10,198,10,412,10,118,10,4,6,108,10,118,10,118,10,2,6,110,13,115,10,8,7,103,10,104,7,7,
19,109,10,96,10,118,10,70,20,268,10,70,10,719,20,881,3,239,10,6,10,22,10,300,10,128,11,165,10,6,10,182,10,86,10,134,10,
6,10,1046,1,3,6,6,10,198,51,2,5,726,60,78,22,630,30,1385,1,777,1,25,9,14,3,343,4,138,10,30,8,1,15,32,10,39,15,29536,10,
188,10,320,6,154,10,38,10,198,10,22,10,86,10,406,10,21270,10,493,45,12,57,17,2,341,27,36,4,29,1,8,1,134,5,202,10,942,8,
25,7,39,9,75,5,22,6,160,2,2,16,2,46,64,9,52,2,30,3,75,5,104,8,24,8,41,7,330,6,48,10,6,10,278,31,158,10,42,4,112,7,134,
30,128,10,60,10,144,10,7,20,251,10,342,10,118,10,374,10,102,10,6,20,76,12,420,19,93,10,662,10,86,29,227,10,70,10,422,10,
102,21,1067,111,15553,10,2342,10,86,10,134,10,1,7,526,10,262,23,24153,10,1478,20,12,20,108,25,1109,50,2368,10,422,10,
502,10,247,10,716,9,128,10,791,59,1,3,1,4,76,45,1,15,962,13,2787,10,
};
static const uint16_t space_runs[] = {
9,5,18,1,100,1,26,1,5599,1,2431,11,29,2,5,1,47,1,4000,1,
};
/* end of what tools/unicode_tables.py generates */

// Classes of the characters in one table's runs.
static void mark_class(uint8_t *classes, const uint16_t *runs, int n_runs, int class) {
    for (int i = 0; i < n_runs; classes += runs[i + 1], i += 2) memset(classes += runs[i], class, runs[i + 1]);
}

static void unicode_classes(uint8_t *classes) {
    mark_class(classes, letter_runs, LENGTH(letter_runs), LETTER);
    mark_class(classes, number_runs, LENGTH(number_runs), NUMBER);
    mark_class(classes, space_runs, LENGTH(space_runs), SPACE);
}
