/* SPDX-License-Identifier: Apache-2.0
 *
 * plain: see plain.h.
 */
#include "server/net/plain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/check.h"

struct plain {
    struct io_transport transport; /* first */
    int fd;
    int failed; /* errno */
};

static struct plain *plain_of(struct io_transport *transport)
{
    return (struct plain *)transport;
}

static enum io_result op_handshake(struct io_transport *transport)
{
    (void)transport;
    return IO_DONE;
}

static enum io_result translate(struct plain *plain, enum io_result wants)
{
    if (errno == EAGAIN)
        return wants;
    plain->failed = errno;
    return IO_FAILED;
}

static enum io_result op_read(struct io_transport *transport, uint8_t *out, size_t room,
                              size_t *ret_len)
{
    struct plain *plain = plain_of(transport);
    ssize_t len;
    do {
        len = recv(plain->fd, out, room, 0);
    } while (len < 0 && errno == EINTR);
    if (len < 0)
        return translate(plain, IO_WANTS_READ);
    *ret_len = (size_t)len;
    return len == 0 ? IO_CLOSED : IO_DONE;
}

static enum io_result op_write(struct io_transport *transport, const uint8_t *data, size_t len,
                               size_t *ret_len)
{
    struct plain *plain = plain_of(transport);
    ssize_t sent;
    do {
        sent = send(plain->fd, data, len, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return translate(plain, IO_WANTS_WRITE);
    *ret_len = (size_t)sent;
    return IO_DONE;
}

static bool op_has_pending(const struct io_transport *transport)
{
    (void)transport;
    return false;
}

static void op_say_goodbye(struct io_transport *transport)
{
    (void)transport; /* the loop shuts the socket */
}

static const char *op_why(const struct io_transport *transport, bool in_handshake)
{
    const struct plain *plain = (const struct plain *)transport;
    (void)in_handshake;
    return plain->failed == ECONNRESET ? "connection reset by the peer" : "connection lost";
}

static void op_free(struct io_transport *transport)
{
    free(plain_of(transport));
}

static const struct io_transport_ops ops = {
    .handshake = op_handshake,
    .read = op_read,
    .write = op_write,
    .has_pending = op_has_pending,
    .say_goodbye = op_say_goodbye,
    .why = op_why,
    .free = op_free,
};

struct io_transport *plain_new(int fd)
{
    struct plain *plain = calloc(1, sizeof(*plain));
    PL_ASSERT(plain != NULL);
    plain->transport.ops = &ops;
    plain->fd = fd;
    return &plain->transport;
}
