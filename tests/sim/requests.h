/* SPDX-License-Identifier: Apache-2.0
 *
 * requests: what clients ask for: commands as bytes, chosen by chance, good ones and bad ones.
 */
#ifndef SIM_REQUESTS_H
#define SIM_REQUESTS_H

#include "tests/sim/dice.h"
#include "tests/sim/model.h"

enum { REQUEST_ITEMS_MAX = 40, REQUEST_BYTES_MAX = 8192, REQUEST_RECORDS_MAX = 6 };

struct request_item {
    uint8_t id[MODEL_ID];
    uint8_t *bytes; /* owns; a packed Command */
    size_t len;
    int command_case;
    size_t record[REQUEST_RECORDS_MAX]; /* numbers of those that travel with it, in its order */
    size_t records;
};
struct request {
    struct request_item item[REQUEST_ITEMS_MAX];
    size_t count;
};

/* Any: of one command, or of a few; many: so that the log grows; fat: long ones, too, so that
 * segments fill. */
enum request_size { REQUEST_ANY, REQUEST_MANY, REQUEST_FAT };
void request_make(struct request *request, struct dice *dice, const struct model *model,
                  enum request_size size);
void request_adopt(struct request *request, struct dice *dice);
/* A command that must be accepted by any ledger that has a catalogue. */
void request_plain(struct request *request, struct dice *dice);
void request_fini(struct request *request);

#endif
