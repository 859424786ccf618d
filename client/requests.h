/* SPDX-License-Identifier: Apache-2.0
 *
 * requests: request ids and their commands, kept on this machine from before they are sent until
 * the daemon has answered. If the program or the machine dies in between, the id is not lost and
 * the command can be repeated under it.
 *
 * One file a request: <state>/pledge/requests/<uuid>.command, the packed command, mode 0600 (of
 * a command with records that can be erased: the packed ExecutePrivateRequest).
 * <state> is $XDG_STATE_HOME, else $HOME/.local/state.
 */
#ifndef CLIENT_REQUESTS_H
#define CLIENT_REQUESTS_H

#include "common/arena.h"
#include "common/status.h"

/* Durable when it returns. CONFIG if there is no place to keep it, IO with errno. *ret_path lives
 * in the arena and names the file, also when it fails. */
PL_MUST_CHECK struct pl_status requests_keep(const char *request_id, struct pl_slice command,
                                             struct pl_arena *arena, const char **ret_path);
/* The bytes kept under this id, in the arena. NOT_FOUND, IO. */
PL_MUST_CHECK struct pl_status requests_find(const char *request_id, struct pl_arena *arena,
                                             struct pl_slice *ret);
void requests_forget(const char *path);

#endif
