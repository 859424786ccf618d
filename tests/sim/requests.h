/* SPDX-License-Identifier: Apache-2.0
 *
 * requests: what clients ask for: commands as bytes, chosen by chance, good ones and bad ones.
 */
#ifndef SIM_REQUESTS_H
#define SIM_REQUESTS_H

#include "tests/sim/dice.h"
#include "tests/sim/model.h"

enum { REQUEST_ITEMS_MAX = 40, REQUEST_BYTES_MAX = 8192 };

struct request_item {
    uint8_t id[MODEL_ID];
    uint8_t *bytes; /* owns; a packed Command */
    size_t len;
    int command_case;
};
struct request {
    struct request_item item[REQUEST_ITEMS_MAX];
    size_t count;
};

/* A request of one command, or of many; `fat`: long ones, so that segments fill. */
void request_make(struct request *request, struct dice *dice, const struct model *model, bool fat);
void request_adopt(struct request *request, struct dice *dice);
/* A command that must be accepted by any ledger that has a catalogue. */
void request_plain(struct request *request, struct dice *dice);
void request_fini(struct request *request);

#endif
