/* SPDX-License-Identifier: Apache-2.0
 *
 * progress: a bar on standard error for what takes a while. Only on a terminal, and not when words
 * are not wanted; drawn at most ten times a second; gone when it is done. One thread.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROGRESS_LINE_BYTES = 128 };

struct progress {
    bool shown; /* somebody looks */
    bool drawn; /* something stands on the line */
    const char *words;
    int64_t next_ns;
};

/* `words` is borrowed; `quiet`: nothing is ever drawn. */
void progress_init(struct progress *progress, const char *words, bool quiet);
/* whole 0: nobody knows how much there is. A verify_progress_fn. */
void progress_tell(void *progress, uint64_t done, uint64_t whole);
/* Takes the bar away. */
void progress_end(struct progress *progress);

/* The line, without return and line end. Columns: what the terminal has. */
const char *progress_line(const char *words, uint64_t done, uint64_t whole, size_t columns,
                          char out[PROGRESS_LINE_BYTES]);

#endif
