/* SPDX-License-Identifier: Apache-2.0
 *
 * shim_tls: put before common/h2client.c and client/session.c when they are compiled for the
 * target h2client: TLS, waiting and time are the target's. The headers come first, so that only
 * calls are renamed.
 */
#ifndef TEST_FUZZ_SHIM_TLS_H
#define TEST_FUZZ_SHIM_TLS_H

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "common/clock.h"

int shim_connect(int fd, const struct sockaddr *address, socklen_t len);
SSL_CTX *shim_SSL_CTX_new(const SSL_METHOD *method);
int shim_SSL_connect(SSL *ssl);
int shim_SSL_read_ex(SSL *ssl, void *into, size_t size, size_t *ret);
int shim_SSL_write_ex(SSL *ssl, const void *data, size_t len, size_t *ret);
int shim_SSL_get_error(const SSL *ssl, int result);
int shim_SSL_shutdown(SSL *ssl);
void shim_SSL_get0_alpn_selected(const SSL *ssl, const unsigned char **ret, unsigned int *ret_len);
int shim_SSL_CTX_set_default_verify_paths(SSL_CTX *context);
int shim_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int shim_nanosleep(const struct timespec *time, struct timespec *left);
struct pl_clock *shim_clock(void);

#define connect                          shim_connect
#define SSL_CTX_new                      shim_SSL_CTX_new
#define SSL_connect                      shim_SSL_connect
#define SSL_read_ex                      shim_SSL_read_ex
#define SSL_write_ex                     shim_SSL_write_ex
#define SSL_get_error                    shim_SSL_get_error
#define SSL_shutdown                     shim_SSL_shutdown
#define SSL_get0_alpn_selected           shim_SSL_get0_alpn_selected
#define SSL_CTX_set_default_verify_paths shim_SSL_CTX_set_default_verify_paths
#define poll                             shim_poll
#define nanosleep                        shim_nanosleep
#define pl_clock_system                  shim_clock

#endif
