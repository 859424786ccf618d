/* SPDX-License-Identifier: Apache-2.0
 *
 * badge: see badge.h.
 */
#include "tests/sim/badge.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/check.h"
#include "server/net/plain.h"
#include "server/net/tls.h"

struct tls_context {
    unsigned refs;
    bool revoked[OPERATOR_PERSONS];
};
struct badge {
    struct io_transport transport; /* first */
    struct io_transport *plain;    /* owns: carries the bytes behind the badge */
    struct tls_context *context;   /* owns a reference */
    int fd;
    uint8_t said[BADGE_BYTES];
    size_t heard;
    enum operator_person person; /* once all of it was heard */
    bool refused;
};

static const struct badge *badge_of(const struct io_transport *transport)
{
    return (const struct badge *)transport;
}

void badge_say(enum operator_person person, bool h2, uint8_t ret[BADGE_BYTES])
{
    ret[0] = 'I';
    ret[1] = (uint8_t)('A' + person);
    ret[2] = h2 ? '2' : '1';
    ret[3] = '\n';
}

/* --- certificates: made once, the same in every run --- */

static X509 *make_certificate(enum operator_person person)
{
    char name[40];
    X509 *made = X509_new();
    PL_ASSERT(made != NULL);
    int fine = X509_NAME_add_entry_by_txt(X509_get_issuer_name(made), "CN", MBSTRING_ASC,
                                          (const unsigned char *)"ca", -1, -1, 0);
    (void)snprintf(name, sizeof(name), "URI:sim:%s", operator_name[person]);
    X509_EXTENSION *names = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, name);
    PL_ASSERT(fine == 1 && names != NULL);
    fine = X509_add_ext(made, names, -1);
    PL_ASSERT(fine == 1);
    X509_EXTENSION_free(names);
    return made;
}

static X509 *certificate_of(enum operator_person person)
{
    static X509 *made[OPERATOR_PERSONS];
    if (made[person] == NULL)
        made[person] = make_certificate(person);
    return made[person];
}

/* --- contexts --- */

struct pl_status tls_context_new(const struct tls_files *files, char *ret_detail,
                                 struct tls_context **ret)
{
    (void)ret_detail;
    *ret = calloc(1, sizeof(**ret));
    PL_ASSERT(*ret != NULL);
    (*ret)->refs = 1;
    for (int i = 0; i < OPERATOR_PERSONS; i++)
        (*ret)->revoked[i] = operator_revokes(files, (enum operator_person)i);
    return pl_ok();
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    context->refs++;
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context != NULL && --context->refs == 0)
        free(context);
}

/* --- the transport --- */

static enum io_result hear(struct badge *badge)
{
    ssize_t len;
    do {
        len = recv(badge->fd, badge->said + badge->heard, BADGE_BYTES - badge->heard, 0);
    } while (len < 0 && errno == EINTR);
    if (len < 0)
        return errno == EAGAIN ? IO_WANTS_READ : IO_FAILED;
    if (len == 0)
        return IO_FAILED;
    badge->heard += (size_t)len;
    return IO_DONE;
}

static enum io_result op_handshake(struct io_transport *transport)
{
    struct badge *badge = (struct badge *)transport;
    while (badge->heard < BADGE_BYTES) {
        enum io_result result = hear(badge);
        if (result != IO_DONE)
            return result;
    }
    badge->person = (enum operator_person)(badge->said[1] - 'A');
    PL_ASSERT(badge->said[0] == 'I' && badge->said[3] == '\n' && badge->person < OPERATOR_PERSONS);
    badge->refused = badge->context->revoked[badge->person];
    return badge->refused ? IO_FAILED : IO_DONE;
}

static enum io_result op_read(struct io_transport *transport, uint8_t *out, size_t room,
                              size_t *ret_len)
{
    struct io_transport *plain = badge_of(transport)->plain;
    return plain->ops->read(plain, out, room, ret_len);
}

static enum io_result op_write(struct io_transport *transport, const uint8_t *data, size_t len,
                               size_t *ret_len)
{
    struct io_transport *plain = badge_of(transport)->plain;
    return plain->ops->write(plain, data, len, ret_len);
}

static bool op_has_pending(const struct io_transport *transport)
{
    (void)transport;
    return false;
}

static void op_say_goodbye(struct io_transport *transport)
{
    (void)transport;
}

static const char *op_why(const struct io_transport *transport, bool in_handshake)
{
    (void)transport;
    return in_handshake ? "no badge, or a revoked one" : "connection lost";
}

static void op_free(struct io_transport *transport)
{
    struct badge *badge = (struct badge *)transport;
    badge->plain->ops->free(badge->plain);
    tls_context_unref(badge->context);
    free(badge);
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

struct pl_status tls_new(struct tls_context *context, int fd, struct io_transport **ret)
{
    struct badge *badge = calloc(1, sizeof(*badge));
    PL_ASSERT(badge != NULL);
    badge->transport.ops = &ops;
    badge->plain = plain_new(fd);
    badge->context = tls_context_ref(context);
    badge->fd = fd;
    *ret = &badge->transport;
    return pl_ok();
}

/* --- what server/net asks --- */

X509 *tls_peer(const struct io_transport *transport)
{
    const struct badge *badge = badge_of(transport);
    PL_ASSERT(badge->heard == BADGE_BYTES); /* before that nobody is there to ask about */
    return certificate_of(badge->person);
}

STACK_OF(X509) * tls_chain(const struct io_transport *transport)
{
    (void)transport;
    return NULL;
}

bool tls_admits(const struct tls_context *context, X509 *certificate, STACK_OF(X509) * chain)
{
    (void)chain;
    for (int i = 0; i < OPERATOR_PERSONS; i++) {
        if (certificate == certificate_of((enum operator_person)i))
            return !context->revoked[i];
    }
    PL_UNREACHABLE();
}

int64_t tls_expires_us(const struct io_transport *transport)
{
    (void)transport;
    return INT64_MAX;
}

bool tls_verify(const struct io_transport *transport, const struct tls_context *context,
                int64_t *ret_expires_us, const char **ret_why)
{
    const struct badge *badge = badge_of(transport);
    PL_ASSERT(badge->heard == BADGE_BYTES);
    *ret_expires_us = INT64_MAX;
    *ret_why = "revoked";
    return !context->revoked[badge->person];
}

bool tls_certificate_refused(const struct io_transport *transport)
{
    return badge_of(transport)->refused;
}

bool tls_speaks_h2(const struct io_transport *transport)
{
    return badge_of(transport)->said[2] == '2';
}
