/* SPDX-License-Identifier: Apache-2.0
 *
 * arena: a bump allocator with a hard budget, reset as a whole. One arena serves one request:
 * whatever a hostile message makes the decoder allocate ends at the budget, and nothing needs to
 * be freed piece by piece. One thread at a time.
 */
#ifndef PL_ARENA_H
#define PL_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include "common/slice.h"
#include "common/status.h"

struct pl_arena_chunk;
struct pl_arena {
    struct pl_arena_chunk *chunks; /* owns; newest first */
    uint8_t *next;                 /* free bytes of the newest chunk, */
    size_t room;                   /* so many, and within the budget */
    size_t used;                   /* bytes handed out, padding included */
    size_t budget;                 /* ceiling of `used` */
    ProtobufCAllocator protobuf;   /* allocates here; its free does nothing */
};

void pl_arena_init(struct pl_arena *arena, size_t budget);
void pl_arena_fini(struct pl_arena *arena);
/* Takes the memory of the whole budget now: up to it nothing fails later. Before any allocation.
 * False: there is none. */
PL_MUST_CHECK bool pl_arena_reserve(struct pl_arena *arena);
/* Another budget, at least what is used: for tests of what happens when it is spent. */
void pl_arena_limit(struct pl_arena *arena, size_t budget);
/* Forgets all allocations; keeps the first chunk for reuse. */
void pl_arena_reset(struct pl_arena *arena);
/* Zeroed memory aligned to 16 bytes, or NULL when the budget (or memory) is spent. */
void *pl_arena_alloc(struct pl_arena *arena, size_t size);
/* The same, but whatever was there before is still there: for who fills all of it. */
void *pl_arena_take_chunk(struct pl_arena *arena, size_t size);
static inline void *pl_arena_take(struct pl_arena *arena, size_t size)
{
    size_t padded = size == 0 ? 16 : (size + 15) & ~(size_t)15;
    if (size > arena->room || padded > arena->room)
        return pl_arena_take_chunk(arena, size);
    uint8_t *place = arena->next;
    arena->next += padded;
    arena->room -= padded;
    arena->used += padded;
    return place;
}
/* NULL when the budget is spent; copies are NUL-terminated one byte past their end. */
char *pl_arena_strdup(struct pl_arena *arena, const char *text);
void *pl_arena_memdup(struct pl_arena *arena, const void *data, size_t len);
__attribute__((format(printf, 2, 3))) char *pl_arena_printf(struct pl_arena *arena,
                                                            const char *format, ...);

#endif
