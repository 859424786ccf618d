/* SPDX-License-Identifier: Apache-2.0
 *
 * heap: see heap.h. A header before every block links the daemon's blocks.
 */
#include "tests/sim/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FDS_MAX = 256, HEADER_BYTES = 48 };
enum { POISON = 0xdb, POISON_MOST = 512 }; /* what is read after it was freed is not what it was */
#define MAGIC 0x70656c6464676564ull

struct block {
    struct block *previous, *next; /* of the daemon's; NULL for others */
    size_t size;
    uint64_t magic;
    bool daemons;
};
_Static_assert(sizeof(struct block) <= HEADER_BYTES, "the header fits");
_Static_assert(HEADER_BYTES % 16 == 0, "blocks stay aligned");

static struct block list = {.previous = &list, .next = &list};
static bool daemon_on, has_failed;
static size_t blocks;
static uint64_t fail_countdown;
static int fds[FDS_MAX];
static size_t fd_count;

void *__real_malloc(size_t size);
void __real_free(void *at);
int __real_eventfd(unsigned count, int flags);
int __real_close(int fd);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_reallocarray(void *at, size_t count, size_t size);
void __wrap_free(void *at);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_eventfd(unsigned count, int flags);
int __wrap_close(int fd);

static bool must_fail(void)
{
    if (!daemon_on || fail_countdown == 0 || --fail_countdown != 0)
        return false;
    has_failed = true;
    errno = ENOMEM;
    return true;
}

static void *payload(struct block *block)
{
    return (char *)block + HEADER_BYTES;
}

static struct block *block_of(void *at)
{
    struct block *block = (struct block *)(void *)((char *)at - HEADER_BYTES);
    if (block->magic != MAGIC)
        abort(); /* not ours, or freed twice */
    return block;
}

static void *take(size_t size)
{
    struct block *block = size > SIZE_MAX / 2 ? NULL : __real_malloc(size + HEADER_BYTES);
    if (block == NULL)
        return NULL;
    *block = (struct block){.size = size, .magic = MAGIC, .daemons = daemon_on};
    if (daemon_on) {
        block->next = list.next;
        block->previous = &list;
        list.next->previous = block;
        list.next = block;
        blocks++;
    }
    return payload(block);
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : take(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (must_fail() || (size != 0 && count > SIZE_MAX / 2 / size))
        return NULL;
    void *at = take(count * size);
    if (at != NULL)
        memset(at, 0, count * size);
    return at;
}

void __wrap_free(void *at)
{
    if (at == NULL)
        return;
    struct block *block = block_of(at);
    if (block->daemons) {
        block->previous->next = block->next;
        block->next->previous = block->previous;
        blocks--;
    }
    block->magic = 0;
    memset(at, POISON, block->size < POISON_MOST ? block->size : POISON_MOST);
    __real_free(block);
}

void *__wrap_realloc(void *at, size_t size)
{
    if (must_fail())
        return NULL;
    void *made = take(size);
    if (made != NULL && at != NULL) {
        size_t old = block_of(at)->size;
        memcpy(made, at, old < size ? old : size);
        __wrap_free(at);
    }
    return made;
}

void *__wrap_reallocarray(void *at, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / 2 / size)
        return NULL;
    return __wrap_realloc(at, count * size);
}

char *__wrap_strndup(const char *text, size_t most)
{
    size_t len = strnlen(text, most);
    char *made = __wrap_malloc(len + 1);
    if (made != NULL) {
        memcpy(made, text, len);
        made[len] = '\0';
    }
    return made;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, SIZE_MAX);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    abort(); /* nobody here needs more than malloc's alignment */
}

int __wrap_eventfd(unsigned count, int flags)
{
    int fd = __real_eventfd(count, flags);
    if (fd >= 0 && daemon_on) {
        if (fd_count == FDS_MAX)
            abort();
        fds[fd_count++] = fd;
    }
    return fd;
}

static bool (*closer)(int fd);

void heap_on_close(bool (*fn)(int fd))
{
    closer = fn;
}

int __wrap_close(int fd)
{
    if (closer != NULL && closer(fd))
        return 0;
    for (size_t i = 0; i < fd_count; i++) {
        if (fds[i] == fd) {
            fds[i] = fds[--fd_count];
            break;
        }
    }
    return __real_close(fd);
}

bool heap_daemon(bool on)
{
    bool before = daemon_on;
    daemon_on = on;
    return before;
}

void heap_reclaim(void)
{
    while (list.next != &list)
        __wrap_free(payload(list.next));
    while (fd_count != 0)
        (void)__wrap_close(fds[fd_count - 1]);
}

size_t heap_size(void *at)
{
    return block_of(at)->size;
}

size_t heap_daemon_blocks(void)
{
    return blocks;
}

size_t heap_daemon_fds(void)
{
    return fd_count;
}

void heap_fail_at(uint64_t nth)
{
    fail_countdown = nth;
    has_failed = false;
}

bool heap_failed(void)
{
    return has_failed;
}
