/* SPDX-License-Identifier: Apache-2.0
 *
 * proposals: the sheet of what waits for a second person: a list of its own, and part of `pledge
 * show`.
 */
#ifndef CLIENT_PROPOSALS_H
#define CLIENT_PROPOSALS_H

#include "client/output.h"
#include "pledged/v1/service.pb-c.h"

void proposals_init(struct sheet *sheet, struct pl_arena *arena);
void proposals_add(struct sheet *sheet, const Pledged__V1__ProposalStatus *row);

#endif
