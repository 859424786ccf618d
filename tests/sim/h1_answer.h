/* SPDX-License-Identifier: Apache-2.0
 *
 * h1_answer: one answer of HTTP/1.1 as a client reads it: head, then a body by length or in chunks,
 * from bytes that come in pieces of any size. What the daemon must not send ends the program.
 */
#ifndef SIM_H1_ANSWER_H
#define SIM_H1_ANSWER_H

#include "common/buf.h"

struct h1_answer {
    struct pl_buf in;   /* what is not understood yet */
    struct pl_buf body; /* what is */
    int status;         /* 0: the head is not whole */
    bool chunked, closes, whole;
    size_t left; /* of the body, or of the chunk at hand */
    bool in_chunk;
};

void h1_answer_init(struct h1_answer *answer, size_t most);
void h1_answer_fini(struct h1_answer *answer);
void h1_answer_clear(struct h1_answer *answer); /* before the next one */
void h1_answer_take(struct h1_answer *answer, const uint8_t *bytes, size_t len);

#endif
