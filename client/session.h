/* SPDX-License-Identifier: Apache-2.0
 *
 * session: the daemon as this program sees it: connects, calls, and repeats with the very same
 * bytes (so with the same request id) while the daemon is busy or unreachable, until the time is
 * up.
 *
 * One connection at a time, one thread. Answers live in the arena. Failures are explained in the
 * failure: refusals of the daemon with their reason, everything else in words.
 *
 * Previous hop: the commands. Next hop: common/h2client, then server/net/listener.
 */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "client/config.h"
#include "common/h2client.h"
#include "pledged/v1/service.pb-c.h"

struct session;

/* Does not connect yet. CONFIG if the configuration names no server. The time that the
 * configuration allows starts to run here and covers everything the session does. */
PL_MUST_CHECK struct pl_status session_open(const struct config *config, struct pl_arena *arena,
                                            struct failure *failure, struct session **ret);
void session_close(struct session *session); /* NULL is fine */

/* A read: method "ListTiers". *ret has the type that was asked for. */
PL_MUST_CHECK struct pl_status session_read(struct session *session, const char *method,
                                            const ProtobufCMessage *request,
                                            const ProtobufCMessageDescriptor *type,
                                            ProtobufCMessage **ret);
/* A read that an answer can be shown without: one attempt, on the connection that is open already,
 * never while a stream is read. Does not touch the failure. */
PL_MUST_CHECK struct pl_status session_glance(struct session *session, const char *method,
                                              const ProtobufCMessage *request,
                                              const ProtobufCMessageDescriptor *type,
                                              ProtobufCMessage **ret);
/* A write: the exact bytes of a Command. UNKNOWN_OUTCOME if an attempt may have been recorded and
 * no later one said so. */
PL_MUST_CHECK struct pl_status session_execute(struct session *session, struct pl_slice command,
                                               Pledged__V1__Receipt **ret);
/* The same, with the records that the command commits to: the exact bytes of an
 * ExecutePrivateRequest. */
PL_MUST_CHECK struct pl_status session_execute_private(struct session *session,
                                                       struct pl_slice request,
                                                       Pledged__V1__Receipt **ret);
/* A stream of method "Dump" or "Watch", message by message. Repeated only as long as nothing has
 * arrived. The time limit counts from the last whole message, not for the whole
 * stream: a callback that takes messages which bring nothing makes the stream endless. */
PL_MUST_CHECK struct pl_status session_stream(struct session *session, const char *method,
                                              const ProtobufCMessage *request,
                                              pl_h2client_message_fn on_message, void *arg);

/* The code (and so the exit code) of a gRPC status with its refusal, or without one (NULL). */
enum pl_code session_code(int grpc_status, const Pledged__V1__Refusal *refusal);

#endif
