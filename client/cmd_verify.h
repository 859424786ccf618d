/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_verify: what the commands that verify have in common: the keys that were given, and words for
 * what cannot be verified at all.
 */
#ifndef CLIENT_CMD_VERIFY_H
#define CLIENT_CMD_VERIFY_H

#include "client/cli.h"

/* --key: verifier keys, one a line, given as they are or as a file with them. */
PL_MUST_CHECK struct pl_status cmd_verify_keys(struct cli *cli, const char **ret);
PL_MUST_CHECK struct pl_status cmd_verify_explain(struct cli *cli, const char *path,
                                                  struct pl_status status);

#endif
