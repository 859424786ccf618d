/* SPDX-License-Identifier: Apache-2.0
 *
 * stream: see stream.h.
 */
#include "server/net/stream.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"

struct stream_chunk *stream_chunk_new(size_t len)
{
    struct stream_chunk *chunk = malloc(sizeof(*chunk) + len);
    PL_ASSERT(chunk != NULL);
    *chunk = (struct stream_chunk){.len = len};
    return chunk;
}

void stream_chunk_free(struct stream_chunk *chunk)
{
    free(chunk);
}

void stream_queue_push(struct stream_queue *queue, struct stream_chunk *chunk)
{
    chunk->next = NULL;
    if (queue->last != NULL)
        queue->last->next = chunk;
    else
        queue->first = chunk;
    queue->last = chunk;
}

size_t stream_queue_take(struct stream_queue *queue, uint8_t *out, size_t room)
{
    size_t copied = 0;
    while (queue->first != NULL && copied < room) {
        struct stream_chunk *chunk = queue->first;
        size_t len = chunk->len - chunk->sent;
        if (len > room - copied)
            len = room - copied;
        memcpy(out + copied, chunk->data + chunk->sent, len);
        chunk->sent += len;
        copied += len;
        if (chunk->sent < chunk->len)
            break;
        queue->first = chunk->next;
        if (queue->first == NULL)
            queue->last = NULL;
        stream_chunk_free(chunk);
    }
    return copied;
}

void stream_queue_drop(struct stream_queue *queue)
{
    while (queue->first != NULL) {
        struct stream_chunk *next = queue->first->next;
        stream_chunk_free(queue->first);
        queue->first = next;
    }
    queue->last = NULL;
}

void stream_answer(struct stream *stream, const struct stream_field *head, size_t head_count,
                   struct stream_chunk *body, const struct stream_field *tail, size_t tail_count)
{
    stream->ops->answer(stream, head, head_count, body, tail, tail_count);
}

void stream_answer_begin(struct stream *stream, const struct stream_field *head, size_t head_count)
{
    stream->ops->begin(stream, head, head_count);
}

void stream_answer_push(struct stream *stream, struct stream_chunk *body)
{
    stream->ops->push(stream, body);
}

void stream_answer_end(struct stream *stream, const struct stream_field *tail, size_t tail_count)
{
    stream->ops->end(stream, tail, tail_count);
}

bool stream_answer_begun(const struct stream *stream)
{
    return stream->ops->begun(stream);
}

bool stream_has_room(struct stream *stream)
{
    return stream->ops->has_room(stream);
}

void stream_pause(struct stream *stream, bool paused)
{
    if (stream->ops->pause != NULL)
        stream->ops->pause(stream, paused);
}

void stream_forget(struct stream *stream)
{
    stream->ops->forget(stream);
}
