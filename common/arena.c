/* SPDX-License-Identifier: Apache-2.0
 *
 * arena: chunks in a list; the newest one is bumped. Chunks grow from 4 KiB to 256 KiB, larger
 * requests get a chunk of their own.
 */
#include "common/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"

enum { CHUNK_FIRST = 4096, CHUNK_MOST = 256 * 1024, ALIGN = 16 };

struct pl_arena_chunk {
    struct pl_arena_chunk *older;
    size_t size;
    _Alignas(ALIGN) uint8_t data[];
};

static void *protobuf_alloc(void *arena, size_t size)
{
    return pl_arena_alloc(arena, size);
}

static void protobuf_free(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer; /* the arena goes as a whole */
}

void pl_arena_init(struct pl_arena *arena, size_t budget)
{
    *arena = (struct pl_arena){.budget = budget};
    arena->protobuf = (ProtobufCAllocator){protobuf_alloc, protobuf_free, arena};
}

static void free_chunks(struct pl_arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct pl_arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
}

/* The newest chunk, nothing of which was handed out yet. */
static void set_room(struct pl_arena *arena)
{
    struct pl_arena_chunk *chunk = arena->chunks;
    size_t left = chunk == NULL ? 0 : chunk->size;
    size_t budget = arena->budget - arena->used;
    arena->next = chunk == NULL ? NULL : chunk->data;
    arena->room = left < budget ? left : budget;
}

void pl_arena_fini(struct pl_arena *arena)
{
    free_chunks(arena->chunks);
    arena->chunks = NULL;
    arena->used = 0;
    set_room(arena);
}

void pl_arena_reset(struct pl_arena *arena)
{
    struct pl_arena_chunk *chunk = arena->chunks;
    arena->used = 0;
    if (chunk == NULL)
        return;
    while (chunk->older != NULL) { /* the first chunk is the oldest one */
        struct pl_arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    arena->chunks = chunk;
    set_room(arena);
}

static bool add_chunk(struct pl_arena *arena, size_t need)
{
    size_t size = arena->chunks == NULL ? CHUNK_FIRST : arena->chunks->size * 2;
    if (size > CHUNK_MOST)
        size = CHUNK_MOST;
    if (size < need)
        size = need;
    struct pl_arena_chunk *chunk = malloc(sizeof(*chunk) + size);
    if (chunk == NULL)
        return false;
    chunk->older = arena->chunks;
    chunk->size = size;
    arena->chunks = chunk;
    return true;
}

bool pl_arena_reserve(struct pl_arena *arena)
{
    PL_ASSERT(arena->chunks == NULL);
    bool there = add_chunk(arena, arena->budget);
    set_room(arena);
    return there;
}

void pl_arena_limit(struct pl_arena *arena, size_t budget)
{
    PL_ASSERT(budget >= arena->used);
    arena->budget = budget;
    if (arena->room > budget - arena->used)
        arena->room = budget - arena->used;
}

void *pl_arena_take_chunk(struct pl_arena *arena, size_t size)
{
    if (size > arena->budget || size > PTRDIFF_MAX) /* the latter: padding must not wrap */
        return NULL;
    size_t padded = size == 0 ? ALIGN : (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (padded > arena->budget - arena->used || !add_chunk(arena, padded))
        return NULL;
    set_room(arena);
    return pl_arena_take(arena, size);
}

void *pl_arena_alloc(struct pl_arena *arena, size_t size)
{
    void *place = pl_arena_take(arena, size);
    if (place != NULL)
        memset(place, 0, size);
    return place;
}

void *pl_arena_memdup(struct pl_arena *arena, const void *data, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    uint8_t *copy = pl_arena_take(arena, len + 1);
    if (copy == NULL)
        return NULL;
    if (len != 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *pl_arena_strdup(struct pl_arena *arena, const char *text)
{
    return pl_arena_memdup(arena, text, strlen(text));
}

char *pl_arena_printf(struct pl_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    PL_ASSERT(len >= 0);
    char *text = pl_arena_alloc(arena, (size_t)len + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}
