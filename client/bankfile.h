/* SPDX-License-Identifier: Apache-2.0
 *
 * bankfile: a statement file of a bank (client/camt) as the command that the daemon takes whole or
 * not at all. --ours leaves out what belongs to others and counts it in the remainder; --take picks
 * single movements all the same.
 *
 * Names, account numbers of payers and free text are looked through for a reference, and are no
 * part of the command: they travel beside it (client/payer). Everything lives in the arena of the
 * run. Failures are those of camt_read.
 */
#ifndef CLIENT_BANKFILE_H
#define CLIENT_BANKFILE_H

#include "client/cli.h"
#include "client/payer.h"
#include "pledged/v1/command.pb-c.h"

/* `name` is what messages call the file. */
PL_MUST_CHECK struct pl_status bankfile_read(struct cli *cli, struct pl_slice bytes,
                                             const char *name, Pledged__V1__ImportStatement **ret,
                                             struct payers *ret_payers);

#endif
